import { apiVersion, configLists } from '../crds/resources.ts'
import { fieldOf, identityOf, listOf, textOf, textsOf } from '../kube/json.ts'
import { configKinds, listNameOf } from './lists.ts'
import type { Lists } from './snapshot.ts'

/*
 * What a change makes of a cluster's objects, in memory. A manifest is applied as `kubectl apply` does it: what it says
 * counts, what the last one said and it does not is taken out, what others wrote stays. The last one is what the object's
 * annotation kubectl.kubernetes.io/last-applied-configuration says. Where there is none, the labels and the spec of an
 * object of Berth's become what the manifest says, as with kubectl replace and with tools that own all of them.
 */

/** Which object: `namespace` is empty for a Node or a Namespace. */
export interface ObjectName {
  readonly kind: ChangeableKind
  readonly namespace: string
  readonly name: string
}

/** What can be in a change: the configuration, and what decides with it. */
export type ChangeableKind = keyof typeof configKinds | 'Service' | 'Node' | 'Namespace'

/** One object of a change: to be applied, or to be removed. */
export type Step =
  | { readonly kind: 'apply'; readonly name: ObjectName; readonly object: unknown }
  | { readonly kind: 'remove'; readonly name: ObjectName }

/** What came of a step. */
export interface Stepped {
  readonly name: ObjectName
  readonly lists: Lists
  readonly outcome: 'created' | 'changed' | 'unchanged' | 'removed' | 'notThere'
}

/** What a change is made under. */
export interface ChangeOptions {
  readonly namespace: string
  /** What is created is created then. */
  readonly nowMs: number
}

/** `IPAddressPool public`, `Service shop/web`. */
export function formatObjectName({ kind, namespace, name }: ObjectName): string {
  return kind === 'Service' ? `${kind} ${namespace}/${name}` : `${kind} ${name}`
}

/** The step that a manifest asks for; undefined where it is of no kind that matters. */
export function applyStep(object: unknown, { namespace }: Pick<ChangeOptions, 'namespace'>): Step | undefined {
  const kind = changeableKind(object)
  const metadata = fieldOf(object, 'metadata')
  const name = textOf(fieldOf(metadata, 'name'))
  if (!kind || !name) return undefined
  const given = textOf(fieldOf(metadata, 'namespace'))
  return { kind: 'apply', name: { kind, namespace: given ?? homeOf(kind, namespace), name }, object }
}

function changeableKind(object: unknown): ChangeableKind | undefined {
  const kind = textOf(fieldOf(object, 'kind')) ?? ''
  const isListed = listNameOf(object) !== undefined
  return isListed && Object.hasOwn(listNames, kind) ? (kind as ChangeableKind) : undefined
}

const listNames: Readonly<Record<ChangeableKind, keyof Lists>> = {
  ...configLists,
  Service: 'services',
  Node: 'nodes',
  Namespace: 'namespaces',
}

/** The names by which kubectl takes a kind. */
const spellings: Readonly<Record<string, ChangeableKind>> = Object.fromEntries(
  Object.keys(listNames).flatMap(kind => {
    const lower = kind.toLowerCase()
    const plural = lower.endsWith('y') ? `${lower.slice(0, -1)}ies` : `${lower}s`
    return [lower, plural].map(text => [text, kind as ChangeableKind])
  }),
)

/** The step that `ipaddresspool/public` or `service/shop/web` asks for; or why it is none. */
export function removeStep(text: string, namespace: string): Step | { readonly problem: string } {
  const parts = text.split('/')
  const [spelled = '', ...rest] = parts
  const lower = spelled.toLowerCase()
  const kind = lower === 'svc' ? 'Service' : spellings[lower]
  const name = rest.at(-1)
  if (!name || rest.length > 2)
    return { problem: `"${text}" names no object; write KIND/NAME or service/NAMESPACE/NAME.` }
  if (!kind || kind === 'Namespace') {
    const known = Object.keys(listNames).filter(one => one !== 'Namespace')
    return { problem: `"${spelled}" cannot be removed here; write one of ${known.join(', ')}.` }
  }
  return {
    kind: 'remove',
    name: { kind, namespace: rest.length === 2 ? (rest[0] ?? '') : homeOf(kind, namespace), name },
  }
}

