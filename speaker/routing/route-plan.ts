import type { Service, ServiceEndpoints, ServiceKey } from '../../kube/service.ts'
import { PersistentMap } from '../../net/persistent-map.ts'
import { wellKnownCommunities } from '../bgp/community.ts'
import type { Route } from '../bgp/route.ts'
import { compareConflicts, conflictsOf, formatConflict, type RouteConflict, speakersOf } from './route-conflicts.ts'
import { type PeerRoute, type RoutingSurvey, routeOf } from './routes.ts'

/*
 * All that this node tells each of its peers: the routes of all Services, those of one prefix made one.
 *
 * Services meet in a prefix where they share an address or an aggregate. Which advertisements speak for the route is then
 * the union over the Services, and what they say together is terms.ts's to tell; the endpoints add up, since so does the
 * traffic. So the plan does not depend on the order of the Services, and a Service that goes takes along exactly what no
 * other gives.
 *
 * Only what changed is worked out: the Services whose routes are other objects than before, and the prefixes that they
 * give or gave. A session compares what it is to say with what it has said whenever its array of routes is another, so an
 * array stays the same object for as long as nothing in it changes, even where the survey was made anew; and where no
 * Service's routes are other objects, the plan is the one before.
 */

export interface RoutePlan {
  /** Every peer of the node has an entry; sorted by the text of the prefix. */
  readonly routesByPeer: ReadonlyMap<string, readonly Route[]>
  /** The Services that this node announces, and whom it tells, sorted. */
  readonly peersByService: PersistentMap<ServiceKey, readonly string[]>
  /** What could not be done as asked, by prefix; each the same object for as long as it is so. */
  readonly conflicts: readonly RouteConflict[]
  /** For the next plan. */
  readonly memory: PlanMemory
}

interface PlanMemory {
  readonly leaving: boolean
  /** Only Services that have routes. */
  readonly told: PersistentMap<ServiceKey, readonly PeerRoute[]>
  /** By prefix, what all Services say of it to all peers; at least one thing. */
  readonly said: PersistentMap<string, readonly PeerRoute[]>
  /** By peer, the prefixes of its routes, in their order. */
  readonly prefixes: ReadonlyMap<string, readonly string[]>
}

export interface PlanInput {
  readonly survey: RoutingSurvey
  readonly services: Iterable<{ readonly service: Service; readonly endpoints: ServiceEndpoints }>
  /**
   * The Services that alone may be others than in `before`, which was made by the same survey: only what there still is of
   * them has to be in `services`. Undefined: all may be, and all are.
   */
  readonly only?: ReadonlySet<ServiceKey> | undefined
  readonly node: string
  /** The node is about to end its sessions: routers are asked to look for other paths while this one still works. */
  readonly leaving: boolean
  readonly before: RoutePlan | undefined
}

/** The routes of every Service that may have other routes than before; undefined: it has none. */
type ToldAnew = ReadonlyMap<ServiceKey, readonly PeerRoute[] | undefined>

const silence: RoutePlan = {
  routesByPeer: new Map(),
  peersByService: PersistentMap.of(),
  conflicts: [],
  memory: { leaving: false, told: PersistentMap.of(), said: PersistentMap.of(), prefixes: new Map() },
}

/** All that this node tells each peer; as much as possible of it are the objects of the plan before. */
export function planRoutes({ survey, services, only, node, leaving, before = silence }: PlanInput): RoutePlan {
  const { memory } = before
  const touched = new Map<ServiceKey, readonly PeerRoute[] | undefined>()
  for (const key of only ?? memory.told.keys()) touched.set(key, undefined)
  for (const { service, endpoints } of services) {
    const routes = survey.routesOf(service, endpoints, node)
    touched.set(service.key, routes.length > 0 ? routes : undefined)
  }
  const changes = changesOf(touched, memory)
  const peers = survey.peersOf(node)
  const anew = leaving !== memory.leaving || !sameItems([...before.routesByPeer.keys()], peers)
  if (changes.size === 0 && !anew) return before

  const said = memory.said.with(
    Array.from(changes, ([prefix, routes]) => [prefix, routes.length > 0 ? routes : undefined]),
  )
  const dirty = [...(anew ? new Set([...memory.said.keys(), ...said.keys()]) : changes.keys())].sort()
  const merge = merger(survey)
  const say = leaving ? remembering(departing) : (route: Route): Route => route
  const routesByPeer = new Map<string, readonly Route[]>()
  const prefixes = new Map<string, readonly string[]>()
  for (const peer of peers) {
    const last = { prefixes: memory.prefixes.get(peer) ?? [], routes: before.routesByPeer.get(peer) ?? [] }
    const list = retell(last, dirty, prefix => {
      const routes = said.get(prefix)?.filter(route => route.peer === peer) ?? []
      const route = merge(routes)
      return route && say(route)
    })
    prefixes.set(peer, list.prefixes)
    routesByPeer.set(peer, list.routes)
  }
  return {
    routesByPeer,
    peersByService: peersByServiceOf(touched, before),
    conflicts: retellConflicts(before.conflicts, dirty, said, survey),
    memory: { leaving, told: memory.told.with(touched), said, prefixes },
  }
}

