import type { Service, ServiceEndpoints, ServiceKey } from '../../kube/service.ts'
import type { IpFamily } from '../../net/address.ts'
import { networkOf } from '../../net/range.ts'
import { formatPrefix } from '../bgp/route.ts'
import type { Overview } from './overview.ts'
import { type Disagreement, formatWishes } from './terms.ts'

/*
 * Services that meet in one route, by an address or an aggregate, while the BGPAdvertisements that speak for the one and for
 * the other cannot agree on it. Neither Service shows that by itself: standing.ts sees one at a time, and route-plan.ts one
 * node. Here all Services are seen together, in the whole cluster, so that each speaker finds the same and any of them can
 * write it into the conditions of all whom it concerns.
 *
 * Where no two advertisements could ever disagree, as nearly everywhere, no Service is looked at. Where some could, a
 * Service is looked at when it or its endpoints are other objects than last time, and only the prefixes for which those
 * advertisements speak are followed.
 */

/** A route that a Service has in common with others, and of which they cannot all have what was asked for. */
export interface SharedRoute {
  /** Sorted; of several, the same is to be said. */
  readonly prefixes: readonly string[]
  /** Services of which other advertisements speak there, sorted. */
  readonly others: readonly ServiceKey[]
  readonly disagreement: Disagreement
}

/** Finds what a Service shares; the same array for as long as nothing of it can have changed. */
export type SharedRoutesFinder = (service: ServiceKey) => readonly SharedRoute[]

/** A Service and where its usable endpoints are. */
export interface EndedService {
  readonly service: Service
  readonly endpoints: ServiceEndpoints
}

/** One Service, as far as others may meet it. */
interface Party extends EndedService {
  /** Equal for as long as no other meets it otherwise. */
  readonly signature: string
  /** By prefix. */
  readonly stakes: ReadonlyMap<string, Stake>
  /** The nodes that have an endpoint of it, if only those announce it; none = it is not announced. */
  readonly nodes: readonly string[] | 'all'
  shares: readonly SharedRoute[] | undefined
  round: number
}

/** What is said of a prefix for one Service. */
interface Stake {
  readonly family: IpFamily
  /** The positions of the advertisements, ascending. */
  readonly indexes: readonly number[]
}

/** Everybody who gives one prefix. */
interface Meeting {
  readonly parties: Map<ServiceKey, Party>
  /** Undefined until somebody asks. */
  found: readonly Quarrel[] | undefined
}

/** A disagreement, and the Services that it is about by the advertisements that speak for each. */
interface Quarrel {
  readonly disagreement: Disagreement
  readonly sides: ReadonlyMap<string, ReadonlySet<ServiceKey>>
  /** By side, the Services of all others. */
  readonly others: ReadonlyMap<string, readonly ServiceKey[]>
}

const none: readonly SharedRoute[] = Object.freeze([])
const nobodyShares: SharedRoutesFinder = () => none

