/*
 * ROUTE-REFRESH is 23 octets that ask for a whole table (RFC 2918). A peer that sends thousands of them gets its routes
 * once a second: what is asked for meanwhile is one request. An honest router, which asks once, is answered at once.
 */

/** How often a family's routes are told again, at most. */
export const refreshIntervalMs = 1_000

/** When a family's routes were last told again because the peer had asked, and whether they are about to be. */
export interface RefreshPace {
  readonly answeredMs: number
  readonly waiting: boolean
}

/** The peer has not asked yet. */
export const neverAsked: RefreshPace = { answeredMs: Number.NEGATIVE_INFINITY, waiting: false }

/** The peer asks: in how many milliseconds it is to be answered; undefined where an answer is on its way anyway. */
export function asked(pace: RefreshPace, nowMs: number): readonly [RefreshPace, delayMs: number | undefined] {
  if (pace.waiting) return [pace, undefined]
  return [{ ...pace, waiting: true }, Math.max(0, pace.answeredMs + refreshIntervalMs - nowMs)]
}

/** The routes are told now, and with them everybody's request so far is answered. */
export function answered(nowMs: number): RefreshPace {
  return { answeredMs: nowMs, waiting: false }
}
