import type { IPAddressPool } from '../crds/config.ts'
import type { ServiceKey } from '../kube/service.ts'
import { type Address, type IpFamily, sameAddress } from '../net/address.ts'
import { contains } from '../net/range.ts'
import type { LedgerView, PoolUsage } from './ledger.ts'
import {
  type AdmissionObjection,
  type Applicant,
  admissionObjection,
  type Namespaces,
  type PoolBook,
} from './pool-choice.ts'
import { isAvoided } from './pool-space.ts'
import { type SharingClaim, type SharingObstacle, sharingObstacles } from './sharing.ts'

/** Which families of addresses a Service is to have. */
export type FamilyWish =
  | { readonly kind: 'one'; readonly family: IpFamily }
  | { readonly kind: 'both'; readonly primary: IpFamily }
  | { readonly kind: 'preferBoth'; readonly primary: IpFamily }

/** One Service asking for its addresses. */
export interface AllocationRequest extends Applicant {
  readonly service: ServiceKey
  readonly wish: FamilyWish
  /** Exactly these; empty = any. */
  readonly addresses: readonly Address[]
  /** Only from this pool. */
  readonly pool: string | undefined
  readonly claim: SharingClaim
}

/** What the Service gets, all of it from one pool. */
export interface Allocation {
  readonly kind: 'allocation'
  readonly pool: string
  /** The primary family first. */
  readonly addresses: readonly Address[]
}

/** Why a pool gives this Service nothing. */
export type PoolObjection =
  | AdmissionObjection
  | { readonly kind: 'setAside'; readonly reason: string; readonly message: string }
  | { readonly kind: 'autoAssignOff' }
  | { readonly kind: 'familyMissing'; readonly family: IpFamily }
  | ({ readonly kind: 'exhausted'; readonly family: IpFamily } & PoolUsage)
  | { readonly kind: 'addressOutside'; readonly address: Address }
  | { readonly kind: 'addressAvoided'; readonly address: Address }
  | {
      readonly kind: 'addressHeld'
      readonly address: Address
      readonly holder: ServiceKey
      readonly obstacles: readonly SharingObstacle[]
    }

export interface PoolVerdict {
  readonly pool: string
  readonly objection: PoolObjection
}

/** Why a Service gets no address. */
export type Refusal =
  | { readonly kind: 'requestUnreadable'; readonly problem: string }
  | { readonly kind: 'noClusterIP' }
  | { readonly kind: 'secondClusterIPMissing'; readonly family: IpFamily }
  | { readonly kind: 'familyMismatch'; readonly addresses: readonly Address[]; readonly wish: FamilyWish }
  | { readonly kind: 'noPools' }
  | { readonly kind: 'unknownPool'; readonly pool: string; readonly known: readonly string[] }
  | { readonly kind: 'noPoolFits'; readonly request: AllocationRequest; readonly verdicts: readonly PoolVerdict[] }

/**
 * The addresses that a Service gets, or why it gets none. The same pools, ledger and request always give the same answer:
 * pools in their order, in a pool the first available address in listed order. It takes nothing: the caller holds what
 * it was given.
 */
export function allocate(
  book: PoolBook,
  namespaces: Namespaces,
  ledger: LedgerView,
  request: AllocationRequest,
): Allocation | Refusal {
  if (request.addresses.length > 0 && !addressesFitWish(request.addresses, request.wish))
    return { kind: 'familyMismatch', addresses: request.addresses, wish: request.wish }
  if (book.pools.length === 0 && book.setAside.length === 0) return { kind: 'noPools' }
  const considered = (one: { readonly name: string }) => request.pool === undefined || one.name === request.pool
  const pools = book.pools.filter(considered)
  const setAside = book.setAside.filter(considered)
  if (request.pool !== undefined && pools.length === 0 && setAside.length === 0)
    return { kind: 'unknownPool', pool: request.pool, known: book.pools.map(pool => pool.name) }

  const entry = new Map(pools.map(pool => [pool, objectionToEnter(pool, namespaces, request)]))
  const objections = new Map<string, PoolObjection>()
  for (const attempt of attemptsFor(request)) {
    for (const pool of pools) {
      const answer = entry.get(pool) ?? takeFrom(pool, ledger, request, attempt)
      if (isAddresses(answer)) return { kind: 'allocation', pool: pool.name, addresses: answer }
      // A Service that would take either family is told of a family that is used up rather than of one that is not there.
      const earlier = objections.get(pool.name)
      if (!earlier || earlier.kind === 'familyMissing')
        objections.set(pool.name, earlier && answer.kind === 'familyMissing' ? earlier : answer)
    }
  }
  return {
    kind: 'noPoolFits',
    request,
    verdicts: [
      ...[...objections].map(([pool, objection]) => ({ pool, objection })),
      ...setAside.map(({ name, reason, message }) => ({
        pool: name,
        objection: { kind: 'setAside', reason, message } as const,
      })),
    ],
  }
}

