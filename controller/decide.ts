import type { Service } from '../kube/service.ts'
import { type Address, sameAddress } from '../net/address.ts'
import { type AllocationRequest, allocate, otherFamily, type Refusal } from './allocator.ts'
import { replacementOf, type Stuck, type Taken, takenAt, takenOf } from './avoid.ts'
import { type Circumstances, includesAddress, type Loss, type MissingFamily, type Review, review } from './keep.ts'
import type { Grant } from './ledger.ts'
import { isRefusal, requestOf, shownAddresses } from './request.ts'

/*
 * What a Service is to have, for plan.ts to carry out: what may stay (keep.ts) stays, but for what was never announced and
 * another station has (avoid.ts); who has nothing is given something (allocator.ts).
 */

/** What a Service is to have, and what of it is to be said. */
export type Decision =
  | {
      readonly kind: 'granted'
      readonly pool: string
      readonly addresses: readonly Address[]
      readonly missing: MissingFamily | undefined
      readonly losses: readonly Loss[]
      /** What another station has, and what of it nothing is there to replace. */
      readonly taken: readonly Taken[]
      readonly stuck: Stuck | undefined
    }
  | { readonly kind: 'refused'; readonly refusal: Refusal; readonly losses: readonly Loss[] }

/** What the Service is to have: what it has and may keep, else what the allocator gives it. */
export function decide(circumstances: Circumstances, service: Service): Decision {
  const request = requestOf(service)
  const shown = shownAddresses(service)
  if (isRefusal(request)) return { kind: 'refused', refusal: request, losses: [] }
  const grant = circumstances.ledger.grantOf(service.key)
  const hint = grant?.pool ?? service.allocatedFromPool
  const ofShown = review(circumstances, request, shown, service.allocatedFromPool ?? hint)
  const takenOfShown = takenOf(circumstances, service, request, shown)
  const standing = standingReview(circumstances, request, grant, shown, ofShown, takenOfShown)
  const { kept, missing } = standing
  if (kept)
    return keepOrReplace(circumstances, service, request, { kept, missing }, { ...ofShown, taken: takenOfShown })
  if (service.request.problem !== undefined) {
    const refusal: Refusal = { kind: 'requestUnreadable', problem: service.request.problem }
    return { kind: 'refused', refusal, losses: ofShown.losses }
  }
  const answer = allocate(circumstances.book, circumstances.namespaces, circumstances.ledger, request)
  if (answer.kind !== 'allocation') return { kind: 'refused', refusal: answer, losses: ofShown.losses }
  return {
    kind: 'granted',
    pool: answer.pool,
    addresses: answer.addresses,
    missing: missingAfter(circumstances, request, answer.addresses, answer.pool),
    losses: lossesOf(shown, answer.addresses, { ...ofShown, taken: [] }),
    taken: [],
    stuck: undefined,
  }
}

/** What may stay stays, but for what was never announced and another station has. */
function keepOrReplace(
  circumstances: Circumstances,
  service: Service,
  request: AllocationRequest,
  { kept, missing }: Standing,
  ofShown: ShownReview,
): Decision {
  const shown = shownAddresses(service)
  const stays = (stuck: Stuck | undefined): Decision => ({
    kind: 'granted',
    ...kept,
    missing,
    losses: lossesOf(shown, kept.addresses, ofShown),
    taken: ofShown.taken,
    stuck,
  })
  const taken = takenOf(circumstances, service, request, kept.addresses)
  // What is not held yet could be handed out once more.
  if (taken.length === 0 || !circumstances.ledger.grantOf(service.key)) return stays(undefined)
  const answer = replacementOf(circumstances, request, kept, taken)
  if (answer.kind === 'stuck') return stays(answer)
  const { pool, addresses } = answer
  const missingNow = missingAfter(circumstances, request, addresses, pool)
  const losses = lossesOf(shown, addresses, ofShown)
  return { kind: 'granted', pool, addresses, missing: missingNow, losses, taken, stuck: undefined }
}

/** What a Service has and may keep. */
type Standing = Pick<Review, 'missing'> & { readonly kept: NonNullable<Review['kept']> }

/** What of the shown addresses may stay, and which of them other stations have. */
type ShownReview = Pick<Review, 'losses'> & { readonly taken: readonly Taken[] }

/**
 * Held or shown: what the ledger says counts, since a status can be old or wiped by hand. Only where the ledger's own word
 * has never reached the Service and another valid address stands there already, that one stays.
 */
function standingReview(
  circumstances: Circumstances,
  request: AllocationRequest,
  grant: Grant | undefined,
  shown: readonly Address[],
  ofShown: Review,
  taken: readonly Taken[],
): Review {
  if (!grant) return ofShown
  const isKnown = grant.published || shown.every(address => includesAddress(grant.addresses, address))
  // What is being replaced is shown until the replacement is written.
  const isLeft = shown.some(one => takenAt(taken, one) && !includesAddress(grant.addresses, one))
  if (!isKnown && !isLeft && ofShown.kept && ofShown.losses.length === 0) return ofShown
  return review(circumstances, request, grant.addresses, grant.pool)
}

/** Why each address that the Service shows is not among those that it is to have. */
function lossesOf(
  shown: readonly Address[],
  addresses: readonly Address[],
  { losses, taken }: ShownReview,
): readonly Loss[] {
  return shown
    .filter(address => !includesAddress(addresses, address))
    .map((address): Loss => {
      const known = losses.find(loss => sameAddress(loss.address, address))
      if (known) return known
      const other = takenAt(taken, address)
      if (!other) return { address, kind: 'replacedByHand' }
      const instead = addresses.find(one => one.family === address.family)
      return { address, kind: 'inUseElsewhere', pool: other.pool, mac: other.mac, interface: other.interface, instead }
    })
}

/** A Service that prefers two families and was given one at its first allocation: no pool had both. */
function missingAfter(
  circumstances: Circumstances,
  request: AllocationRequest,
  addresses: readonly Address[],
  pool: string,
): MissingFamily | undefined {
  const [only, second] = addresses
  if (!only || second || request.wish.kind !== 'preferBoth') return undefined
  const family = otherFamily(only.family)
  const usage = circumstances.ledger.usage(pool, family)
  return {
    family,
    pool,
    objection: usage ? { kind: 'exhausted', family, ...usage } : { kind: 'familyMissing', family },
  }
}
