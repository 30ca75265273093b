import { fieldOf, identityOf, numberOf, textOf, textsOf } from './json.ts'

/*
 * A Lease (coordination.k8s.io/v1) as a value, and who may take it when. All times are of the local monotonic clock:
 * what a record says of its writer's clock is never compared with one's own, so that skewed clocks change nothing.
 */

/** A Lease, parsed. */
export interface LeaseFacts {
  readonly key: string
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly resourceVersion: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  /** Empty: nobody holds it. */
  readonly holderIdentity: string
  readonly leaseDurationSeconds: number
  readonly leaseTransitions: number
  /** By the writer's clock, for people. */
  readonly acquireTime: string
  readonly renewTime: string
}

/** The Lease that an object is, or undefined where it is none. Never throws. */
export function parseLease(object: unknown): LeaseFacts | undefined {
  const identity = identityOf(object)
  if (identity === undefined || identity.namespace === '') return undefined
  const metadata = fieldOf(object, 'metadata')
  const spec = fieldOf(object, 'spec')
  return {
    ...identity,
    labels: textsOf(fieldOf(metadata, 'labels')),
    annotations: textsOf(fieldOf(metadata, 'annotations')),
    holderIdentity: textOf(fieldOf(spec, 'holderIdentity')) ?? '',
    leaseDurationSeconds: numberOf(fieldOf(spec, 'leaseDurationSeconds')) ?? 0,
    leaseTransitions: numberOf(fieldOf(spec, 'leaseTransitions')) ?? 0,
    acquireTime: textOf(fieldOf(spec, 'acquireTime')) ?? '',
    renewTime: textOf(fieldOf(spec, 'renewTime')) ?? '',
  }
}

/** A record and when this process first saw it as it is. */
export interface Observation {
  readonly lease: LeaseFacts
  /** Monotonic. Later than the write itself, never earlier. */
  readonly seenSinceMs: number
}

/** What is known after the record was looked at again: an unchanged one keeps the time of its first sight. */
export function observeLease(before: Observation | undefined, lease: LeaseFacts, nowMs: number): Observation {
  const { lease: known } = before ?? {}
  if (before !== undefined && known?.uid === lease.uid && known.resourceVersion === lease.resourceVersion) return before
  return { lease, seenSinceMs: nowMs }
}

/** From when on somebody else may take the lease: at once where nobody holds it, else its duration after it last changed. */
export function takeableFromMs({ lease, seenSinceMs }: Observation): number {
  return lease.holderIdentity === '' ? seenSinceMs : seenSinceMs + lease.leaseDurationSeconds * 1000
}

/**
 * Until when a holder may act on its lease: two thirds of the duration, counted from BEFORE the renewal was sent. The
 * others count the whole duration from when they saw the renewal, which is later; the third between is for writes that
 * are still on their way.
 */
export function mayActUntilMs(sentMs: number, leaseDurationMs: number): number {
  return sentMs + (leaseDurationMs * 2) / 3
}

/** What a holder writes. */
export interface LeaseWrite {
  readonly namespace: string
  readonly name: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  /** Empty gives it back. */
  readonly holderIdentity: string
  readonly leaseDurationSeconds: number
}

/** The object that makes the lease (no `before`), renews it or takes it over; refused by the server if it changed meanwhile. */
export function leaseObject(write: LeaseWrite, before: LeaseFacts | undefined, now: Date): object {
  const renewTime = formatMicroTime(now)
  const handOver = before !== undefined && write.holderIdentity !== '' && before.holderIdentity !== write.holderIdentity
  const kept = before !== undefined && !handOver && before.acquireTime !== ''
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: {
      namespace: write.namespace,
      name: write.name,
      labels: { ...before?.labels, ...write.labels },
      annotations: { ...before?.annotations, ...write.annotations },
      ...(before && { resourceVersion: before.resourceVersion, uid: before.uid }),
    },
    spec: {
      holderIdentity: write.holderIdentity,
      leaseDurationSeconds: write.leaseDurationSeconds,
      acquireTime: kept ? before.acquireTime : renewTime,
      renewTime,
      leaseTransitions: (before?.leaseTransitions ?? 0) + (handOver ? 1 : 0),
    },
  }
}

/** `metav1.MicroTime`: six digits behind the second, or the server refuses it. */
export function formatMicroTime(time: Date): string {
  return `${time.toISOString().slice(0, -1)}000Z`
}
