import { describe, expect, test } from 'vitest'
import { step } from './fsm.ts'
import { type ControlPacket, diagnostics, type SessionState } from './packet.ts'
import {
  type Action,
  deadlineMs,
  detectionTimeMs,
  type Event,
  initialState,
  type Session,
  type State,
} from './session-state.ts'

const session: Session = {
  localDiscriminator: 0x11,
  role: 'active',
  desiredMinTxInterval: 50_000,
  requiredMinRxInterval: 50_000,
  detectMult: 3,
  sequence: 'none',
}

/** A packet of the remote system, whose own wishes are 100 ms × 5 and one second while it is not Up. */
function packet(state: SessionState, more: Partial<ControlPacket> = {}): ControlPacket {
  return {
    diagnostic: 0,
    state,
    poll: false,
    final: false,
    controlPlaneIndependent: false,
    demand: false,
    detectMult: 5,
    myDiscriminator: 0x22,
    yourDiscriminator: 0x11,
    desiredMinTxInterval: state === 'Up' ? 100_000 : 1_000_000,
    requiredMinRxInterval: 100_000,
    requiredMinEchoRxInterval: 0,
    authentication: undefined,
    ...more,
  }
}

const hears = (state: SessionState, more: Partial<ControlPacket> = {}): Event => ({
  kind: 'received',
  packet: packet(state, more),
})

/** Feeds events to a session, each at its time; without jitter unless chance says otherwise. */
function machine(settings: Session = session, firstSequenceNumber = 7) {
  let current = settings
  let state: State = initialState(settings, firstSequenceNumber, 0)
  return {
    state: () => state,
    at(nowMs: number, event: Event, chance = 0): readonly Action[] {
      const [after, actions] = step(current, state, event, nowMs, chance)
      state = after
      return actions
    },
    configure(nowMs: number, more: Partial<Session>): readonly Action[] {
      current = { ...current, ...more }
      return this.at(nowMs, { kind: 'configured' })
    },
  }
}

/** A session that came Up at 0 ms and whose first Poll has been answered. */
function up(settings: Session = session) {
  const running = machine(settings)
  running.at(0, { kind: 'transmitDue' })
  running.at(0, hears('Down', { yourDiscriminator: 0 }))
  running.at(0, hears('Init'))
  running.at(0, hears('Up', { final: true }))
  expect(running.state()).toMatchObject({ sessionState: 'Up', poll: 'none' })
  return running
}

function words(actions: readonly Action[]): readonly string[] {
  return actions.map(action => {
    if (action.kind === 'discarded') return `discarded: ${action.reason}`
    if (action.kind !== 'send') return action.kind
    const { state, poll, final } = action.packet
    return `${state}${poll ? ' P' : ''}${final ? ' F' : ''}`
  })
}

function sent(actions: readonly Action[]): ControlPacket {
  const action = actions.find(({ kind }) => kind === 'send')
  if (action?.kind !== 'send') throw new Error(`nothing was sent: ${words(actions).join()}`)
  return action.packet
}

