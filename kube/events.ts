import { randomBytes } from 'node:crypto'
import type { Logger } from 'pino'
import { ApiError, isNotFound, retryAfterMs } from './api-error.ts'
import { dueMs, type EventToRecord, type Series, seriesEndsAfterMs, seriesKey, shortenNote } from './event-series.ts'
import { formatMicroTime } from './lease-record.ts'
import { backoffMs } from './queue.ts'
import { sleep, type Task } from './task.ts'
import type { Transport } from './transport.ts'

export type { EventToRecord } from './event-series.ts'

/**
 * Writes Events (events.k8s.io/v1) behind the main job's back: recording never waits, never fails, and holds no more than a
 * bounded number; they are sent one at a time, and not while the main job is busy.
 */
export interface EventRecorder {
  record(event: EventToRecord): void
  /** Sends what waits, busy or not, for at most so long. For the end of a program, also after `run` has ended. */
  flush(timeoutMs: number): Promise<void>
  /** Events that wait to be sent. */
  readonly waiting: number
  /** Events that were given up: too many waited, or the API server would not have them. */
  readonly dropped: number
}

export interface EventRecorderOptions {
  readonly transport: Transport
  readonly reportingController: 'berth-controller' | 'berth-speaker'
  /** The pod or node. */
  readonly reportingInstance: string
  /** Whether the main job needs the API server now. */
  readonly busy?: () => boolean
  readonly log?: Logger
  /** How many may wait. Default 10,000. */
  readonly maxWaiting?: number
}

// A main job that is never done must not silence its own story: then one Event a while is sent all the same.
const patienceMs = 2_000
const busyCheckMs = 25
// Without a reason of its own every abort makes a DOMException with a stack, for nobody to read.
const woken = 'something waits to be sent'
const maxAttempts = 5
const maxSeries = 10_000
const retryBackoff = { minMs: 100, maxMs: 5_000 }

export function createEventRecorder(options: EventRecorderOptions): EventRecorder & Task {
  const { transport, reportingController, reportingInstance, busy = () => false, log, maxWaiting = 10_000 } = options
  // Both in order of age: the oldest waits longest, and is forgotten first.
  const waiting = new Map<string, Series>()
  const known = new Map<string, Series>()
  let dropped = 0
  let sending: Promise<void> | undefined
  let wake = new AbortController()

  function record(event: EventToRecord): void {
    const nowMs = Date.now()
    const noted = { ...event, note: shortenNote(event.note) }
    const key = seriesKey(noted)
    let series = known.get(key)
    if (series === undefined || nowMs - series.lastMs > seriesEndsAfterMs) {
      series = { key, event: noted, name: undefined, count: 0, written: 0, firstMs: nowMs, lastMs: nowMs, writtenMs: 0 }
    }
    series.count++
    series.lastMs = nowMs
    remember(series)
    if (waiting.get(key) === series) return
    if (waiting.size >= maxWaiting) {
      dropped++
      return
    }
    waiting.set(key, series)
    wake.abort(woken)
  }

  function remember(series: Series): void {
    known.delete(series.key)
    known.set(series.key, series)
    if (known.size <= maxSeries) return
    const oldest = known.keys().next()
    if (!oldest.done) known.delete(oldest.value)
  }

  /** The first that may be sent now, or when the next may. */
  function next(all: boolean): Series | number {
    const nowMs = Date.now()
    let soonestMs = Number.POSITIVE_INFINITY
    for (const series of waiting.values()) {
      const due = dueMs(series) ?? nowMs
      if (all || due <= nowMs) return series
      soonestMs = Math.min(soonestMs, due)
    }
    return soonestMs - nowMs
  }

  async function send(series: Series, timeoutMs?: number): Promise<void> {
    waiting.delete(series.key)
    const limit = timeoutMs === undefined ? {} : { timeoutMs }
    const { count, lastMs } = series
    if (series.written >= count) return
    const { namespace } = series.event.regarding
    const path = `/apis/events.k8s.io/v1/namespaces/${namespace || 'default'}/events`
    const seriesFields = { count, lastObservedTime: formatMicroTime(new Date(lastMs)) }
    if (series.name !== undefined) {
      try {
        await transport.request({
          method: 'PATCH',
          path: `${path}/${series.name}`,
          contentType: 'application/merge-patch+json',
          body: { series: seriesFields },
          ...limit,
        })
      } catch (error) {
        if (!isNotFound(error)) throw error
        // Events live for an hour; this one is told anew.
        series.name = undefined
      }
    }
    if (series.name === undefined) {
      const name = `${series.event.regarding.name.slice(0, 230)}.${randomBytes(8).toString('hex')}`
      const body = { ...eventObject(series, name), ...(count > 1 && { series: seriesFields }) }
      await transport.request({ method: 'POST', path, body, ...limit })
      series.name = name
    }
    series.written = count
    series.writtenMs = Date.now()
    // Repeats that came while it was being sent.
    if (series.count > count && !waiting.has(series.key)) waiting.set(series.key, series)
  }

  function eventObject({ event, firstMs }: Series, name: string): object {
    const { regarding, ...rest } = event
    return {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { name, namespace: regarding.namespace || 'default' },
      eventTime: formatMicroTime(new Date(firstMs)),
      reportingController,
      reportingInstance,
      regarding,
      ...rest,
    }
  }

  /** Sends one, as often as it takes; what cannot be sent is dropped, since the next is as good. */
  async function sendStubbornly(series: Series, signal: AbortSignal): Promise<void> {
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        await send(series)
        return
      } catch (error) {
        if (attempt >= maxAttempts || isFinal(error)) {
          dropped++
          const { reason, regarding } = series.event
          log?.warn({ reason, regarding: regarding.name, err: error }, 'an Event was given up')
          return
        }
        await sleep(Math.max(backoffMs(attempt, retryBackoff), retryAfterMs(error)), signal)
      }
    }
  }

  async function waitWhileBusy(signal: AbortSignal): Promise<void> {
    const untilMs = performance.now() + patienceMs
    while (!signal.aborted && busy() && performance.now() < untilMs) await sleep(busyCheckMs, signal)
  }

  async function run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      wake = new AbortController()
      const due = next(false)
      if (typeof due === 'number') {
        await sleep(Math.min(due, seriesEndsAfterMs), signal, wake.signal)
        continue
      }
      await waitWhileBusy(signal)
      if (signal.aborted) break
      sending = sendStubbornly(due, signal)
      await sending
    }
  }

  async function flush(timeoutMs: number): Promise<void> {
    const untilMs = performance.now() + timeoutMs
    const timeout = new AbortController()
    await Promise.race([sending, sleep(timeoutMs, timeout.signal)])
    timeout.abort()
    while (waiting.size > 0 && performance.now() < untilMs) {
      const series = next(true)
      if (typeof series === 'number') return
      try {
        await send(series, Math.max(1, untilMs - performance.now()))
      } catch (error) {
        dropped++
        log?.debug({ err: error }, 'an Event could not be sent at the end')
      }
    }
  }

  return {
    name: 'events',
    ready: Promise.resolve(),
    record,
    flush,
    run,
    get waiting() {
      return waiting.size
    },
    get dropped() {
      return dropped
    },
  }
}

/** Whether a retry would meet the same answer: the namespace is going away, we may not, the object is not to its liking. */
function isFinal(error: unknown): boolean {
  return error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 429
}
