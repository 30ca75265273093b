import type { Address } from '../../net/address.ts'

/**
 * When to ask whether anybody else answers for an address of ours. A station that does so without announcing itself (a
 * node's kernel that has the address on an interface, a host that was given it by mistake) is only ever heard by those
 * who ask. So whenever somebody asks and we answer, we ask too: the other one's answer, which goes to us this time, is
 * the evidence. An address that nobody asks for does no harm and costs nothing.
 */
export interface Guard {
  /** Whether to ask now; at most five times a second for each address. */
  isDue(address: Address, nowMs: number): boolean
  forget(address: Address): void
}

const periodMs = 200

/** Knows of no question yet. */
export function createGuard(): Guard {
  const askedAtMs = new Map<bigint, number>()
  return {
    isDue({ value }, nowMs) {
      if (nowMs - (askedAtMs.get(value) ?? Number.NEGATIVE_INFINITY) < periodMs) return false
      askedAtMs.set(value, nowMs)
      return true
    },
    forget({ value }) {
      askedAtMs.delete(value)
    },
  }
}