describe('the state machine', () => {
  const neighborDown = diagnostics.neighborSignaledSessionDown
  test.each([
    ['Down', 'AdminDown', 'Down', 0],
    ['Down', 'Down', 'Init', 0],
    ['Down', 'Init', 'Up', 0],
    ['Down', 'Up', 'Down', 0],
    ['Init', 'AdminDown', 'Down', neighborDown],
    ['Init', 'Down', 'Init', 0],
    ['Init', 'Init', 'Up', 0],
    ['Init', 'Up', 'Up', 0],
    ['Up', 'AdminDown', 'Down', neighborDown],
    ['Up', 'Down', 'Down', neighborDown],
    ['Up', 'Init', 'Up', 0],
    ['Up', 'Up', 'Up', 0],
  ] as const)('%s, hearing %s, becomes %s with diagnostic %i', (before, heard, after, diagnostic) => {
    const running = machine()
    if (before !== 'Down') running.at(0, hears('Down'))
    if (before === 'Up') running.at(0, hears('Init'))
    expect(running.state().sessionState).toBe(before)
    const actions = running.at(1, hears(heard))
    expect(running.state()).toMatchObject({ sessionState: after, localDiagnostic: diagnostic })
    expect(words(actions).some(word => word.startsWith(after))).toBe(before !== after)
  })

  test('a change is told at once, with the other’s name in it', () => {
    const running = machine()
    expect(sent(running.at(0, { kind: 'transmitDue' }))).toMatchObject({ state: 'Down', yourDiscriminator: 0 })
    expect(sent(running.at(1, hears('Down', { yourDiscriminator: 0 })))).toMatchObject({
      state: 'Init',
      myDiscriminator: 0x11,
      yourDiscriminator: 0x22,
      requiredMinEchoRxInterval: 0,
    })
  })

  test('silence is death after the detection time and not a moment before', () => {
    const running = up()
    running.at(0, { kind: 'transmitDue' })
    // Five of the remote's 100 ms, which are more than our 50.
    expect(deadlineMs(running.state())).toBe(500)
    expect(words(running.at(499.9, { kind: 'deadlineDue' }))).toEqual([])
    const actions = running.at(500, { kind: 'deadlineDue' })
    expect(words(actions)).toEqual(['Down', 'changed'])
    expect(sent(actions)).toMatchObject({ diagnostic: 1, yourDiscriminator: 0, desiredMinTxInterval: 1_000_000 })
    expect(deadlineMs(running.state())).toBeUndefined()
  })

  test('a packet that is read before the deadline is looked at moves it', () => {
    const running = up()
    running.at(501, hears('Up'))
    expect(words(running.at(502, { kind: 'deadlineDue' }))).toEqual([])
    expect(deadlineMs(running.state())).toBe(1001)
  })

  test('one that hears Down from nobody but us forgets it after the detection time', () => {
    const running = machine()
    running.at(0, hears('Up'))
    expect(running.state()).toMatchObject({ sessionState: 'Down', remote: { discriminator: 0x22 } })
    expect(words(running.at(500, { kind: 'deadlineDue' }))).toEqual(['changed'])
    expect(running.state().remote).toBeUndefined()
  })

  test('a remote system that has restarted takes us Down by address, and both come back', () => {
    const running = up()
    running.at(100, hears('Down', { myDiscriminator: 0x33, yourDiscriminator: 0 }))
    expect(running.state()).toMatchObject({ sessionState: 'Down', remote: { discriminator: 0x33 } })
    running.at(200, hears('Init', { myDiscriminator: 0x33 }))
    expect(running.state().sessionState).toBe('Up')
  })
})

describe('passive', () => {
  test('says nothing until it has heard the other, and nothing when it has lost it', () => {
    const running = machine({ ...session, role: 'passive' })
    expect(running.state().transmitAtMs).toBeUndefined()
    expect(words(running.at(5_000, { kind: 'transmitDue' }))).toEqual([])
    expect(words(running.at(5_000, hears('Down', { yourDiscriminator: 0 })))).toEqual(['Init', 'changed'])
    expect(running.state().transmitAtMs).toBe(6_000)
    expect(words(running.at(10_000, { kind: 'deadlineDue' }))).toEqual(['changed'])
    expect(running.state()).toMatchObject({ sessionState: 'Down', localDiagnostic: 1, transmitAtMs: undefined })
  })
})