/** What is now said of each prefix about which anything has changed. */
function changesOf(
  touched: ToldAnew,
  { told: toldBefore, said: saidBefore }: PlanMemory,
): ReadonlyMap<string, readonly PeerRoute[]> {
  const taken = new Set<PeerRoute>()
  const added: PeerRoute[] = []
  for (const [service, routes] of touched) {
    const last = toldBefore.get(service)
    if (last === routes) continue
    added.push(...(routes ?? []))
    for (const route of last ?? []) taken.add(route)
  }
  const changes = new Map<string, PeerRoute[]>()
  for (const { prefix } of taken) {
    if (!changes.has(prefix))
      changes.set(
        prefix,
        (saidBefore.get(prefix) ?? []).filter(route => !taken.has(route)),
      )
  }
  for (const route of added) {
    const routes = changes.get(route.prefix)
    if (routes) routes.push(route)
    else changes.set(route.prefix, [...(saidBefore.get(route.prefix) ?? []), route])
  }
  return changes
}

/** A peer's routes by prefix, in order; parallel lists. */
interface RouteList {
  readonly prefixes: readonly string[]
  readonly routes: readonly Route[]
}

/** The list with the dirty prefixes, which are sorted, told anew; the same lists where nothing comes of it. */
function retell(last: RouteList, dirty: readonly string[], routeOf: (prefix: string) => Route | undefined): RouteList {
  const parts: RouteList[] = []
  let next = 0
  let same = true
  const keepUntil = (end: number): void => {
    if (end > next) parts.push({ prefixes: last.prefixes.slice(next, end), routes: last.routes.slice(next, end) })
    next = end
  }
  for (const prefix of dirty) {
    keepUntil(placeOf(prefix, last.prefixes, next))
    const known = last.prefixes[next] === prefix ? last.routes[next] : undefined
    if (known) next += 1
    const route = routeOf(prefix)
    const unchanged = known && route && sameRoute(known, route)
    if (known !== route && !unchanged) same = false
    if (route) parts.push({ prefixes: [prefix], routes: [unchanged ? known : route] })
  }
  if (same) return last
  keepUntil(last.prefixes.length)
  // Unlike flat() this copies thousands of items as one block of memory.
  const noPrefixes: string[] = []
  const noRoutes: Route[] = []
  return {
    prefixes: noPrefixes.concat(...parts.map(part => part.prefixes)),
    routes: noRoutes.concat(...parts.map(part => part.routes)),
  }
}

/** Where in the sorted list, from `start` on, the text stands or would stand. */
function placeOf(text: string, sorted: readonly string[], start: number): number {
  let [low, high] = [start, sorted.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((sorted[middle] ?? '') < text) low = middle + 1
    else high = middle
  }
  return low
}

/** Makes one route of what several Services say of a prefix to a peer; peers that are told the same get the same object. */
function merger(survey: RoutingSurvey): (routes: readonly PeerRoute[]) => Route | undefined {
  const made = new Map<string, Route>()
  return routes => {
    const [first, ...more] = routes
    if (!first || more.length === 0) return first?.route
    const names = speakersOf(routes)
    const endpoints = routes.reduce((sum, route) => sum + route.endpoints, 0)
    const id = `${first.prefix} ${endpoints} ${names.join()}`
    const route = made.get(id) ?? routeOf(first.route.prefix, survey.termsOf(names), endpoints)
    made.set(id, route)
    return route
  }
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

function peersByServiceOf(
  touched: ToldAnew,
  { peersByService: before, memory }: RoutePlan,
): RoutePlan['peersByService'] {
  const lists = new Map<string, readonly string[]>()
  const changes = new Map<ServiceKey, readonly string[] | undefined>()
  for (const [service, routes] of touched) {
    if (routes === memory.told.get(service)) continue
    const last = before.get(service)
    const peers = routes && [...new Set(routes.map(route => route.peer))].sort()
    const id = peers?.join()
    if (last?.join() === id) continue
    // Thousands of Services are told to the same few peers.
    if (peers && id !== undefined) lists.set(id, lists.get(id) ?? peers)
    changes.set(service, id === undefined ? undefined : lists.get(id))
  }
  return before.with(changes)
}

function retellConflicts(
  last: readonly RouteConflict[],
  dirty: readonly string[],
  said: PlanMemory['said'],
  survey: RoutingSurvey,
): readonly RouteConflict[] {
  const found = dirty.flatMap(prefix => conflictsOf(prefix, said.get(prefix) ?? [], survey))
  if (last.length + found.length === 0) return last
  const toldAnew = new Set(dirty)
  const known = new Map(last.filter(one => toldAnew.has(one.prefix)).map(one => [formatConflict(one), one]))
  const others = last.filter(one => !toldAnew.has(one.prefix))
  return [...others, ...found.map(one => known.get(formatConflict(one)) ?? one)].sort(compareConflicts)
}
