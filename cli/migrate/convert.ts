import type { ConfigKind } from '../../crds/config.ts'
import { parseConfig } from '../../crds/parse.ts'
import type { ConfigVerdict } from '../../crds/resolve.ts'
import { apiVersion, type ConfigResources, configLists } from '../../crds/resources.ts'
import { fieldOf, listOf, textOf, textsOf } from '../../kube/json.ts'
import { advertisementSpec, bfdProfileSpec, communitySpec, poolSpec } from './fields.ts'
import { peerSpec } from './peer.ts'
import { type PeerNodes, peersAmong } from './peer-nodes.ts'
import { inOrder, type Remark } from './remark.ts'
import { type Installation, type Source, type SourceObject, sourceOf } from './source.ts'

/*
 * MetalLB's configuration as Berth's: a function from objects to objects, and to remarks on all that is not the same
 * afterwards. Kinds and fields have the same names, so most of it is taken as it is; fields.ts has what is not. What comes
 * out is in use as it is written: whatever crds/parse.ts would complain about is left out, and said.
 */

/** An object as it is applied. */
export interface BerthObject {
  readonly apiVersion: string
  readonly kind: ConfigKind
  readonly metadata: {
    readonly name: string
    readonly namespace: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }
  readonly spec: Readonly<Record<string, unknown>>
}

/** What MetalLB's configuration has become. */
export interface Conversion {
  readonly installation: Installation
  /** MetalLB's own, for the way back. */
  readonly peers: readonly PeerNodes[]
  /** In the order in which they are best applied. */
  readonly objects: readonly BerthObject[]
  readonly remarks: readonly Remark[]
  /** Names of the Secrets, in MetalLB's namespace, that passwords are in. */
  readonly secrets: readonly string[]
}

/** Whose namespaces are whose. */
export interface ConvertOptions {
  /** Berth's own namespace. */
  readonly namespace: string
  /** MetalLB's; undefined = wherever it is found. */
  readonly metallbNamespace?: string | undefined
}

/** Pools last: what is in none is none of Berth's business, and what is in one that nobody announces is reported. */
const inOrderOfUse: readonly ConfigKind[] = [
  'Community',
  'BFDProfile',
  'BGPPeer',
  'L2Advertisement',
  'BGPAdvertisement',
  'IPAddressPool',
]

/** What MetalLB has among these objects, whatever else is among them, as Berth's. Never throws. */
export function convert(objects: readonly unknown[], options: ConvertOptions): Conversion {
  const source = sourceOf(objects, options.metallbNamespace)
  const { own, remarks: unnamed } = distinct(source.objects)
  const { converted, remarks } = convertUsable(own, source, options.namespace)
  const secrets = converted.flatMap(({ spec }) => textOf(fieldOf(spec['passwordSecret'], 'name')) ?? [])
  return {
    installation: source.installation,
    peers: peersAmong(objects, source.installation.namespace),
    objects: converted,
    remarks: inOrder([...source.remarks, ...unnamed, ...remarks, ...remarksOnOrder(converted)]),
    secrets: [...new Set(secrets)],
  }
}

/** In the order in which they are applied, each once. */
function distinct(objects: readonly SourceObject[]): {
  readonly own: readonly SourceObject[]
  readonly remarks: readonly Remark[]
} {
  const seen = new Set<string>()
  const remarks: Remark[] = []
  const own = inOrderOfUse
    .flatMap(kind => objects.filter(object => object.kind === kind))
    .filter(({ kind, name }) => {
      const id = `${kind} ${name}`
      if (name !== '' && !seen.has(id)) return seen.add(id)
      const what = name === '' ? 'has no name.' : 'stands there twice; the first is taken.'
      remarks.push({ weight: 'lost', object: id, field: '', what, todo: 'Keep one, and give each a name of its own.' })
      return false
    })
  return { own, remarks }
}

interface Converted {
  readonly converted: readonly BerthObject[]
  readonly remarks: readonly Remark[]
}