describe('the pace', () => {
  test('is one second until Up, whatever was asked for', () => {
    const running = machine()
    const packet = sent(running.at(0, { kind: 'transmitDue' }))
    expect(packet).toMatchObject({ desiredMinTxInterval: 1_000_000, requiredMinRxInterval: 50_000 })
    expect(running.state().transmitAtMs).toBe(1_000)
    running.at(0, hears('Down'))
    expect(running.state().transmitAtMs).toBe(1_000)
  })

  test('is slower than that where a session wants to be slow', () => {
    const running = machine({ ...session, desiredMinTxInterval: 3_000_000 })
    running.at(0, { kind: 'transmitDue' })
    expect(running.state().transmitAtMs).toBe(3_000)
  })

  test('is what the remote system can bear, at once when it changes its mind', () => {
    const running = up()
    running.at(50, { kind: 'transmitDue' })
    expect(running.state().transmitAtMs).toBe(100)
    running.at(100, { kind: 'transmitDue' })
    expect(running.state().transmitAtMs).toBe(200)
    running.at(120, hears('Up', { requiredMinRxInterval: 400_000 }))
    expect(running.state().transmitAtMs).toBe(500)
    running.at(130, hears('Up', { requiredMinRxInterval: 20_000 }))
    expect(running.state().transmitAtMs).toBe(150)
    running.at(400, hears('Up', { requiredMinRxInterval: 30_000 }))
    expect(running.state().transmitAtMs).toBe(150)
  })

  test('a pace that has become faster long after the last packet sends now, not in the past', () => {
    const running = up()
    running.at(0, hears('Up', { requiredMinRxInterval: 10_000_000 }))
    running.at(400, hears('Up', { requiredMinRxInterval: 10_000 }))
    expect(running.state().transmitAtMs).toBe(400)
  })

  test.each([
    { detectMult: 3, chance: 0, transmitAtMs: 100 },
    { detectMult: 3, chance: 1, transmitAtMs: 75 },
    { detectMult: 1, chance: 0, transmitAtMs: 90 },
    { detectMult: 1, chance: 1, transmitAtMs: 75 },
  ])('with chance $chance and detect mult $detectMult the next is at $transmitAtMs', row => {
    const running = up({ ...session, detectMult: row.detectMult })
    running.at(running.state().transmitAtMs ?? 0, { kind: 'transmitDue' })
    const fromMs = running.state().sentAtMs ?? 0
    running.at(running.state().transmitAtMs ?? 0, { kind: 'transmitDue' }, row.chance)
    expect(running.state().sentAtMs).toBeGreaterThan(fromMs)
    expect((running.state().transmitAtMs ?? 0) - (running.state().sentAtMs ?? 0)).toBeCloseTo(row.transmitAtMs)
  })

  test('a remote system that asks for none gets none', () => {
    const running = up()
    running.at(10, hears('Up', { requiredMinRxInterval: 0 }))
    expect(running.state().transmitAtMs).toBeUndefined()
    expect(words(running.at(5_000, { kind: 'transmitDue' }))).toEqual([])
    running.at(20, hears('Up'))
    expect(running.state().transmitAtMs).toBe(100)
  })

  test('demand mode is silence while both are Up, but for a Poll', () => {
    const running = up()
    running.at(10, hears('Up', { demand: true }))
    expect(running.state().transmitAtMs).toBeUndefined()
    running.configure(20, { desiredMinTxInterval: 60_000 })
    expect(running.state().transmitAtMs).toBe(100)
    expect(words(running.at(100, { kind: 'transmitDue' }))).toEqual(['Up P'])
    running.at(110, hears('Up', { demand: true, final: true }))
    expect(running.state().transmitAtMs).toBeUndefined()
    expect(words(running.at(120, hears('Down', { demand: true })))).toContain('Down P')
  })
})

