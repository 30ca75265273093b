import type { Logger } from 'pino'
import { ApiError, isConflict, isNotFound } from './api-error.ts'
import { formatMicroTime, type LeaseFacts, parseLease } from './lease-record.ts'
import { sleep, type Task } from './task.ts'
import type { Transport } from './transport.ts'

/** A lease that one program keeps for itself, carrying facts about it. */
export interface LeaseHolder {
  /** Monotonic time just before the last successful write was sent: others take the lease for live at least from then on. */
  readonly renewedAtMs: number
  /** The Lease's resourceVersion after that write. */
  readonly renewedVersion: string | undefined
  /** The facts changed: write them now. */
  touch(): void
}

/** Whom an object belongs to (`metadata.ownerReferences`): the garbage collector deletes it after them. */
export interface OwnerReference {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly uid: string
}

export interface HoldOptions {
  readonly transport: Transport
  readonly namespace: string
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  /** The facts of now; asked before every write. */
  readonly annotations: () => Readonly<Record<string, string>>
  /** What the Lease goes with when it is deleted; asked before every write. None: it stays until somebody deletes it. */
  readonly ownerReferences?: () => readonly OwnerReference[]
  /** Unique to this run of the program. */
  readonly holderIdentity: string
  readonly leaseDurationSeconds: number
  readonly renewPeriodMs: number
  /** A write was answered. */
  readonly onRenewed?: () => void
  readonly log: Logger
}

/**
 * Makes the lease or takes it over from an earlier run, renews it, and marks it released (no holder) when the signal
 * aborts. Where a later run takes it over, this one leaves it alone: `renewedAtMs` then stands still.
 */
export function holdLease(options: HoldOptions): Task & LeaseHolder {
  const { transport, namespace, name, labels, annotations, holderIdentity, leaseDurationSeconds, log } = options
  const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/${name}`
  const acquireTime = formatMicroTime(new Date())
  const ready = Promise.withResolvers<void>()
  // A write that hangs must leave time for another before the lease runs out.
  const timeoutMs = Math.min(5_000, leaseDurationSeconds * 250)
  let ownVersion: string | undefined
  let renewedAtMs = Number.NEGATIVE_INFINITY
  let wake = new AbortController()

  async function write(holder: string, signal?: AbortSignal): Promise<void> {
    const sentMs = performance.now()
    const answer = await transport.request<unknown>({
      method: 'PATCH',
      path,
      query: { fieldManager: 'berth-lease', force: true },
      contentType: 'application/apply-patch+yaml',
      body: {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: {
          namespace,
          name,
          labels,
          annotations: annotations(),
          ownerReferences: options.ownerReferences?.() ?? [],
          ...(ownVersion !== undefined && { resourceVersion: ownVersion }),
        },
        spec: { holderIdentity: holder, leaseDurationSeconds, acquireTime, renewTime: formatMicroTime(new Date()) },
      },
      urgent: true,
      timeoutMs,
      ...(signal && { signal }),
    })
    ownVersion = parseLease(answer)?.resourceVersion
    renewedAtMs = sentMs
    options.onRenewed?.()
  }

  /** After a refusal: goes on from what is there, unless that is a later run of the same program. */
  async function isTakenOver(signal?: AbortSignal): Promise<boolean> {
    const lease = await readLease(transport, path, timeoutMs, signal)
    const takenOver = lease !== undefined && lease.holderIdentity !== '' && lease.holderIdentity !== holderIdentity
    ownVersion = takenOver ? undefined : lease?.resourceVersion
    return takenOver
  }

  async function run(signal: AbortSignal): Promise<void> {
    let failures = 0
    // Set after a refused write: it must be looked at first. Before this run has written anything, whoever holds the lease
    // is an earlier one.
    let inDoubt = false
    let written = false
    while (!signal.aborted) {
      wake = new AbortController()
      let waitMs = options.renewPeriodMs
      try {
        if (inDoubt) inDoubt = await isTakenOver(signal)
        if (!inDoubt) {
          await write(holderIdentity, signal)
          written = true
          ready.resolve()
        }
        failures = 0
      } catch (error) {
        if (signal.aborted) break
        failures++
        inDoubt ||= written && error instanceof ApiError
        const level = !isConflict(error) && failures % 10 === 1 ? 'warn' : 'debug'
        log[level]({ lease: name, attempt: failures, err: error }, 'cannot renew the lease; trying again')
        waitMs = Math.min(options.renewPeriodMs, isConflict(error) ? 50 : 250 * failures)
      }
      await sleep(waitMs, signal, wake.signal)
    }
    await release()
  }

  async function release(): Promise<void> {
    try {
      // Without a version of our own we were refused, or the only write was cut off: look whose lease it is.
      if (ownVersion === undefined && ((await isTakenOver()) || ownVersion === undefined)) return
      await write('').catch(async error => {
        if (!isConflict(error) || (await isTakenOver())) throw error
        await write('')
      })
      log.info({ lease: name }, 'lease released')
    } catch (error) {
      log.warn({ lease: name, err: error }, 'cannot release the lease; it will run out')
    }
  }

  return {
    name: `lease ${namespace}/${name}`,
    ready: ready.promise,
    run,
    get renewedAtMs() {
      return renewedAtMs
    },
    get renewedVersion() {
      return ownVersion
    },
    touch: () => wake.abort(),
  }
}

/** The lease as it is now; undefined where there is none. */
export async function readLease(
  transport: Transport,
  path: string,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<LeaseFacts | undefined> {
  try {
    const found = await transport.request({ method: 'GET', path, urgent: true, timeoutMs, ...(signal && { signal }) })
    return parseLease(found)
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw error
  }
}
