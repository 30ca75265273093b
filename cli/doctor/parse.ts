import { parse } from 'yaml'
import { fieldOf, identityOf, listOf, numberOf, textOf, textsOf } from '../../kube/json.ts'
import type { CRDFacts, KubeProxy, LeaseClock, NodeFacts, Workload } from './facts.ts'

/** A CustomResourceDefinition; undefined where it is none. */
export function parseCRD(object: unknown): CRDFacts | undefined {
  const identity = identityOf(object)
  if (!identity) return undefined
  const versions = listOf(fieldOf(fieldOf(object, 'spec'), 'versions'))
  const schema = fieldOf(fieldOf(versions[0], 'schema'), 'openAPIV3Schema')
  const labels = textsOf(fieldOf(fieldOf(object, 'metadata'), 'labels'))
  return {
    name: identity.name,
    versions: versions.flatMap(version => textOf(fieldOf(version, 'name')) ?? []),
    specFields: schemaFields(fieldOf(fieldOf(schema, 'properties'), 'spec'), ''),
    version: labels['app.kubernetes.io/version'],
  }
}

/** The paths of all fields of a schema; what a list holds has the path of the list. */
export function schemaFields(schema: unknown, path: string): readonly string[] {
  const inner = fieldOf(schema, 'items') ?? schema
  const properties = fieldOf(inner, 'properties')
  if (typeof properties !== 'object' || properties === null) return path === '' ? [] : [path]
  const nested = Object.entries(properties).flatMap(([name, field]) =>
    schemaFields(field, path === '' ? name : `${path}.${name}`),
  )
  return path === '' ? nested : [path, ...nested]
}

/** A DaemonSet, a Deployment or a Pod. */
export function parseWorkload(kind: Workload['kind'], object: unknown): Workload | undefined {
  const identity = identityOf(object)
  if (!identity) return undefined
  const spec = fieldOf(object, 'spec')
  const status = fieldOf(object, 'status')
  const pod = kind === 'Pod' ? spec : fieldOf(fieldOf(spec, 'template'), 'spec')
  const containers = listOf(fieldOf(pod, 'containers'))
  const inAll = (field: string): readonly string[] =>
    containers.flatMap(one => listOf(fieldOf(one, field)).filter(text => typeof text === 'string'))
  const contexts = containers.map(one => fieldOf(one, 'securityContext'))
  const count = (field: string): number => numberOf(fieldOf(status, field)) ?? 0
  return {
    kind,
    namespace: identity.namespace,
    name: identity.name,
    labels: textsOf(fieldOf(fieldOf(object, 'metadata'), 'labels')),
    images: containers.flatMap(one => textOf(fieldOf(one, 'image')) ?? []),
    args: [...inAll('command'), ...inAll('args')],
    environment: Object.fromEntries(containers.flatMap(one => listOf(fieldOf(one, 'env')).map(variable))),
    capabilities: contexts.flatMap(one =>
      listOf(fieldOf(fieldOf(one, 'capabilities'), 'add')).filter(text => typeof text === 'string'),
    ),
    privileged: contexts.some(one => fieldOf(one, 'privileged') === true),
    hostNetwork: fieldOf(pod, 'hostNetwork') === true,
    tolerations: listOf(fieldOf(pod, 'tolerations')).map(one => ({
      key: textOf(fieldOf(one, 'key')),
      operator: textOf(fieldOf(one, 'operator')) ?? 'Equal',
      value: textOf(fieldOf(one, 'value')),
      effect: textOf(fieldOf(one, 'effect')),
    })),
    desired: kind === 'DaemonSet' ? count('desiredNumberScheduled') : (numberOf(fieldOf(spec, 'replicas')) ?? 1),
    ready: kind === 'DaemonSet' ? count('numberReady') : count('readyReplicas'),
  }
}

function variable(entry: unknown): readonly [string, string] {
  return [textOf(fieldOf(entry, 'name')) ?? '', textOf(fieldOf(entry, 'value')) ?? '']
}

/**
 * The KubeProxyConfiguration among the files of a ConfigMap; undefined where there is none. Its kind tells it: kubeadm
 * calls it config.conf, others otherwise, and a kubeconfig stands beside it or, where kube-proxy is told by flags, alone.
 */
export function kubeProxyConfigurationIn(data: Readonly<Record<string, string>>): unknown {
  return Object.values(data)
    .map(parsed)
    .find(one => fieldOf(one, 'kind') === 'KubeProxyConfiguration')
}

function parsed(text: string): unknown {
  try {
    return parse(text)
  } catch {
    return undefined
  }
}

/** A KubeProxyConfiguration, as the ConfigMap of kubeadm or kube-proxy's own /configz has it. */
export function parseKubeProxy(configuration: unknown, from: string): KubeProxy {
  return {
    mode: textOf(fieldOf(configuration, 'mode')) ?? '',
    strictARP: fieldOf(fieldOf(configuration, 'ipvs'), 'strictARP') === true,
    from,
  }
}

const controlPlaneLabels = ['node-role.kubernetes.io/control-plane', 'node-role.kubernetes.io/master']

/** What of a Node the doctor looks at besides what Berth does. */
export function parseNodeFacts(object: unknown): NodeFacts | undefined {
  const identity = identityOf(object)
  if (!identity) return undefined
  const spec = fieldOf(object, 'spec')
  const labels = textsOf(fieldOf(fieldOf(object, 'metadata'), 'labels'))
  const listed = listOf(fieldOf(spec, 'podCIDRs')).filter(text => typeof text === 'string')
  const single = textOf(fieldOf(spec, 'podCIDR'))
  return {
    name: identity.name,
    podCIDRs: listed.length > 0 || single === undefined ? listed : [single],
    kubeletVersion: textOf(fieldOf(fieldOf(fieldOf(object, 'status'), 'nodeInfo'), 'kubeletVersion')) ?? '',
    isControlPlane: controlPlaneLabels.some(label => Object.hasOwn(labels, label)),
    taints: listOf(fieldOf(spec, 'taints')).map(taint => ({
      key: textOf(fieldOf(taint, 'key')) ?? '',
      value: textOf(fieldOf(taint, 'value')),
      effect: textOf(fieldOf(taint, 'effect')) ?? '',
    })),
  }
}

/** The two clocks of a Lease: `renewTime` is its holder's, the time of the last change in `managedFields` the API server's. */
export function parseLeaseClock(object: unknown): LeaseClock | undefined {
  const metadata = fieldOf(object, 'metadata')
  const spec = fieldOf(object, 'spec')
  const holder = textOf(fieldOf(spec, 'holderIdentity'))
  const writtenMs = Date.parse(textOf(fieldOf(spec, 'renewTime')) ?? '')
  const changes = listOf(fieldOf(metadata, 'managedFields')).map(entry =>
    Date.parse(textOf(fieldOf(entry, 'time')) ?? ''),
  )
  const receivedMs = Math.max(...changes.filter(time => !Number.isNaN(time)))
  if (!holder || Number.isNaN(writtenMs) || !Number.isFinite(receivedMs)) return undefined
  return { holder, writtenMs, receivedMs }
}

/** How many speakers this one watches and does not hear, as its metrics have it. */
export function parseMissed(metrics: string): number | undefined {
  const [, count] = /^berth_speaker_missed(?:\{[^}]*\})? (\d+)/m.exec(metrics) ?? []
  return count === undefined ? undefined : Number(count)
}
