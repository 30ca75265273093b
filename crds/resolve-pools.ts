import { type AddressRange, formatRange } from '../net/range.ts'
import type { IPAddressPool } from './config.ts'
import { claim, noClaims } from './overlap.ts'
import type { ParsedResource, ResolvedPool, ResourceProblem } from './parsed.ts'
import { firstFew } from './words.ts'

/**
 * Pools, the oldest first, without the addresses that an older pool has. Only these are taken away from the younger pool
 * and not the pool as a whole, so that one careless edit does not take the addresses of every Service in it.
 */
export function resolvePools(pools: readonly ParsedResource<IPAddressPool>[]): readonly ResolvedPool[] {
  const claims = noClaims()
  return pools.map(resource => {
    const { value, problem } = resource
    if (!value) return { resource, value, problem }
    const ranges: AddressRange[] = []
    const lost: string[] = []
    for (const range of value.ranges) {
      const { free, taken } = claim(claims, value.name, range)
      ranges.push(...free)
      for (const part of taken)
        lost.push(`${formatRange(part.range)} belongs to the older IPAddressPool "${part.owner}"`)
    }
    if (lost.length === 0) return { resource, value, problem }
    const overlap = overlapProblem(lost, ranges.length > 0)
    return { resource, value: ranges.length > 0 ? { ...value, ranges } : undefined, problem: overlap }
  })
}

function overlapProblem(lost: readonly string[], someLeft: boolean): ResourceProblem {
  const rest = someLeft ? 'The rest of this pool is in use.' : 'Nothing is left of this pool.'
  return {
    reason: 'OverlappingPool',
    message: `${firstFew(lost)}. Write each address in one pool only. ${rest}`,
  }
}
