import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createAnnouncer, rivalLastsMs } from './announcer.ts'
import { seenForMs } from './layer2/pacing.ts'
import type { WireCommand } from './wire/messages.ts'

const address = '192.0.2.1'
const mac = '02:00:00:00:00:0b'
const seen = { kind: 'seen', address, interface: 'eth0', mac } as const
const conflict = { kind: 'conflict', address, interface: 'eth0', mac } as const
const first = { kind: 'ask', owner: undefined } as const

function setUp() {
  const sent: WireCommand[] = []
  const world = { node: 'b' as string | undefined, changes: 0 }
  const announcer = createAnnouncer({
    send: command => sent.push(command),
    nodeOf: () => world.node,
    onChange: () => world.changes++,
    log: pino({ level: 'silent' }),
  })
  announcer.announce([{ address, interfaces: 'all' }], first)
  sent.length = 0
  return { sent, world, announcer }
}

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'setTimeout', 'performance'] }))
afterEach(() => void vi.useRealTimers())

test('the wire is told, and believed when it says where it announces', () => {
  const { announcer, world } = setUp()
  expect(announcer.wire.get(address)).toEqual({ told: 'all', announcedOn: undefined })
  announcer.take({ kind: 'announced', address, interfaces: ['eth0'] })
  announcer.take({ kind: 'announced', address, interfaces: ['eth0'] })
  announcer.take({ kind: 'announced', address: '192.0.2.2', interfaces: ['eth0'] })
  expect(announcer.wire.get(address)?.announcedOn).toEqual(['eth0'])
  expect(announcer.wire.size).toBe(1)
  expect(world.changes).toBe(1)
})

test('what was announced once is known to have been, until it is withdrawn', () => {
  const { announcer } = setUp()
  expect(announcer.wire.get(address)?.wasAnnounced).toBeUndefined()
  announcer.take({ kind: 'announced', address, interfaces: [] })
  expect(announcer.wire.get(address)?.wasAnnounced).toBeUndefined()
  announcer.take({ kind: 'announced', address, interfaces: ['eth0'] })
  announcer.take({ kind: 'withheld', address, because: 'asking' })
  announcer.announce([{ address, interfaces: ['eth0'] }], first)
  expect(announcer.wire.get(address)).toMatchObject({ wasAnnounced: true, announcedOn: undefined })
  announcer.withdraw([address])
  announcer.announce([{ address, interfaces: 'all' }], first)
  expect(announcer.wire.get(address)?.wasAnnounced).toBeUndefined()
})

test('what is withheld is not announced, until it is again', () => {
  const { announcer } = setUp()
  announcer.take({ kind: 'announced', address, interfaces: ['eth0'] })
  announcer.take({ kind: 'withheld', address, because: 'yielded' })
  expect(announcer.wire.get(address)?.announcedOn).toBeUndefined()
  announcer.take({ kind: 'contested', address, finding: { kind: 'noLink' } })
  expect(announcer.wire.get(address)?.announcedOn).toEqual([])
  announcer.take({ kind: 'announced', address, interfaces: ['eth0'] })
  expect(announcer.wire.get(address)?.announcedOn).toEqual(['eth0'])
})

test('a take-over is counted when the answering begins, not while it goes on', () => {
  const { announcer } = setUp()
  announcer.take({ kind: 'contested', address, finding: { kind: 'noLink' } })
  expect(announcer.takeOvers).toBe(0)
  announcer.take({ kind: 'announced', address, interfaces: ['eth0'] })
  announcer.take({ kind: 'announced', address, interfaces: ['eth0', 'eth1'] })
  expect(announcer.takeOvers).toBe(1)
  announcer.take({ kind: 'withheld', address, because: 'yielded' })
  announcer.take({ kind: 'announced', address, interfaces: ['eth0'] })
  expect(announcer.takeOvers).toBe(2)
})

test('another caution is said once', () => {
  const { announcer, sent } = setUp()
  announcer.recaution([address], first)
  expect(sent).toEqual([])
  const caution = { kind: 'ask', owner: 'b' } as const
  announcer.recaution([address], caution)
  announcer.recaution([address], caution)
  expect(sent).toEqual([{ kind: 'caution', addresses: [address], caution }])
})

describe('another station', () => {
  test('that is a speaker is evidence of a hand-over; a stranger is none', () => {
    const { announcer, world } = setUp()
    announcer.take(seen)
    expect(announcer.seen).toEqual(new Map([[address, 'b']]))
    const other = setUp()
    other.world.node = undefined
    other.announcer.take(seen)
    expect(other.announcer.seen.size).toBe(0)
    expect(world.changes).toBe(1)
  })

  test('that was seen a while ago is no evidence of a hand-over that begins now', () => {
    const { announcer } = setUp()
    announcer.take(seen)
    vi.advanceTimersByTime(seenForMs - 1)
    expect(announcer.seen.size).toBe(1)
    vi.advanceTimersByTime(2)
    expect(announcer.seen.size).toBe(0)
    announcer.take(seen)
    expect(announcer.seen.get(address)).toBe('b')
  })

  test('that keeps what is ours is a rival and no evidence any more, counted each time and told once', () => {
    const { announcer, world } = setUp()
    announcer.take(seen)
    announcer.take(conflict)
    announcer.take(conflict)
    expect(announcer.seen.size).toBe(0)
    expect(announcer.rivals.get(address)).toMatchObject({ interface: 'eth0', mac, node: 'b' })
    expect(announcer.conflicts).toBe(2)
    expect(world.changes).toBe(2)
  })

  test('that is heard of no more is forgotten', () => {
    const { announcer, world } = setUp()
    announcer.take(conflict)
    vi.advanceTimersByTime(rivalLastsMs - 1_000)
    announcer.take(conflict)
    vi.advanceTimersByTime(rivalLastsMs - 1_000)
    expect(announcer.rivals.size).toBe(1)
    vi.advanceTimersByTime(rivalLastsMs)
    expect(announcer.rivals.size).toBe(0)
    expect(world.changes).toBe(2)
  })

  test('that answered before we began is a rival where it is a stranger, and waited for where it is a speaker', () => {
    const { announcer, world } = setUp()
    const contested = { kind: 'contested', address, finding: { kind: 'answered', interface: 'eth0', mac } } as const
    announcer.take(contested)
    expect(announcer.rivals.size).toBe(0)
    world.node = undefined
    announcer.take(contested)
    expect(announcer.rivals.get(address)).toMatchObject({ mac, node: undefined })
  })
})

test('what is withdrawn is forgotten, and packets for it say nothing', () => {
  const { announcer, world } = setUp()
  announcer.withdraw([address])
  announcer.take(seen)
  announcer.take(conflict)
  expect([announcer.wire.size, announcer.seen.size, announcer.rivals.size, world.changes]).toEqual([0, 0, 0, 0])
})
