import type { Service, ServiceEndpoints, ServiceKey } from '../../kube/service.ts'
import { type AddressPrefix, networkOf } from '../../net/range.ts'
import { formatPrefix, type Route } from '../bgp/route.ts'
import { linkBandwidthOf } from './link-bandwidth.ts'
import { overviewOf, type RoutingSurroundings } from './overview.ts'
import { type EndedService, type SharedRoutesFinder, sharedRoutesFinder } from './shared-routes.ts'
import { type RoutingStanding, standingFinder } from './standing.ts'
import type { RouteTerms } from './terms.ts'

/*
 * Which routes a node tells which routers, for each Service; or why none. Unlike at layer 2 nobody is elected: every node
 * that may announce does, and the routers choose among them.
 *
 *   address ─→ pool ─→ BGPAdvertisements (by pool, serviceSelectors, addressFamilies)
 *                        ├─→ nodes: nodeSelectors; not excluded by label; network available; endpoints
 *                        ├─→ peers: those that the advertisement names, of those whose nodeSelectors match the node, of
 *                        │         those whose session carries the family
 *                        └─→ prefix: the address cut to aggregationLength, and what is said of it (terms.ts)
 *
 * audience.ts has what nodes, peers and advertisements say to each other, overview.ts works that out once, standing.ts
 * sees the whole cluster (for people) and this file one node (for its routers). All that is told to a peer, for all
 * Services together, is route-plan.ts.
 *
 * The rules are MetalLB's, field by field (BGPAdvertisement, BGPPeer), with these answers where it is silent:
 *
 * - A node with Kubernetes' label exclude-from-external-load-balancers, or whose network is unavailable, announces nothing.
 *   Its sessions stay: what is excluded is traffic, and the routers' operators should see a node that is healthy. How it
 *   takes leave of them first is departure.ts.
 * - externalTrafficPolicy Cluster: any usable endpoint anywhere lets every node announce. Local: a node announces what has
 *   a usable endpoint on it. With an aggregate that is enough for the whole of it: traffic for an address of the aggregate
 *   that has no endpoint on that node is lost there, so aggregation and Local go together only where every node has both.
 * - A peer whose session carries one family (it is dialled by an address, and dualStackAddressFamily is not set) is no
 *   peer for the other. That is decided here and not left to the session, so that nobody is told of an announcement that
 *   no packet makes.
 * - Advertisements that meet in one prefix for one peer are one route: terms.ts. Which ones meet is decided for each peer
 *   alone, since each names its own.
 * - loadBalancerClass does not matter: what has an address of our pools is announced, whoever gave it, as at layer 2.
 * - Session states do not matter either. They come and go without anybody's decision, and a router that comes back must
 *   find the routes made.
 *
 * Thousands of Services share a few advertisements, so everything that does not depend on the Service is worked out once
 * per survey, and what does is remembered with the Service and its endpoints. Those are values that never change, so a
 * changed one is another object; this is also why an unchanged answer is the same array, which route-plan.ts goes by.
 */

/** Answers for one state of nodes and configuration, about any Service and any node. */
export interface RoutingSurvey {
  /** Names of the node's peers, sorted, also of those that hear nothing. */
  peersOf(node: string): readonly string[]
  /** Who announces the Service to whom, by the rules alone; undefined where no BGPAdvertisement speaks for any of its addresses. */
  standingOf(service: Service, endpoints: ServiceEndpoints): RoutingStanding | undefined
  /** What one node tells its peers for the Service: at most one route for each peer and prefix. */
  routesOf(service: Service, endpoints: ServiceEndpoints, node: string): readonly PeerRoute[]
  /** Looks at all Services together, which must be all there are: routes that they have in common and cannot agree on. */
  readonly sharedRoutes: (services: Iterable<EndedService>) => SharedRoutesFinder
  /** What advertisements, given by name, say of a route together. */
  termsOf(advertisements: readonly string[]): RouteTerms
}