/** The family that a Service with one address of two misses, from the pool that it is in; or why there is none. */
export function allocateSecond(
  pool: IPAddressPool,
  ledger: LedgerView,
  request: AllocationRequest,
  family: IpFamily,
): Address | PoolObjection {
  const answer = takeFrom(pool, ledger, request, [family])
  return isAddresses(answer) ? (answer[0] ?? { kind: 'familyMissing', family }) : answer
}

export function otherFamily(family: IpFamily): IpFamily {
  return family === 'IPv4' ? 'IPv6' : 'IPv4'
}

/** The families to try for, best first. Requested addresses are all or nothing. */
function attemptsFor({ wish, addresses }: AllocationRequest): readonly (readonly IpFamily[])[] {
  switch (wish.kind) {
    case 'one':
      return [[wish.family]]
    case 'both':
      return [[wish.primary, otherFamily(wish.primary)]]
    case 'preferBoth':
      return addresses.length > 0
        ? [[wish.primary, otherFamily(wish.primary)]]
        : [[wish.primary, otherFamily(wish.primary)], [wish.primary], [otherFamily(wish.primary)]]
  }
}

function objectionToEnter(
  pool: IPAddressPool,
  namespaces: Namespaces,
  request: AllocationRequest,
): PoolObjection | undefined {
  const isNamed = request.pool !== undefined || request.addresses.length > 0
  return (
    admissionObjection(pool, request, namespaces) ??
    (pool.autoAssign || isNamed ? undefined : { kind: 'autoAssignOff' })
  )
}

function isAddresses(answer: readonly Address[] | PoolObjection): answer is readonly Address[] {
  return Array.isArray(answer)
}

function takeFrom(
  pool: IPAddressPool,
  ledger: LedgerView,
  request: AllocationRequest,
  families: readonly IpFamily[],
): readonly Address[] | PoolObjection {
  const taken: Address[] = []
  for (const family of families) {
    const requested = request.addresses.find(address => address.family === family)
    const answer = requested
      ? takeRequested(pool, ledger, request, requested)
      : takeLowest(pool, ledger, request.claim, family)
    if ('kind' in answer) return answer
    taken.push(answer)
  }
  return taken
}

function takeLowest(
  pool: IPAddressPool,
  ledger: LedgerView,
  claim: SharingClaim,
  family: IpFamily,
): Address | PoolObjection {
  const usage = ledger.usage(pool.name, family)
  if (!usage) return { kind: 'familyMissing', family }
  return ledger.lowestAvailable(pool.name, family, claim) ?? { kind: 'exhausted', family, ...usage }
}

function takeRequested(
  pool: IPAddressPool,
  ledger: LedgerView,
  request: AllocationRequest,
  address: Address,
): Address | PoolObjection {
  if (!pool.ranges.some(range => contains(range, address))) return { kind: 'addressOutside', address }
  if (isAvoided(pool, address)) return { kind: 'addressAvoided', address }
  return heldObjection(ledger, request.service, request.claim, address) ?? address
}

/** Who else holds the address without sharing it with this claim. */
export function heldObjection(
  ledger: LedgerView,
  service: ServiceKey,
  claim: SharingClaim,
  address: Address,
): (PoolObjection & { readonly kind: 'addressHeld' }) | undefined {
  for (const holder of ledger.holdersOf(address)) {
    if (holder.service === service) continue
    const obstacles = sharingObstacles(claim, holder.claim)
    if (obstacles.length > 0) return { kind: 'addressHeld', address, holder: holder.service, obstacles }
  }
  return undefined
}

function addressesFitWish(addresses: readonly Address[], wish: FamilyWish): boolean {
  const [first, second, ...more] = addresses
  if (!first || more.length > 0) return false
  if (wish.kind === 'one') return first.family === wish.family && !second
  return second !== undefined && first.family !== second.family
}

export function sameAddresses(one: readonly Address[], other: readonly Address[]): boolean {
  return one.length === other.length && one.every(address => other.some(candidate => sameAddress(address, candidate)))
}