function homeOf(kind: ChangeableKind, namespace: string): string {
  if (kind === 'Node' || kind === 'Namespace') return ''
  return kind === 'Service' ? 'default' : namespace
}

/** The cluster's objects after one step. */
export function takeStep(lists: Lists, step: Step, options: ChangeOptions): Stepped {
  const { name } = step
  const listName = listNames[name.kind]
  const list = lists[listName]
  const key = name.namespace === '' ? name.name : `${name.namespace}/${name.name}`
  const at = list.findIndex(object => identityOf(object)?.key === key)
  const live = list[at]
  const withList = (changed: readonly unknown[]): Lists => ({ ...lists, [listName]: changed })
  if (step.kind === 'remove') {
    return live === undefined
      ? { name, lists, outcome: 'notThere' }
      : { name, lists: withList(list.toSpliced(at, 1)), outcome: 'removed' }
  }
  if (live === undefined) {
    return { name, lists: withList([...list, created(step.object, name, lists, options)]), outcome: 'created' }
  }
  const merged = applied(step.object, name, live)
  const object = name.kind === 'Service' ? withFamiliesOf(merged, live, lists) : merged
  return meaningOf(name.kind, object) === meaningOf(name.kind, live)
    ? { name, lists, outcome: 'unchanged' }
    : { name, lists: withList(list.with(at, object)), outcome: 'changed' }
}

function created(object: unknown, name: ObjectName, lists: Lists, { nowMs }: ChangeOptions): object {
  const metadata = {
    ...(fieldOf(object, 'metadata') as object),
    ...(name.namespace !== '' && { namespace: name.namespace }),
    uid: `${name.kind}-${name.name}-to-be`,
    generation: 1,
    // The API server counts whole seconds, and what is there already is older.
    creationTimestamp: new Date(Math.floor(nowMs / 1000 + 1) * 1000).toISOString(),
  }
  const whole = { ...(object as object), metadata, status: undefined }
  if (name.kind === 'Namespace') return { ...whole, metadata: withOwnLabel(metadata, name.name) }
  return name.kind === 'Service' ? { ...whole, spec: withClusterIPs(fieldOf(object, 'spec'), lists) } : whole
}

function withOwnLabel(metadata: object, name: string): object {
  return { ...metadata, labels: { ...textsOf(fieldOf(metadata, 'labels')), 'kubernetes.io/metadata.name': name } }
}

/** The API server gives a new Service its cluster IPs; which they are matters to nobody here, only their families do. */
function withClusterIPs(spec: unknown, lists: Lists): object {
  const given = { ...(spec as object | undefined) }
  if (fieldOf(spec, 'clusterIP') !== undefined) return given
  const apiServer = lists.services.find(service => identityOf(service)?.key === 'default/kubernetes')
  const primary = (textOf(fieldOf(fieldOf(apiServer, 'spec'), 'clusterIP')) ?? '').includes(':') ? 'IPv6' : 'IPv4'
  const asked = fieldOf(spec, 'ipFamilies')
  const first = Array.isArray(asked) && asked[0] === 'IPv6' ? 'IPv6' : Array.isArray(asked) ? 'IPv4' : primary
  const policy = fieldOf(spec, 'ipFamilyPolicy')
  const hasTwo =
    policy === 'RequireDualStack' ||
    (policy === 'PreferDualStack' && isDualStack(lists)) ||
    (Array.isArray(asked) && asked.length > 1)
  const families = hasTwo ? ([first, first === 'IPv4' ? 'IPv6' : 'IPv4'] as const) : ([first] as const)
  const clusterIPs = families.map(family => someClusterIP[family])
  return { ...given, clusterIP: clusterIPs[0], clusterIPs }
}

/**
 * In the write that changes a Service's ipFamilyPolicy the API server adds or takes away its second cluster IP; the first one
 * stays. A policy that has not changed does nothing, nor does PreferDualStack in a cluster of one family.
 */
