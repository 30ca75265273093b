import type { Labels } from '../crds/selector.ts'
import { type Address, type IpFamily, parseAddress } from '../net/address.ts'
import { conditionsOf } from './conditions.ts'
import { fieldOf, identityOf, listOf, numberOf, textOf, textsOf } from './json.ts'
import { annotationOf, parseRequest } from './service-annotations.ts'

/** `namespace/name` of a namespaced object. */
export type ObjectKey = `${string}/${string}`

/** `namespace/name` of a Service. */
export type ServiceKey = ObjectKey

export type PortProtocol = 'TCP' | 'UDP' | 'SCTP'

export interface ServicePort {
  readonly protocol: PortProtocol
  readonly port: number
}

export type IpFamilyPolicy = 'SingleStack' | 'PreferDualStack' | 'RequireDualStack'

/** What of a Service Berth looks at, parsed: nothing else of it is kept in memory. */
export interface Service {
  readonly key: ServiceKey
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly resourceVersion: string
  /** Milliseconds since the epoch. */
  readonly creationTimestampMs: number
  /** Set while the Service waits for its finalizers. */
  readonly beingDeleted: boolean
  readonly labels: Labels
  readonly type: 'LoadBalancer' | 'other'
  readonly loadBalancerClass: string | undefined
  /** The families of its cluster IPs, primary first; empty while it has none. */
  readonly clusterIPFamilies: readonly IpFamily[]
  readonly ipFamilyPolicy: IpFamilyPolicy
  readonly ports: readonly ServicePort[]
  readonly externalTrafficPolicy: 'Cluster' | 'Local'
  /** The pod selector as sorted `key=value` pairs joined by commas; Local sharers must have the same. */
  readonly podSelector: string
  readonly request: AddressRequest
  /** `status.loadBalancer.ingress`: what stands there now, whoever wrote it. */
  readonly ingress: readonly Ingress[]
  /** The pool that the annotation `…/ip-allocated-from-pool` names. */
  readonly allocatedFromPool: string | undefined
  /** Berth's own conditions, as they stand in `status.conditions`. */
  readonly conditions: readonly Condition[]
}

/** One element of `status.loadBalancer.ingress`; anything but a plain IP (a hostname, junk) is `foreign`. */
export type Ingress =
  | { readonly kind: 'address'; readonly address: Address }
  | { readonly kind: 'foreign'; readonly text: string }

/** What a Service asks for by spec and annotations. */
export interface AddressRequest {
  /** Addresses asked for by `…/loadBalancerIPs` or `spec.loadBalancerIP`; empty = any. */
  readonly addresses: readonly Address[]
  /** The pool asked for by `…/address-pool`. */
  readonly pool: string | undefined
  /** The key of `…/allow-shared-ip`. */
  readonly sharingKey: string | undefined
  /** Why the request cannot be read, in words for the person who wrote it; undefined when it can. */
  readonly problem: string | undefined
}

/** A condition as in `metav1.Condition`. */
export interface Condition {
  readonly type: string
  readonly status: 'True' | 'False' | 'Unknown'
  readonly reason: string
  readonly message: string
  readonly observedGeneration?: number
  readonly lastTransitionTime?: string
}

/** Whether two versions of a Service differ in nothing but its conditions: then nobody has to be told anything else. */
export function differsInConditionsOnly(one: Service, other: Service): boolean {
  return one.conditions !== other.conditions && textWithoutConditions(one) === textWithoutConditions(other)
}

function textWithoutConditions(service: Service): string {
  return JSON.stringify({ ...service, resourceVersion: '', conditions: [] }, (_, value: unknown) =>
    typeof value === 'bigint' ? `${value}` : value,
  )
}

/** Where a Service's traffic can be served: the usable endpoints (ready, or terminating but still serving) by node. */
export interface ServiceEndpoints {
  readonly service: ServiceKey
  /** Usable endpoints per node name. */
  readonly usableByNode: ReadonlyMap<string, number>
  /** All usable endpoints, those without a node name included. */
  readonly usable: number
}

