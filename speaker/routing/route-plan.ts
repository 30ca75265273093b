import type { Service, ServiceEndpoints, ServiceKey } from '../../kube/service.ts'
import { wellKnownCommunities } from '../bgp/community.ts'
import type { Route } from '../bgp/route.ts'
import { type PeerRoute, type RoutingSurvey, routeOf } from './routes.ts'
import { type Disagreement, formatDisagreement, type RouteTerms } from './terms.ts'

/*
 * All that this node tells each of its peers: the routes of all Services, those of one prefix made one.
 *
 * Services meet in a prefix where they share an address or an aggregate. Which advertisements speak for the route is then
 * the union over the Services, and what they say together is terms.ts's to tell; the endpoints add up, since so does the
 * traffic. So the plan does not depend on the order of the Services, and a Service that goes takes along exactly what no
 * other gives.
 *
 * A session compares what it is to say with what it has said whenever its array of routes is another, so an array stays the
 * same object for as long as nothing in it changes, even where the survey was made anew; where no Service's routes are
 * other objects than before, the plan is the one before.
 */

export interface RoutePlan {
  /** Every peer of the node has an entry; sorted by the text of the prefix. */
  readonly routesByPeer: ReadonlyMap<string, readonly Route[]>
  /** The Services that this node announces, and whom it tells; sorted. */
  readonly peersByService: ReadonlyMap<ServiceKey, readonly string[]>
  /** What could not be done as asked, by prefix. */
  readonly conflicts: readonly RouteConflict[]
  /** For the next plan. */
  readonly memory: PlanMemory
}

/** Advertisements that give one prefix to the same peers and cannot agree. */
export interface RouteConflict extends Disagreement {
  readonly prefix: string
  /** Sorted. */
  readonly peers: readonly string[]
  /** Those that give the prefix, sorted. */
  readonly services: readonly ServiceKey[]
}

interface PlanMemory {
  readonly leaving: boolean
  /** Only Services that have routes. */
  readonly told: ReadonlyMap<ServiceKey, readonly PeerRoute[]>
  /** By peer, the prefixes of its routes, in their order. */
  readonly prefixes: ReadonlyMap<string, readonly string[]>
}

export interface PlanInput {
  readonly survey: RoutingSurvey
  readonly services: Iterable<{ readonly service: Service; readonly endpoints: ServiceEndpoints }>
  readonly node: string
  /** The node is about to end its sessions: routers are asked to look for other paths while this one still works. */
  readonly leaving: boolean
  readonly before: RoutePlan | undefined
}

/** All that this node tells each peer; as much as possible of it are the objects of the plan before. */
export function planRoutes({ survey, services, node, leaving, before }: PlanInput): RoutePlan {
  const told = new Map<ServiceKey, readonly PeerRoute[]>()
  for (const { service, endpoints } of services) {
    const routes = survey.routesOf(service, endpoints, node)
    if (routes.length > 0) told.set(service.key, routes)
  }
  const peers = survey.peersOf(node)
  if (before && isStill(before, told, peers, leaving)) return before

  const slotsByPeer = slotsOf(peers, told.values())
  const merge = merger(survey)
  const say = leaving ? remembering(departing) : (route: Route): Route => route
  const routesByPeer = new Map<string, readonly Route[]>()
  const prefixesByPeer = new Map<string, readonly string[]>()
  for (const [peer, slots] of slotsByPeer) {
    const last = { prefixes: before?.memory.prefixes.get(peer) ?? [], routes: before?.routesByPeer.get(peer) ?? [] }
    const prefixes = sortedKeys(slots, last.prefixes)
    const routes: Route[] = []
    let cursor = 0
    for (const prefix of prefixes) {
      const slot = slots.get(prefix)
      if (!slot) continue
      while (cursor < last.prefixes.length && (last.prefixes[cursor] ?? '') < prefix) cursor += 1
      const known = last.prefixes[cursor] === prefix ? last.routes[cursor] : undefined
      const route = say(merge(slot))
      routes.push(known && sameRoute(known, route) ? known : route)
    }
    prefixesByPeer.set(peer, prefixes)
    routesByPeer.set(peer, sameItems(last.routes, routes) ? last.routes : routes)
  }
  return {
    routesByPeer,
    peersByService: peersByServiceOf(told, before),
    conflicts: conflictsOf(survey, told, slotsByPeer),
    memory: { leaving, told, prefixes: prefixesByPeer },
  }
}

function isStill(
  { memory, routesByPeer }: RoutePlan,
  told: PlanMemory['told'],
  peers: readonly string[],
  leaving: boolean,
): boolean {
  if (memory.leaving !== leaving || memory.told.size !== told.size || !sameItems([...routesByPeer.keys()], peers)) {
    return false
  }
  for (const [service, routes] of told) if (memory.told.get(service) !== routes) return false
  return true
}

/** What Services say of one prefix to one peer: nearly always one does. */
type Slot = PeerRoute | PeerRoute[]

function slotsOf(
  peers: readonly string[],
  told: Iterable<readonly PeerRoute[]>,
): ReadonlyMap<string, ReadonlyMap<string, Slot>> {
  const slotsByPeer = new Map(peers.map(peer => [peer, new Map<string, Slot>()]))
  for (const routes of told) {
    for (const one of routes) {
      const slots = slotsByPeer.get(one.peer)
      const slot = slots?.get(one.prefix)
      if (slot === undefined) slots?.set(one.prefix, one)
      else if (Array.isArray(slot)) slot.push(one)
      else slots?.set(one.prefix, [slot, one])
    }
  }
  return slotsByPeer
}

