import { shownAddresses } from '../controller/request.ts'
import { isInternal } from '../crds/parse-bgp-peer.ts'
import { formatAddress } from '../net/address.ts'
import { wellKnownCommunities } from '../speaker/bgp/community.ts'
import { defaultLocalPref, formatPrefix, type Route } from '../speaker/bgp/route.ts'
import { formatRefusal } from '../speaker/refusal.ts'
import { planRoutes, type RoutePlan } from '../speaker/routing/route-plan.ts'
import type { Picture } from './picture.ts'
import type { Pair } from './preview-layer2.ts'

/** By node, all that it tells its routers. */
export type RoutePlans = ReadonlyMap<string, RoutePlan>

/** The cluster before and after, and what routers are told. */
export interface RoutedPair extends Pair {
  readonly plans: { readonly before: RoutePlans; readonly after: RoutePlans }
}

/** A prefix of which routers are told something else than before. */
export interface RouteChange {
  readonly prefix: string
  readonly effect: 'withdrawn' | 'announced' | 'changed'
  /** The routers that are told so, and the nodes that tell them. */
  readonly peers: readonly string[]
  readonly nodes: readonly string[]
  /** Attributes that differ, `localPref 100 → 200`; of a new route those that it has. */
  readonly attributes: readonly string[]
  readonly why: string
  /** Whose addresses it leads to, sorted. */
  readonly services: readonly string[]
}

/** Every route that comes, goes or changes, by prefix; what several nodes tell several routers is one entry. */
export function routeChanges({ before, after, plans }: RoutedPair): readonly RouteChange[] {
  const { before: earlier, after: now } = plans
  const found = new Map<string, Told>()
  for (const node of new Set([...earlier.keys(), ...now.keys()])) {
    for (const told of toldOtherwise(node, speakerAt(before, node, earlier), speakerAt(after, node, now))) {
      const id = `${told.prefix} ${told.effect} ${told.attributes.join()} ${told.peer}`
      const known = found.get(id)
      found.set(id, known ? { ...known, nodes: [...known.nodes, ...told.nodes] } : told)
    }
  }
  const services = { before: servicesByPrefix(earlier), after: servicesByPrefix(now) }
  const groups = Map.groupBy(found.values(), ({ prefix, effect, attributes, nodes }) => {
    return `${prefix} ${effect} ${attributes.join()} ${nodes.join()}`
  })
  return [...groups.values()]
    .flatMap(([first, ...more]): readonly RouteChange[] => {
      if (!first) return []
      const { prefix, effect, nodes, attributes } = first
      const peers = [first, ...more].map(({ peer }) => peer).sort()
      const own = new Set([...(services.before.get(prefix) ?? []), ...(services.after.get(prefix) ?? [])])
      const sorted = [...own].sort()
      const why = effect === 'withdrawn' ? whyWithdrawn({ before, after }, sorted, services.after.has(prefix)) : ''
      return [{ prefix, effect, peers, nodes: [...nodes].sort(), attributes, why, services: sorted }]
    })
    .sort((one, other) => compare(one.prefix, other.prefix) || compare(one.peers.join(), other.peers.join()))
}

interface Told {
  readonly prefix: string
  readonly effect: RouteChange['effect']
  readonly attributes: readonly string[]
  readonly peer: string
  readonly nodes: readonly string[]
}

/** What each node with a speaker tells its peers. */
export function plansOf(picture: Picture, assumeSpeakers: boolean): RoutePlans {
  const { snapshot, members, routes, endpointsOf } = picture
  const services = Array.from(snapshot.services.values(), service => ({ service, endpoints: endpointsOf(service) }))
  const speaking = [...snapshot.nodes.keys()].filter(
    node => (assumeSpeakers || members.get(node)?.liveness === 'alive') && routes.peersOf(node).length > 0,
  )
  // A node that is being drained asks routers to prefer others for as long as it is; its speaker says in its Lease that it is.
  const isDrained = (node: string): boolean => members.get(node)?.facts.reluctance?.kind === 'drained'
  return new Map(
    speaking.map(node => {
      return [node, planRoutes({ survey: routes, services, node, leaving: isDrained(node), before: undefined })]
    }),
  )
}

/** What a node tells its peers, and how it is with them. */
interface Speaking {
  readonly plan: RoutePlan | undefined
  /** The peers that are of the AS that they see the node use. */
  readonly internal: ReadonlySet<string>
}

function speakerAt({ snapshot }: Picture, node: string, plans: RoutePlans): Speaking {
  const { bgpPeers } = snapshot.resolved.config
  return { plan: plans.get(node), internal: new Set(bgpPeers.filter(isInternal).map(({ name }) => name)) }
}

