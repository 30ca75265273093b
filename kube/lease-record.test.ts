import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type LeaseFacts,
  leaseObject,
  mayActUntilMs,
  type Observation,
  observeLease,
  parseLease,
  takeableFromMs,
} from './lease-record.ts'

const now = new Date('2026-11-23T02:00:00.123Z')
const write = { namespace: 'ns', name: 'leader', holderIdentity: 'a', leaseDurationSeconds: 15 }

function lease(over: Partial<LeaseFacts> = {}): LeaseFacts {
  const made = parseLease(leaseObject(write, undefined, now))
  if (made === undefined) throw new Error('not parsed')
  return { ...made, uid: 'u', resourceVersion: '7', ...over }
}

const transitions = (holderIdentity: string, before: LeaseFacts): unknown =>
  (leaseObject({ ...write, holderIdentity }, before, now) as { spec: { leaseTransitions: number } }).spec
    .leaseTransitions

describe('what a holder writes', () => {
  it('makes a lease with times of six digits', () => {
    expect(leaseObject(write, undefined, now)).toMatchObject({
      metadata: { namespace: 'ns', name: 'leader' },
      spec: {
        holderIdentity: 'a',
        acquireTime: '2026-11-23T02:00:00.123000Z',
        renewTime: '2026-11-23T02:00:00.123000Z',
        leaseTransitions: 0,
      },
    })
  })

  it('renews without a transition, at exactly the version that was seen', () => {
    const before = lease({ acquireTime: 'then', leaseTransitions: 3 })
    expect(leaseObject(write, before, now)).toMatchObject({
      metadata: { resourceVersion: '7', uid: 'u' },
      spec: { acquireTime: 'then', leaseTransitions: 3 },
    })
  })

  it('counts a take-over, and neither a release nor a return of the same holder', () => {
    const mine = lease({ leaseTransitions: 3 })
    expect(transitions('b', mine)).toBe(4)
    expect(transitions('', mine)).toBe(3)
    expect(transitions('a', mine)).toBe(3)
  })
})

describe('who may take a lease', () => {
  it('anybody at once when nobody holds it', () => {
    expect(takeableFromMs({ lease: lease({ holderIdentity: '' }), seenSinceMs: 5 })).toBe(5)
  })

  it('another only its whole duration after its last change was seen here', () => {
    const first = observeLease(undefined, lease(), 1_000)
    expect(takeableFromMs(first)).toBe(16_000)
    expect(observeLease(first, lease(), 9_000)).toBe(first)
    expect(takeableFromMs(observeLease(first, lease({ resourceVersion: '8' }), 9_000))).toBe(24_000)
  })

  it('never while the holder may act, however late, seldom and skewed the candidate looks', () => {
    const duration = fc.integer({ min: 1, max: 60 })
    const renewals = fc.array(fc.record({ gapMs: fc.nat(30_000), flightMs: fc.nat(5_000) }), { minLength: 1 })
    const looks = fc.array(fc.nat(400_000), { minLength: 1 })
    fc.assert(
      fc.property(duration, renewals, looks, (leaseDurationSeconds, steps, times) => {
        // One renewal after another, each written some time after it was sent.
        const written: { readonly sentMs: number; readonly writtenMs: number; readonly version: number }[] = []
        let clock = 0
        for (const { gapMs, flightMs } of steps) {
          const sentMs = clock + gapMs
          clock = sentMs + flightMs
          written.push({ sentMs, writtenMs: clock, version: written.length + 1 })
        }
        let seen: Observation | undefined
        for (const lookMs of times.sort((one, other) => one - other)) {
          const current = written.filter(({ writtenMs }) => writtenMs <= lookMs).at(-1)
          if (current === undefined) continue
          const facts = lease({ leaseDurationSeconds, resourceVersion: String(current.version) })
          seen = observeLease(seen, facts, lookMs)
          if (lookMs < takeableFromMs(seen)) continue
          // It takes it: the write succeeds only where the record is still the one seen, which is what `current` is.
          expect(lookMs).toBeGreaterThan(mayActUntilMs(current.sentMs, leaseDurationSeconds * 1000))
        }
      }),
    )
  })
})
