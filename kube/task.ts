/** Something that runs for the life of a program. */
export interface Task {
  readonly name: string
  /** Resolves when others can rely on it: a store is filled, a lease was seen. */
  readonly ready: Promise<void>
  /** Works until the signal aborts; ends without an error then. */
  run(signal: AbortSignal): Promise<void>
}

/** Resolves after the delay, or at once when the signal aborts. */
export function sleep(delayMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise(resolve => {
    const timer = setTimeout(finish, delayMs)
    signal.addEventListener('abort', finish, { once: true })
    function finish(): void {
      clearTimeout(timer)
      signal.removeEventListener('abort', finish)
      resolve()
    }
  })
}