/**
 * The Service that an object of the API is, or undefined where it is none (no name). Never throws: what the API server
 * would not let through counts as absent, and what a user wrote and cannot be meant becomes `request.problem`.
 */
export function parseService(object: unknown): Service | undefined {
  const identity = identityOf(object)
  if (identity === undefined || identity.namespace === '') return undefined
  const { namespace, name, uid, resourceVersion } = identity
  const metadata = fieldOf(object, 'metadata')
  const spec = fieldOf(object, 'spec')
  const status = fieldOf(object, 'status')
  const annotations = textsOf(fieldOf(metadata, 'annotations'))
  return {
    key: `${namespace}/${name}`,
    namespace,
    name,
    uid,
    resourceVersion,
    creationTimestampMs: timestampMs(fieldOf(metadata, 'creationTimestamp')),
    beingDeleted: textOf(fieldOf(metadata, 'deletionTimestamp')) !== undefined,
    labels: textsOf(fieldOf(metadata, 'labels')),
    type: fieldOf(spec, 'type') === 'LoadBalancer' ? 'LoadBalancer' : 'other',
    loadBalancerClass: textOf(fieldOf(spec, 'loadBalancerClass')),
    clusterIPFamilies: clusterIPFamilies(spec),
    ipFamilyPolicy: ipFamilyPolicyOf(fieldOf(spec, 'ipFamilyPolicy')),
    ports: listOf(fieldOf(spec, 'ports')).flatMap(parsePort),
    externalTrafficPolicy: fieldOf(spec, 'externalTrafficPolicy') === 'Local' ? 'Local' : 'Cluster',
    podSelector: podSelectorOf(fieldOf(spec, 'selector')),
    request: parseRequest(annotations, textOf(fieldOf(spec, 'loadBalancerIP'))),
    ingress: listOf(fieldOf(fieldOf(status, 'loadBalancer'), 'ingress')).map(parseIngress),
    allocatedFromPool: annotationOf(annotations, 'ip-allocated-from-pool')?.value,
    conditions: conditionsOf(fieldOf(status, 'conditions'), 'berth.dev/'),
  }
}

/** 0 where there is no readable time: such a Service is the oldest of all, and keeps what it has. */
function timestampMs(value: unknown): number {
  const milliseconds = Date.parse(textOf(value) ?? '')
  return Number.isNaN(milliseconds) ? 0 : milliseconds
}

// The three values that nearly all Services have, made once.
const onlyIPv4: readonly IpFamily[] = Object.freeze<IpFamily[]>(['IPv4'])
const onlyIPv6: readonly IpFamily[] = Object.freeze<IpFamily[]>(['IPv6'])
const noFamilies: readonly IpFamily[] = Object.freeze<IpFamily[]>([])

function clusterIPFamilies(spec: unknown): readonly IpFamily[] {
  const listed = listOf(fieldOf(spec, 'clusterIPs'))
  const texts = listed.length > 0 ? listed : [fieldOf(spec, 'clusterIP')]
  const families: IpFamily[] = []
  for (const text of texts) {
    const family = familyOf(textOf(text) ?? '')
    if (family !== undefined && !families.includes(family)) families.push(family)
  }
  const [first, ...more] = families
  if (first === undefined) return noFamilies
  if (more.length > 0) return families
  return first === 'IPv4' ? onlyIPv4 : onlyIPv6
}

/** The API server has checked that it is an address; 'None' (headless) and '' (not yet assigned) are none. */
function familyOf(clusterIP: string): IpFamily | undefined {
  if (clusterIP.includes(':')) return 'IPv6'
  return clusterIP.includes('.') ? 'IPv4' : undefined
}

function ipFamilyPolicyOf(value: unknown): IpFamilyPolicy {
  return value === 'PreferDualStack' || value === 'RequireDualStack' ? value : 'SingleStack'
}

