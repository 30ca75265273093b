import type { Service, ServiceKey } from '../../kube/service.ts'
import { type Address, compareAddresses } from '../../net/address.ts'
import type { Offer, ServiceAdvertisement } from '../advertisements.ts'
import type { RefusedService } from '../refusal.ts'
import type { Candidates, Verdict } from './election.ts'

/*
 * Services that share an address must be announced from one node, and so must all addresses of one Service. A group is
 * what hangs together by that: the Services that share any address, and what those share with others.
 *
 * A node can stand for a group when it can announce every address of every Service in it. Where no node can, those that can
 * announce the most of them stand, and a Service whose addresses the winner cannot announce is told so
 * (SharedAddressElsewhere). A Service that nobody could announce anyhow (no advertisement, no endpoints) takes no part and
 * does not hold the others up.
 */

/** Services that are announced from one node. */
export interface Group {
  /** Canonical text of its lowest address, IPv4 first: what the election hashes. */
  readonly key: string
  /** In the order of their keys. */
  readonly members: readonly GroupMember[]
  readonly candidates: Candidates
}

export interface GroupMember {
  readonly service: Service
  readonly offers: readonly Offer[]
}

/** What need not be made again while the survey is the same. */
export interface GroupCache {
  /** By the Reaches that they were made from. */
  readonly candidates: Map<string, Candidates>
  /** Of Services that share nothing with others. */
  readonly alone: WeakMap<ServiceAdvertisement, Group>
}

export function createGroupCache(): GroupCache {
  return { candidates: new Map(), alone: new WeakMap() }
}

/** The groups of all Services that are offered, in no particular order. */
export function groupsOf(
  advertisements: Iterable<ServiceAdvertisement>,
  cache: GroupCache = createGroupCache(),
): readonly Group[] {
  const byAddress = new Map<string, GroupInMaking>()
  const groups = new Set<GroupInMaking>()
  for (const advertisement of advertisements) {
    if (advertisement.kind !== 'offered') continue
    const { service, offers } = advertisement
    let group: GroupInMaking | undefined
    for (const { text } of offers) {
      const met = byAddress.get(text)
      if (met && met !== group) group = group ? merge(group, met, byAddress, groups) : met
    }
    group ??= { first: advertisement, members: [] }
    groups.add(group)
    group.members.push({ service, offers })
    for (const { text } of offers) byAddress.set(text, group)
  }
  return Array.from(groups, ({ first, members }) => {
    if (members.length > 1) return finish(members, cache)
    const group = cache.alone.get(first) ?? finish(members, cache)
    cache.alone.set(first, group)
    return group
  })
}

interface GroupInMaking {
  readonly first: ServiceAdvertisement
  readonly members: GroupMember[]
}

function merge(
  one: GroupInMaking,
  other: GroupInMaking,
  byAddress: Map<string, GroupInMaking>,
  groups: Set<GroupInMaking>,
): GroupInMaking {
  for (const member of other.members) {
    one.members.push(member)
    for (const { text } of member.offers) byAddress.set(text, one)
  }
  groups.delete(other)
  return one
}

function finish(members: GroupMember[], cache: GroupCache): Group {
  members.sort((one, other) => (one.service.key < other.service.key ? -1 : 1))
  const offers = members.flatMap(member => member.offers)
  return { key: lowest(offers), members, candidates: candidatesOf(offers, cache) }
}

function lowest(offers: readonly Offer[]): string {
  let best: { readonly address: Address; readonly text: string } | undefined
  for (const offer of offers) if (!best || compareAddresses(offer.address, best.address) < 0) best = offer
  return best?.text ?? ''
}

function candidatesOf(offers: readonly Offer[], { candidates: cache }: GroupCache): Candidates {
  const id =
    offers.length === 1
      ? (offers[0]?.reach.id ?? '')
      : [...offers]
          .map(offer => offer.reach.id)
          .sort()
          .join('&')
  const known = cache.get(id)
  if (known) return known
  const tallies = new Map<string, { count: number; preference: number }>()
  for (const { reach } of offers) {
    for (const [node, { preference }] of reach.nodes) {
      const tally = tallies.get(node) ?? { count: 0, preference: 0 }
      tallies.set(node, { count: tally.count + 1, preference: tally.preference + preference })
    }
  }
  const most = Math.max(...Array.from(tallies.values(), tally => tally.count))
  const able = [...tallies].filter(([, tally]) => tally.count === most)
  const highest = Math.max(...able.map(([, tally]) => tally.preference))
  const names = (chosen: typeof able) => chosen.map(([node]) => node).sort()
  const candidates = {
    nodes: names(able.filter(([, tally]) => tally.preference === highest)),
    lesser: new Set(names(able.filter(([, tally]) => tally.preference < highest))),
  }
  cache.set(id, candidates)
  return candidates
}

/** One address as one node announces it. */
export interface PlacedOffer {
  /** Canonical text. */
  readonly address: string
  readonly interfaces: readonly string[] | 'all'
}

/** What a node announces of a group, by Service: those of its addresses that the node can; none = it cannot serve that Service. */
export function offersAt(group: Group, node: string): ReadonlyMap<ServiceKey, readonly PlacedOffer[]> {
  return new Map(
    group.members.map(({ service, offers }) => [
      service.key,
      offers.flatMap(({ text, reach }) => {
        const post = reach.nodes.get(node)
        return post ? [{ address: text, interfaces: post.interfaces }] : []
      }),
    ]),
  )
}

/**
 * The nodes that answer for the group together, sorted; none where one node does. All addresses of a group are shared, or
 * none is: those that win are one node's.
 */
export function sharersOf({ members, candidates }: Group): readonly string[] {
  for (const { offers } of members) {
    for (const { reach } of offers) {
      if (!reach.shared || !candidates.nodes.every(node => reach.nodes.has(node))) return []
    }
  }
  return candidates.nodes
}

/** Services of elected groups that the winner cannot announce, because of those that they share an address with. */
export function leftOut(groups: readonly Group[], verdicts: ReadonlyMap<string, Verdict>): readonly RefusedService[] {
  return groups.flatMap(group => {
    const node = verdicts.get(group.key)?.node
    if (group.members.length === 1 || node === undefined) return []
    const offers = offersAt(group, node)
    const sharers = [...offers].filter(([, own]) => own.length > 0).map(([key]) => key)
    return group.members
      .filter(({ service }) => offers.get(service.key)?.length === 0)
      .map(({ service }) => ({ service, refusal: { kind: 'SharedAddressElsewhere', node, sharers } }))
  })
}
