import type { BGPAdvertisement, BGPPeer } from '../../crds/config.ts'
import { matchesAny } from '../../crds/selector.ts'
import type { IpFamily } from '../../net/address.ts'
import { excludeLabel, type NodeFacts } from '../advertisements.ts'
import type { NodeRefusal } from '../refusal.ts'

/** Whom a node may tell what an advertisement speaks for (sorted, at least one), or why nobody. */
export type Audience = { readonly kind: 'peers'; readonly peers: readonly string[] } | NodeRefusal

/** The peers whose nodeSelectors match the node, sorted by name. */
export function peersWith(peers: readonly BGPPeer[], { labels }: NodeFacts): readonly BGPPeer[] {
  return peers
    .filter(({ nodeSelectors }) => nodeSelectors.length === 0 || matchesAny(nodeSelectors, labels))
    .sort((one, other) => (one.name < other.name ? -1 : 1))
}

/** Whom this node, which has these peers, may tell what the advertisement says about addresses of the family. */
export function audienceOf(
  advertisement: BGPAdvertisement,
  family: IpFamily,
  { name: node, labels, networkUnavailable }: NodeFacts,
  peers: readonly BGPPeer[],
): Audience {
  const { nodeSelectors, peers: wanted } = advertisement
  if (nodeSelectors.length > 0 && !matchesAny(nodeSelectors, labels)) {
    return { kind: 'notSelected', node, by: 'BGPAdvertisement' }
  }
  if (Object.hasOwn(labels, excludeLabel)) return { kind: 'excludedByLabel', node, label: excludeLabel }
  if (networkUnavailable) return { kind: 'networkUnavailable', node }
  const named = wanted.length === 0 ? peers : peers.filter(peer => wanted.includes(peer.name))
  if (named.length === 0) return { kind: 'noPeer', node, wanted }
  const able = named.filter(peer => carries(peer, family))
  if (able.length === 0) return { kind: 'otherFamily', node, peers: named.map(peer => peer.name), family }
  return { kind: 'peers', peers: able.map(peer => peer.name) }
}

/** Whether the peer's session is to carry routes of the family; that of an interface carries both. */
function carries({ dualStackAddressFamily, peerAddress }: BGPPeer, family: IpFamily): boolean {
  if (dualStackAddressFamily || peerAddress.kind === 'interface') return true
  return peerAddress.address.includes(':') === (family === 'IPv6')
}

// From what an admin may mean to what needs mending.
const order: readonly NodeRefusal['kind'][] = [
  'notSelected',
  'excludedByLabel',
  'networkUnavailable',
  'noLocalEndpoint',
  'noPeer',
  'otherFamily',
]

/** Of several advertisements' reasons the one that comes nearest to an announcement. */
export function nearest(refusals: readonly NodeRefusal[]): readonly NodeRefusal[] {
  const [best] = [...refusals].sort((one, other) => order.indexOf(other.kind) - order.indexOf(one.kind))
  return best ? [best] : []
}
