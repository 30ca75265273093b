/** How something that runs ends early: by its caller's signal, by its time, by whoever else has a reason. */
export interface Cancel {
  /** What to throw, once it was cancelled; undefined before. */
  readonly reason: unknown
  cancel(reason: unknown): void
  throwIfCancelled(): void
  /** Whom to tell now (at once, where it was cancelled already); replaces whoever was told before. */
  tell(listener: (reason: Error) => void): void
  /** From now on it may take any time. */
  stopClock(): void
  /** It has ended. */
  done(): void
}

/** A cancel that a signal or the passing of `timeoutMs` sets off. */
export function createCancel(name: string, signal: AbortSignal | undefined, timeoutMs: number): Cancel {
  let listener: ((reason: Error) => void) | undefined
  let reason: unknown
  function cancel(why: unknown): void {
    reason ??= why
    listener?.(why instanceof Error ? why : new Error(`${name}: aborted`, { cause: why }))
  }
  const onAbort = (): void => cancel(signal?.reason)
  signal?.addEventListener('abort', onAbort)
  const timer = setTimeout(() => cancel(new Error(`${name}: no answer within ${timeoutMs} ms`)), timeoutMs)
  return {
    get reason() {
      return reason
    },
    cancel,
    throwIfCancelled() {
      if (reason !== undefined) throw reason
    },
    tell(next) {
      listener = next
      if (reason !== undefined) cancel(reason)
    },
    stopClock: () => clearTimeout(timer),
    done() {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
    },
  }
}
