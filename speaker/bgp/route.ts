import { type Address, formatAddress, type IpFamily } from '../../net/address.ts'
import type { AddressPrefix } from '../../net/range.ts'
import type { Advertisement } from './adj-rib-out.ts'
import { sequence } from './as-path.ts'
import type { PathAttributes } from './attributes.ts'
import type { LargeCommunity } from './community.ts'

/** A prefix that one peer is to hear of, and what is to be said of it. */
export interface Route {
  readonly prefix: AddressPrefix
  /** Only told to a peer of our own AS, where it must not be missing. */
  readonly localPref: number | undefined
  /** Multi-exit discriminator: among our nodes, the lowest is preferred. */
  readonly multiExitDisc: number | undefined
  /** How many times more than once our AS number stands in the path to a peer of another AS. */
  readonly prepend: number
  /** 32-bit numbers, as RFC 1997 writes them: two halves. */
  readonly communities: readonly number[]
  readonly largeCommunities: readonly LargeCommunity[]
  /** For unequal shares among our nodes. */
  readonly linkBandwidth: number | undefined
}

/** What of a session shapes the routes sent over it. */
export interface ExportTerms {
  readonly localAs: number
  readonly internal: boolean
  readonly families: readonly IpFamily[]
  readonly fourOctetAs: boolean
  /** IPv4 routes may have an IPv6 next hop. */
  readonly extendedNextHop: boolean
  /** This node's own addresses towards the peer. */
  readonly nextHops: NextHops
}

export interface NextHops {
  readonly IPv4: Address | undefined
  readonly IPv6: Address | undefined
  readonly linkLocal: Address | undefined
}

/** The routes as this peer is to hear them, and the families of which it can hear nothing for want of a next hop. */
export interface Exported {
  readonly advertisements: readonly Advertisement[]
  readonly withoutNextHop: readonly IpFamily[]
}

/** What a peer of our own AS takes for a route without LOCAL_PREF; said outright, since it must not be missing. */
export const defaultLocalPref = 100

/** Applies the rules of RFC 4271 §5.1: ourselves as next hop, our AS in the path to other ASes, LOCAL_PREF to our own. */
export function exportRoutes(routes: readonly Route[], terms: ExportTerms): Exported {
  const attributesByPolicy = new Map<string, PathAttributes>()
  const withoutNextHop = new Set<IpFamily>()
  const advertisements: Advertisement[] = []
  for (const route of routes) {
    const { family } = route.prefix.address
    if (!terms.families.includes(family)) continue
    const nextHop = nextHopFor(family, terms)
    if (!nextHop) {
      withoutNextHop.add(family)
      continue
    }
    const policy = policyKey(route)
    const attributes = attributesByPolicy.get(policy) ?? attributesOf(route, terms)
    attributesByPolicy.set(policy, attributes)
    advertisements.push({ prefix: route.prefix, attributes, ...nextHop })
  }
  return { advertisements, withoutNextHop: [...withoutNextHop] }
}

type AdvertisedNextHop = Pick<Advertisement, 'nextHop' | 'linkLocalNextHop'>

function nextHopFor(family: IpFamily, { nextHops, extendedNextHop }: ExportTerms): AdvertisedNextHop | undefined {
  if (family === 'IPv4' && nextHops.IPv4) return { nextHop: nextHops.IPv4 }
  if (family === 'IPv4' && !extendedNextHop) return undefined
  const { IPv6, linkLocal } = nextHops
  if (IPv6) return { nextHop: IPv6, ...(linkLocal && { linkLocalNextHop: linkLocal }) }
  return linkLocal && { nextHop: linkLocal }
}

function attributesOf(route: Route, { localAs, internal }: ExportTerms): PathAttributes {
  const { localPref = defaultLocalPref, multiExitDisc, prepend, communities, largeCommunities, linkBandwidth } = route
  return {
    origin: 'IGP',
    asPath: internal ? [] : sequence(Array.from({ length: 1 + prepend }, () => localAs)),
    ...(multiExitDisc !== undefined && { multiExitDisc }),
    ...(internal && { localPref }),
    ...(communities.length > 0 && { communities: ascending(communities) }),
    ...(linkBandwidth !== undefined && {
      extendedCommunities: [{ kind: 'linkBandwidth', as: localAs, bytesPerSecond: linkBandwidth, transitive: false }],
    }),
    ...(largeCommunities.length > 0 && { largeCommunities: withoutRepeats(largeCommunities) }),
  }
}

/** Sorted and each once, so that the order in which objects were listed changes no packet. */
function ascending(communities: readonly number[]): readonly number[] {
  return [...new Set(communities)].sort((one, other) => one - other)
}

function withoutRepeats(communities: readonly LargeCommunity[]): readonly LargeCommunity[] {
  const byText = new Map(communities.map(community => [largeCommunityText(community), community]))
  return [...byText.values()].sort(
    (one, other) =>
      one.globalAdministrator - other.globalAdministrator || one.data1 - other.data1 || one.data2 - other.data2,
  )
}

function largeCommunityText({ globalAdministrator, data1, data2 }: LargeCommunity): string {
  return `${globalAdministrator}:${data1}:${data2}`
}

/** Routes with the same key have the same attributes, and so go in one UPDATE. */
function policyKey(route: Route): string {
  const { localPref, multiExitDisc, prepend, communities, largeCommunities, linkBandwidth } = route
  const large = largeCommunities.map(largeCommunityText).join()
  return `${localPref} ${multiExitDisc} ${prepend} ${communities.join()} ${large} ${linkBandwidth}`
}

/** `192.0.2.1/32`, for people. */
export function formatPrefix({ address, length }: AddressPrefix): string {
  return `${formatAddress(address)}/${length}`
}
