import type { Logger } from 'pino'
import { ApiError, isGone, retryAfterMs } from './api-error.ts'
import { fieldOf, identityOf, listOf, numberOf, textOf } from './json.ts'
import { type BackoffOptions, backoffMs } from './queue.ts'
import type { Observed, Store, Stored, StoreWriter } from './store.ts'
import { linkedController, sleep, type Task } from './task.ts'
import type { Transport, WatchEvent } from './transport.ts'

export type { Task } from './task.ts'

/*
 * Keeps a store equal to what the API server has: list in pages, watch from there, resume by resourceVersion after every
 * end of the watch, list again where the server has forgotten that number (410). Nothing ends it but its signal: refusals
 * and cuts are waited out, an object that cannot be parsed is reported and stepped over, and a watch on which not even a
 * bookmark comes is taken for dead, since a proxy can freeze without closing anything.
 */

export interface WatchOptions<T extends Stored> {
  readonly transport: Transport
  /** The collection, e.g. `/api/v1/services`. */
  readonly path: string
  /** From wire to value; undefined = not for us. */
  readonly parse: (object: unknown) => T | undefined
  readonly store: Store<T> & StoreWriter<T>
  readonly labelSelector?: string
  readonly fieldSelector?: string
  readonly log?: Logger
  /** Objects per page of a list. Default 500. */
  readonly pageSize?: number
  /**
   * A watch without event and bookmark for so long is asked for anew. Default 90 s: bookmarks come every minute, except in
   * a cluster where nothing at all happens, and there it costs nothing either.
   */
  readonly silenceMs?: number
  readonly backoff?: BackoffOptions
}

/** For metrics and readiness. */
export interface WatchHealth {
  readonly state: 'idle' | 'listing' | 'watching' | 'waiting'
  /** When the server was last heard, by `performance.now()`; undefined = never. */
  readonly lastHeardMs: number | undefined
  readonly lists: number
  readonly watches: number
  /** Failed lists and watches since the start; a watch that the server ended in order, or that was silent, is none. */
  readonly failures: number
  /** Failures since a watch last worked; 0 while all is well. */
  readonly failuresInARow: number
  readonly unreadableObjects: number
  readonly listenerErrors: number
  readonly lastError: string | undefined
}

const defaultSilenceMs = 90_000
const defaultBackoff: BackoffOptions = { minMs: 200, maxMs: 30_000 }
// The server ends a watch after this time; spread, so that all watches of all speakers do not come back together.
const watchSeconds = (): number => 300 + Math.floor(Math.random() * 300)
// A watch that ends sooner counts as a failure, lest a server that ends each at once is asked without a pause.
const shortWatchMs = 1_000