describe('Poll and Final', () => {
  test('coming Up makes the fast pace known by a Poll until the Final', () => {
    const running = machine()
    running.at(0, { kind: 'transmitDue' })
    running.at(0, hears('Down'))
    const actions = running.at(1, hears('Init'))
    expect(words(actions)).toEqual(['Up P', 'changed'])
    expect(sent(actions).desiredMinTxInterval).toBe(50_000)
    expect(words(running.at(101, { kind: 'transmitDue' }))).toEqual(['Up P'])
    running.at(110, hears('Up', { final: true }))
    expect(words(running.at(201, { kind: 'transmitDue' }))).toEqual(['Up'])
  })

  test('a Poll is answered at once, in any state and out of turn', () => {
    const running = machine()
    running.at(0, { kind: 'transmitDue' })
    expect(words(running.at(1, hears('Down', { poll: true })))).toEqual(['Init F', 'changed'])
    expect(running.state().transmitAtMs).toBe(1_000)
    const quiet = up()
    quiet.at(1, hears('Up', { requiredMinRxInterval: 0 }))
    expect(words(quiet.at(2, hears('Up', { requiredMinRxInterval: 0, poll: true })))).toEqual(['Up F'])
  })

  test('a slower pace waits for the Final, or the other would believe us dead', () => {
    const running = up()
    const before = running.state().transmitAtMs
    running.configure(10, { desiredMinTxInterval: 400_000 })
    expect(running.state().transmitAtMs).toBe(before)
    const packet = sent(running.at(100, { kind: 'transmitDue' }))
    expect(packet).toMatchObject({ poll: true, desiredMinTxInterval: 400_000 })
    expect(running.state().transmitAtMs).toBe(200)
    running.at(150, hears('Up', { final: true }))
    expect(running.state().transmitAtMs).toBe(500)
  })

  test('a faster pace does not wait', () => {
    const running = up({ ...session, desiredMinTxInterval: 400_000 })
    running.configure(10, { desiredMinTxInterval: 200_000 })
    expect(running.state().transmitAtMs).toBe(200)
  })

  test('a shorter detection time waits for the Final, a longer one does not', () => {
    const running = up({ ...session, requiredMinRxInterval: 200_000 })
    expect(detectionTimeMs(running.state())).toBe(1000)
    running.configure(10, { requiredMinRxInterval: 100_000 })
    running.at(100, { kind: 'transmitDue' })
    expect(detectionTimeMs(running.state())).toBe(1000)
    running.at(120, hears('Up', { final: true }))
    expect(detectionTimeMs(running.state())).toBe(500)
    running.configure(130, { requiredMinRxInterval: 300_000 })
    expect(detectionTimeMs(running.state())).toBe(1500)
  })

  test('what changes again during a Poll has a Poll of its own', () => {
    const running = up()
    running.configure(10, { desiredMinTxInterval: 400_000 })
    expect(words(running.at(100, { kind: 'transmitDue' }))).toEqual(['Up P'])
    running.configure(110, { desiredMinTxInterval: 500_000 })
    running.at(120, hears('Up', { final: true }))
    expect(running.state().transmitAtMs).toBe(200)
    expect(words(running.at(200, { kind: 'transmitDue' }))).toEqual(['Up P'])
    running.at(210, hears('Up', { final: true }))
    expect(running.state().transmitAtMs).toBe(700)
  })

  test('settings that stay the same start nothing', () => {
    const running = up()
    expect(words(running.configure(10, {}))).toEqual([])
    expect(running.state().poll).toBe('none')
  })

  test('a Final that nobody asked for changes nothing', () => {
    const running = up()
    const before = running.state()
    expect(words(running.at(0, hears('Up', { final: true })))).toEqual([])
    expect(running.state()).toEqual(before)
  })

  test('a session that falls goes back to the slow pace at once', () => {
    const running = up()
    running.at(100, { kind: 'transmitDue' })
    running.at(120, hears('Down'))
    expect(running.state().transmitAtMs).toBe(1_120)
  })
})

