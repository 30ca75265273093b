import type { PoolView } from '../../cli/pools.ts'
import { createPoolMap } from '../../controller/pool-space.ts'
import type { IPAddressPool } from '../../crds/config.ts'
import { addressBits, formatAddress, type IpFamily, parseAddress } from '../../net/address.ts'
import { type AddressRange, compareRanges, contains, formatRange, rangeSize } from '../../net/range.ts'
import { holdingsOf, within } from './holdings.ts'
import type { Scene } from './scene.ts'

/*
 * A pool as a map. Whatever its size, a map has at most 256 cells: of one address each where that is enough, else of
 * equal prefixes, so that 10.0.0.0/16 is 256 times a /24 and each of those, looked into, 256 addresses. A /64 is eight
 * looks deep. Nothing is ever enumerated: what lies in a cell is counted in the sorted list of what is in use, and by
 * arithmetic.
 */

/** A pool and how full it is; counts as text, since a /64 has more than a number holds. */
export interface PoolSummary extends Omit<PoolView, 'usage'> {
  readonly usage: readonly { readonly family: IpFamily; readonly size: string; readonly inUse: string }[]
}

/** A pool, or a part of it, as maps: one for each of its ranges. */
export interface PoolMap {
  readonly pool: PoolSummary
  /** From the range down to what is shown, to go back up; empty where all of the pool is shown. */
  readonly path: readonly Scope[]
  readonly blocks: readonly Block[]
  readonly moreRanges: number
  /** What is in use of what is shown, in ascending order. */
  readonly holdings: readonly HeldAddress[]
  readonly moreHoldings: number
}

/** Addresses from one to another, both included. */
export interface Scope {
  /** A prefix, a range or an address. */
  readonly label: string
  readonly from: string
  readonly to: string
}

/** A range, or a part of one, in cells. */
export interface Block extends Scope {
  readonly size: string
  readonly inUse: number
  readonly conflicts: number
  readonly avoided: string
  /** How many addresses a cell has. */
  readonly cellSize: string
  readonly cells: readonly Cell[]
  /** The part that all of what is in use lies in, where that is much less than the block. */
  readonly focus: Scope | undefined
}

export interface Cell extends Scope {
  readonly size: string
  readonly inUse: number
  readonly conflicts: number
  /** Never handed out. */
  readonly avoided: string
  /** Of a single address. */
  readonly services?: readonly string[]
}

export interface HeldAddress {
  readonly address: string
  readonly services: readonly string[]
  readonly conflict: string | undefined
}

const mostCells = 256
const mostCellsOfMany = 64
const mostRanges = 48
const mostHoldings = 200

export function poolSummaries({ status }: Scene): readonly PoolSummary[] {
  return status.pools.map(pool => ({
    ...pool,
    usage: pool.usage.map(({ family, size, inUse }) => ({ family, size: String(size), inUse: String(inUse) })),
  }))
}

/** The map of a pool, or of a part of it; undefined where there is no such pool, or no such part. */
export function poolMapOf(
  scene: Scene,
  name: string,
  part?: { readonly from: string; readonly to: string },
): PoolMap | undefined {
  const summary = poolSummaries(scene).find(one => one.name === name)
  if (!summary) return undefined
  const pool = scene.picture.snapshot.resolved.config.pools.find(one => one.name === name)
  const ranges = pool?.ranges ?? []
  const range = part && partOf(ranges, part.from, part.to)
  if (part && !range) return undefined
  const shown = range ? [range.part] : [...ranges].sort(compareRanges).slice(0, mostRanges)
  const cells = shown.length > 8 ? mostCellsOfMany : mostCells
  const held = shown.map(one => {
    const holdings = holdingsOf(scene)[one.family]
    return { family: one.family, holdings: holdings.slice(...within(holdings, one)) }
  })
  const count = held.reduce((sum, { holdings }) => sum + holdings.length, 0)
  return {
    pool: summary,
    path: range ? pathTo(range.range, range.part) : [],
    blocks: pool ? shown.map(one => blockOf(scene, pool, one, cells)) : [],
    moreRanges: range ? 0 : Math.max(0, ranges.length - mostRanges),
    holdings: held
      .flatMap(({ family, holdings }) =>
        holdings
          .slice(0, mostHoldings)
          .map(({ value, services, conflict }) => ({ address: formatAddress({ family, value }), services, conflict })),
      )
      .slice(0, mostHoldings),
    moreHoldings: Math.max(0, count - mostHoldings),
  }
}

