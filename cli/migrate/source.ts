import type { ConfigKind } from '../../crds/config.ts'
import type { Labels } from '../../crds/selector.ts'
import { fieldOf, identityOf, listOf, numberOf, textOf, textsOf } from '../../kube/json.ts'
import { fromAddressPool, fromConfigMap } from './legacy.ts'
import type { Remark } from './remark.ts'

/*
 * MetalLB as it is found, in a cluster or in files: what its admins wrote, in all the forms that it has had, and how it is
 * installed. Nobody vouches for any of it.
 */

/** One object of MetalLB's configuration, in the form of its latest version. */
export interface SourceObject {
  readonly kind: ConfigKind
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly spec: Readonly<Record<string, unknown>>
}

/** Who speaks BGP for MetalLB; what its fields mean depends on it. */
export type Backend = 'native' | 'frr' | 'frr-k8s'

/** A Deployment or DaemonSet of MetalLB's. */
export interface Workload {
  readonly namespace: string
  readonly name: string
}

/** How MetalLB is installed; undefined is what could not be found out. */
export interface Installation {
  readonly namespace: string
  readonly controller: (Workload & { readonly replicas: number; readonly loadBalancerClass: string }) | undefined
  readonly speaker:
    | (Workload & {
        readonly backend: Backend
        readonly ignoresExcludeLabel: boolean
        readonly nodeSelector: Readonly<Record<string, string>>
        /** Those that run, and where they should. */
        readonly scheduled: number
      })
    | undefined
}

/** What was found of MetalLB. */
export interface Source {
  readonly installation: Installation
  /** The labels of every namespace; undefined where no namespace is among the objects. */
  readonly namespaces: readonly Labels[] | undefined
  readonly objects: readonly SourceObject[]
  readonly remarks: readonly Remark[]
}

const kinds: readonly ConfigKind[] = [
  'IPAddressPool',
  'L2Advertisement',
  'BGPAdvertisement',
  'BGPPeer',
  'BFDProfile',
  'Community',
]

const usualNamespace = 'metallb-system'

/** On the nodes that MetalLB's speakers are to stay on, while a cluster moves. */
export const metallbLabel = 'berth.dev/metallb'

/** Everything of MetalLB's among these objects; the rest is passed over. */
export function sourceOf(objects: readonly unknown[], namespace?: string): Source {
  const installation = installationOf(objects, namespace)
  const remarks: Remark[] = []
  const found: SourceObject[] = []
  for (const object of objects) {
    const kind = textOf(fieldOf(object, 'kind')) ?? ''
    const identity = identityOf(object)
    if (!identity || !isConfiguration(object, kind)) continue
    const where = identity.namespace || installation.namespace
    if (where !== installation.namespace) {
      if (group(object) !== 'metallb.io') continue
      const what = `is in namespace "${where}", where MetalLB does not look: it reads "${installation.namespace}".`
      const todo = `If MetalLB does run there, name it with --metallb-namespace ${where}.`
      remarks.push({ weight: 'lost', object: `${kind} ${identity.name}`, field: '', what, todo })
      continue
    }
    const read = readObject(object, kind)
    found.push(...read.objects)
    remarks.push(...read.remarks)
  }
  const namespaces = objects
    .filter(object => fieldOf(object, 'kind') === 'Namespace')
    .map(object => textsOf(fieldOf(fieldOf(object, 'metadata'), 'labels')))
  return {
    installation,
    namespaces: namespaces.length > 0 ? namespaces : undefined,
    objects: found,
    remarks: [...remarks, ...remarksOn(installation)],
  }
}

function group(object: unknown): string {
  return (textOf(fieldOf(object, 'apiVersion')) ?? '').split('/')[0] ?? ''
}

const configMaps = ['config', 'bgpextras', 'metallb-excludel2']

function isConfiguration(object: unknown, kind: string): boolean {
  if (group(object) === 'metallb.io') return kinds.some(one => one === kind) || kind === 'AddressPool'
  if (kind === 'ConfigMap') return configMaps.includes(identityOf(object)?.name ?? '')
  return kind === 'FRRConfiguration'
}

interface Read {
  readonly objects: readonly SourceObject[]
  readonly remarks: readonly Remark[]
}