describe('stop', () => {
  test('the remote system is told AdminDown, and its answer ends it', () => {
    const running = up()
    const actions = running.at(10, { kind: 'stop' })
    expect(words(actions)).toEqual(['AdminDown', 'changed'])
    expect(sent(actions)).toMatchObject({ diagnostic: 7, yourDiscriminator: 0x22, desiredMinTxInterval: 1_000_000 })
    expect(words(running.at(11, hears('Up')))).toEqual(['discarded: stopped'])
    expect(words(running.at(12, hears('Down', { diagnostic: 3 })))).toEqual(['discarded: stopped', 'ended'])
    expect(words(running.at(13, hears('Down', { diagnostic: 3 })))).toEqual(['discarded: stopped'])
    expect(running.state().transmitAtMs).toBeUndefined()
  })

  test('without an answer it ends when the remote system must have noticed', () => {
    const running = up()
    running.at(10, { kind: 'stop' })
    // Three times the 100 ms that the remote system can bear.
    expect(deadlineMs(running.state())).toBe(310)
    expect(words(running.at(309, { kind: 'deadlineDue' }))).toEqual([])
    expect(words(running.at(310, { kind: 'deadlineDue' }))).toEqual(['ended'])
    expect(deadlineMs(running.state())).toBeUndefined()
  })

  test('where nobody was ever heard it is said once and is over', () => {
    const running = machine()
    expect(words(running.at(10, { kind: 'stop' }))).toEqual(['AdminDown', 'changed', 'ended'])
    expect(words(machine({ ...session, role: 'passive' }).at(10, { kind: 'stop' }))).toEqual(['changed', 'ended'])
    expect(words(running.at(20, { kind: 'stop' }))).toEqual([])
  })

  test('a remote AdminDown is told from a failure', () => {
    const running = up()
    expect(words(running.at(10, hears('AdminDown', { diagnostic: 7 })))).toEqual(['Down P', 'changed'])
    expect(running.state()).toMatchObject({ sessionState: 'Down', remote: { state: 'AdminDown', diagnostic: 7 } })
    // What only the other says is news as well.
    expect(words(running.at(20, hears('AdminDown', { diagnostic: 8 })))).toEqual(['changed'])
    expect(words(running.at(30, hears('Down')))).toEqual(['Init P', 'changed'])
  })
})

describe('sequence numbers', () => {
  const signed = (sequenceNumber: number): Partial<ControlPacket> => ({
    authentication: { kind: 'keyedSha1', keyId: 1, sequenceNumber, digest: new Uint8Array(20) },
  })

  test('each packet of ours has the next one, round the end of 32 bits', () => {
    const running = machine({ ...session, sequence: 'meticulous' }, 0xffffffff)
    const numbers = [0, 1_000, 2_000].flatMap(nowMs =>
      running.at(nowMs, { kind: 'transmitDue' }).map(action => (action.kind === 'send' ? action.sequenceNumber : -1)),
    )
    expect(numbers).toEqual([0xffffffff, 0, 1])
  })

  test.each([
    { sequence: 'keyed', ahead: 0, taken: true },
    { sequence: 'keyed', ahead: 15, taken: true },
    { sequence: 'keyed', ahead: 16, taken: false },
    { sequence: 'keyed', ahead: -1, taken: false },
    { sequence: 'meticulous', ahead: 0, taken: false },
    { sequence: 'meticulous', ahead: 1, taken: true },
    { sequence: 'meticulous', ahead: 15, taken: true },
    { sequence: 'meticulous', ahead: 16, taken: false },
  ] as const)('$sequence: $ahead ahead of the last is taken: $taken', ({ sequence, ahead, taken }) => {
    for (const last of [100, 0xfffffffc]) {
      const running = machine({ ...session, sequence })
      running.at(0, hears('Down', signed(last)))
      const actions = running.at(1, hears('Init', signed((last + ahead) >>> 0)))
      expect(running.state().sessionState).toBe(taken ? 'Up' : 'Init')
      expect(words(actions).includes('discarded: sequenceNumber')).toBe(!taken)
    }
  })

  test('a packet that is refused does not keep a session alive, and after twice the detection time all begins anew', () => {
    const running = machine({ ...session, sequence: 'meticulous' })
    running.at(0, hears('Down', signed(100)))
    running.at(4_000, hears('Down', signed(100)))
    expect(words(running.at(5_000, { kind: 'deadlineDue' }))).toEqual(['Down', 'changed'])
    expect(words(running.at(9_999, hears('Down', signed(3))))).toEqual(['discarded: sequenceNumber'])
    expect(words(running.at(10_000, hears('Down', signed(3))))).toEqual(['Init', 'changed'])
  })
})
