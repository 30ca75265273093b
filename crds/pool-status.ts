import type { IpFamily } from '../net/address.ts'
import type { IPAddressPoolStatus } from './resources.ts'

/** How many addresses of a pool are in use, and how many can still be assigned. */
export interface PoolUsage {
  readonly assigned: Readonly<Record<IpFamily, number | bigint>>
  readonly available: Readonly<Record<IpFamily, number | bigint>>
}

/** The counters of a pool's status: numbers for programs, capped where JSON cannot carry them, and texts for people. */
export function poolCounters({ assigned, available }: PoolUsage): Omit<IPAddressPoolStatus, 'conditions'> {
  return {
    assigned: formatCount(BigInt(assigned.IPv4) + BigInt(assigned.IPv6)),
    available: formatCount(BigInt(available.IPv4) + BigInt(available.IPv6)),
    assignedIPv4: capped(assigned.IPv4),
    assignedIPv6: capped(assigned.IPv6),
    availableIPv4: capped(available.IPv4),
    availableIPv6: capped(available.IPv6),
  }
}

/** A count as people read it: in full up to a billion, above that as a power of two, with ~ for the nearest one. */
export function formatCount(count: bigint): string {
  if (count <= 1_000_000_000n) return `${count}`
  const bits = count.toString(2)
  const exponent = bits.startsWith('11') ? bits.length : bits.length - 1
  return count === 1n << BigInt(exponent) ? `2^${exponent}` : `~2^${exponent}`
}

function capped(count: number | bigint): number {
  return count > Number.MAX_SAFE_INTEGER ? Number.MAX_SAFE_INTEGER : Number(count)
}
