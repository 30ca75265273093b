import { score } from './election.ts'

/*
 * Another station says that it has an address which we announce. Who yields, after RFC 5227 §2.4:
 *
 * - A stranger never makes us yield: the address was given to a Service. We announce it again, at most every ten seconds
 *   (DEFEND_INTERVAL), and people are told.
 * - Of two speakers the one that the record names goes before; where it names neither, the one that scores higher for the
 *   address. Both come to the same result, so one of them yields at once.
 * - One that is cut off from the API server cannot know what the record says by now. It defends itself once, and where the
 *   other insists within ten seconds, yields (§2.4 (b)): the other would not, had it not better reasons.
 */

const defendIntervalMs = 10_000
/** A speaker may be told more often: it understands, and yields the second time where it cannot know better. */
const insistEveryMs = 1_500

export type ConflictVerdict =
  /** Stop answering. */
  | 'yield'
  /** Announce it again. */
  | 'defend'
  /** It was announced again only just. */
  | 'endure'

export interface Conflict {
  readonly self: string
  readonly address: string
  /** The speaker that has the hardware address; undefined = no speaker of ours. */
  readonly other: string | undefined
  /** Whom the record names. */
  readonly claimant: string | undefined
  /** Our own Lease must have run out (`isCutOff`). */
  readonly cutOff: boolean
  readonly defendedAtMs: number | undefined
}

export function judgeConflict(conflict: Conflict, nowMs: number): ConflictVerdict {
  const { self, other, address, claimant, cutOff, defendedAtMs } = conflict
  const defended = (withinMs: number): boolean => defendedAtMs !== undefined && nowMs < defendedAtMs + withinMs
  if (other === undefined) return defended(defendIntervalMs) ? 'endure' : 'defend'
  const mine = claimant === self || (claimant !== other && goesBefore(self, other, address))
  if (!mine) return 'yield'
  if (cutOff) return defended(defendIntervalMs) ? 'yield' : 'defend'
  return defended(insistEveryMs) ? 'endure' : 'defend'
}

/** Of two speakers that both have no better right to an address, whether the first goes before the second. */
export function goesBefore(one: string, other: string, address: string): boolean {
  return score(address, one) > score(address, other) || (score(address, one) === score(address, other) && one < other)
}
