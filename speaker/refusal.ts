import type { Service } from '../kube/service.ts'
import type { IpFamily } from '../net/address.ts'

/** The two ways to announce, as the objects that ask for them are called. */
export type AdvertisementKind = 'L2Advertisement' | 'BGPAdvertisement'

/** Why one node cannot announce a Service, in one of the two ways. */
export type NodeRefusal =
  | { readonly kind: 'noNode'; readonly node: string }
  | { readonly kind: 'notSelected'; readonly node: string; readonly by: AdvertisementKind }
  | { readonly kind: 'excludedByLabel'; readonly node: string; readonly label: string }
  | { readonly kind: 'networkUnavailable'; readonly node: string }
  | { readonly kind: 'noSpeaker'; readonly node: string }
  | { readonly kind: 'speakerGone'; readonly node: string }
  | { readonly kind: 'speakerUnheard'; readonly node: string }
  | { readonly kind: 'speakerLeaving'; readonly node: string }
  | { readonly kind: 'noInterface'; readonly node: string; readonly wanted: readonly string[] | 'all' }
  | { readonly kind: 'noCarrier'; readonly node: string; readonly interfaces: readonly string[] }
  | { readonly kind: 'noLocalEndpoint'; readonly node: string }
  | { readonly kind: 'otherNetwork'; readonly node: string }
  /** None of the BGPPeers that the advertisements speak to (none named: of all) is this node's. */
  | { readonly kind: 'noPeer'; readonly node: string; readonly wanted: readonly string[] }
  /** Its sessions with these carry only routes of the other family. */
  | {
      readonly kind: 'otherFamily'
      readonly node: string
      readonly peers: readonly string[]
      readonly family: IpFamily
    }

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
  /** The node that has it asked the segment first, and another station answered. */
  | { readonly kind: 'AddressInUse'; readonly rivals: readonly AddressRival[] }
  | RoutingRefusal

/** Another station that has an address of a Service. */
export interface AddressRival {
  readonly address: string
  readonly interface: string
  readonly mac: string
  /** The node whose interface it is; undefined = no node of this cluster. */
  readonly node: string | undefined
}

/** Why no router is told of a Service for which a BGPAdvertisement speaks. */
export type RoutingRefusal =
  | { readonly kind: 'NoUsableEndpoints' }
  | { readonly kind: 'NoEligibleNode'; readonly nodes: readonly NodeRefusal[] }
  /** There is no BGPPeer at all. */
  | { readonly kind: 'NoPeer' }
  /** All is well but for the sessions, none of which stands. */
  | { readonly kind: 'NoEstablishedSession'; readonly nodes: readonly string[]; readonly peers: readonly string[] }

/** A Service and why nobody announces it. */
export interface RefusedService {
  readonly service: Service
  readonly refusal: Refusal
}

export interface UnadvertisedAddress {
  readonly address: string
  /** The pool that holds it; undefined = none does. */
  readonly pool: string | undefined
  /** Advertisements that speak for the pool, but not for this Service or this address. */
  readonly passedBy: readonly PassingAdvertisement[]
}

/** An advertisement that does not speak for an address of its pool, and why. */
export interface PassingAdvertisement {
  readonly kind: AdvertisementKind
  readonly name: string
  readonly because: 'serviceSelectors' | 'addressFamilies'
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
    case 'AddressInUse':
      return `not announced, since it is in use: ${refusal.rivals.map(formatRival).join('; ')}`
    case 'NoPeer':
      return 'there is no BGPPeer, so no router to tell: create one'
    case 'NoEstablishedSession':
      return `none of ${plural(refusal.nodes, 'node')} ${fewOf(refusal.nodes)} has an established session with ${plural(refusal.peers, 'peer')} ${fewOf(refusal.peers)}; "kubectl get bgpsessionstatuses -A" says why`
  }
}

/** Who has the address too, and what to do about it. */
export function formatRival({ address, interface: on, mac, node }: AddressRival): string {
  if (node !== undefined) {
    return `the kernel of node ${node} (${mac} on ${on}) answers for ${address} too: set strictARP: true where kube-proxy runs in IPVS mode, else take the address off the interfaces of ${node}`
  }
  return `a station that is no node of this cluster (${mac} on ${on}) answers for ${address} too: take the address away from it, or leave it out of the IPAddressPool`
}

export function formatUnadvertised({ address, pool, passedBy }: UnadvertisedAddress): string {
  if (pool === undefined) return `${address} is in no IPAddressPool`
  if (passedBy.length > 0) return `${address} is not announced: ${formatPassing(passedBy)}`
  return `${address} is not announced: no L2Advertisement or BGPAdvertisement names its pool ${pool} (one without ipAddressPools and selectors speaks for every pool)`
}

function formatPassing(passedBy: readonly PassingAdvertisement[]): string {
  const names = (because: PassingAdvertisement['because']): string =>
    passedBy
      .filter(one => one.because === because)
      .map(({ kind, name }) => `${kind} ${name}`)
      .join(' and ')
  const selectors = names('serviceSelectors')
  const families = names('addressFamilies')
  return [
    ...(selectors ? [`the serviceSelectors of ${selectors} do not match the Service's labels`] : []),
    ...(families ? [`the addressFamilies of ${families} leave its family out`] : []),
  ].join(', ')
}

// Enough to understand a cluster of three or a pattern in a cluster of a hundred, within what an Event may carry.
const namesGiven = 3

/** The nodes by what they say, the commonest last: the few that say something special are the interesting ones. */
function formatNodes(refusals: readonly NodeRefusal[]): string {
  if (refusals.length === 0) return 'the cluster has no nodes'
  const byReason = Map.groupBy(refusals, formatNodeRefusal)
  return Array.from(byReason, ([reason, list]) => ({ reason, names: list.map(refusal => refusal.node).sort() }))
    .sort((one, other) => one.names.length - other.names.length || (String(one.names) < String(other.names) ? -1 : 1))
    .map(({ reason, names }) => `${fewOf(names)}: ${reason}`)
    .join('; ')
}

/** A few of the names, and how many more there are. */
export function fewOf(names: readonly string[]): string {
  if (names.length <= namesGiven) return names.join(', ')
  return `${names.slice(0, namesGiven).join(', ')} and ${names.length - namesGiven} more`
}

/** `node` or `nodes`. */
export function plural(names: readonly unknown[], noun: string): string {
  return names.length === 1 ? noun : `${noun}s`
}

/** What one node says, to go behind its name. */
export function formatNodeRefusal(refusal: NodeRefusal): string {
  switch (refusal.kind) {
    case 'noNode':
      return 'has a speaker but no Node object'
    case 'notSelected':
      return `not selected by the nodeSelectors of the ${refusal.by}`
    case 'excludedByLabel':
      return `excluded by its label ${refusal.label}`
    case 'networkUnavailable':
      return 'its condition NetworkUnavailable is True'
    case 'noSpeaker':
      return 'no speaker runs there'
    case 'speakerGone':
      return 'its speaker does not renew its Lease'
    case 'speakerUnheard':
      return 'the speakers that watch it no longer hear it'
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
    case 'noPeer':
      return refusal.wanted.length === 0
        ? 'the nodeSelectors of every BGPPeer leave it out'
        : `the nodeSelectors of BGPPeer ${refusal.wanted.join(', ')} leave it out`
    case 'otherFamily':
      return `its sessions with ${refusal.peers.join(', ')} carry no ${refusal.family} routes (dualStackAddressFamily: true lets them)`
  }
}
