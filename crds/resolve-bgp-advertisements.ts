import { addressBits } from '../net/address.ts'
import { type AddressRange, formatRange, toPrefixes } from '../net/range.ts'
import type { BGPAdvertisement, BGPCommunity, ConfigProblemReason, IPAddressPool } from './config.ts'
import type {
  ParsedBGPAdvertisement,
  Resolution,
  ResolvedPool,
  ResourceProblem,
  UnresolvedBGPAdvertisement,
} from './parsed.ts'
import { isSelected, selectedNames, selectedPools, selectPools } from './pool-selection.ts'
import { sharesNodes } from './selector-overlap.ts'
import { capitalised, firstFew, quoted } from './words.ts'

interface BGPSurroundings {
  readonly pools: readonly ResolvedPool[]
  /** Undefined = not known, so that nothing can be said about a name. */
  readonly peerNames: ReadonlySet<string> | undefined
  readonly aliases: ReadonlyMap<string, BGPCommunity>
}

/**
 * BGP advertisements, the oldest first. A pool that an advertisement cannot announce as it asks (its aggregate would
 * cover addresses that are not the pool's; an older advertisement gives the same routes another LOCAL_PREF, MED or AS
 * path) is left out of that advertisement only. One whose community is unknown is set aside: to announce without it could leak a route.
 */
export function resolveBGPAdvertisements(
  advertisements: readonly ParsedBGPAdvertisement[],
  { pools, peerNames, aliases }: BGPSurroundings,
): readonly Resolution<BGPAdvertisement>[] {
  const older: BGPAdvertisement[] = []
  return advertisements.map((resource): Resolution<BGPAdvertisement> => {
    if (!resource.value) return { resource, value: undefined, problem: resource.problem }
    const wanted = resource.value
    const communities = resolveReferences(wanted.communities, aliases)
    if ('reason' in communities) return { resource, value: undefined, problem: communities }
    const peers = unknownPeers(wanted.peers, peerNames)
    const selected = selectPools(wanted.pools, pools)
    if (!selected.selection || peers?.none) return { resource, value: undefined, problem: peers ?? selected.problem }
    const candidate = { ...wanted, communities, pools: selected.selection }
    const unfit = [...poolsTooSmall(candidate, pools), ...poolsWithOtherAttributes(candidate, pools, older)]
    const value = without(candidate, pools, unfit)
    if (value) older.push(value)
    return {
      resource,
      value,
      problem: unfit[0] ? unfitProblem(unfit, value) : (peers ?? selected.problem ?? missingFamily(candidate, pools)),
    }
  })
}

function resolveReferences(
  references: UnresolvedBGPAdvertisement['communities'],
  aliases: ReadonlyMap<string, BGPCommunity>,
): readonly BGPCommunity[] | ResourceProblem {
  const unknown: string[] = []
  const communities = references.flatMap(reference => {
    if (reference.kind === 'value') return [reference.community]
    const community = aliases.get(reference.name)
    if (!community) unknown.push(`no Community gives the alias "${reference.name}"`)
    return community ? [community] : []
  })
  if (unknown.length === 0) return communities
  const message = `${capitalised(firstFew(unknown))}. Create it, or write a value such as 65000:100. Announces nothing until then.`
  return { reason: 'UnknownCommunity', message }
}

/** Unknown names stay in the list of peers: they match no peer, while an empty list would mean all. */
function unknownPeers(
  names: readonly string[],
  known: ReadonlySet<string> | undefined,
): (ResourceProblem & { readonly none: boolean }) | undefined {
  const missing = known ? names.filter(name => !known.has(name)) : []
  if (missing.length === 0) return undefined
  const none = missing.length === names.length
  const rest = none ? 'Announces nothing until then.' : 'The other peers are announced to.'
  const message = `There is no BGPPeer ${quoted(missing)}. Create it, or correct peers. ${rest}`
  return { reason: 'UnknownPeer', message, none }
}

interface UnfitPool extends ResourceProblem {
  readonly pool: string
}

function poolsTooSmall(advertisement: BGPAdvertisement, pools: readonly ResolvedPool[]): readonly UnfitPool[] {
  return selectedPools(advertisement.pools, pools).flatMap((pool): readonly UnfitPool[] => {
    const tooSmall = announcedRanges(advertisement, pool).filter(range => {
      const aggregation = advertisement.aggregationLength[range.family]
      return aggregation < addressBits[range.family] && largestPrefix(range) > aggregation
    })
    const [entry] = tooSmall
    if (!entry) return []
    const field = entry.family === 'IPv4' ? 'aggregationLength' : 'aggregationLengthV6'
    const enough = Math.max(...tooSmall.filter(({ family }) => family === entry.family).map(largestPrefix))
    const message = `with ${field} ${advertisement.aggregationLength[entry.family]} more would be announced than ${formatRange(entry)} of IPAddressPool "${pool.name}"; write ${enough} or more`
    return [{ pool: pool.name, reason: 'AggregationTooShort', message }]
  })
}

