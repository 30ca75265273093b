import type { Logger } from 'pino'
import { isConflict, isNotFound } from './api-error.ts'
import { readLease } from './lease.ts'
import {
  type LeaseFacts,
  leaseObject,
  mayActUntilMs,
  type Observation,
  observeLease,
  parseLease,
  takeableFromMs,
} from './lease-record.ts'
import { createStore } from './store.ts'
import { sleep, type Task } from './task.ts'
import type { Transport } from './transport.ts'
import { watchResource } from './watch.ts'

/*
 * One leader among replicas, by a Lease, with a fence: whoever could not renew in time stops acting by its own monotonic
 * clock before anybody else may begin. Clocks need not agree, and a frozen process finds `isLeader` false when it wakes.
 * A candidate looks every two seconds and is woken by a watch, so that a lease given back is taken at once.
 */

export interface Leadership {
  /** False as soon as the lease could have been given to another, by the monotonic clock; ask before every write. */
  readonly isLeader: boolean
  /** Who held it when it was last seen; undefined = nobody, or not seen yet. */
  readonly holder: string | undefined
}

export interface ElectionOptions {
  readonly transport: Transport
  readonly namespace: string
  readonly name: string
  /** Unique to this run of the program, not only to its pod. */
  readonly identity: string
  /** After so long without a renewal another may take it. Default 15 s. */
  readonly leaseDurationMs?: number
  /** Default 2 s. */
  readonly renewPeriodMs?: number
  /** Called when leadership begins and when it ends, in that order. */
  readonly onChange?: (leading: boolean) => void
  readonly log: Logger
}

/**
 * Takes part in the election until the signal aborts; then gives the lease back, if it holds it, and ends. Who writes as
 * the leader must have stopped before that signal aborts. `ready` resolves once the lease has been seen or made.
 */
