import type { BGPAdvertisement, BGPPeer, Config } from '../../crds/config.ts'
import { matchesAny } from '../../crds/selector.ts'
import { excludeLabel, type NodeFacts } from '../advertisements.ts'
import type { Route } from '../bgp/route.ts'
import { peersWith } from './audience.ts'
import type { RoutePlan } from './route-plan.ts'

/*
 * A node that is taken out of use while its speaker goes on: it gets Kubernetes' label exclude-from-external-load-balancers,
 * or the nodeSelectors of a BGPAdvertisement or a BGPPeer choose it no more. Nothing has failed, and kube-proxy there goes
 * on forwarding, so its routers are told first to look for other ways, and lose the routes only after a dwell, as when a
 * speaker stops.
 *
 *   chosen ─→ not chosen any more ─→ GRACEFUL_SHUTDOWN ── dwell ──→ withdrawn; of a BGPPeer the session ends
 *                    └── chosen again within the dwell ──→ as if nothing had been
 *
 * What is said meanwhile is what the rules would make of a node that were still chosen (`partingWorld`): a Service that
 * goes, or loses the endpoint that the node announces it for, is withdrawn at once as ever, and so is everything where the
 * node's network is unavailable or the objects themselves are deleted. And it is never more than was said before.
 */

/** What a node was chosen for last, and what it is no longer chosen for but still tells: until when, by name. */
export interface Departures {
  readonly chosen: Chosen
  readonly advertisements: ReadonlyMap<string, number>
  readonly peers: ReadonlyMap<string, number>
}

/** Names of the objects whose nodeSelectors choose a node; of advertisements none where it is excluded by label. */
interface Chosen {
  readonly advertisements: ReadonlySet<string>
  readonly peers: ReadonlySet<string>
}

const nobody: ReadonlyMap<string, number> = new Map()
const nothing: ReadonlySet<string> = new Set()

/** A node that has not been looked at yet: it leaves nothing. */
export const nothingDeparts: Departures = {
  chosen: { advertisements: nothing, peers: nothing },
  advertisements: nobody,
  peers: nobody,
}

type Rules = Pick<Config, 'bgpAdvertisements' | 'bgpPeers'>

/** What departs now, at `nowMs`, when each thing that the node has lost is told for `dwellMs` more. */
export function depart(
  before: Departures,
  { bgpAdvertisements, bgpPeers }: Rules,
  node: NodeFacts,
  { nowMs, dwellMs }: { readonly nowMs: number; readonly dwellMs: number },
): Departures {
  const advertising = Object.hasOwn(node.labels, excludeLabel)
    ? []
    : bgpAdvertisements.filter(one => chooses(one, node))
  const peers = peersWith(bgpPeers, node)
  const chosen = { advertisements: namesOf(advertising), peers: namesOf(peers) }
  const present = {
    advertisements: namesOf(bgpAdvertisements),
    // Two sessions with one router would end each other.
    peers: namesOf(bgpPeers.filter(one => !peers.some(other => isSameRouter(one, other)))),
  }
  const untilOf = (kind: keyof Chosen): ReadonlyMap<string, number> => {
    const lost = [...before.chosen[kind]].map((name): [string, number] => [name, nowMs + dwellMs])
    const all = [...lost, ...before[kind]]
    const left = all.filter(([name, untilMs]) => present[kind].has(name) && !chosen[kind].has(name) && untilMs > nowMs)
    return left.length > 0 ? new Map(left) : nobody
  }
  return { chosen, advertisements: untilOf('advertisements'), peers: untilOf('peers') }
}

function chooses({ nodeSelectors }: BGPAdvertisement, { labels }: NodeFacts): boolean {
  return nodeSelectors.length === 0 || matchesAny(nodeSelectors, labels)
}

function namesOf(objects: readonly { readonly name: string }[]): ReadonlySet<string> {
  return new Set(objects.map(({ name }) => name))
}

function isSameRouter(one: BGPPeer, other: BGPPeer): boolean {
  return one.vrf === other.vrf && JSON.stringify(one.peerAddress) === JSON.stringify(other.peerAddress)
}

/** When something that departs is gone; undefined: nothing departs. */
export function nextDepartureMs({ advertisements, peers }: Departures): number | undefined {
  const times = [...advertisements.values(), ...peers.values()]
  return times.length > 0 ? Math.min(...times) : undefined
}

/** The node and the rules as if it were still chosen for what it departs from, and for that and what it has alone. */
export function partingWorld<Node extends NodeFacts, Given extends Rules>(
  { chosen, advertisements, peers }: Departures,
  config: Given,
  node: Node,
): { readonly config: Given; readonly node: Node } {
  const { [excludeLabel]: _, ...labels } = node.labels
  const isOurs = (kind: keyof Chosen, name: string, departing: ReadonlyMap<string, number>): boolean =>
    chosen[kind].has(name) || departing.has(name)
  const ours = {
    bgpAdvertisements: config.bgpAdvertisements
      .filter(({ name }) => isOurs('advertisements', name, advertisements))
      .map(one => ({ ...one, nodeSelectors: [] })),
    bgpPeers: config.bgpPeers
      .filter(({ name }) => isOurs('peers', name, peers))
      .map(one => ({ ...one, nodeSelectors: [] })),
  }
  return { config: { ...config, ...ours }, node: { ...node, labels } }
}

/** What each peer is told: parallel lists. */
export interface Saying {
  readonly prefixesByPeer: ReadonlyMap<string, readonly string[]>
  readonly routesByPeer: ReadonlyMap<string, readonly Route[]>
}

/** What the plan says, and what of the parting plan it does not say any more, if it was said before. */
export function sayingOf(plan: RoutePlan, parting: RoutePlan | undefined, before: Saying | undefined): Saying {
  const own: Saying = { prefixesByPeer: plan.memory.prefixes, routesByPeer: plan.routesByPeer }
  if (!parting) return own
  const prefixesByPeer = new Map(own.prefixesByPeer)
  const routesByPeer = new Map(own.routesByPeer)
  for (const [peer, parted] of parting.routesByPeer) {
    const prefixes = own.prefixesByPeer.get(peer) ?? []
    const known = new Set(prefixes)
    const said = new Set(before?.prefixesByPeer.get(peer))
    const texts = parting.memory.prefixes.get(peer) ?? []
    const places = texts.flatMap((text, place) => (said.has(text) && !known.has(text) ? [place] : []))
    prefixesByPeer.set(peer, [...prefixes, ...places.flatMap(place => texts[place] ?? [])])
    routesByPeer.set(peer, [...(own.routesByPeer.get(peer) ?? []), ...places.flatMap(place => parted[place] ?? [])])
  }
  return { prefixesByPeer, routesByPeer }
}
