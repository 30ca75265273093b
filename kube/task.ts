/** Something that runs for the life of a program. */
export interface Task {
  readonly name: string
  /** Resolves when others can rely on it: a store is filled, a lease was seen. */
  readonly ready: Promise<void>
  /** Works until the signal aborts; ends without an error then. */
  run(signal: AbortSignal): Promise<void>
}

/** Resolves after the delay, or at once when one of the signals aborts. */
export function sleep(delayMs: number, ...signals: readonly AbortSignal[]): Promise<void> {
  if (signals.some(signal => signal.aborted)) return Promise.resolve()
  return new Promise(resolve => {
    const timer = setTimeout(finish, delayMs)
    for (const signal of signals) signal.addEventListener('abort', finish)
    function finish(): void {
      clearTimeout(timer)
      for (const signal of signals) signal.removeEventListener('abort', finish)
      resolve()
    }
  })
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
}

/**
 * A controller that also aborts when the signal does, until `unlink`. (AbortSignal.any would leave a trace in a signal
 * that lives as long as the program.)
 */
export function linkedController(signal: AbortSignal): {
  readonly controller: AbortController
  readonly unlink: () => void
} {
  const controller = new AbortController()
  const onAbort = (): void => controller.abort(signal.reason)
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort)
  return { controller, unlink: () => signal.removeEventListener('abort', onAbort) }
}