/** Without what Berth could not use as it is written. One that goes may be what another refers to, so from the beginning then. */
function convertUsable(objects: readonly SourceObject[], source: Source, namespace: string): Converted {
  const selected = selectedKeys(objects)
  const remarks: Remark[] = []
  const converted = objects.map((object): BerthObject => {
    const read = specOf(object, objects, source)
    remarks.push(...read.remarks)
    const labels = kept(object.labels, selected)
    const annotations = kept(object.annotations, new Set())
    return {
      apiVersion,
      kind: object.kind,
      metadata: {
        name: object.name,
        namespace,
        ...(Object.keys(labels).length > 0 && { labels }),
        ...(Object.keys(annotations).length > 0 && { annotations }),
      },
      spec: read.spec,
    }
  })
  const unfit = problemsOf(converted, namespace)
  if (unfit.length === 0) return { converted, remarks }
  const names = new Set(unfit.map(({ kind, name }) => `${kind} ${name}`))
  const fit = objects.filter(({ kind, name }) => !names.has(`${kind} ${name}`))
  const rest = convertUsable(fit, source, namespace)
  const lost = unfit.map(({ kind, name, message }): Remark => {
    const what = `Berth could not use it as it is: ${message}`
    return { weight: 'lost', object: `${kind} ${name}`, field: '', what, todo: 'Correct it, and convert again.' }
  })
  return { converted: rest.converted, remarks: [...lost, ...rest.remarks] }
}

/** A spec as Berth has it, and what is to be said of it. */
export interface ReadSpec {
  readonly spec: Readonly<Record<string, unknown>>
  readonly remarks: readonly Remark[]
}

function specOf(object: SourceObject, all: readonly SourceObject[], { installation, namespaces }: Source): ReadSpec {
  switch (object.kind) {
    case 'IPAddressPool':
      return poolSpec(object, all, namespaces)
    case 'L2Advertisement':
    case 'BGPAdvertisement':
      return advertisementSpec(object, all, installation)
    case 'BGPPeer':
      return peerSpec(object, all, installation)
    case 'BFDProfile':
      return bfdProfileSpec(object)
    case 'Community':
      return communitySpec(object)
  }
}

/** By these something else looks after the object, which would take the copy for its own and remove it. */
const foreignMarks =
  /^(kubectl\.kubernetes\.io\/|meta\.helm\.sh\/|helm\.sh\/|argocd\.argoproj\.io\/|kustomize\.toolkit\.fluxcd\.io\/|helm\.toolkit\.fluxcd\.io\/|app\.kubernetes\.io\/(managed-by|instance|part-of|version)$)/

function kept(texts: Readonly<Record<string, string>>, asked: ReadonlySet<string>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(texts).filter(([key]) => asked.has(key) || !foreignMarks.test(key)))
}

/** Labels that advertisements select pools by: these stay, whosever they are. */
function selectedKeys(objects: readonly SourceObject[]): ReadonlySet<string> {
  const selectors = objects.flatMap(({ spec }) => listOf(spec['ipAddressPoolSelectors']))
  return new Set(
    selectors.flatMap(selector => [
      ...Object.keys(textsOf(fieldOf(selector, 'matchLabels'))),
      ...listOf(fieldOf(selector, 'matchExpressions')).map(one => textOf(fieldOf(one, 'key')) ?? ''),
    ]),
  )
}

/** What Berth would say of them when they are all there is. */
function problemsOf(objects: readonly BerthObject[], namespace: string): readonly ConfigVerdict[] {
  // A kind that is not there at all would count as one that is not known.
  const lists = Object.entries(configLists).map(([kind, list]) => [list, objects.filter(one => one.kind === kind)])
  return parseConfig(Object.fromEntries(lists) as ConfigResources, { namespace }).verdicts.filter(({ ready }) => !ready)
}

/** Where MetalLB leaves to chance which pool is tried first. */
function remarksOnOrder(objects: readonly BerthObject[]): readonly Remark[] {
  const open = objects.filter(
    ({ kind, spec }) => kind === 'IPAddressPool' && spec['autoAssign'] !== false && !spec['serviceAllocation'],
  )
  if (open.length < 2) return []
  const names = open.map(({ metadata }) => metadata.name).sort()
  const what = `MetalLB tries these pools in random order for a new Service, Berth by name: ${names.join(', ')}.`
  const todo = 'Where another order is wanted, give them serviceAllocation.priority.'
  return [{ weight: 'differs', object: 'IPAddressPools', field: 'serviceAllocation.priority', what, todo }]
}
