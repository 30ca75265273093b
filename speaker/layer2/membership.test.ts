import { describe, expect, test } from 'vitest'
import type { SpeakerLease } from './facts.ts'
import {
  isCutOff,
  type Membership,
  membersOf,
  nextSuspicionMs,
  nodeOfMac,
  noMembership,
  observe,
  sameMembers,
  spokesman,
  suspects,
} from './membership.ts'

const self = { node: 'a', run: 'a1' }
const durationMs = 10_000
const maxStepMs = 4_000
let version = 0

function lease(node: string, options: { run?: string; leaving?: boolean } = {}): SpeakerLease {
  const facts = { node, run: options.run ?? `${node}1`, leaving: options.leaving ?? false, interfaces: [] }
  const factsText = JSON.stringify(facts)
  return { key: `b/${node}`, uid: node, resourceVersion: `${++version}`, node, durationMs, facts, factsText }
}

/** What has happened, as `[milliseconds, node that renewed]`. */
function after(renewals: readonly (readonly [number, string])[]): Membership {
  return renewals.reduce(
    (membership, [nowMs, node]) => observe(membership, { kind: 'leaseSeen', lease: lease(node), nowMs }),
    noMembership(self, maxStepMs, 0),
  )
}

function liveness(membership: Membership): Record<string, string> {
  return Object.fromEntries(Array.from(membersOf(membership).values(), one => [one.node, one.liveness]))
}

/** `node` renews every three seconds within these times. */
function renewing(node: string, fromMs: number, untilMs: number): (readonly [number, string])[] {
  const renewals: (readonly [number, string])[] = []
  for (let atMs = fromMs; atMs < untilMs; atMs += 3_000) renewals.push([atMs, node])
  return renewals
}

function sorted(renewals: readonly (readonly [number, string])[]): (readonly [number, string])[] {
  return renewals.toSorted(([one], [other]) => one - other)
}

describe('while the API server works', () => {
  test('a node that goes on renewing is alive', () => {
    const membership = after(sorted([...renewing('a', 0, 60_000), ...renewing('b', 1_000, 60_000)]))
    expect(liveness(membership)).toEqual({ a: 'alive', b: 'alive' })
  })

  test('a node that stopped renewing is gone with our first renewal after its Lease', () => {
    const dead = [...renewing('b', 1_000, 20_000)]
    expect(dead.at(-1)?.[0]).toBe(19_000)
    expect(liveness(after(sorted([...renewing('a', 0, 29_000), ...dead])))).toEqual({ a: 'alive', b: 'alive' })
    expect(liveness(after(sorted([...renewing('a', 0, 31_000), ...dead])))).toEqual({ a: 'alive', b: 'gone' })
  })

  test('a Lease that would be over by now makes its node suspect at once, and our own renewal makes it gone', () => {
    const membership = after(sorted([...renewing('a', 0, 28_000), ...renewing('b', 1_000, 20_000)]))
    expect(nextSuspicionMs(membership)).toBe(29_001)
    expect(suspects(membership, 28_999)).toEqual([])
    expect(suspects(membership, 29_001)).toEqual(['b'])
    expect(liveness(membership)['b']).toBe('alive')
    const renewed = observe(membership, { kind: 'leaseSeen', lease: lease('a'), nowMs: 29_010 })
    expect(liveness(renewed)['b']).toBe('gone')
    expect(suspects(renewed, 29_020)).toEqual([])
  })

  test('a node that is gone and renews again is alive', () => {
    const membership = after(sorted([...renewing('a', 0, 60_000), ...renewing('b', 1_000, 20_000)]))
    expect(liveness(membership)['b']).toBe('gone')
    expect(liveness(observe(membership, { kind: 'leaseSeen', lease: lease('b'), nowMs: 60_500 }))['b']).toBe('alive')
  })

  test('a node that says it is leaving is leaving, and one whose Lease is deleted is no member', () => {
    const membership = observe(after([[0, 'a']]), {
      kind: 'leaseSeen',
      lease: lease('b', { leaving: true }),
      nowMs: 10,
    })
    expect(liveness(membership)).toEqual({ a: 'alive', b: 'leaving' })
    expect(liveness(observe(membership, { kind: 'leaseDeleted', node: 'b', nowMs: 20 }))).toEqual({ a: 'alive' })
  })
})