/** Looks at all Services there are, given anew whenever any may be another. */
export function sharedRoutesFinder(overview: Overview): (services: Iterable<EndedService>) => SharedRoutesFinder {
  const disputed = disputedLengths(overview)
  if (disputed.size === 0) return () => nobodyShares
  const parties = new Map<ServiceKey, Party>()
  const meetings = new Map<string, Meeting>()
  let round = 0

  function follow(services: Iterable<EndedService>): void {
    round += 1
    for (const { service, endpoints } of services) {
      const before = parties.get(service.key)
      if (before?.service === service && before.endpoints === endpoints) before.round = round
      else put(before, partyOf(service, endpoints, round))
    }
    for (const party of parties.values()) if (party.round !== round) remove(party)
  }

  function partyOf(service: Service, endpoints: ServiceEndpoints, round: number): Party {
    const nodes =
      service.externalTrafficPolicy === 'Local' ? [...endpoints.usableByNode.keys()].sort() : ('all' as const)
    const stakes = endpoints.usable > 0 ? stakesOf(overview, service, disputed) : new Map<string, Stake>()
    const places = Array.from(stakes, ([prefix, { indexes }]) => `${prefix} ${indexes.join()}`)
    return { service, endpoints, stakes, nodes, signature: [nodes, ...places].join(), shares: undefined, round }
  }

  function put(before: Party | undefined, party: Party): void {
    const unchanged = before?.signature === party.signature
    if (unchanged) party.shares = before.shares
    else if (before) remove(before)
    const { key } = party.service
    parties.set(key, party)
    for (const prefix of party.stakes.keys()) {
      const meeting = meetings.get(prefix) ?? { parties: new Map<ServiceKey, Party>(), found: undefined }
      meeting.parties.set(key, party)
      if (!unchanged) disturb(meeting)
      meetings.set(prefix, meeting)
    }
  }

  function remove({ service, stakes }: Party): void {
    parties.delete(service.key)
    for (const prefix of stakes.keys()) {
      const meeting = meetings.get(prefix)
      meeting?.parties.delete(service.key)
      if (meeting?.parties.size === 0) meetings.delete(prefix)
      else if (meeting) disturb(meeting)
    }
  }

  function find(key: ServiceKey): readonly SharedRoute[] {
    const party = parties.get(key)
    if (!party) return none
    party.shares ??= sharesOf(party)
    return party.shares
  }

  function sharesOf({ service: { key }, stakes }: Party): readonly SharedRoute[] {
    const shares = new Map<string, SharedRoute>()
    for (const [prefix, { family, indexes }] of stakes) {
      const meeting = meetings.get(prefix)
      if (!meeting || meeting.parties.size === 1) continue
      meeting.found ??= quarrelsAt(prefix, family, [...meeting.parties.values()], overview)
      const side = indexes.join()
      for (const { disagreement, sides, others } of meeting.found) {
        if (!sides.get(side)?.has(key)) continue
        const strangers = others.get(side) ?? []
        // What this Service's own advertisements disagree about is told of it anyway.
        if (strangers.length === 0) continue
        const id = `${disagreement.field} ${disagreement.wishes.map(wish => wish.advertisement).join()} ${strangers.join()}`
        const known = shares.get(id)
        const prefixes = [...(known?.prefixes ?? []), prefix].sort()
        shares.set(id, { disagreement, others: strangers, prefixes })
      }
    }
    if (shares.size === 0) return none
    return [...shares].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, share]) => share)
  }

  return services => {
    follow(services)
    return find
  }
}

function disturb(meeting: Meeting): void {
  meeting.found = undefined
  for (const party of meeting.parties.values()) party.shares = undefined
}

/** `IPv4 24`: where two advertisements give prefixes of one length and do not want the same of them. */
function disputedLengths(overview: Overview): ReadonlySet<string> {
  const disputed = new Set<string>()
  for (const family of ['IPv4', 'IPv6'] as const) {
    const speakers = overview.advertisements.flatMap(({ addressFamilies, aggregationLength }, index) =>
      addressFamilies.includes(family) ? [{ index, length: aggregationLength[family] }] : [],
    )
    for (const [length, list] of Map.groupBy(speakers, one => one.length)) {
      const { disagreements } =
        list.length > 1 ? overview.termsOf(list.map(({ index }) => index)) : { disagreements: [] }
      if (disagreements.length > 0) disputed.add(`${family} ${length}`)
    }
  }
  return disputed
}

/** The disputed prefixes that the Service's addresses give. */
function stakesOf(overview: Overview, service: Service, disputed: ReadonlySet<string>): ReadonlyMap<string, Stake> {
  const stakes = new Map<string, Stake>()
  for (const { address, indexes } of overview.claimsOf(service)) {
    const { family } = address
    const byLength = Map.groupBy(indexes, index => overview.advertisements[index]?.aggregationLength[family])
    for (const [length, list] of byLength) {
      if (length === undefined || !disputed.has(`${family} ${length}`)) continue
      const prefix = formatPrefix(networkOf(address, length))
      const both = new Set([...(stakes.get(prefix)?.indexes ?? []), ...list])
      stakes.set(prefix, { family, indexes: [...both].sort((one, other) => one - other) })
    }
  }
  return stakes
}

