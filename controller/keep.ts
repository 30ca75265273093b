import type { ServiceKey } from '../kube/service.ts'
import { type Address, type IpFamily, sameAddress } from '../net/address.ts'
import { contains } from '../net/range.ts'
import {
  type AllocationRequest,
  allocateSecond,
  type FamilyWish,
  heldObjection,
  otherFamily,
  type PoolObjection,
  sameAddresses,
} from './allocator.ts'
import type { LedgerView } from './ledger.ts'
import { type AdmissionObjection, admissionObjection, type Namespaces, type PoolBook } from './pool-choice.ts'
import { isAvoided } from './pool-space.ts'
import type { SharingObstacle } from './sharing.ts'

/*
 * What a Service has it keeps: the first promise is that an address that is still valid never moves. So before anything is
 * allocated, this file goes through the addresses that the Service holds (or that its status shows) and says of each
 * whether it may stay, and if not, which edit took it.
 */

/** Why one address cannot stay, with what is needed to say who changed what. */
export type Loss = { readonly address: Address } & LossReason

export type LossReason =
  | { readonly kind: 'poolDeleted'; readonly pool: string }
  | { readonly kind: 'poolAddressesChanged'; readonly pool: string }
  | { readonly kind: 'inNoPool' }
  | { readonly kind: 'avoided'; readonly pool: string }
  | { readonly kind: 'notAdmitted'; readonly pool: string; readonly objection: AdmissionObjection }
  | { readonly kind: 'otherPoolRequested'; readonly pool: string; readonly requested: string }
  | { readonly kind: 'otherAddressesRequested'; readonly requested: readonly Address[] }
  | { readonly kind: 'familyNotWanted'; readonly wish: FamilyWish }
  | { readonly kind: 'notInPoolOfOther'; readonly pool: string }
  | { readonly kind: 'held'; readonly holder: ServiceKey; readonly obstacles: readonly SharingObstacle[] }
  /** Never announced, and another station has it. */
  | {
      readonly kind: 'inUseElsewhere'
      readonly pool: string
      readonly mac: string
      readonly interface: string
      readonly instead: Address | undefined
    }
  | { readonly kind: 'secondFamilyRequired'; readonly family: IpFamily; readonly objection: PoolObjection }
  | { readonly kind: 'replacedByHand' }

/** What may stay, with a second family added where the Service wants one and its pool has one. */
export interface Review {
  readonly kept: { readonly pool: string; readonly addresses: readonly Address[] } | undefined
  readonly losses: readonly Loss[]
  /** The family that a Service which prefers two goes without, and why its pool has none for it. */
  readonly missing: MissingFamily | undefined
}

export interface MissingFamily {
  readonly family: IpFamily
  readonly pool: string
  readonly objection: PoolObjection
}

/** What decides about an address, apart from the Service itself. */
export interface Circumstances {
  readonly book: PoolBook
  readonly namespaces: Namespaces
  readonly ledger: LedgerView
}

/**
 * Which of the addresses may stay. `poolHint` is the pool that they are said to come from; where their ranges have moved to
 * another pool that admits the Service, they move with them.
 */
