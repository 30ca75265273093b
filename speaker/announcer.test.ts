import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createAnnouncer } from './announcer.ts'
import type { WireCommand } from './wire/messages.ts'

const address = '192.0.2.1'
const seen = { kind: 'seen', address, interface: 'eth0', mac: '02:00:00:00:00:0b' } as const

function setUp() {
  const sent: WireCommand[] = []
  const world = { cutOff: false, rightful: true, node: 'b' as string | undefined, changes: 0 }
  const announcer = createAnnouncer({
    send: command => sent.push(command),
    nodeOf: () => world.node,
    isCutOff: () => world.cutOff,
    isRightful: () => world.rightful,
    onChange: () => world.changes++,
    log: pino({ level: 'silent' }),
  })
  announcer.announce([{ address, interfaces: 'all' }])
  sent.length = 0
  return { sent, world, announcer }
}

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))
afterEach(() => void vi.useRealTimers())

const again = [
  { kind: 'withdraw', addresses: [address] },
  { kind: 'announce', announcements: [{ address, interfaces: 'all' }] },
]

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

describe("another speaker's packet", () => {
  test('is evidence for the next plan, and no reason to defend what is given up on its account', () => {
    const { announcer, sent, world } = setUp()
    announcer.take(seen)
    expect(announcer.seen).toEqual(new Map([[address, 'b']]))
    world.rightful = false
    vi.advanceTimersByTime(60_000)
    expect(sent).toEqual([])
  })

  test('is answered where the address is still ours a second later, and is no evidence any more', () => {
    const { announcer, sent } = setUp()
    announcer.take(seen)
    vi.advanceTimersByTime(999)
    expect(sent).toEqual([])
    vi.advanceTimersByTime(1)
    expect(sent).toEqual(again)
    expect(announcer.seen.size).toBe(0)
  })
})

test('a stranger that goes on is answered once in ten seconds, and counted each time', () => {
  const { announcer, sent, world } = setUp()
  world.node = undefined
  for (let second = 0; second < 19; second++) {
    announcer.take(seen)
    vi.advanceTimersByTime(1_000)
  }
  expect(sent).toEqual([...again, ...again])
  expect(announcer.conflicts).toBe(19)
})

test('while cut off, an address that another station announces is given up until we know better', () => {
  const { announcer, sent, world } = setUp()
  world.cutOff = true
  announcer.take(seen)
  expect(announcer.yielded).toEqual(new Set([address]))
  announcer.withdraw([address])
  vi.advanceTimersByTime(60_000)
  expect(sent).toEqual([{ kind: 'withdraw', addresses: [address] }])
  announcer.endYielding()
  expect(announcer.yielded.size).toBe(0)
  expect(world.changes).toBe(2)
})

test('what is withdrawn is forgotten, and packets for it say nothing', () => {
  const { announcer, world } = setUp()
  announcer.withdraw([address])
  announcer.take(seen)
  expect([announcer.wire.size, announcer.seen.size, world.changes]).toEqual([0, 0, 0])
})
