import type { IPAddressPool } from '../crds/config.ts'
import type { Service } from '../kube/service.ts'
import { type SettledCondition, type Standing, settledConditionOf, standingsOf } from '../kube/settled.ts'
import { type Address, formatAddress, sameAddress } from '../net/address.ts'
import { contains } from '../net/range.ts'
import { type AllocationRequest, allocate, allocateSecond, type PoolObjection, type Refusal } from './allocator.ts'
import { type Circumstances, includesAddress } from './keep.ts'
import { shownAddresses } from './request.ts'

/*
 * Addresses that another station turns out to have (IPAddressPool.spec.avoidConflicts). An assigned address never moves by
 * itself; this is the one exception, and it is none for anybody who uses the Service: what is replaced was never announced,
 * by the word of the speakers (kube/settled.ts), so nobody can have come to it. In doubt it stays.
 */

/** So many addresses of one pool a single station may have before it is taken for one that answers whatever it is asked. */
export const mostOfOneStation = 64

/** An address of a Service that another station has and that may be replaced. */
export interface Taken {
  readonly address: Address
  readonly pool: string
  readonly mac: string
  readonly interface: string
}

/** Taken addresses that stay the Service's nonetheless. */
export interface Stuck {
  readonly taken: readonly Taken[]
  readonly why:
    | { readonly kind: 'refused'; readonly refusal: Refusal }
    | { readonly kind: 'objection'; readonly pool: string; readonly objection: PoolObjection }
    /** It answers for so many addresses that the next would be its as well. */
    | { readonly kind: 'answersForAll'; readonly pool: string }
}

/** What a Service has instead of what others have. */
export type Replacement =
  | { readonly kind: 'replaced'; readonly pool: string; readonly addresses: readonly Address[] }
  | ({ readonly kind: 'stuck' } & Stuck)

/**
 * Which of the addresses may be replaced: another station has it, it was never announced, the Service did not ask for it, shares
 * it with nobody, and its pool says so.
 */
export function takenOf(
  { book, ledger }: Circumstances,
  service: Service,
  request: AllocationRequest,
  addresses: readonly Address[],
): readonly Taken[] {
  if (request.addresses.length > 0 || service.request.problem !== undefined) return []
  const standings = standingsOf(service.conditions)
  return addresses.flatMap(address => {
    const standing = standings.find(one => one.address === formatAddress(address))
    const pool = trialPoolOf(book, address)
    if (standing?.kind !== 'inUse' || !pool) return []
    const { mac, interface: on } = standing
    const shares = ledger.holdersOf(address).some(holder => holder.service !== service.key)
    return shares ? [] : [{ address, pool: pool.name, mac, interface: on }]
  })
}

/** Other addresses in place of those that are taken; what is not taken stays, and all of them are from one pool. */
export function replacementOf(
  { book, namespaces, ledger }: Circumstances,
  request: AllocationRequest,
  kept: { readonly pool: string; readonly addresses: readonly Address[] },
  taken: readonly Taken[],
): Replacement {
  const isEverywhere = taken.some(({ mac }) => ledger.countOf(mac, kept.pool) >= mostOfOneStation)
  if (isEverywhere) return { kind: 'stuck', taken, why: { kind: 'answersForAll', pool: kept.pool } }
  const isTaken = (address: Address): boolean => takenAt(taken, address) !== undefined
  if (kept.addresses.every(isTaken)) {
    const answer = allocate(book, namespaces, ledger, request)
    if (answer.kind !== 'allocation') return { kind: 'stuck', taken, why: { kind: 'refused', refusal: answer } }
    return { kind: 'replaced', pool: answer.pool, addresses: answer.addresses }
  }
  const pool = book.pools.find(({ name }) => name === kept.pool)
  const addresses: Address[] = []
  for (const address of kept.addresses) {
    if (!isTaken(address)) {
      addresses.push(address)
      continue
    }
    const { family } = address
    const answer = pool ? allocateSecond(pool, ledger, request, family) : ({ kind: 'familyMissing', family } as const)
    if ('kind' in answer) {
      return { kind: 'stuck', taken, why: { kind: 'objection', pool: kept.pool, objection: answer } }
    }
    addresses.push(answer)
  }
  return { kind: 'replaced', pool: kept.pool, addresses }
}

/** What is said of this address. */
export function takenAt(taken: readonly Taken[], address: Address): Taken | undefined {
  return taken.find(one => sameAddress(one.address, address))
}

/** What the condition Settled is to say of these; undefined where there is nothing to be said. */
export function settledAfter(
  { book, ledger }: Circumstances,
  service: Service,
  request: AllocationRequest,
  addresses: readonly Address[],
): SettledCondition | undefined {
  const before = standingsOf(service.conditions)
  const grant = ledger.grantOf(service.key)
  return settledConditionOf(
    addresses.flatMap((address): readonly Standing[] => {
      const text = formatAddress(address)
      const known = before.find(one => one.address === text)
      if (known) return [known]
      const isOld =
        includesAddress(shownAddresses(service), address) ||
        (grant?.published === true && grant.addresses.some(one => sameAddress(one, address)))
      const isOthers = ledger.holdersOf(address).some(holder => holder.service !== service.key)
      const isTried = request.addresses.length === 0 && trialPoolOf(book, address) !== undefined
      return isOld || isOthers || !isTried ? [] : [{ kind: 'untried', address: text }]
    }),
  )
}

/** The pool that has the address, if it avoids conflicts. */
function trialPoolOf({ pools }: Circumstances['book'], address: Address): IPAddressPool | undefined {
  return pools.find(pool => pool.avoidConflicts && pool.ranges.some(range => contains(range, address)))
}
