import type { PortProtocol, Service, ServiceKey, ServicePort } from '../kube/service.ts'

/** What decides whether a Service may stand on one address with others. */
export interface SharingClaim {
  /** `berth.dev/allow-shared-ip`; undefined = shares with nobody. */
  readonly key: string | undefined
  /**
   * Whose endpoints answer. Under externalTrafficPolicy Local traffic goes only to nodes with an endpoint, so sharers must
   * have the same pods: `Local:` and the pod selector. Under Cluster any node will do: `Cluster`.
   */
  readonly backends: string
  readonly ports: readonly ServicePort[]
}

/** One reason why two Services may not stand on one address. */
export type SharingObstacle =
  | { readonly kind: 'noKey'; readonly holderKey: string | undefined }
  | { readonly kind: 'key'; readonly own: string; readonly holderKey: string | undefined }
  | { readonly kind: 'policy'; readonly own: string; readonly holder: string }
  | { readonly kind: 'port'; readonly protocol: PortProtocol; readonly port: number }

export interface Holder {
  readonly service: ServiceKey
  readonly claim: SharingClaim
}

export function claimOf(service: Service): SharingClaim {
  return {
    key: service.request.sharingKey,
    backends: service.externalTrafficPolicy === 'Local' ? `Local:${service.podSelector}` : 'Cluster',
    ports: service.ports,
  }
}

/** Everything that keeps two claims from one address; empty = they may share. */
export function sharingObstacles(own: SharingClaim, holder: SharingClaim): readonly SharingObstacle[] {
  if (!own.key) return [{ kind: 'noKey', holderKey: holder.key }]
  const obstacles: SharingObstacle[] = []
  if (own.key !== holder.key) obstacles.push({ kind: 'key', own: own.key, holderKey: holder.key })
  if (own.backends !== holder.backends) obstacles.push({ kind: 'policy', own: own.backends, holder: holder.backends })
  const clash = own.ports.find(port => holder.ports.some(other => samePort(port, other)))
  if (clash) obstacles.push({ kind: 'port', protocol: clash.protocol, port: clash.port })
  return obstacles
}

export function mayShare(own: SharingClaim, holder: SharingClaim): boolean {
  return sameGroup(own, holder) && !own.ports.some(port => holder.ports.some(other => samePort(port, other)))
}

/** Claims of one group may share an address as long as their ports differ. */
export function sameGroup(one: SharingClaim, other: SharingClaim): boolean {
  return one.key !== undefined && one.key !== '' && one.key === other.key && one.backends === other.backends
}

export function sameClaim(one: SharingClaim, other: SharingClaim): boolean {
  return (
    one.key === other.key &&
    one.backends === other.backends &&
    one.ports.length === other.ports.length &&
    one.ports.every((port, index) => samePort(port, other.ports[index]))
  )
}

function samePort(one: ServicePort, other: ServicePort | undefined): boolean {
  return one.protocol === other?.protocol && one.port === other.port
}