/** A task that fills `store` and keeps it true. */
export function watchResource<T extends Stored>(
  options: WatchOptions<T>,
): Task & { readonly health: () => WatchHealth } {
  const { transport, path, parse, store, log, silenceMs = defaultSilenceMs, backoff = defaultBackoff } = options
  const selectors = { labelSelector: options.labelSelector, fieldSelector: options.fieldSelector }
  const health: { -readonly [K in keyof WatchHealth]: WatchHealth[K] } = {
    state: 'idle',
    lastHeardMs: undefined,
    lists: 0,
    watches: 0,
    failures: 0,
    failuresInARow: 0,
    unreadableObjects: 0,
    listenerErrors: 0,
    lastError: undefined,
  }
  let pageSize = options.pageSize ?? 500
  /** Where the watch goes on; undefined = list first. */
  let resumeFrom: string | undefined

  store.onListenerError(error => {
    health.listenerErrors++
    log?.error({ err: error, path }, 'a subscriber of the store failed')
  })

  function heard(): void {
    health.lastHeardMs = performance.now()
    health.failuresInARow = 0
  }

  function observe(object: unknown): Observed<T> | undefined {
    const identity = identityOf(object)
    if (identity === undefined) {
      unreadable(undefined, 'an object without a name')
      return undefined
    }
    const { key, uid, resourceVersion } = identity
    try {
      return { key, uid, resourceVersion, value: parse(object) }
    } catch (error) {
      unreadable(key, error)
      return { key, uid, resourceVersion, value: 'unreadable' }
    }
  }

  function unreadable(key: string | undefined, error: unknown): void {
    health.unreadableObjects++
    log?.error({ err: error, path, key }, 'an object cannot be read; what was known of it stays')
  }

  /** Every object, in pages. Only parsed values outlive their page. */
  async function list(signal: AbortSignal): Promise<string> {
    health.state = 'listing'
    health.lists++
    const observed: Observed<T>[] = []
    let continueToken: string | undefined
    let resourceVersion = ''
    do {
      const query = { ...selectors, limit: pageSize, continue: continueToken }
      const page = await transport.request<unknown>({ method: 'GET', path, query, signal })
      const metadata = fieldOf(page, 'metadata')
      resourceVersion = textOf(fieldOf(metadata, 'resourceVersion')) ?? ''
      if (resourceVersion === '' || !Array.isArray(fieldOf(page, 'items')))
        throw new Error(`GET ${path}: the answer is no list`)
      for (const item of listOf(fieldOf(page, 'items'))) {
        const one = observe(item)
        if (one !== undefined) observed.push(one)
      }
      continueToken = textOf(fieldOf(metadata, 'continue')) || undefined
      health.lastHeardMs = performance.now()
    } while (continueToken !== undefined)
    store.replace(observed, resourceVersion)
    return resourceVersion
  }

  /** Follows one watch to its end, or until it has been silent for too long; `resumeFrom` moves along. */
  async function follow(from: string, signal: AbortSignal): Promise<'ended' | 'silent'> {
    const { controller, unlink } = linkedController(signal)
    const silence = new Error(`watch ${path}: nothing was heard for ${silenceMs} ms`)
    const silent = setTimeout(() => controller.abort(silence), silenceMs)
    const query = {
      ...selectors,
      resourceVersion: from,
      allowWatchBookmarks: true,
      timeoutSeconds: watchSeconds(),
    }
    health.state = 'watching'
    health.watches++
    const startMs = performance.now()
    let settled: NodeJS.Timeout | undefined
    const onOpen = (): void => {
      settled = setTimeout(heard, shortWatchMs)
    }
    try {
      for await (const event of transport.watch(path, query, controller.signal, onOpen)) {
        silent.refresh()
        takeIn(event)
      }
    } catch (error) {
      if (error !== silence) throw error
      return 'silent'
    } finally {
      clearTimeout(silent)
      clearTimeout(settled)
      unlink()
    }
    const lastedMs = performance.now() - startMs
    if (lastedMs < shortWatchMs) throw new Error(`the server ended the watch after ${Math.round(lastedMs)} ms`)
    return 'ended'
  }

  function takeIn(event: WatchEvent): void {
    if (event.type === 'ERROR') throw errorOfEvent(path, event.object)
    heard()
    // An event without a resourceVersion is none of the API's; bookmarks have one and no name.
    const resourceVersion = textOf(fieldOf(fieldOf(event.object, 'metadata'), 'resourceVersion'))
    if (!resourceVersion) return unreadable(undefined, `an event of type ${event.type} without a resourceVersion`)
    if (event.type === 'BOOKMARK') {
      store.progress(resourceVersion)
    } else if (event.type === 'DELETED') {
      const identity = identityOf(event.object)
      if (identity !== undefined) store.observeDeletion(identity.key, identity.uid, resourceVersion)
    } else {
      const observed = observe(event.object)
      if (observed !== undefined) store.observe(observed)
    }
    resumeFrom = resourceVersion
  }

  /** One round: a list where one is needed, then one watch. */
  async function round(signal: AbortSignal): Promise<void> {
    if (resumeFrom === undefined) {
      resumeFrom = await list(signal)
      log?.debug({ path, objects: store.size, resourceVersion: resumeFrom }, 'listed')
    }
    if ((await follow(resumeFrom, signal)) === 'ended') return heard()
    // Perhaps there was nothing to say, perhaps something on the way froze: a new watch tells.
    log?.debug({ path }, 'the watch was silent for too long')
  }

  function failed(error: unknown): number {
    health.failures++
    health.failuresInARow++
    health.lastError = error instanceof Error ? error.message : String(error)
    if (isGone(error)) {
      resumeFrom = undefined
      log?.info({ path }, 'the server no longer knows our resourceVersion: listing again')
    } else if (error instanceof RangeError) {
      // More than the transport takes in one piece: smaller pieces, and not the same watch event over and over.
      pageSize = Math.max(1, Math.floor(pageSize / 4))
      resumeFrom = undefined
    }
    const attempt = health.failuresInARow
    const level = attempt === 2 || attempt % 10 === 0 ? 'warn' : 'debug'
    log?.[level]({ path, attempt, err: error }, 'cannot watch; trying again')
    return Math.max(backoffMs(attempt, backoff), retryAfterMs(error))
  }

  async function run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await round(signal)
      } catch (error) {
        if (signal.aborted) break
        const delayMs = failed(error)
        health.state = 'waiting'
        await sleep(delayMs, signal)
      }
    }
    health.state = 'idle'
  }

  return { name: `watch ${path}`, ready: store.synced, run, health: () => ({ ...health }) }
}

function errorOfEvent(path: string, status: unknown): Error {
  const code = numberOf(fieldOf(status, 'code')) ?? 500
  const seconds = numberOf(fieldOf(fieldOf(status, 'details'), 'retryAfterSeconds'))
  const message = `watch ${path}: ${textOf(fieldOf(status, 'message')) ?? 'the server reported an error'}`
  return new ApiError(code, textOf(fieldOf(status, 'reason')) ?? '', message, seconds)
}