export function electLeader(options: ElectionOptions): Task & Leadership {
  const { transport, namespace, name, identity, onChange, log } = options
  const { leaseDurationMs = 15_000, renewPeriodMs = 2_000 } = options
  const collection = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`
  const path = `${collection}/${name}`
  const write = { namespace, name, leaseDurationSeconds: Math.ceil(leaseDurationMs / 1000) }
  const ready = Promise.withResolvers<void>()
  // A renewal that hangs must leave time for another, on another connection, before the lease is lost.
  const timeoutMs = Math.min(5_000, leaseDurationMs / 4)
  let observation: Observation | undefined
  let actUntilMs = Number.NEGATIVE_INFINITY
  let leading = false
  /** The last write of ours had no answer: it may have been done, or not. */
  let unanswered = false
  let expiry: NodeJS.Timeout | undefined

  const isLeader = (): boolean => performance.now() < actUntilMs

  function announce(): void {
    clearTimeout(expiry)
    const now = isLeader()
    if (now) expiry = setTimeout(announce, Math.max(1, actUntilMs - performance.now()))
    if (now === leading) return
    leading = now
    log.info({ lease: name, identity }, now ? 'leading' : 'not leading any more')
    onChange?.(now)
  }

  function stepDown(): void {
    actUntilMs = Number.NEGATIVE_INFINITY
    announce()
  }

  function saw(lease: LeaseFacts): void {
    observation = observeLease(observation, lease, performance.now())
    if (lease.holderIdentity !== identity) stepDown()
  }

  async function look(signal?: AbortSignal): Promise<void> {
    const lease = await readLease(transport, path, timeoutMs, signal)
    ready.resolve()
    if (lease !== undefined) saw(lease)
    // Whoever held it when it was deleted may believe so until its time is over.
    else if (observation !== undefined && performance.now() >= takeableFromMs(observation)) observation = undefined
  }

  /** Makes, takes or renews the lease; throws a conflict where somebody else wrote first. */
  async function hold(signal: AbortSignal): Promise<void> {
    const before = observation?.lease
    const sentMs = performance.now()
    const body = leaseObject({ ...write, holderIdentity: identity }, before, new Date())
    unanswered = true
    const answer = parseLease(
      await transport.request<unknown>({
        method: before ? 'PUT' : 'POST',
        path: before ? path : collection,
        body,
        urgent: true,
        timeoutMs,
        signal,
      }),
    )
    unanswered = false
    if (answer?.holderIdentity !== identity) throw new Error('the server did not store the lease as written')
    actUntilMs = mayActUntilMs(sentMs, leaseDurationMs)
    saw(answer)
    announce()
    ready.resolve()
  }

  /** It was deleted under us: somebody else may make it anew at any moment. */
  function lost(): void {
    observation = undefined
    stepDown()
  }

  /** One step; returns how long to wait for the next, unless woken. */
  async function step(signal: AbortSignal): Promise<number> {
    if (observation?.lease.holderIdentity !== identity) await look(signal)
    const mine = observation?.lease.holderIdentity === identity
    if (!mine && observation !== undefined) {
      const waitMs = takeableFromMs(observation) - performance.now()
      if (waitMs > 0) return Math.min(waitMs, renewPeriodMs)
    }
    await hold(signal)
    return renewPeriodMs
  }

  async function run(signal: AbortSignal): Promise<void> {
    let wake = new AbortController()
    const watch = watchLease(transport, collection, name, lease => {
      // Only a hint: what counts is what `look` and `hold` see.
      if (lease?.holderIdentity !== identity) wake.abort()
    })
    const stopWatch = new AbortController()
    const watching = watch(stopWatch.signal)
    let failures = 0
    while (!signal.aborted) {
      let waitMs: number
      wake = new AbortController()
      try {
        waitMs = await step(signal)
        failures = 0
      } catch (error) {
        if (signal.aborted) break
        const attempt = ++failures
        waitMs = isConflict(error) ? 50 + Math.random() * 100 : Math.min(renewPeriodMs, 250 * attempt)
        if (isConflict(error)) await lookAgain(signal)
        else log[attempt % 10 === 1 ? 'warn' : 'debug']({ lease: name, attempt, err: error }, 'cannot reach the lease')
        if (isNotFound(error)) lost()
      }
      await sleep(waitMs, signal, wake.signal)
    }
    stopWatch.abort()
    await giveBack()
    await watching
  }

  /** Somebody wrote in between (or an answer was lost): without a look at it our next write would be refused again. */
  async function lookAgain(signal?: AbortSignal): Promise<void> {
    try {
      await look(signal)
    } catch (error) {
      log.debug({ lease: name, err: error }, 'cannot look at the lease')
    }
  }

  async function giveBack(): Promise<void> {
    // First nobody leads, then the others may know.
    stepDown()
    if (unanswered) await lookAgain()
    for (let attempt = 1; attempt <= 3 && observation?.lease.holderIdentity === identity; attempt++) {
      const body = leaseObject({ ...write, holderIdentity: '' }, observation.lease, new Date())
      try {
        await transport.request({ method: 'PUT', path, body, urgent: true, timeoutMs: 2_000 })
        log.info({ lease: name }, 'lease given back')
        return
      } catch (error) {
        if (isConflict(error)) await lookAgain()
        else log.warn({ lease: name, attempt, err: error }, 'cannot give the lease back')
      }
    }
  }

  return {
    name: `lease ${namespace}/${name}`,
    ready: ready.promise,
    run,
    get isLeader() {
      return isLeader()
    },
    get holder() {
      return observation?.lease.holderIdentity || undefined
    },
  }
}

/** Calls back on every change of one lease that the watch shows; says nothing of what it missed. */
function watchLease(
  transport: Transport,
  path: string,
  name: string,
  onChange: (lease: LeaseFacts | undefined) => void,
): (signal: AbortSignal) => Promise<void> {
  const store = createStore<LeaseFacts>()
  store.subscribe(change => onChange(change.after))
  return signal =>
    watchResource({ transport, path, parse: parseLease, store, fieldSelector: `metadata.name=${name}` }).run(signal)
}