function withFamiliesOf(object: unknown, live: unknown, lists: Lists): unknown {
  const [before, spec] = [fieldOf(live, 'spec'), fieldOf(object, 'spec')]
  const clusterIPs = listOf(fieldOf(before, 'clusterIPs'))
  const [first] = clusterIPs
  const isOwn = String(listOf(fieldOf(spec, 'clusterIPs'))) !== String(clusterIPs)
  if (!isMap(object) || !isMap(spec) || typeof first !== 'string' || first === 'None' || isOwn) return object
  const policy = spec['ipFamilyPolicy']
  const isAsked = policy !== fieldOf(before, 'ipFamilyPolicy') || listOf(spec['ipFamilies']).length > 1
  const wantsTwo = policy === 'RequireDualStack' || (policy === 'PreferDualStack' && isAsked && isDualStack(lists))
  const [family, other] = first.includes(':') ? (['IPv6', 'IPv4'] as const) : (['IPv4', 'IPv6'] as const)
  if (clusterIPs.length === 1 && wantsTwo) {
    return { ...object, spec: { ...spec, clusterIPs: [first, someClusterIP[other]], ipFamilies: [family, other] } }
  }
  if (clusterIPs.length === 2 && policy === 'SingleStack') {
    return { ...object, spec: { ...spec, clusterIPs: [first], ipFamilies: [family] } }
  }
  return object
}

const someClusterIP = { IPv4: '192.0.0.8', IPv6: '100::8' } as const

/** Whether any Service has cluster IPs of both families. */
function isDualStack({ services }: Lists): boolean {
  return services.some(service => {
    const addresses = fieldOf(fieldOf(service, 'spec'), 'clusterIPs')
    return Array.isArray(addresses) && addresses.length > 1
  })
}

const lastAppliedAnnotation = 'kubectl.kubernetes.io/last-applied-configuration'

function applied(object: unknown, { kind }: ObjectName, live: unknown): unknown {
  const { spec, metadata } = { spec: fieldOf(object, 'spec'), metadata: fieldOf(object, 'metadata') }
  const wanted = {
    metadata: { labels: textsOf(fieldOf(metadata, 'labels')), annotations: textsOf(fieldOf(metadata, 'annotations')) },
    ...(spec !== undefined && { spec }),
  }
  const owned = Object.hasOwn(configKinds, kind)
    ? { spec: fieldOf(live, 'spec'), metadata: { labels: fieldOf(fieldOf(live, 'metadata'), 'labels') } }
    : undefined
  return merged(lastApplied(live) ?? owned, live, wanted)
}

function lastApplied(live: unknown): unknown {
  const text = textsOf(fieldOf(fieldOf(live, 'metadata'), 'annotations'))[lastAppliedAnnotation]
  try {
    const last: unknown = text === undefined ? undefined : JSON.parse(text)
    const metadata = fieldOf(last, 'metadata')
    const [labels, annotations] = [fieldOf(metadata, 'labels'), fieldOf(metadata, 'annotations')]
    return last && { spec: fieldOf(last, 'spec'), metadata: { labels, annotations } }
  } catch {
    return undefined
  }
}

/** Three-way: what `wanted` says; without what `last` says and `wanted` does not; with all else that `live` says. */
function merged(last: unknown, live: unknown, wanted: unknown): unknown {
  if (!isMap(wanted)) return wanted
  const kept = isMap(live) ? Object.entries(live).filter(([name]) => !isMap(last) || !Object.hasOwn(last, name)) : []
  const said = Object.entries(wanted).map(([name, value]) => {
    return [name, merged(fieldOf(last, name), fieldOf(live, name), value)] as const
  })
  // What the server or others wrote keeps its place; metadata is never owned as a whole.
  return { ...Object.fromEntries(kept), ...Object.fromEntries(said) }
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Equal for objects that mean the same: of the configuration what is parsed of it, so that a default said outright is none. */
function meaningOf(kind: ChangeableKind, object: unknown): string {
  const metadata = fieldOf(object, 'metadata')
  const parsed = isConfigKind(kind) ? configKinds[kind].parse({ ...(object as object), apiVersion }) : undefined
  const spec = parsed ? [parsed.value, parsed.problem] : fieldOf(object, 'spec')
  const annotations = kind === 'Service' ? textsOf(fieldOf(metadata, 'annotations')) : {}
  return JSON.stringify([spec, textsOf(fieldOf(metadata, 'labels')), annotations], (_, value: unknown) =>
    typeof value === 'bigint' ? String(value) : isMap(value) ? inOrder(value) : value,
  )
}

function inOrder(map: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(map).sort(([one], [other]) => (one < other ? -1 : 1)))
}

function isConfigKind(kind: ChangeableKind): kind is keyof typeof configKinds {
  return Object.hasOwn(configKinds, kind)
}
