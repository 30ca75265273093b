/*
 * What can wait, waits. A move for preference or spread must still be wanted after a while, so that nodes that come and go
 * in a rolling restart do not send addresses back and forth; what nobody can announce is told to people only when it lasts.
 *
 * This is also where moves would be limited in rate: `ripeKeys` may let fewer through than have waited long enough.
 */

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
