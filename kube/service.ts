import type { Labels } from '../crds/selector.ts'
import type { Address, IpFamily } from '../net/address.ts'

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

/** Where a Service's traffic can be served: the usable endpoints (ready, or terminating but still serving) by node. */
export interface ServiceEndpoints {
  readonly service: ServiceKey
  /** Usable endpoints per node name. */
  readonly usableByNode: ReadonlyMap<string, number>
  /** All usable endpoints, those without a node name included. */
  readonly usable: number
}
