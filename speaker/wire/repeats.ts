/**
 * When an address is made known again. At take-over at once; then for some seconds, since a single packet may be lost,
 * a switch may still be learning, and Linux keeps a cache entry that is younger than one second whatever it hears
 * (neigh/locktime); then once in a while for ever, for stations and switches that restarted or missed all of it.
 */
const takeOverPausesMs = [0, 200, 900, 1_100, 1_100, 1_100]
const reassertEveryMs = 60_000

/** How many times an address is made known in the seconds after a take-over. */
export const takeOverRepeats = takeOverPausesMs.length

/**
 * Milliseconds from the last sending to the next, when there have been so many. `chance` (0 ≤ chance < 1) spreads the slow
 * repeats over a half more and a half less than a minute, so that addresses taken over together do not stay in step.
 */
export function pauseBeforeRepeat(sent: number, chance: number): number {
  return takeOverPausesMs[sent] ?? reassertEveryMs * (0.5 + chance)
}