/** The range of the pool that the part lies in. */
function partOf(
  ranges: readonly AddressRange[],
  from: string,
  to: string,
): { readonly range: AddressRange; readonly part: AddressRange } | undefined {
  const [first, last] = [parseAddress(from), parseAddress(to)]
  if (!first || !last || first.family !== last.family || first.value > last.value) return undefined
  const range = ranges.find(one => contains(one, first) && contains(one, last))
  return range && { range, part: { family: first.family, first: first.value, last: last.value } }
}

function blockOf(scene: Scene, pool: IPAddressPool, range: AddressRange, most: number): Block {
  const bits = cellBits(range, most)
  const cells = [...cellsOf(range, bits)].map((cell): Cell => {
    const { size, inUse, conflicts, avoided, services } = countIn(scene, pool, cell)
    return { ...scopeOf(cell), size, inUse, conflicts, avoided, ...(bits === 0n ? { services } : {}) }
  })
  const { size, inUse, conflicts, avoided } = countIn(scene, pool, range)
  const cellSize = String(1n << bits)
  return { ...scopeOf(range), size, inUse, conflicts, avoided, cellSize, cells, focus: focusOf(scene, range, bits) }
}

/** How many addresses of the range the pool can hand out. */
function usableOf(pool: IPAddressPool, range: AddressRange): bigint {
  if (!pool.avoidBuggyIPs) return rangeSize(range)
  return createPoolMap([{ ...pool, ranges: [range] }]).space(pool.name, range.family)?.size ?? 0n
}

function countIn(scene: Scene, pool: IPAddressPool, range: AddressRange) {
  const holdings = holdingsOf(scene)[range.family]
  const [from, to] = within(holdings, range)
  let conflicts = 0
  for (let index = from; index < to; index++) if (holdings[index]?.conflict !== undefined) conflicts++
  const size = rangeSize(range)
  return {
    size: String(size),
    inUse: to - from,
    conflicts,
    avoided: String(size - usableOf(pool, range)),
    services: size === 1n ? (holdings[from]?.value === range.first ? holdings[from].services : []) : [],
  }
}

/** The cells of a range: aligned blocks of 2^bits addresses, cut at the range's ends. */
function* cellsOf({ family, first, last }: AddressRange, bits: bigint): Generator<AddressRange> {
  for (let at = first; at <= last; at = ((at >> bits) + 1n) << bits) {
    const end = (((at >> bits) + 1n) << bits) - 1n
    yield { family, first: at, last: end < last ? end : last }
  }
}

/** The smallest cells, as a power of two, that are few enough. */
function cellBits({ family, first, last }: AddressRange, most: number): bigint {
  for (let bits = 0n; bits < BigInt(addressBits[family]); bits++) {
    if ((last >> bits) - (first >> bits) + 1n <= BigInt(most)) return bits
  }
  return BigInt(addressBits[family])
}

/** From the range down to its part, as one gets there cell by cell. */
function pathTo(range: AddressRange, part: AddressRange): readonly Scope[] {
  const path = [scopeOf(range)]
  let scope = range
  while (scope.first !== part.first || scope.last !== part.last) {
    const bits = cellBits(scope, mostCells)
    const first = (part.first >> bits) << bits
    const last = first + (1n << bits) - 1n
    const cell = {
      family: scope.family,
      first: first > scope.first ? first : scope.first,
      last: last < scope.last ? last : scope.last,
    }
    // A part of another shape than a cell's, such as a focus, ends the path.
    if (bits === 0n || cell.last < part.last) break
    path.push(scopeOf(cell))
    scope = cell
  }
  const end = scopeOf(part)
  return path.at(-1)?.label === end.label ? path : [...path, end]
}

/** The smallest aligned part with all that is in use, if to find it would otherwise take a search. */
function focusOf(scene: Scene, range: AddressRange, bits: bigint): Scope | undefined {
  if (bits < 8n) return undefined
  const holdings = holdingsOf(scene)[range.family]
  const [from, to] = within(holdings, range)
  const [lowest, highest] = [holdings[from]?.value, holdings[to - 1]?.value]
  if (from === to || lowest === undefined || highest === undefined) return undefined
  let width = 8n
  while (lowest >> width !== highest >> width) width++
  if (width > bits) return undefined
  const first = (lowest >> width) << width
  const last = first + (1n << width) - 1n
  return scopeOf({
    family: range.family,
    first: first > range.first ? first : range.first,
    last: last < range.last ? last : range.last,
  })
}

function scopeOf(range: AddressRange): Scope {
  const { family, first, last } = range
  const from = formatAddress({ family, value: first })
  if (first === last) return { label: from, from, to: from }
  return { label: formatRange(range), from, to: formatAddress({ family, value: last }) }
}
