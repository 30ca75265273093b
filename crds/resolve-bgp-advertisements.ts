import { addressBits, type IpFamily } from '../net/address.ts'
import { type AddressRange, formatRange, toPrefixes } from '../net/range.ts'
import type { BGPAdvertisement, BGPCommunity, IPAddressPool } from './config.ts'
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
 * cover addresses that are not the pool's; an older advertisement gives the same routes another LOCAL_PREF) is left out
 * of that advertisement only. One whose community is unknown is set aside: to announce without it could leak a route.
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
    const unfit = [...poolsTooSmall(candidate, pools), ...poolsWithOtherLocalPref(candidate, pools, older)]
    const value = without(candidate, pools, unfit)
    if (value) older.push(value)
    return { resource, value, problem: unfit[0] ? unfitProblem(unfit, value) : (peers ?? selected.problem) }
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
    const tooSmall = pool.ranges.filter(range => {
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

/** Where two advertisements give one route to one peer from one node, it can have only one LOCAL_PREF. */
function poolsWithOtherLocalPref(
  advertisement: BGPAdvertisement,
  pools: readonly ResolvedPool[],
  older: readonly BGPAdvertisement[],
): readonly UnfitPool[] {
  // With serviceSelectors only the Services can tell whether two advertisements meet.
  if (advertisement.serviceSelectors.length > 0) return []
  const rivals = older.filter(
    other =>
      other.localPref !== advertisement.localPref &&
      other.serviceSelectors.length === 0 &&
      sharesPeers(other.peers, advertisement.peers) &&
      sharesNodes(other.nodeSelectors, advertisement.nodeSelectors),
  )
  return selectedPools(advertisement.pools, pools).flatMap((pool): readonly UnfitPool[] => {
    const rival = rivals.find(
      other => isSelected(other.pools, pool.name) && aggregatesAlike(other, advertisement, pool),
    )
    if (!rival) return []
    const message = `the older BGPAdvertisement "${rival.name}" announces IPAddressPool "${pool.name}" to the same peers with localPref ${rival.localPref ?? 'unset'}, this one with ${advertisement.localPref ?? 'unset'}; give both the same, or other peers or nodes`
    return [{ pool: pool.name, reason: 'ConflictingLocalPref', message }]
  })
}

function sharesPeers(one: readonly string[], other: readonly string[]): boolean {
  return one.length === 0 || other.length === 0 || one.some(name => other.includes(name))
}

function aggregatesAlike(one: BGPAdvertisement, other: BGPAdvertisement, pool: IPAddressPool): boolean {
  const alike = (family: IpFamily): boolean => one.aggregationLength[family] === other.aggregationLength[family]
  return pool.ranges.some(range => alike(range.family))
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
