/*
 * What can wait, waits. A move for preference or spread must still be wanted after a while, so that nodes that come and go
 * in a rolling restart do not send addresses back and forth; what nobody can announce is told to people only when it lasts.
 *
 * And what has waited long enough still takes turns: a node that was added gets its part of thousands of addresses one after
 * the other, since each move is a hand-over that clients, switches and the API server have to follow.
 */

/** For how long a move for preference or spread must be wanted, and the time between two that one node takes. */
export const defaultPacingSettings = { moveMs: 2_000, moveEveryMs: 100 } as const

/**
 * For how long another speaker's gratuitous packets are taken for a sign that it answers. Less than a move waits: what was
 * seen when two met must not count as the beginning of a move that one of them makes later.
 */
export const seenForMs = 1_000

/** Since when each thing has been waiting. */
export type Pacing<Key extends string> = ReadonlyMap<Key, number>

/** Whatever waits still keeps its time, what is new begins, what is no longer wanted is forgotten. */
export function pace<Key extends string>(before: Pacing<Key>, waiting: Iterable<Key>, nowMs: number): Pacing<Key> {
  const after = new Map<Key, number>()
  for (const key of waiting) after.set(key, before.get(key) ?? nowMs)
  return after
}

/** What has waited at least as long as its kind must. */
export function ripeKeys<Key extends string>(
  pacing: Pacing<Key>,
  waitMs: (key: Key) => number,
  nowMs: number,
): ReadonlySet<Key> {
  const ripe = new Set<Key>()
  for (const [key, sinceMs] of pacing) if (nowMs - sinceMs >= waitMs(key)) ripe.add(key)
  return ripe
}

/** When the next thing will have waited long enough; undefined where nothing waits. */
export function nextRipeMs<Key extends string>(
  pacing: Pacing<Key>,
  waitMs: (key: Key) => number,
  nowMs: number,
): number | undefined {
  let next: number | undefined
  for (const [key, sinceMs] of pacing) {
    const atMs = sinceMs + waitMs(key)
    if (atMs > nowMs) next = next === undefined ? atMs : Math.min(next, atMs)
  }
  return next
}

/** Whose turn it is; whoever had it keeps it until it is done. */
export interface Turns<Key extends string> {
  readonly admitted: ReadonlySet<Key>
  readonly lastAtMs: number
}

export const noTurns: Turns<never> = { admitted: new Set(), lastAtMs: Number.NEGATIVE_INFINITY }

/** Admits the next of those that are ripe, one per `everyMs`, in the order in which they are given. */
export function takeTurns<Key extends string>(
  before: Turns<Key>,
  ripe: Iterable<Key>,
  everyMs: number,
  nowMs: number,
): Turns<Key> {
  const all = [...ripe]
  const admitted = new Set(all.filter(key => before.admitted.has(key)))
  const next = all.find(key => !admitted.has(key))
  if (next === undefined || nowMs < before.lastAtMs + everyMs) return { ...before, admitted }
  return { admitted: admitted.add(next), lastAtMs: nowMs }
}

/** When the next turn can be taken; undefined where nobody waits for one. */
export function nextTurnMs<Key extends string>(
  turns: Turns<Key>,
  ripe: Iterable<Key>,
  everyMs: number,
): number | undefined {
  return [...ripe].some(key => !turns.admitted.has(key)) ? turns.lastAtMs + everyMs : undefined
}