describe('while the API server is away', () => {
  const before = sorted([...renewing('a', 0, 30_000), ...renewing('b', 1_000, 30_000)])

  test('nobody is gone or suspect, however long it lasts', () => {
    const membership = after(before)
    expect(liveness(membership)).toEqual({ a: 'alive', b: 'alive' })
    for (const nowMs of [40_000, 60_000, 3_600_000]) expect(suspects(membership, nowMs)).toEqual([])
    expect(nextSuspicionMs(membership)).toBeUndefined()
  })

  test('and when it comes back, the others have three seconds to renew after we have', () => {
    const back = observe(after(before), { kind: 'leaseSeen', lease: lease('a'), nowMs: 3_600_000 })
    expect(liveness(back)).toEqual({ a: 'alive', b: 'alive' })
    expect(suspects(back, 3_603_000)).toEqual([])
    const later = observe(back, { kind: 'leaseSeen', lease: lease('a'), nowMs: 3_602_900 })
    expect(liveness(later)).toEqual({ a: 'alive', b: 'alive' })
  })

  test('one that died meanwhile is gone within a Lease of its return', () => {
    const back = renewing('a', 3_600_000, 3_610_000)
    expect(liveness(after([...before, ...back]))).toEqual({ a: 'alive', b: 'gone' })
  })

  test('we are cut off once our own Lease must have run out, and no longer when a renewal comes back', () => {
    const membership = after(before)
    expect(before.filter(([, node]) => node === 'a').at(-1)?.[0]).toBe(27_000)
    expect(isCutOff(membership, 36_999)).toBe(false)
    expect(isCutOff(membership, 37_001)).toBe(true)
    const back = observe(membership, { kind: 'leaseSeen', lease: lease('a'), nowMs: 50_000 })
    expect(isCutOff(back, 50_000)).toBe(false)
  })
})

describe('at the start', () => {
  test('we are no member before our own Lease is seen, and that of an earlier run does not count', () => {
    const earlier = observe(noMembership(self, maxStepMs, 0), {
      kind: 'leaseSeen',
      lease: lease('a', { run: 'a0' }),
      nowMs: 5,
    })
    expect(earlier.joined).toBe(false)
    expect(observe(earlier, { kind: 'leaseSeen', lease: lease('a'), nowMs: 10 }).joined).toBe(true)
  })

  test('a Lease that nobody renews any more counts for its duration, since we cannot know better', () => {
    expect(liveness(after([[0, 'b'], ...renewing('a', 1, 9_000)]))['b']).toBe('alive')
    expect(liveness(after([[0, 'b'], ...renewing('a', 1, 14_000)]))['b']).toBe('gone')
  })

  test('the same version of a Lease, listed again, is no renewal', () => {
    const b = lease('b')
    let membership = observe(after([[0, 'a']]), { kind: 'leaseSeen', lease: b, nowMs: 0 })
    for (const [nowMs] of renewing('a', 3_000, 15_000)) {
      membership = observe(membership, { kind: 'leaseSeen', lease: b, nowMs })
      membership = observe(membership, { kind: 'leaseSeen', lease: lease('a'), nowMs })
    }
    expect(liveness(membership)['b']).toBe('gone')
  })
})

test('members are the same after mere renewals, and differ when facts change', () => {
  const one = after([
    [0, 'a'],
    [0, 'b'],
  ])
  const renewed = observe(one, { kind: 'leaseSeen', lease: lease('b'), nowMs: 100 })
  expect(sameMembers(membersOf(one), membersOf(renewed))).toBe(true)
  const restarted = observe(one, { kind: 'leaseSeen', lease: lease('b', { run: 'b2' }), nowMs: 100 })
  expect(sameMembers(membersOf(one), membersOf(restarted))).toBe(false)
})

test('the spokesman is the first that is alive, else the first that is leaving', () => {
  const member = (node: string, liveness: 'alive' | 'leaving' | 'gone') =>
    [node, { node, liveness, facts: { node, run: 'r', leaving: false, interfaces: [] } }] as const
  expect(spokesman(new Map([member('c', 'alive'), member('a', 'gone'), member('b', 'alive')]))).toBe('b')
  expect(spokesman(new Map([member('c', 'leaving'), member('a', 'gone')]))).toBe('c')
  expect(spokesman(new Map([member('a', 'gone')]))).toBeUndefined()
})

test('a hardware address leads to the node that has it', () => {
  const interfaces = [{ name: 'eth0', mac: '02:00:00:00:00:07', carrier: true, subnets: [] }]
  const facts = { node: 'b', run: 'r', leaving: false, interfaces }
  const members = new Map([['b', { node: 'b', liveness: 'alive', facts } as const]])
  expect(nodeOfMac(members, '02:00:00:00:00:07')).toBe('b')
  expect(nodeOfMac(members, '02:00:00:00:00:08')).toBeUndefined()
})