/** Makes one route of a slot; peers that are told the same get the same object. */
function merger(survey: RoutingSurvey): (slot: Slot) => Route {
  const made = new Map<string, Route>()
  return slot => {
    if (!Array.isArray(slot)) return slot.route
    const [first] = slot
    if (!first) throw new Error('a slot without a route')
    const advertisements = namesIn(slot)
    const endpoints = slot.reduce((sum, one) => sum + one.endpoints, 0)
    const id = `${first.prefix} ${endpoints} ${advertisements.join()}`
    const known = made.get(id)
    if (known) return known
    const route = routeOf(first.route.prefix, survey.termsOf(advertisements), endpoints)
    made.set(id, route)
    return route
  }
}

function namesIn(routes: readonly PeerRoute[]): readonly string[] {
  return [...new Set(routes.flatMap(route => route.advertisements))].sort()
}

/**
 * The route as the last that is heard of it: GRACEFUL_SHUTDOWN asks routers to prefer any other path while this one still
 * works, by giving it a LOCAL_PREF of 0 (RFC 8326 §4). Those of our own AS take LOCAL_PREF as we say it, so we say it.
 */
function departing(route: Route): Route {
  return { ...route, localPref: 0, communities: [...route.communities, wellKnownCommunities.gracefulShutdown] }
}

function remembering(make: (route: Route) => Route): (route: Route) => Route {
  const known = new Map<Route, Route>()
  return route => {
    const made = known.get(route) ?? make(route)
    known.set(route, made)
    return made
  }
}

/** The keys in order: those of last time where they are the same. */
function sortedKeys(slots: ReadonlyMap<string, Slot>, last: readonly string[]): readonly string[] {
  if (last.length === slots.size && last.every(prefix => slots.has(prefix))) return last
  return [...slots.keys()].sort()
}

/** Of two routes of one prefix. */
function sameRoute(one: Route, other: Route): boolean {
  return (
    one === other ||
    (one.localPref === other.localPref &&
      one.multiExitDisc === other.multiExitDisc &&
      one.prepend === other.prepend &&
      one.linkBandwidth === other.linkBandwidth &&
      sameItems(one.communities, other.communities) &&
      sameItems(one.largeCommunities.map(formatLarge), other.largeCommunities.map(formatLarge)))
  )
}

function formatLarge({ globalAdministrator, data1, data2 }: Route['largeCommunities'][number]): string {
  return `${globalAdministrator}:${data1}:${data2}`
}

function sameItems(one: readonly unknown[], other: readonly unknown[]): boolean {
  return one.length === other.length && one.every((item, index) => item === other[index])
}

function peersByServiceOf(told: PlanMemory['told'], before: RoutePlan | undefined): RoutePlan['peersByService'] {
  const lists = new Map<string, readonly string[]>()
  const peersByService = new Map<ServiceKey, readonly string[]>()
  let same = before?.peersByService.size === told.size
  for (const [service, routes] of told) {
    const last = before?.peersByService.get(service)
    const unchanged = last !== undefined && before?.memory.told.get(service) === routes
    const peers = unchanged ? last : [...new Set(routes.map(route => route.peer))].sort()
    const id = peers.join()
    // Thousands of Services are told to the same few peers.
    const list = lists.get(id) ?? (last?.join() === id ? last : peers)
    lists.set(id, list)
    same &&= last?.join() === id
    peersByService.set(service, list)
  }
  return same && before ? before.peersByService : peersByService
}

function conflictsOf(
  survey: RoutingSurvey,
  told: PlanMemory['told'],
  slotsByPeer: ReadonlyMap<string, ReadonlyMap<string, Slot>>,
): readonly RouteConflict[] {
  const termsByNames = new Map<readonly string[], RouteTerms>()
  const meetings = new Map<string, { prefix: string; terms: RouteTerms; peers: string[] }>()
  for (const [peer, slots] of slotsByPeer) {
    for (const [prefix, slot] of slots) {
      const names = Array.isArray(slot) ? namesIn(slot) : slot.advertisements
      if (names.length < 2) continue
      const terms = termsByNames.get(names) ?? survey.termsOf(names)
      termsByNames.set(names, terms)
      if (terms.disagreements.length === 0) continue
      const id = `${prefix} ${names.join()}`
      const meeting = meetings.get(id) ?? { prefix, terms, peers: [] }
      meeting.peers.push(peer)
      meetings.set(id, meeting)
    }
  }
  if (meetings.size === 0) return harmony
  const services = giversOf(told)
  return [...meetings]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .flatMap(([, { prefix, terms, peers }]) =>
      terms.disagreements.map(disagreement => ({
        ...disagreement,
        prefix,
        peers: peers.sort(),
        services: [...new Set(peers.flatMap(peer => services.get(`${prefix} ${peer}`) ?? []))].sort(),
      })),
    )
}

const harmony: readonly RouteConflict[] = Object.freeze([])

/** The Services that give a prefix to a peer, by both. */
function giversOf(told: PlanMemory['told']): ReadonlyMap<string, readonly ServiceKey[]> {
  const services = new Map<string, ServiceKey[]>()
  for (const [service, routes] of told) {
    for (const { prefix, peer } of routes) {
      const id = `${prefix} ${peer}`
      const known = services.get(id)
      if (known) known.push(service)
      else services.set(id, [service])
    }
  }
  return services
}

/** The conflict in words, for the log. */
export function formatConflict({ prefix, services, peers, ...disagreement }: RouteConflict): string {
  return `${prefix} of ${services.join(', ')} to ${peers.join(', ')}: ${formatDisagreement(disagreement)}`
}
