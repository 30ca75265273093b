import type { BGPAdvertisement, BGPPeer } from '../../crds/config.ts'
import type { Service, ServiceEndpoints } from '../../kube/service.ts'
import type { NodeFacts } from '../advertisements.ts'
import { formatPrefix } from '../bgp/route.ts'
import { plainPeer } from '../bgp/test-peer.ts'
import { node, pool } from '../test-values.ts'
import { type PlanInput, planRoutes, type RoutePlan } from './route-plan.ts'
import { type RoutingSurvey, routingSurveyOf } from './routes.ts'

// Values that tests of routes are made of: everything as usual but for what the test is about.

export function bgpAdvertisement(name: string, options: Partial<BGPAdvertisement> = {}): BGPAdvertisement {
  return {
    name,
    pools: { kind: 'all' },
    aggregationLength: { IPv4: 32, IPv6: 128 },
    localPref: undefined,
    multiExitDisc: undefined,
    asPathPrepend: 0,
    weightByEndpoints: false,
    addressFamilies: ['IPv4', 'IPv6'],
    communities: [],
    nodeSelectors: [],
    serviceSelectors: [],
    peers: [],
    ...options,
  }
}

/** A router at an IPv4 address, whose session carries both families. */
export function bgpPeer(name: string, options: Partial<BGPPeer> = {}): BGPPeer {
  const peerAddress = { kind: 'address', address: '198.51.100.1' } as const
  return plainPeer(name, { peerAddress, dualStackAddressFamily: true, ...options })
}

export interface RoutingWorld {
  readonly nodes?: readonly NodeFacts[]
  readonly pools?: readonly ReturnType<typeof pool>[]
  readonly advertisements?: readonly BGPAdvertisement[]
  readonly peers?: readonly BGPPeer[]
}

/** A survey of nodes a, b and c that all have the router r1, unless told otherwise. */
export function routingSurvey(world: RoutingWorld = {}): RoutingSurvey {
  const nodes = world.nodes ?? [node('a'), node('b'), node('c')]
  return routingSurveyOf({
    config: {
      pools: world.pools ?? [pool('lan', '192.0.2.0/24', '2001:db8::/64')],
      bgpAdvertisements: world.advertisements ?? [bgpAdvertisement('all')],
      bgpPeers: world.peers ?? [bgpPeer('r1')],
    },
    nodes: new Map(nodes.map(facts => [facts.name, facts])),
  })
}

export interface AnnouncedService {
  readonly service: Service
  readonly endpoints: ServiceEndpoints
}

/** The plan of node a, unless told otherwise. */
export function routePlan(
  survey: RoutingSurvey,
  services: readonly AnnouncedService[],
  more: Partial<Pick<PlanInput, 'node' | 'leaving' | 'before' | 'only'>> = {},
): RoutePlan {
  return planRoutes({ survey, services, node: 'a', leaving: false, before: undefined, ...more })
}

/** The prefixes that each peer is told. */
export function prefixesOf(plan: RoutePlan): Readonly<Record<string, readonly string[]>> {
  return Object.fromEntries(
    Array.from(plan.routesByPeer, ([peer, routes]) => [peer, routes.map(({ prefix }) => formatPrefix(prefix))]),
  )
}