function parsePort(value: unknown): readonly ServicePort[] {
  const port = numberOf(fieldOf(value, 'port'))
  const protocol = textOf(fieldOf(value, 'protocol')) ?? 'TCP'
  if (port === undefined || (protocol !== 'TCP' && protocol !== 'UDP' && protocol !== 'SCTP')) return []
  return [{ protocol, port }]
}

function podSelectorOf(value: unknown): string {
  return Object.entries(textsOf(value))
    .map(([label, text]) => `${label}=${text}`)
    .sort()
    .join(',')
}

function parseIngress(value: unknown): Ingress {
  const ip = textOf(fieldOf(value, 'ip'))
  const hostname = textOf(fieldOf(value, 'hostname'))
  const address = ip === undefined || hostname ? undefined : parseAddress(ip)
  return address ? { kind: 'address', address } : { kind: 'foreign', text: hostname || ip || '' }
}

/** What of an EndpointSlice counts: where its usable endpoints are. */
export interface EndpointSliceFacts {
  readonly key: ObjectKey
  readonly uid: string
  readonly resourceVersion: string
  /** The Service that it belongs to; undefined for a slice that names none. */
  readonly service: ServiceKey | undefined
  /** Those that are ready, or terminating but still serving. */
  readonly usable: readonly UsableEndpoint[]
}

export interface UsableEndpoint {
  /** One text per real endpoint: a Pod stands in a slice of each family, and for a moment in two slices of one. */
  readonly id: string
  readonly node: string | undefined
}

const noEndpoints: readonly UsableEndpoint[] = Object.freeze([])

/** The facts of an EndpointSlice, or undefined where the object is none. Never throws. */
export function parseEndpointSlice(object: unknown): EndpointSliceFacts | undefined {
  const identity = identityOf(object)
  if (identity === undefined || identity.namespace === '') return undefined
  const { namespace, name, uid, resourceVersion } = identity
  const labels = textsOf(fieldOf(fieldOf(object, 'metadata'), 'labels'))
  const service = Object.hasOwn(labels, serviceNameLabel) ? labels[serviceNameLabel] : undefined
  const usable = listOf(fieldOf(object, 'endpoints')).filter(isUsable).map(parseEndpoint)
  return {
    key: `${namespace}/${name}`,
    uid,
    resourceVersion,
    service: service ? `${namespace}/${service}` : undefined,
    usable: usable.length === 0 ? noEndpoints : usable,
  }
}

const serviceNameLabel = 'kubernetes.io/service-name'

/** `ready` unset means ready; a terminating endpoint that still serves is not ready, and usable. */
function isUsable(endpoint: unknown): boolean {
  const conditions = fieldOf(endpoint, 'conditions')
  return fieldOf(conditions, 'ready') !== false || fieldOf(conditions, 'serving') === true
}

function parseEndpoint(endpoint: unknown): UsableEndpoint {
  const address = textOf(listOf(fieldOf(endpoint, 'addresses'))[0])
  return {
    id: textOf(fieldOf(fieldOf(endpoint, 'targetRef'), 'uid')) || address || '',
    node: textOf(fieldOf(endpoint, 'nodeName')) || undefined,
  }
}

/** Where a Service can be served, from its slices; slices of other Services are passed over. */
export function endpointsOf(
  service: { readonly key: ServiceKey },
  slices: Iterable<EndpointSliceFacts>,
): ServiceEndpoints {
  const nodes = new Map<string, string | undefined>()
  for (const slice of slices) {
    if (slice.service !== service.key) continue
    for (const { id, node } of slice.usable) nodes.set(id, node ?? nodes.get(id))
  }
  const usableByNode = new Map<string, number>()
  for (const node of nodes.values()) {
    if (node !== undefined) usableByNode.set(node, (usableByNode.get(node) ?? 0) + 1)
  }
  return { service: service.key, usableByNode, usable: nodes.size }
}
