import type { IpFamily } from '../net/address.ts'
import { type AddressRange, compareRanges } from '../net/range.ts'

/** Ranges that are spoken for, and by whom: sorted, and never overlapping. */
export interface ClaimedRanges {
  readonly claims: Readonly<Record<IpFamily, Claim[]>>
}

export interface Claim {
  readonly owner: string
  readonly range: AddressRange
}

/** What is left of a range for one who comes later, and what of it belongs to others. */
export interface ClaimResult {
  readonly free: readonly AddressRange[]
  readonly taken: readonly Claim[]
}

export function noClaims(): ClaimedRanges {
  return { claims: { IPv4: [], IPv6: [] } }
}

/** Claims what nobody has claimed before of a range. */
export function claim(claimed: ClaimedRanges, owner: string, range: AddressRange): ClaimResult {
  const { family } = range
  const claims = claimed.claims[family]
  const start = firstReaching(claims, range.first)
  const free: AddressRange[] = []
  const taken: Claim[] = []
  let next = range.first
  let end = start
  for (; end < claims.length; end++) {
    const other = claims[end]
    if (!other || other.range.first > range.last) break
    if (next < other.range.first) free.push({ family, first: next, last: other.range.first - 1n })
    const last = other.range.last < range.last ? other.range.last : range.last
    const first = other.range.first > range.first ? other.range.first : range.first
    taken.push({ owner: other.owner, range: { family, first, last } })
    next = other.range.last + 1n
  }
  if (next <= range.last) free.push({ family, first: next, last: range.last })
  const added = free.map((part): Claim => ({ owner, range: part }))
  const merged = [...claims.slice(start, end), ...added].sort((one, other) => compareRanges(one.range, other.range))
  claims.splice(start, end - start, ...merged)
  return { free, taken }
}

/** Index of the first claim that ends at or after an address. */
function firstReaching(claims: readonly Claim[], address: bigint): number {
  let low = 0
  let high = claims.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const last = claims[middle]?.range.last
    if (last !== undefined && last < address) low = middle + 1
    else high = middle
  }
  return low
}