/** A route as one peer is told it for one Service. */
export interface PeerRoute {
  readonly service: ServiceKey
  readonly peer: string
  /** Canonical text of the route's prefix. */
  readonly prefix: string
  /** The same object for all peers that are told the same. */
  readonly route: Route
  /** Names of the advertisements that speak for it, sorted. */
  readonly advertisements: readonly string[]
  /** The Service's usable endpoints on the node. */
  readonly endpoints: number
}

const nothing: readonly PeerRoute[] = Object.freeze([])

/** Looks over nodes, peers and advertisements once, for any number of Services. */
export function routingSurveyOf(surroundings: RoutingSurroundings): RoutingSurvey {
  const overview = overviewOf(surroundings)
  const { advertisements } = overview
  const indexByName = new Map(advertisements.map(({ name }, index) => [name, index]))
  const decideStanding = standingFinder(overview)
  const standings = new WeakMap<Service, { endpoints: ServiceEndpoints; standing: RoutingStanding | undefined }>()
  const routes = new WeakMap<Service, { endpoints: ServiceEndpoints; node: string; routes: readonly PeerRoute[] }>()

  function decideRoutes(service: Service, endpoints: ServiceEndpoints, node: string): readonly PeerRoute[] {
    const onNode = endpoints.usableByNode.get(node) ?? 0
    if (service.externalTrafficPolicy === 'Local' ? onNode === 0 : endpoints.usable === 0) return nothing
    const meetings = new Map<string, Meeting>()
    for (const { address, indexes } of overview.claimsOf(service)) {
      const audiences = overview.audiencesOf(node, address.family)
      for (const index of indexes) {
        const audience = audiences[index]
        const length = advertisements[index]?.aggregationLength[address.family]
        if (audience?.kind !== 'peers' || length === undefined) continue
        const prefix = networkOf(address, length)
        const text = formatPrefix(prefix)
        for (const peer of audience.peers) {
          const meeting = meetings.get(`${text} ${peer}`) ?? { peer, prefix, text, speakers: new Set() }
          meeting.speakers.add(index)
          meetings.set(`${text} ${peer}`, meeting)
        }
      }
    }
    const made = new Map<string, Map<RouteTerms, Route>>()
    return Array.from(meetings.values(), ({ peer, prefix, text, speakers }) => {
      const terms = overview.termsOf(speakers)
      const ofPrefix = made.get(text) ?? new Map<RouteTerms, Route>()
      const route = ofPrefix.get(terms) ?? routeOf(prefix, terms, onNode)
      made.set(text, ofPrefix.set(terms, route))
      return {
        service: service.key,
        peer,
        prefix: text,
        route,
        advertisements: overview.namesOf(speakers),
        endpoints: onNode,
      }
    })
  }

  return {
    peersOf: node => overview.peersOf(node).map(peer => peer.name),
    standingOf(service, endpoints) {
      const before = standings.get(service)
      if (before?.endpoints === endpoints) return before.standing
      const standing = decideStanding(service, endpoints)
      standings.set(service, { endpoints, standing })
      return standing
    },
    routesOf(service, endpoints, node) {
      const before = routes.get(service)
      if (before?.endpoints === endpoints && before.node === node) return before.routes
      const made = decideRoutes(service, endpoints, node)
      routes.set(service, { endpoints, node, routes: made })
      return made
    },
    sharedRoutes: sharedRoutesFinder(overview),
    termsOf: names => overview.termsOf(names.flatMap(name => indexByName.get(name) ?? [])),
  }
}

/** Advertisements that give one prefix to one peer. */
interface Meeting {
  readonly peer: string
  readonly prefix: AddressPrefix
  readonly text: string
  /** Their positions. */
  readonly speakers: Set<number>
}

/** The route that these terms make of a prefix, on a node with so many endpoints behind it. */
export function routeOf(prefix: AddressPrefix, terms: RouteTerms, endpoints: number): Route {
  const { localPref, multiExitDisc, prepend, communities, largeCommunities, weightByEndpoints } = terms
  return {
    prefix,
    localPref,
    multiExitDisc,
    prepend,
    communities,
    largeCommunities,
    linkBandwidth: weightByEndpoints ? linkBandwidthOf(endpoints) : undefined,
  }
}