function readObject(object: unknown, kind: string): Read {
  const name = identityOf(object)?.name ?? ''
  const known = kinds.find(one => one === kind)
  const spec = recordOf(fieldOf(object, 'spec'))
  if (known) return { objects: [sourceObject(object, known, spec)], remarks: [] }
  switch (kind) {
    case 'AddressPool':
      return { objects: fromAddressPool(name, spec), remarks: [] }
    case 'FRRConfiguration':
      return frrConfiguration(name)
    default:
      return readConfigMap(name, textsOf(fieldOf(object, 'data')))
  }
}

function sourceObject(object: unknown, kind: ConfigKind, spec: SourceObject['spec']): SourceObject {
  const metadata = fieldOf(object, 'metadata')
  return {
    kind,
    name: textOf(fieldOf(metadata, 'name')) ?? '',
    labels: textsOf(fieldOf(metadata, 'labels')),
    annotations: textsOf(fieldOf(metadata, 'annotations')),
    spec,
  }
}

function readConfigMap(name: string, data: Readonly<Record<string, string>>): Read {
  const object = `ConfigMap ${name}`
  if (name === 'config') return fromConfigMap(data['config'] ?? '')
  if (name === 'bgpextras') {
    const what = 'Raw configuration of FRR is not carried over: there is no FRR in Berth.'
    const todo = 'Look for the fields that do the same (docs/bgp.md), or do it on the routers.'
    return { objects: [], remarks: [{ weight: 'lost', object, field: 'data.extras', what, todo }] }
  }
  const own = addedExclusions(data['excludel2.yaml'] ?? '')
  if (own.length === 0) return { objects: [], remarks: [] }
  const what = `Interfaces ${own.join(', ')} are excluded from layer 2; Berth's list of excluded interfaces is fixed.`
  const todo = 'Name the interfaces that are meant in spec.interfaces of the L2Advertisements.'
  return { objects: [], remarks: [{ weight: 'todo', object, field: 'data', what, todo }] }
}

/** What MetalLB's own manifests exclude, and Berth as well. */
const usualExclusions = /docker|cbr|dummy|virbr|lxcbr|veth|^\^?lo|cali|tunl|flannel|kube-ipvs|cni|nodelocaldns|lxc/