/** What they disagree about wherever a node tells a router of several of them. */
function quarrelsAt(
  prefix: string,
  family: IpFamily,
  parties: readonly Party[],
  overview: Overview,
): readonly Quarrel[] {
  const sideOf = ({ stakes }: Party): string => stakes.get(prefix)?.indexes.join() ?? ''
  const [first] = parties
  if (!first || parties.every(party => sideOf(party) === sideOf(first))) return []
  // Those of which the same is said on the same nodes are as one: mostly all of a side.
  const byBloc = Map.groupBy(parties, party => [party.nodes, sideOf(party)].join())
  const blocs = Array.from(byBloc.values(), (members, number): Bloc => ({ number, members }))
  const seen = new Set<string>()
  const found = new Map<Disagreement, Set<Party>>()
  for (const node of overview.nodes) {
    const present = blocs.filter(({ members: [one] }) => one && (one.nodes === 'all' || one.nodes.includes(node)))
    for (const heard of hearings(node, family, prefix, present, overview).values()) {
      const id = `${[...heard.indexes].join()} ${heard.blocs.map(({ number }) => number).join()}`
      if (seen.has(id)) continue
      seen.add(id)
      for (const disagreement of overview.termsOf(heard.indexes).disagreements) {
        const about = found.get(disagreement) ?? new Set()
        for (const party of heard.blocs.flatMap(({ members }) => members)) about.add(party)
        found.set(disagreement, about)
      }
    }
  }
  return Array.from(found, ([disagreement, about]) => {
    const sides = new Map(
      Array.from(Map.groupBy(about, sideOf), ([side, list]) => [side, new Set(list.map(({ service }) => service.key))]),
    )
    const others = new Map(
      Array.from(sides.keys(), side => [
        side,
        [...sides].flatMap(([other, keys]) => (other === side ? [] : [...keys])).sort(),
      ]),
    )
    return { disagreement, sides, others }
  })
}

/** Parties of which the same is said on the same nodes. */
interface Bloc {
  readonly number: number
  readonly members: readonly Party[]
}

/** What one router hears of a prefix from a node, and of whom. */
interface Hearing {
  readonly indexes: Set<number>
  readonly blocs: Bloc[]
}

/** By peer. */
function hearings(
  node: string,
  family: IpFamily,
  prefix: string,
  blocs: readonly Bloc[],
  overview: Overview,
): ReadonlyMap<string, Hearing> {
  const audiences = overview.audiencesOf(node, family)
  const heard = new Map<string, Hearing>()
  for (const bloc of blocs) {
    for (const index of bloc.members[0]?.stakes.get(prefix)?.indexes ?? []) {
      const audience = audiences[index]
      for (const peer of audience?.kind === 'peers' ? audience.peers : []) {
        const hearing = heard.get(peer) ?? { indexes: new Set(), blocs: [] }
        hearing.indexes.add(index)
        if (hearing.blocs.at(-1) !== bloc) hearing.blocs.push(bloc)
        heard.set(peer, hearing)
      }
    }
  }
  return heard
}

/** So many are named; more would have to be written anew into the conditions of all whenever one comes or goes. */
const namesGiven = 3

/** What is shared with whom, what comes of it, and what to do. */
export function formatSharedRoute({ prefixes, others, disagreement }: SharedRoute): string {
  const { field, granted } = disagreement
  const names = others.slice(0, namesGiven).join(', ')
  const whom = `${others.length === 1 ? 'Service' : 'Services'} ${names}${others.length > namesGiven ? ' and others' : ''}`
  const routes = prefixes.length === 1 ? 'that route' : 'those routes'
  return (
    `it shares ${prefixes.join(' and ')} with ${whom}, and BGPAdvertisements give ${routes} different ${field}: ` +
    `${formatWishes(disagreement)}; ${granted ?? 'unset'} is used for all: ` +
    `give them the same ${field}, or let the same BGPAdvertisements speak for these Services`
  )
}

/** Whether it tells all that the other does, and more. */
export function supersedes({ disagreement }: SharedRoute, other: Disagreement): boolean {
  const names = new Set(disagreement.wishes.map(wish => wish.advertisement))
  return disagreement.field === other.field && other.wishes.every(wish => names.has(wish.advertisement))
}