function toldOtherwise(node: string, before: Speaking, after: Speaking): readonly Told[] {
  const peers = new Set([before, after].flatMap(({ plan }) => [...(plan?.routesByPeer.keys() ?? [])]))
  return [...peers].flatMap(peer => {
    const [earlier, now] = [before, after].map(({ plan, internal }) => {
      const heard = (route: Route) => [formatPrefix(route.prefix), attributesOf(route, internal.has(peer))] as const
      return new Map(plan?.routesByPeer.get(peer)?.map(heard))
    })
    const prefixes = new Set([...(earlier?.keys() ?? []), ...(now?.keys() ?? [])])
    return [...prefixes].flatMap((prefix): readonly Told[] => {
      const [was, is] = [earlier?.get(prefix), now?.get(prefix)]
      const at = { prefix, peer, nodes: [node] }
      if (!was && is) return [{ ...at, effect: 'announced', attributes: differences(undefined, is) }]
      if (!is) return [{ ...at, effect: 'withdrawn', attributes: [] }]
      const attributes = differences(was, is)
      return attributes.length === 0 ? [] : [{ ...at, effect: 'changed', attributes }]
    })
  })
}

/** Attributes of a route by the names of the fields of a BGPAdvertisement. */
type Attributes = ReadonlyMap<string, string>

/**
 * What a peer hears of a route: LOCAL_PREF only within an AS, where it must not be missing; the path only outside of it
 * (RFC 4271 §5.1.2, §5.1.5). A field that a peer does not hear of changes nothing for it.
 */
function attributesOf(route: Route, toOwnAs: boolean): Attributes {
  const { localPref = defaultLocalPref, multiExitDisc, prepend, communities, largeCommunities, linkBandwidth } = route
  const large = largeCommunities.map(one => `large:${one.globalAdministrator}:${one.data1}:${one.data2}`)
  const all: readonly (readonly [string, string])[] = [
    ['localPref', toOwnAs ? String(localPref) : ''],
    ['med', multiExitDisc === undefined ? '' : String(multiExitDisc)],
    ['asPathPrepend', toOwnAs || prepend === 0 ? '' : String(prepend)],
    ['communities', [...ascending(communities).map(wordCommunity), ...large].join(' ')],
    ['link bandwidth', linkBandwidth === undefined ? '' : `${(linkBandwidth * 8) / 1_000_000} Mbit/s`],
  ]
  return new Map(all.filter(([, text]) => text !== ''))
}

/** As they are told: each once, in their order. */
function ascending(communities: readonly number[]): readonly number[] {
  return [...new Set(communities)].sort((one, other) => one - other)
}

function wordCommunity(community: number): string {
  const [name] = Object.entries(wellKnownCommunities).find(([, value]) => value === community) ?? []
  return name ?? `${community >>> 16}:${community & 0xffff}`
}

function differences(was: Attributes | undefined, is: Attributes): readonly string[] {
  if (!was) return Array.from(is, ([name, text]) => `${name} ${text}`)
  const names = new Set([...was.keys(), ...is.keys()])
  return [...names]
    .filter(name => was.get(name) !== is.get(name))
    .map(name => `${name} ${was.get(name) ?? 'unset'} → ${is.get(name) ?? 'unset'}`)
}

function servicesByPrefix(plans: RoutePlans): ReadonlyMap<string, ReadonlySet<string>> {
  const services = new Map<string, Set<string>>()
  for (const { memory } of plans.values()) {
    for (const [prefix, routes] of memory.said) {
      const known = services.get(prefix) ?? new Set()
      for (const { service } of routes) known.add(service)
      services.set(prefix, known)
    }
  }
  return services
}

/** Why nobody, or not everybody, is told of it any more, by the first of its Services. */
function whyWithdrawn(
  { before, after }: Pick<Pair, 'before' | 'after'>,
  services: readonly string[],
  goesOn: boolean,
): string {
  const [key = ''] = services
  const service = after.snapshot.services.get(key)
  if (!service) return `the Service ${key} is removed`
  const [had, has] = [before, after].map(picture => addressesOf(picture, key))
  if (had !== has) return has ? `the Service ${key} has ${has} instead` : `the Service ${key} has no address any more`
  const verdict = after.routingOf(service)
  if (verdict?.kind === 'refused') return formatRefusal(verdict.refusal)
  if (goesOn) return 'fewer nodes or routers are selected than before'
  return verdict ? 'it is announced as another prefix' : 'no BGPAdvertisement speaks for it any more'
}

function addressesOf({ snapshot }: Picture, key: string): string {
  const service = snapshot.services.get(key)
  return service ? shownAddresses(service).map(formatAddress).join(', ') : ''
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}
