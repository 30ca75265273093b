/** How long the machine keeps programs waiting that want to run. */
export interface Pauses {
  /** Milliseconds in all that it did so within `lengthMs` from this time of `performance.now()` on. */
  within(fromMs: number, lengthMs: number): number
  stop(): void
}

const everyMs = 2
/** What any timer is late by. */
const usualMs = 2

/** Watches, by a timer of this process: whoever shares the machine with us waits about as long as we do. */
export function watchPauses(): Pauses {
  const pauses: { readonly fromMs: number; readonly untilMs: number }[] = []
  let lastMs = performance.now()
  const timer = setInterval(() => {
    const nowMs = performance.now()
    if (nowMs - lastMs > everyMs + usualMs) pauses.push({ fromMs: lastMs + everyMs, untilMs: nowMs })
    lastMs = nowMs
  }, everyMs)
  return {
    within(fromMs, lengthMs) {
      const overlaps = pauses.map(pause => Math.min(pause.untilMs, fromMs + lengthMs) - Math.max(pause.fromMs, fromMs))
      return overlaps.reduce((sum, ms) => sum + Math.max(0, ms), 0)
    },
    stop: () => clearInterval(timer),
  }
}