/** The length of the largest network inside a range. */
function largestPrefix(range: AddressRange): number {
  return Math.min(...toPrefixes(range).map(prefix => prefix.length))
}

/** What a route can have only one of, so that advertisements of one route must agree on it. */
const attributes: readonly {
  readonly field: string
  readonly reason: ConfigProblemReason
  readonly valueOf: (advertisement: BGPAdvertisement) => number | undefined
  /** What routers take the route for where the field is unset (LOCAL_PREF is then said to be so). */
  readonly unset: number
}[] = [
  { field: 'localPref', reason: 'ConflictingLocalPref', valueOf: ({ localPref }) => localPref, unset: 100 },
  { field: 'med', reason: 'ConflictingMED', valueOf: ({ multiExitDisc }) => multiExitDisc, unset: 0 },
  {
    field: 'asPathPrepend',
    reason: 'ConflictingASPathPrepend',
    valueOf: ({ asPathPrepend }) => asPathPrepend,
    unset: 0,
  },
]

/** Where two advertisements give one route to one peer from one node, and not with the same attributes. */
function poolsWithOtherAttributes(
  advertisement: BGPAdvertisement,
  pools: readonly ResolvedPool[],
  older: readonly BGPAdvertisement[],
): readonly UnfitPool[] {
  // With serviceSelectors only the Services can tell whether two advertisements meet.
  if (advertisement.serviceSelectors.length > 0) return []
  const rivals = older.filter(
    other =>
      other.serviceSelectors.length === 0 &&
      sharesPeers(other.peers, advertisement.peers) &&
      sharesNodes(other.nodeSelectors, advertisement.nodeSelectors),
  )
  return selectedPools(advertisement.pools, pools).flatMap((pool): readonly UnfitPool[] => {
    const rivalsHere = rivals.filter(
      other => isSelected(other.pools, pool.name) && sharesRoutes(other, advertisement, pool),
    )
    for (const { field, reason, valueOf, unset } of attributes) {
      const wanted = valueOf(advertisement) ?? unset
      const rival = rivalsHere.find(other => (valueOf(other) ?? unset) !== wanted)
      if (!rival) continue
      const message = `the older BGPAdvertisement "${rival.name}" announces IPAddressPool "${pool.name}" to the same peers with ${field} ${valueOf(rival) ?? 'unset'}, this one with ${valueOf(advertisement) ?? 'unset'}; give both the same, or other peers or nodes`
      return [{ pool: pool.name, reason, message }]
    }
    return []
  })
}

function sharesPeers(one: readonly string[], other: readonly string[]): boolean {
  return one.length === 0 || other.length === 0 || one.some(name => other.includes(name))
}

/** Whether some address of the pool stands in one and the same prefix of both. */
function sharesRoutes(one: BGPAdvertisement, other: BGPAdvertisement, pool: IPAddressPool): boolean {
  return announcedRanges(one, pool).some(
    ({ family }) =>
      other.addressFamilies.includes(family) && one.aggregationLength[family] === other.aggregationLength[family],
  )
}

function announcedRanges({ addressFamilies }: BGPAdvertisement, { ranges }: IPAddressPool): readonly AddressRange[] {
  return ranges.filter(({ family }) => addressFamilies.includes(family))
}

/** Where no pool has an address of the families that are to be announced. */
function missingFamily(advertisement: BGPAdvertisement, pools: readonly ResolvedPool[]): ResourceProblem | undefined {
  const selected = selectedPools(advertisement.pools, pools)
  if (selected.length === 0 || selected.some(pool => announcedRanges(advertisement, pool).length > 0)) return undefined
  const families = advertisement.addressFamilies.join(' or ')
  const message = `No ${families} address is in IPAddressPool ${quoted(selected.map(({ name }) => name))}, and addressFamilies asks for no other. Add a range to a pool, or correct addressFamilies. Announces nothing until then.`
  return { reason: 'NoAddressOfFamily', message }
}

/** The advertisement without some of its pools; undefined when none is left. */
function without(
  advertisement: BGPAdvertisement,
  pools: readonly ResolvedPool[],
  unfit: readonly UnfitPool[],
): BGPAdvertisement | undefined {
  if (unfit.length === 0) return advertisement
  const left = new Set(selectedNames(advertisement.pools, pools))
  for (const { pool } of unfit) left.delete(pool)
  return left.size === 0 ? undefined : { ...advertisement, pools: { kind: 'named', pools: left } }
}

function unfitProblem(unfit: readonly UnfitPool[], left: BGPAdvertisement | undefined): ResourceProblem {
  const rest = left ? 'The other pools are announced.' : 'Announces nothing until then.'
  const message = `${capitalised(firstFew(unfit.map(pool => pool.message)))}. ${rest}`
  return { reason: unfit[0]?.reason ?? 'Invalid', message }
}
