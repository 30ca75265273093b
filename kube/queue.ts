import { retryAfterMs } from './api-error.ts'

/** Keys that wait for work: serial per key, parallel across keys. */
export interface Queue<K> {
  /** Asks for the key to be processed; once, however often it is added before its turn comes. */
  add(key: K): void
  /** Adds the key after a while; of several such requests for one key the earliest counts. */
  addAfter(key: K, delayMs: number): void
  /** Keys that wait for their turn, those that wait for a retry included. */
  readonly depth: number
  /** Keys that are being processed. */
  readonly running: number
  /** Resolves when nothing waits, runs or awaits a retry (keys of `addAfter` do not count until their time comes). */
  readonly idle: Promise<void>
  /** Works until the signal aborts, then resolves once what had begun has ended. */
  run(signal: AbortSignal): Promise<void>
}

export interface QueueOptions<K> {
  /** For messages and metrics. */
  readonly name: string
  readonly concurrency: number
  /** Does the work; where it throws, the key is tried again later. */
  readonly process: (key: K, signal: AbortSignal) => Promise<void>
  readonly onError?: (key: K, error: unknown, attempt: number) => void
  readonly backoff?: BackoffOptions
}

export interface BackoffOptions {
  readonly minMs: number
  readonly maxMs: number
  /** A number from 0 to 1, as Math.random. */
  readonly random?: () => number
}

/** The pause before the next try: doubles with every failure, jittered between half and the whole of itself. */
export function backoffMs(attempt: number, { minMs, maxMs, random = Math.random }: BackoffOptions): number {
  const ceiling = Math.min(maxMs, minMs * 2 ** Math.min(attempt - 1, 40))
  return ceiling / 2 + (ceiling / 2) * random()
}

const defaultBackoff: BackoffOptions = { minMs: 5, maxMs: 30_000 }

/** A queue that does nothing before `run`; keys may be added at any time. */
export function createQueue<K extends string>(options: QueueOptions<K>): Queue<K> {
  const { concurrency, process, onError, backoff = defaultBackoff } = options
  const waiting = new Set<K>()
  const running = new Map<K, Promise<void>>()
  const addedWhileRunning = new Set<K>()
  const attempts = new Map<K, number>()
  const retries = new Map<K, NodeJS.Timeout>()
  const delayed = new Map<K, { readonly timer: NodeJS.Timeout; readonly atMs: number }>()
  let idle: PromiseWithResolvers<void> | undefined
  let signal: AbortSignal | undefined
  // Kept from turn to turn: a Set's first element is found only by stepping over all that were deleted before it.
  let turns = waiting.values()

  function nextKey(): K | undefined {
    let turn = turns.next()
    if (turn.done) {
      turns = waiting.values()
      turn = turns.next()
    }
    return turn.done ? undefined : turn.value
  }

  function startMore(): void {
    const current = signal
    if (current === undefined || current.aborted) return
    while (running.size < concurrency) {
      const key = nextKey()
      if (key === undefined) return
      waiting.delete(key)
      running.set(key, work(key, current))
    }
  }

  async function work(key: K, signal: AbortSignal): Promise<void> {
    // A process function that works synchronously must not run inside add().
    await Promise.resolve()
    try {
      await process(key, signal)
      attempts.delete(key)
    } catch (error) {
      if (!signal.aborted) failed(key, error)
    }
    running.delete(key)
    if (addedWhileRunning.delete(key)) add(key)
    startMore()
    settleIdle()
  }

  function failed(key: K, error: unknown): void {
    const attempt = (attempts.get(key) ?? 0) + 1
    attempts.set(key, attempt)
    const delayMs = Math.max(backoffMs(attempt, backoff), retryAfterMs(error))
    clearTimeout(retries.get(key))
    retries.set(
      key,
      setTimeout(() => add(key), delayMs),
    )
    try {
      onError?.(key, error, attempt)
    } catch {
      // Whoever is told about failures cannot be allowed to stop the work.
    }
  }

  function add(key: K): void {
    // Someone wants it now: a pending retry or delay would only do it twice.
    clearTimeout(retries.get(key))
    retries.delete(key)
    clearTimeout(delayed.get(key)?.timer)
    delayed.delete(key)
    if (running.has(key)) addedWhileRunning.add(key)
    else waiting.add(key)
    startMore()
  }

  function addAfter(key: K, delayMs: number): void {
    // A queue that has ended must leave no timer behind.
    if (signal?.aborted) return
    const atMs = performance.now() + delayMs
    const already = delayed.get(key)
    if (already !== undefined && already.atMs <= atMs) return
    clearTimeout(already?.timer)
    delayed.set(key, { timer: setTimeout(() => add(key), delayMs), atMs })
  }

  function isIdle(): boolean {
    return waiting.size === 0 && running.size === 0 && retries.size === 0
  }

  function settleIdle(): void {
    if (idle === undefined || !isIdle()) return
    idle.resolve()
    idle = undefined
  }

  async function run(until: AbortSignal): Promise<void> {
    if (signal !== undefined) throw new Error(`the queue ${options.name} runs already`)
    signal = until
    startMore()
    if (!until.aborted) {
      await new Promise<void>(resolve => {
        until.addEventListener('abort', () => resolve(), { once: true })
      })
    }
    for (const timer of retries.values()) clearTimeout(timer)
    for (const { timer } of delayed.values()) clearTimeout(timer)
    retries.clear()
    delayed.clear()
    await Promise.all(running.values())
  }

  return {
    add,
    addAfter,
    get depth() {
      return waiting.size + retries.size + addedWhileRunning.size
    },
    get running() {
      return running.size
    },
    get idle() {
      if (isIdle()) return Promise.resolve()
      idle ??= Promise.withResolvers<void>()
      return idle.promise
    },
    run,
  }
}