function addedExclusions(text: string): readonly string[] {
  const entries = text.matchAll(/^\s*-\s*["']?(.+?)["']?\s*$/gm)
  return Array.from(entries, ([, entry = '']) => entry).filter(entry => !usualExclusions.test(entry))
}

/** MetalLB's own, one a node, say nothing that its other objects do not. */
function frrConfiguration(name: string): Read {
  if (name.startsWith('metallb-')) return { objects: [], remarks: [] }
  const what = 'Configuration of FRR beside MetalLB is not carried over: there is no FRR in Berth.'
  const todo = 'If it is for MetalLB, look for the fields that do the same (docs/bgp.md); if not, keep frr-k8s for it.'
  return { objects: [], remarks: [{ weight: 'lost', object: `FRRConfiguration ${name}`, field: '', what, todo }] }
}

/** How MetalLB is installed, from its Deployment and DaemonSet, by whatever chart or manifest. */
function installationOf(objects: readonly unknown[], given: string | undefined): Installation {
  const workload = (kind: string, component: string) =>
    objects.find(
      object =>
        fieldOf(object, 'kind') === kind &&
        isOfMetalLB(object, component) &&
        (given === undefined || identityOf(object)?.namespace === given),
    )
  const controller = workload('Deployment', 'controller')
  const speaker = workload('DaemonSet', 'speaker')
  const configured = objects.find(object => group(object) === 'metallb.io' && identityOf(object)?.namespace)
  const namespace =
    given ??
    [controller, speaker, configured].map(object => identityOf(object)?.namespace).find(name => name) ??
    usualNamespace
  return {
    namespace,
    controller: controller === undefined ? undefined : controllerOf(controller, namespace),
    speaker: speaker === undefined ? undefined : speakerOf(speaker, namespace),
  }
}

function controllerOf(object: unknown, namespace: string): Installation['controller'] {
  const replicas = numberOf(fieldOf(fieldOf(object, 'spec'), 'replicas')) ?? 1
  const loadBalancerClass = flagOf(argsOf(object), '--lb-class') ?? ''
  return { namespace, name: identityOf(object)?.name ?? '', replicas, loadBalancerClass }
}

function speakerOf(object: unknown, namespace: string): Installation['speaker'] {
  const pod = podSpecOf(object)
  const environment = listOf(fieldOf(pod, 'containers')).flatMap(container => listOf(fieldOf(container, 'env')))
  const type = environment.find(entry => fieldOf(entry, 'name') === 'METALLB_BGP_TYPE')
  const backend = textOf(fieldOf(type, 'value'))
  return {
    namespace,
    name: identityOf(object)?.name ?? '',
    backend: backend === 'frr' || backend === 'frr-k8s' ? backend : 'native',
    ignoresExcludeLabel: ['', 'true'].includes(flagOf(argsOf(object), '--ignore-exclude-lb') ?? 'false'),
    nodeSelector: textsOf(fieldOf(pod, 'nodeSelector')),
    scheduled: numberOf(fieldOf(fieldOf(object, 'status'), 'desiredNumberScheduled')) ?? 0,
  }
}

function isOfMetalLB(object: unknown, component: string): boolean {
  const images = listOf(fieldOf(podSpecOf(object), 'containers')).map(one => textOf(fieldOf(one, 'image')) ?? '')
  if (images.some(image => new RegExp(`metallb[^/]*/${component}(?::|@|$)`).test(image))) return true
  const labels = textsOf(fieldOf(fieldOf(object, 'metadata'), 'labels'))
  const app = labels['app.kubernetes.io/name'] ?? labels['app']
  return app === 'metallb' && (labels['app.kubernetes.io/component'] ?? labels['component']) === component
}

function podSpecOf(object: unknown): unknown {
  return fieldOf(fieldOf(fieldOf(object, 'spec'), 'template'), 'spec')
}

function argsOf(object: unknown): readonly string[] {
  return listOf(fieldOf(podSpecOf(object), 'containers'))
    .flatMap(container => [...listOf(fieldOf(container, 'command')), ...listOf(fieldOf(container, 'args'))])
    .filter(arg => typeof arg === 'string')
}

/** The value of a flag of Go's, `--flag=value` or `--flag value`; empty where it stands alone. */
function flagOf(args: readonly string[], name: string): string | undefined {
  for (const [index, arg] of args.entries()) {
    if (arg.replace(/^-+/, '--') === name) return args[index + 1]?.startsWith('-') ? '' : (args[index + 1] ?? '')
    const [flag = '', value] = arg.split(/=(.*)/s)
    if (flag.replace(/^-+/, '--') === name) return value
  }
  return undefined
}

function remarksOn({ controller, speaker }: Installation): readonly Remark[] {
  const remarks: Remark[] = []
  if (controller?.loadBalancerClass) {
    const what = `MetalLB serves Services of loadBalancerClass "${controller.loadBalancerClass}" only, and a Service's class cannot be changed.`
    const todo = `Install Berth with loadBalancerClass: ${controller.loadBalancerClass}; the steps do.`
    remarks.push({ weight: 'todo', object: `Deployment ${controller.name}`, field: '--lb-class', what, todo })
  }
  if (speaker?.ignoresExcludeLabel) {
    const what =
      'MetalLB announces from nodes that have the label node.kubernetes.io/exclude-from-external-load-balancers; Berth does not.'
    const todo = 'Take the label off the nodes that are to announce.'
    remarks.push({ weight: 'todo', object: `DaemonSet ${speaker.name}`, field: '--ignore-exclude-lb', what, todo })
  }
  if (speaker?.backend === 'frr-k8s') {
    const what = 'frr-k8s goes on announcing for MetalLB when its speaker is gone, and has the session meanwhile.'
    const todo = 'When a node moves, delete its FRRConfiguration, metallb-NODE.'
    remarks.push({ weight: 'todo', object: `DaemonSet ${speaker.name}`, field: 'METALLB_BGP_TYPE', what, todo })
  }
  const labels = Object.entries(speaker?.nodeSelector ?? {}).filter(
    ([key]) => key !== 'kubernetes.io/os' && key !== metallbLabel,
  )
  if (speaker && labels.length > 0) {
    const selector = labels.map(([key, value]) => `${key}=${value}`).join(', ')
    const what = `MetalLB's speakers run only on nodes with ${selector}; Berth's run on all.`
    const todo = 'Install Berth with the same labels in its value speaker.nodeSelector.'
    remarks.push({ weight: 'todo', object: `DaemonSet ${speaker.name}`, field: 'nodeSelector', what, todo })
  }
  return remarks
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}
}