export function review(
  { book, namespaces, ledger }: Circumstances,
  request: AllocationRequest,
  addresses: readonly Address[],
  poolHint: string | undefined,
): Review {
  if (request.addresses.length > 0 && !sameAddresses(request.addresses, addresses))
    return lost(addresses, { kind: 'otherAddressesRequested', requested: request.addresses })

  const losses: Loss[] = []
  const candidates: Address[] = []
  for (const address of inOrderOf(request.wish, addresses)) {
    if (isWanted(request.wish, address) && !candidates.some(one => one.family === address.family))
      candidates.push(address)
    else losses.push({ address, kind: 'familyNotWanted', wish: request.wish })
  }

  const poolName = standingPool(book, candidates, poolHint)
  const pool = book.pools.find(one => one.name === poolName)
  const kept: Address[] = []
  for (const address of candidates) {
    const reason =
      objectionToStay({ book, namespaces, ledger }, request, address, poolName, poolHint) ??
      heldObjection(ledger, request.service, request.claim, address)
    if (!reason) kept.push(address)
    else if (reason.kind === 'addressHeld')
      losses.push({ address, kind: 'held', holder: reason.holder, obstacles: reason.obstacles })
    else losses.push({ address, ...reason })
  }

  const [first, second] = kept
  if (!first || poolName === undefined) return { kept: undefined, losses, missing: undefined }
  if (second || request.wish.kind === 'one' || request.addresses.length > 0)
    return { kept: { pool: poolName, addresses: kept }, losses, missing: undefined }
  const family = otherFamily(first.family)
  const added = pool
    ? allocateSecond(pool, ledger, request, family)
    : (setAsideObjection(book, poolName) ?? ({ kind: 'familyMissing', family } as const))
  if (!('kind' in added))
    return { kept: { pool: poolName, addresses: inOrderOf(request.wish, [first, added]) }, losses, missing: undefined }
  if (request.wish.kind === 'preferBoth')
    return { kept: { pool: poolName, addresses: kept }, losses, missing: { family, pool: poolName, objection: added } }
  return {
    kept: undefined,
    losses: [...losses, { address: first, kind: 'secondFamilyRequired', family, objection: added }],
    missing: undefined,
  }
}

function lost(addresses: readonly Address[], reason: LossReason): Review {
  return { kept: undefined, losses: addresses.map(address => ({ address, ...reason })), missing: undefined }
}

/** The pool in which the addresses stand today: the one they are said to come from where it still has one of them. */
function standingPool(book: PoolBook, addresses: readonly Address[], hint: string | undefined): string | undefined {
  if (book.setAside.some(pool => pool.name === hint)) return hint
  const homes = addresses.map(
    address => book.pools.find(pool => pool.ranges.some(range => contains(range, address)))?.name,
  )
  return homes.includes(hint) ? hint : homes.find(home => home !== undefined)
}

function objectionToStay(
  { book, namespaces }: Circumstances,
  request: AllocationRequest,
  address: Address,
  poolName: string | undefined,
  hint: string | undefined,
): LossReason | undefined {
  if (poolName !== undefined && request.pool !== undefined && request.pool !== poolName)
    return { kind: 'otherPoolRequested', pool: poolName, requested: request.pool }
  // A pool that is set aside has no readable rules; it takes back nothing until it is put right or deleted.
  if (poolName !== undefined && setAsideObjection(book, poolName)) return undefined
  const pool = book.pools.find(one => one.name === poolName)
  if (!pool?.ranges.some(range => contains(range, address))) {
    if (hint !== undefined && !book.pools.some(one => one.name === hint)) return { kind: 'poolDeleted', pool: hint }
    if (hint !== undefined && poolName !== undefined && hint !== poolName)
      return { kind: 'notInPoolOfOther', pool: poolName }
    return hint === undefined ? { kind: 'inNoPool' } : { kind: 'poolAddressesChanged', pool: hint }
  }
  if (isAvoided(pool, address)) return { kind: 'avoided', pool: pool.name }
  const objection = admissionObjection(pool, request, namespaces)
  // While the namespace of a Service is not known, nothing can be said about its labels: the address stays.
  const isUnknown = namespaces.labelsOf(request.namespace) === undefined
  if (objection && !(objection.kind === 'namespaceNotAdmitted' && isUnknown))
    return { kind: 'notAdmitted', pool: pool.name, objection }
  return undefined
}

function setAsideObjection(book: PoolBook, name: string): PoolObjection | undefined {
  const found = book.setAside.find(pool => pool.name === name)
  return found && { kind: 'setAside', reason: found.reason, message: found.message }
}

function isWanted(wish: FamilyWish, address: Address): boolean {
  return wish.kind !== 'one' || wish.family === address.family
}

/** The primary family first. */
function inOrderOf(wish: FamilyWish, addresses: readonly Address[]): readonly Address[] {
  const primary = wish.kind === 'one' ? wish.family : wish.primary
  return addresses.toSorted((one, other) => Number(one.family !== primary) - Number(other.family !== primary))
}

export function includesAddress(addresses: readonly Address[], address: Address): boolean {
  return addresses.some(one => sameAddress(one, address))
}
