import type { IPAddressPool } from '../crds/config.ts'
import type { Address } from '../net/address.ts'
import { contains } from '../net/range.ts'

/** Finds the name of the pool that holds an address, by halving; pools never overlap. */
export function poolFinder(pools: readonly IPAddressPool[]): (address: Address) => string | undefined {
  const entries = (family: Address['family']) =>
    pools
      .flatMap(({ name, ranges }) => ranges.filter(range => range.family === family).map(range => ({ name, range })))
      .sort((one, other) => (one.range.first < other.range.first ? -1 : 1))
  const sorted = { IPv4: entries('IPv4'), IPv6: entries('IPv6') }
  return address => {
    const list = sorted[address.family]
    let low = 0
    let high = list.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((list[middle]?.range.first ?? 0n) <= address.value) low = middle + 1
      else high = middle
    }
    const entry = list[low - 1]
    return entry && contains(entry.range, address) ? entry.name : undefined
  }
}
