import type { IPAddressPool } from '../crds/config.ts'
import type { Address, IpFamily } from '../net/address.ts'
import type { AddressRange } from '../net/range.ts'
import { createIntervalSet, type IntervalSet } from './intervals.ts'

/*
 * The addresses of a pool that may be handed out, numbered from 0 in the order of use: range after range as listed, each
 * from its lowest address up. Addresses that avoidBuggyIPs rules out have no number, so they leave no holes: the lowest
 * free address is the end of the first run of numbers in use, whatever the pool looks like.
 *
 *   ranges           192.0.2.254-192.0.3.1   192.0.2.10-192.0.2.11
 *   avoidBuggyIPs    .254  (.255  .0)   .1    .10   .11
 *   number             0                 1      2     3
 */

/** One family of one pool. */
export interface PoolSpace {
  readonly pool: IPAddressPool
  readonly family: IpFamily
  /** How many addresses may be handed out. */
  readonly size: bigint
  /** The numbers that are not free: in use, or another station's. */
  readonly used: IntervalSet
  /** Those of them that nobody uses, since another station has the address. */
  readonly conflicting: IntervalSet
  /** The address with a number below `size`. */
  addressAt(number: bigint): Address
}

/** Where an address stands: its pool and its number there. */
export interface Place {
  readonly space: PoolSpace
  readonly number: bigint
}

/** Finds the place of any address among all pools. */
export interface PoolMap {
  place(address: Address): Place | undefined
  space(pool: string, family: IpFamily): PoolSpace | undefined
  readonly spaces: readonly PoolSpace[]
}

interface Segment {
  readonly range: AddressRange
  readonly space: PoolSpace
  /** The number of the first usable address of the range. */
  readonly offset: bigint
}

const families = ['IPv4', 'IPv6'] as const

/** Numbers all addresses of all pools; pools never overlap, parse.ts has set aside those that do. */
export function createPoolMap(pools: readonly IPAddressPool[]): PoolMap {
  const spaces: PoolSpace[] = []
  const spaceByName = new Map<string, PoolSpace>()
  const segments: Readonly<Record<IpFamily, Segment[]>> = { IPv4: [], IPv6: [] }
  for (const pool of pools) {
    for (const family of families) {
      const laidOut = layOut(pool, family)
      if (!laidOut) continue
      spaces.push(laidOut.space)
      spaceByName.set(`${pool.name} ${family}`, laidOut.space)
      segments[family].push(...laidOut.segments)
    }
  }
  for (const family of families)
    segments[family].sort((one, other) =>
      one.range.first < other.range.first ? -1 : one.range.first > other.range.first ? 1 : 0,
    )

  return {
    spaces,
    space: (pool, family) => spaceByName.get(`${pool} ${family}`),
    place(address) {
      const segment = segmentOf(segments[address.family], address.value)
      if (!segment || isAvoided(segment.space.pool, address)) return undefined
      const numbering = numberingOf(segment.space.pool, address.family)
      return {
        space: segment.space,
        number: segment.offset + numbering.rank(address.value) - numbering.rank(segment.range.first),
      }
    },
  }
}

/** Whether avoidBuggyIPs rules the address out: some old network gear drops what ends in .0 or .255. */
export function isAvoided(pool: IPAddressPool, address: Address): boolean {
  if (!pool.avoidBuggyIPs || address.family !== 'IPv4') return false
  const lastOctet = address.value & 255n
  return lastOctet === 0n || lastOctet === 255n
}

function layOut(pool: IPAddressPool, family: IpFamily): { space: PoolSpace; segments: Segment[] } | undefined {
  const ranges = pool.ranges.filter(range => range.family === family)
  if (ranges.length === 0) return undefined
  const numbering = numberingOf(pool, family)
  const offsets: bigint[] = []
  let size = 0n
  for (const range of ranges) {
    offsets.push(size)
    size += numbering.rank(range.last + 1n) - numbering.rank(range.first)
  }
  const space: PoolSpace = {
    pool,
    family,
    size,
    used: createIntervalSet(),
    conflicting: createIntervalSet(),
    addressAt(number) {
      const index = lastOffsetAtOrBelow(offsets, number)
      const range = ranges[index]
      if (!range || number >= size) throw new RangeError(`pool ${pool.name} has no ${family} address number ${number}`)
      return { family, value: numbering.nth(numbering.rank(range.first) + number - (offsets[index] ?? 0n)) }
    },
  }
  return { space, segments: ranges.map((range, index) => ({ range, space, offset: offsets[index] ?? 0n })) }
}

interface Numbering {
  /** How many usable addresses lie below the value. */
  rank(value: bigint): bigint
  /** The usable address with that many usable ones below it. */
  nth(rank: bigint): bigint
}

const everyAddress: Numbering = { rank: value => value, nth: rank => rank }

/** 254 of each 256 addresses: all but .0 and .255. */
const withoutBuggy: Numbering = {
  rank(value) {
    const lastOctet = value & 255n
    return (value >> 8n) * 254n + (lastOctet === 0n ? 0n : lastOctet - 1n)
  },
  nth: rank => ((rank / 254n) << 8n) + (rank % 254n) + 1n,
}

function numberingOf(pool: IPAddressPool, family: IpFamily): Numbering {
  return pool.avoidBuggyIPs && family === 'IPv4' ? withoutBuggy : everyAddress
}

/** The last of the offsets that is not above the number; of equal ones (a range without usable addresses) the last. */
function lastOffsetAtOrBelow(offsets: readonly bigint[], number: bigint): number {
  let low = 0
  let high = offsets.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if ((offsets[middle] ?? 0n) <= number) low = middle
    else high = middle - 1
  }
  return low
}

function segmentOf(segments: readonly Segment[], value: bigint): Segment | undefined {
  let low = 0
  let high = segments.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if ((segments[middle]?.range.first ?? 0n) <= value) low = middle
    else high = middle - 1
  }
  const segment = segments[low]
  return segment && segment.range.first <= value && value <= segment.range.last ? segment : undefined
}
