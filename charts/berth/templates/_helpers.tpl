{{/* What all objects are called after: the release, with the chart's name where the release does not have it. */}}
{{- define "berth.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" (.Release.Name | trunc 34 | trimSuffix "-") .Chart.Name }}{{ end }}
{{- end }}

{{- define "berth.selector" -}}
app.kubernetes.io/name: berth
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "berth.labels" -}}
{{ include "berth.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "berth.image" -}}
{{- $image := .Values.image -}}
{{ $image.repository }}:{{ default .Chart.AppVersion $image.tag }}{{ with $image.digest }}@{{ . }}{{ end }}
{{- end }}

{{- define "berth.keySecret" -}}
{{ default (printf "%s-speaker-key" (include "berth.name" .)) .Values.speaker.detection.existingSecret }}
{{- end }}

{{/* The status page is reached from inside the pod alone, as kubectl port-forward does; elsewhere it wants tokens. */}}
{{- define "berth.pageIsLocal" -}}
{{- if regexMatch "^(127\\.|localhost:|\\[::1\\])" .Values.controller.statusPage.address }}true{{ end }}
{{- end }}

{{/* Some BGP peers dial us: those that are passive, and those whose AS is not known before. */}}
{{- define "berth.listensForBGP" -}}
{{- $listens := .Values.speaker.listenForBGP -}}
{{- range .Values.configuration.bgpPeers }}{{ if or .spec.passive .spec.dynamicASN }}{{ $listens = true }}{{ end }}{{ end -}}
{{- if $listens }}true{{ end }}
{{- end }}

{{/* The CRD of this name was made by this release, or by `crds/` for a release of this name: helm may write it. */}}
{{- define "berth.ownsCRD" -}}
{{- $found := lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" .name -}}
{{- if $found }}
{{- $annotations := default dict $found.metadata.annotations -}}
{{- if and (eq (get $annotations "meta.helm.sh/release-name") .root.Release.Name) (eq (get $annotations "meta.helm.sh/release-namespace") .root.Release.Namespace) }}true{{ end }}
{{- end }}
{{- end }}
