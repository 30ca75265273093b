import type { Service } from '../../kube/service.ts'

/** Why one node cannot announce a Service. */
export type NodeRefusal =
  | { readonly kind: 'noNode'; readonly node: string }
  | { readonly kind: 'notSelected'; readonly node: string }
  | { readonly kind: 'excludedByLabel'; readonly node: string; readonly label: string }
  | { readonly kind: 'networkUnavailable'; readonly node: string }
  | { readonly kind: 'noSpeaker'; readonly node: string }
  | { readonly kind: 'speakerGone'; readonly node: string }
  | { readonly kind: 'speakerLeaving'; readonly node: string }
  | { readonly kind: 'noInterface'; readonly node: string; readonly wanted: readonly string[] | 'all' }
  | { readonly kind: 'noCarrier'; readonly node: string; readonly interfaces: readonly string[] }
  | { readonly kind: 'noLocalEndpoint'; readonly node: string }
  | { readonly kind: 'otherNetwork'; readonly node: string }

/** Why nobody announces a Service. The kind is the `reason` of its condition `berth.dev/Announced`. */
export type Refusal =
  | { readonly kind: 'NoAddress' }
  | { readonly kind: 'NoAdvertisement'; readonly addresses: readonly UnadvertisedAddress[] }
  | { readonly kind: 'NoUsableEndpoints' }
  | { readonly kind: 'NoEligibleNode'; readonly nodes: readonly NodeRefusal[] }
  /** It shares an address with Services whose node cannot serve it. */
  | { readonly kind: 'SharedAddressElsewhere'; readonly node: string; readonly sharers: readonly string[] }
  /** The node that has it cannot use any of the interfaces that it is to be announced on. */
  | { readonly kind: 'InterfaceUnusable'; readonly node: string }

/** A Service and why nobody announces it. */
export interface RefusedService {
  readonly service: Service
  readonly refusal: Refusal
}

export interface UnadvertisedAddress {
  readonly address: string
  /** The pool that holds it; undefined = none does. */
  readonly pool: string | undefined
  /** L2Advertisements that speak for the pool, but whose serviceSelectors leave the Service out. */
  readonly passedBy: readonly string[]
}

/** The refusal in words for whoever owns the Service: what is missing and what to do. */
export function formatRefusal(refusal: Refusal): string {
  switch (refusal.kind) {
    case 'NoAddress':
      return 'the Service has no address to announce'
    case 'NoAdvertisement':
      return refusal.addresses.map(formatUnadvertised).join('; ')
    case 'NoUsableEndpoints':
      return 'none of its endpoints is ready: nothing would answer, so no node announces its address'
    case 'NoEligibleNode':
      return `no node can announce it: ${formatNodes(refusal.nodes)}`
    case 'SharedAddressElsewhere':
      return `its address is shared with ${refusal.sharers.join(', ')} and announced from node ${refusal.node}, which cannot announce this Service`
    case 'InterfaceUnusable':
      return `node ${refusal.node} has it, but cannot use the interface now; the log of its speaker says why`
  }
}

function formatUnadvertised({ address, pool, passedBy }: UnadvertisedAddress): string {
  if (pool === undefined) return `${address} is in no IPAddressPool`
  if (passedBy.length > 0) {
    const names = passedBy.map(name => `L2Advertisement ${name}`).join(' and ')
    return `${address} is not announced: the serviceSelectors of ${names} do not match the Service's labels`
  }
  return `${address} is not announced: no L2Advertisement names its pool ${pool} (one without ipAddressPools and selectors speaks for every pool)`
}

// Enough to understand a cluster of three or a pattern in a cluster of a hundred, within what an Event may carry.
const nodesNamed = 3

/** The nodes by what they say, the commonest last: the few that say something special are the interesting ones. */
function formatNodes(refusals: readonly NodeRefusal[]): string {
  if (refusals.length === 0) return 'the cluster has no nodes'
  const byReason = Map.groupBy(refusals, formatNodeRefusal)
  return Array.from(byReason, ([reason, list]) => ({ reason, names: list.map(refusal => refusal.node).sort() }))
    .sort((one, other) => one.names.length - other.names.length || (String(one.names) < String(other.names) ? -1 : 1))
    .map(({ reason, names }) => `${formatNames(names)} ${reason}`)
    .join('; ')
}

function formatNames(names: readonly string[]): string {
  if (names.length <= nodesNamed) return `${names.join(', ')}:`
  return `${names.slice(0, nodesNamed).join(', ')} and ${names.length - nodesNamed} more:`
}

/** What one node says, to go behind its name. */
export function formatNodeRefusal(refusal: NodeRefusal): string {
  switch (refusal.kind) {
    case 'noNode':
      return 'has a speaker but no Node object'
    case 'notSelected':
      return 'not selected by the nodeSelectors of the L2Advertisement'
    case 'excludedByLabel':
      return `excluded by its label ${refusal.label}`
    case 'networkUnavailable':
      return 'its condition NetworkUnavailable is True'
    case 'noSpeaker':
      return 'no speaker runs there'
    case 'speakerGone':
      return 'its speaker does not renew its Lease'
    case 'speakerLeaving':
      return 'its speaker is stopping'
    case 'noInterface':
      return refusal.wanted === 'all'
        ? 'has no interface for layer 2'
        : `has none of the interfaces ${refusal.wanted.join(', ')}`
    case 'noCarrier':
      return `no carrier on ${refusal.interfaces.join(', ')}`
    case 'noLocalEndpoint':
      return 'no ready endpoint there, which externalTrafficPolicy Local wants'
    case 'otherNetwork':
      return "does not stand in the address's network"
  }
}
