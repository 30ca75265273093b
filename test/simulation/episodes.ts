import type { ClaimedBecause } from '../../speaker/layer2/record.ts'
import { handOverMs } from './bounds.ts'

/*
 * What was seen of an address: the times in which it was not answered for by exactly one node, and the moves of its claim.
 */

export type Ill = 'none' | 'two'

/** A time in which it was not exactly one. */
export interface Episode {
  readonly ill: Ill
  readonly address: string
  readonly side: number
  readonly fromMs: number
  readonly toMs: number
  readonly answerers: readonly string[]
}

/** A claim went from a node to another. */
export interface Move {
  readonly atMs: number
  readonly address: string
  readonly from: string
  readonly to: string
  readonly because: ClaimedBecause
}

/** Moves from a node that could have kept the address. */
export function isForBalance({ because }: Pick<Move, 'because'>): boolean {
  return because === 'spread' || because === 'preferred'
}

/** How long after its claim a node begins at the latest, where it hears the old owner answer and waits for word of it. */
const slowestHandOverMs = 10_000

/** Whether those two were the old and the new owner of a move for the spread: it comes later than the fault that led to it. */
export function isHandOver({ ill, address, answerers, fromMs, toMs }: Episode, moves: readonly Move[]): boolean {
  if (ill !== 'two' || toMs - fromMs > handOverMs) return false
  return moves.some(
    move =>
      move.address === address &&
      isForBalance(move) &&
      move.atMs <= toMs &&
      move.atMs > fromMs - slowestHandOverMs &&
      answerers.includes(move.from) &&
      answerers.includes(move.to),
  )
}
