//go:build tools

// Package tools pins the command that installs the chart.
package tools

import _ "helm.sh/helm/v4/cmd/helm"
