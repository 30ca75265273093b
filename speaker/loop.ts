/** A loop's past, for metrics and health. */
export interface LoopState {
  readonly runs: number
  /** Duration of the last run. */
  readonly lastRunMs: number
  /** When the oldest change that no run has looked at came; undefined = all were. */
  readonly wokenAtMs: number | undefined
}

/** Looks at the whole again and again: soon after anything has changed, and at times that were asked for. */
export interface Loop {
  /** Something has changed. `urgent` = it will not wait for what may change next. */
  wake(urgent?: 'urgent'): void
  /** There is something to look at then, whether or not anything changes before. */
  runAt(atMs: number): void
  runNow(): void
  /** Nothing runs any more. */
  stop(): void
  readonly state: LoopState
}

// Changes that come together make one run, and in a burst of them runs take at most a third of the time.
const minPauseMs = 5

/** `run` says whether it could; where it could not, what woke it still waits. Times are of `performance.now()`. */
export function createLoop(run: () => boolean): Loop {
  let timer: NodeJS.Timeout | undefined
  let immediate: NodeJS.Immediate | undefined
  let timerAtMs = Number.POSITIVE_INFINITY
  let lastEndMs = Number.NEGATIVE_INFINITY
  let stopped = false
  let state: LoopState = { runs: 0, lastRunMs: 0, wokenAtMs: undefined }

  function runAt(atMs: number): void {
    if (stopped || timerAtMs <= atMs) return
    clear()
    timerAtMs = atMs
    const waitMs = atMs - performance.now()
    if (waitMs <= 0) {
      // Before any timer: a write that begins in the same turn would take milliseconds first.
      immediate = setImmediate(runNow)
      return
    }
    timer = setTimeout(runNow, waitMs)
    // What keeps the process alive are its watches, not what a plan might do later.
    timer.unref()
  }

  function clear(): void {
    clearTimeout(timer)
    clearImmediate(immediate)
  }

  function runNow(): void {
    clear()
    timerAtMs = Number.POSITIVE_INFINITY
    const beginMs = performance.now()
    if (stopped || !run()) return
    lastEndMs = performance.now()
    state = { runs: state.runs + 1, lastRunMs: lastEndMs - beginMs, wokenAtMs: undefined }
  }

  return {
    wake(urgent) {
      const nowMs = performance.now()
      if (state.wokenAtMs === undefined) state = { ...state, wokenAtMs: nowMs }
      runAt(Math.max(urgent ? nowMs : nowMs + minPauseMs, lastEndMs + 2 * state.lastRunMs))
    },
    runAt,
    runNow,
    stop() {
      stopped = true
      clear()
    },
    get state() {
      return state
    },
  }
}
