import { describe, expect, test } from 'vitest'
import { seriesKey } from '../../kube/event-series.ts'
import type { LastError } from '../bgp/status.ts'
import type { PeerView } from './router.ts'
import { endedEvent, nothingHappened, regardingPeer, type SessionMemory, sessionEvents } from './session-events.ts'
import { bfd, established, status, view } from './test-sessions.ts'

const reset: LastError = { from: 'transport', text: 'the peer reset the connection (ECONNRESET)', atMs: 1 }
const cease: LastError = { from: 'remote', text: 'Cease: Peer De-configured', atMs: 2 }
const up = view(established())
const down = view(status({ establishedCount: 1 }, reset))

/** Everything that is told along the way. */
function told(...views: readonly PeerView[]): readonly string[] {
  let memory: SessionMemory = nothingHappened
  const notes: string[] = []
  for (const one of views) {
    const next = sessionEvents(memory, one, 'node-1')
    memory = next.memory
    notes.push(...next.events.map(({ type, reason, note }) => `${type} ${reason} ${note}`))
  }
  return notes
}

const isUp = 'Normal SessionUp node node-1: the session with 192.0.2.1 (AS 64513) is up, for IPv4 and IPv6'
const isDown = 'Warning SessionDown node node-1: the session with 192.0.2.1 (AS 64513) is down'

describe('what is told of a session', () => {
  test('nothing before it stands, whatever is tried', () => {
    expect(told(view(undefined), view(status()), view(status({ state: 'Connect' }, reset)))).toEqual([])
  })

  test('nothing in the moment in which it is agreed on and does not stand yet', () => {
    const agreed = view(established({ state: 'OpenConfirm', sinceMs: 5 }))
    expect(told(agreed)).toEqual([])
    expect(told(agreed, up)).toEqual([isUp])
  })

  test('that it is up, once', () => expect(told(view(status()), up, up)).toEqual([isUp]))

  test('that it is down and why, once', () => {
    expect(told(up, down, down, view(status({ establishedCount: 1, state: 'Connect' }, cease)))).toEqual([
      isUp,
      `${isDown}; the peer reset the connection (ECONNRESET)`,
    ])
  })

  test('both, where it fell and came back between two looks', () => {
    const again = { ...established({ sinceMs: up.status!.sinceMs + 5_000, establishedCount: 2 }), lastError: cease }
    expect(told(up, view(again))).toEqual([isUp, `${isDown}; the router said: Cease: Peer De-configured`, isUp])
  })

  test('that its settings have changed, where it begins anew with others', () => {
    expect(told(up, view(status()))).toEqual([isUp, `${isDown}; its settings have changed`])
    const anew = view(established({ sinceMs: up.status!.sinceMs + 1_000 }))
    expect(told(up, anew)).toEqual([isUp, `${isDown}; its settings have changed`, isUp])
  })

  test('that the speaker has stopped, where it has', () => {
    const last = view(status({ state: 'Idle', establishedCount: 1 }))
    expect(told(up, last, view(undefined))).toEqual([isUp, `${isDown}; the speaker of this node has stopped`])
    expect(told(up, view(undefined))).toEqual([isUp, `${isDown}; the speaker of this node has stopped`])
  })

  test('what is missing, where it ends for that', () => {
    expect(told(up, view(undefined, { problem: 'there is no Secret "x"' }))).toEqual([
      isUp,
      `${isDown}; there is no Secret "x"`,
    ])
  })

  test('that BFD has lost it, and that BGP fell with it', () => {
    const lost = bfd({ state: 'Down', diagnostic: 1 })
    const fallen = status({ establishedCount: 1 }, { from: 'local', text: 'Cease: BFD Down', atMs: 1 })
    const words = 'BFD is Down: control detection time expired'
    expect(
      told(view(established(), { bfd: bfd() }), view(established(), { bfd: lost }), view(fallen, { bfd: lost })),
    ).toEqual([
      isUp,
      `Warning BFDDown node node-1: 192.0.2.1 (AS 64513): ${words}`,
      `${isDown}; this node said: Cease: BFD Down (${words})`,
    ])
  })

  test('that BFD has lost it, also where it climbs again already', () => {
    const climbing = view(established(), { bfd: bfd({ state: 'Init' }) })
    expect(told(view(established(), { bfd: bfd() }), climbing)).toEqual([
      isUp,
      'Warning BFDDown node node-1: 192.0.2.1 (AS 64513): BFD is Init',
    ])
  })

  test('nothing where the router has switched BFD off, or this node has', () => {
    const off = bfd({ state: 'Down', remote: { state: 'AdminDown', diagnostic: 7, discriminator: 7 } })
    expect(told(view(established(), { bfd: bfd() }), view(established(), { bfd: off }))).toEqual([isUp])
    const ours = bfd({ state: 'AdminDown', diagnostic: 7 })
    expect(told(view(established(), { bfd: bfd() }), view(established(), { bfd: ours }))).toEqual([isUp])
    expect(told(view(established(), { bfd: bfd() }), view(established()))).toEqual([isUp])
  })
})

test('a session that flaps a thousand times is two Events in the eyes of their recorder', () => {
  let memory: SessionMemory = nothingHappened
  const keys = new Set<string>()
  let count = 0
  for (let flap = 0; flap < 1000; flap++) {
    const stands = established({ sinceMs: flap, establishedCount: flap + 1 })
    const fell = status({ establishedCount: flap + 1 }, { ...reset, atMs: flap })
    for (const one of [view(stands), view(fell)]) {
      const next = sessionEvents(memory, one, 'node-1')
      memory = next.memory
      const regarding = regardingPeer({ namespace: 'berth-system', name: 'router-a', uid: 'u' })
      for (const event of next.events) keys.add(seriesKey({ ...event, regarding, action: 'Peer' }))
      count += next.events.length
    }
  }
  expect(count).toBe(2000)
  expect(keys.size).toBe(2)
})

test.each([
  { why: 'removed', words: 'the BGPPeer is not for this node any more' },
  { why: 'stopped', words: 'the speaker of this node has stopped' },
] as const)(
  'a session that is ended on purpose ($why) is no alarm, and one that did not stand is not told of',
  ({ why, words }) => {
    const { memory } = sessionEvents(nothingHappened, up, 'node-1')
    const note = `node node-1: the session with 192.0.2.1 (AS 64513) is down; ${words}`
    expect(endedEvent(memory, 'node-1', why)).toEqual({ type: 'Normal', reason: 'SessionDown', note })
    expect(endedEvent(nothingHappened, 'node-1', why)).toBeUndefined()
  },
)
