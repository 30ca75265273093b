import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { createRandom } from '../../test/seeded-random.ts'
import { step } from './fsm.ts'
import type { ControlPacket } from './packet.ts'
import {
  type Action,
  deadlineMs,
  detectionTimeMs,
  type Event,
  initialState,
  type Session,
  type State,
} from './session-state.ts'

/** One of two systems that a pipe joins. */
interface End {
  session: Session
  state: State
}

type Side = 'left' | 'right'
const sides = ['left', 'right'] as const
const other = { left: 'right', right: 'left' } as const

/** What the pipe does with a packet: how long it takes, or undefined where it is lost. */
type Pipe = (from: Side, nowMs: number, chance: number) => number | undefined

/** Two sessions and a pipe in a time of their own. Every step of either side is shown to `watch`. */
function simulate(options: {
  readonly sessions: Readonly<Record<Side, Session>>
  readonly pipe: Pipe
  readonly seed: number
  readonly untilMs: number
  readonly changes?: readonly { readonly atMs: number; readonly side: Side; readonly session: Partial<Session> }[]
  readonly watch?: (look: {
    readonly side: Side
    readonly before: State
    readonly event: Event
    readonly after: State
    readonly ends: Readonly<Record<Side, End>>
    readonly nowMs: number
  }) => void
}): Readonly<Record<Side, End>> {
  const random = createRandom(options.seed)
  const { left, right } = options.sessions
  const ends: Record<Side, End> = {
    left: { session: left, state: initialState(left, 1, 0) },
    right: { session: right, state: initialState(right, 1, 0) },
  }
  const travelling: { atMs: number; to: Side; packet: ControlPacket }[] = []
  const changes = options.changes?.toSorted((one, next) => one.atMs - next.atMs) ?? []
  let nowMs = 0

  const happen = (side: Side, event: Event): void => {
    const end = ends[side]
    const before = end.state
    const [after, actions] = step(end.session, before, event, nowMs, random())
    end.state = after
    for (const action of actions) {
      if (action.kind !== 'send') continue
      const delayMs = options.pipe(side, nowMs, random())
      if (delayMs === undefined) continue
      const { sequenceNumber } = action
      const authentication =
        end.session.sequence === 'none'
          ? undefined
          : ({ kind: 'keyedSha1', keyId: 1, sequenceNumber, digest: new Uint8Array(20) } as const)
      travelling.push({ atMs: nowMs + delayMs, to: other[side], packet: { ...action.packet, authentication } })
    }
    options.watch?.({ side, before, event, after, ends, nowMs })
  }

  for (;;) {
    const soonest = travelling.toSorted((one, next) => one.atMs - next.atMs)[0]
    const times = [
      soonest?.atMs,
      changes[0]?.atMs,
      ...sides.flatMap(side => [ends[side].state.transmitAtMs, deadlineMs(ends[side].state)]),
    ].filter(time => time !== undefined)
    nowMs = Math.max(nowMs, Math.min(...times))
    if (nowMs > options.untilMs || times.length === 0) return ends
    const change = changes[0]
    if (change && change.atMs <= nowMs) {
      changes.shift()
      ends[change.side].session = { ...ends[change.side].session, ...change.session }
      happen(change.side, { kind: 'configured' })
    } else if (soonest && soonest.atMs <= nowMs) {
      travelling.splice(travelling.indexOf(soonest), 1)
      happen(soonest.to, { kind: 'received', packet: soonest.packet })
    } else {
      for (const side of sides) {
        happen(side, { kind: 'transmitDue' })
        happen(side, { kind: 'deadlineDue' })
      }
    }
  }
}

const interval = fc.integer({ min: 10_000, max: 400_000 })
const timers = { desiredMinTxInterval: interval, requiredMinRxInterval: interval }
const sessions = fc
  .record({
    left: fc.record({ ...timers, detectMult: fc.integer({ min: 2, max: 5 }) }),
    right: fc.record({ ...timers, detectMult: fc.integer({ min: 2, max: 5 }) }),
    passive: fc.constantFrom('left', 'right', 'neither'),
    sequence: fc.constantFrom('none' as const, 'keyed' as const, 'meticulous' as const),
  })
  .map(({ left, right, passive, sequence }): Record<Side, Session> => {
    const role = (side: Side) => (passive === side ? 'passive' : 'active')
    return {
      left: { ...left, localDiscriminator: 0x11, role: role('left'), sequence },
      right: { ...right, localDiscriminator: 0x22, role: role('right'), sequence },
    }
  })
const seed = fc.integer()

test('whatever a pipe has lost, both are Up soon after it stops losing, and stay so', () => {
  fc.assert(
    fc.property(sessions, seed, fc.double({ min: 0, max: 1, noNaN: true }), (sessions, seed, loss) => {
      const losesUntilMs = 8_000
      // Of a signed session the last numbers must be forgotten first: twice five times a second, at the slow pace.
      const upWithinMs = 25_000
      const downs: number[] = []
      const ends = simulate({
        sessions,
        seed,
        pipe: (_, nowMs, chance) => (nowMs < losesUntilMs && chance < loss ? undefined : chance * 4),
        untilMs: losesUntilMs + upWithinMs + 5_000,
        watch({ before, after, nowMs }) {
          if (nowMs > losesUntilMs + upWithinMs && after.sessionState !== before.sessionState) downs.push(nowMs)
        },
      })
      expect(sides.map(side => ends[side].state.sessionState)).toEqual(['Up', 'Up'])
      expect(downs).toEqual([])
    }),
    { numRuns: 60 },
  )
})

test('never Up alone for longer than it takes both to notice', () => {
  fc.assert(
    fc.property(sessions, seed, fc.double({ min: 0.2, max: 1, noNaN: true }), (sessions, seed, loss) => {
      let sinceMs: number | undefined
      let boundMs = 0
      const alone: string[] = []
      simulate({
        sessions,
        seed,
        // Each direction is dead for two seconds of every three, at times of its own.
        pipe: (from, nowMs, chance) =>
          (nowMs + (from === 'left' ? 0 : 1_500)) % 3_000 < 2_000 && chance < loss ? undefined : chance * 4,
        untilMs: 40_000,
        watch({ ends, before, side, nowMs }) {
          const ups = sides.filter(one => ends[one].state.sessionState === 'Up').length
          if (ups !== 1) {
            sinceMs = undefined
            return
          }
          // The other may be in Init, which keeps one Up, until it notices itself that nobody is heard.
          const times = [before, ...sides.map(one => ends[one].state)].map(state => detectionTimeMs(state) ?? 0)
          if (sinceMs === undefined) boundMs = 0
          sinceMs ??= nowMs
          boundMs = Math.max(boundMs, ...times)
          if (nowMs - sinceMs > 2 * boundMs + 4) alone.push(`${side} since ${sinceMs} at ${nowMs}, bound ${boundMs}`)
        },
      })
      expect(alone).toEqual([])
    }),
    { numRuns: 60 },
  )
})

test('no periodic packet comes earlier than the remote system asked for, nor than we promised', () => {
  fc.assert(
    fc.property(sessions, seed, changesOf(20), (sessions, seed, changes) => {
      let checked = 0
      const early: string[] = []
      simulate({
        sessions,
        seed,
        changes,
        pipe: (_, nowMs, chance) => (nowMs % 5_000 < 1_000 && chance < 0.7 ? undefined : chance * 4),
        untilMs: 20_000,
        watch({ before, event, after, nowMs }) {
          if (event.kind !== 'transmitDue' || after.sentAtMs !== nowMs || before.sentAtMs === undefined) return
          if (before.sentAtMs === nowMs) return
          checked++
          const gapMicros = (nowMs - before.sentAtMs) * 1000
          const slow = after.sessionState === 'Up' ? 0 : 1_000_000
          const least = 0.75 * Math.max(slow, before.usedMinTxInterval, before.remote?.requiredMinRxInterval ?? 0)
          if (gapMicros < least - 1) early.push(`${gapMicros} µs, not ${least}, at ${nowMs} ms`)
        },
      })
      expect(early).toEqual([])
      expect(checked).toBeGreaterThan(5)
    }),
    { numRuns: 40 },
  )
})

test('timers that change while Up take nobody down', () => {
  fc.assert(
    fc.property(sessions, seed, changesOf(20), (sessions, seed, changes) => {
      const falls: string[] = []
      const ends = simulate({
        sessions,
        seed,
        changes: changes.map(change => ({ ...change, atMs: change.atMs + 8_000 })),
        pipe: (_, __, chance) => chance * 4,
        untilMs: 32_000,
        watch({ before, after, side, nowMs }) {
          const isFall = before.sessionState === 'Up' && after.sessionState !== 'Up'
          // In the first moments a packet may be overtaken by the next one.
          if (isFall && nowMs >= 8_000) falls.push(`${side} at ${nowMs} ms`)
        },
      })
      expect(falls).toEqual([])
      for (const side of sides) {
        const { session, state } = ends[side]
        expect(state).toMatchObject({
          sessionState: 'Up',
          poll: 'none',
          usedMinTxInterval: session.desiredMinTxInterval,
          usedMinRxInterval: session.requiredMinRxInterval,
        })
      }
    }),
    { numRuns: 60 },
  )
})

/** Changes of either side's timers within 20 s. */
function changesOf(most: number) {
  return fc.array(
    fc.record({
      atMs: fc.integer({ min: 0, max: 20_000 }),
      side: fc.constantFrom(...sides),
      session: fc.record({ ...timers, detectMult: fc.integer({ min: 2, max: 5 }) }, { requiredKeys: [] }),
    }),
    { maxLength: most },
  )
}

test('a session in which anything happens keeps its word', () => {
  const packet = fc.record({
    diagnostic: fc.nat(31),
    state: fc.constantFrom('AdminDown' as const, 'Down' as const, 'Init' as const, 'Up' as const),
    answer: fc.constantFrom({ poll: true, final: false }, { poll: false, final: true }, { poll: false, final: false }),
    demand: fc.boolean(),
    detectMult: fc.integer({ min: 1, max: 255 }),
    myDiscriminator: fc.integer({ min: 1, max: 3 }),
    desiredMinTxInterval: fc.oneof(fc.constant(0), fc.constant(0xffffffff), interval),
    requiredMinRxInterval: fc.oneof(fc.constant(0), fc.constant(0xffffffff), interval),
  })
  const event: fc.Arbitrary<Event> = fc.oneof(
    { weight: 8, arbitrary: packet.map((given): Event => ({ kind: 'received', packet: received(given) })) },
    { weight: 4, arbitrary: fc.constantFrom<Event>({ kind: 'transmitDue' }, { kind: 'deadlineDue' }) },
    { weight: 1, arbitrary: fc.constantFrom<Event>({ kind: 'configured' }, { kind: 'stop' }) },
  )
  const received = ({ answer, ...given }: { answer: { poll: boolean; final: boolean } } & Partial<ControlPacket>) =>
    ({ ...given, ...answer, authentication: undefined }) as ControlPacket
  const events = fc.array(fc.tuple(event, fc.nat(2_000), fc.double({ min: 0, max: 1, noNaN: true })), { maxLength: 60 })
  fc.assert(
    fc.property(sessions, events, ({ left }, events) => {
      let state = initialState(left, 0xfffffffe, 0)
      let nowMs = 0
      let stopped = false
      let ended = 0
      const broken: string[] = []
      for (const [event, laterMs, chance] of events) {
        nowMs += laterMs
        const [after, actions] = step(left, state, event, nowMs, chance)
        stopped ||= event.kind === 'stop'
        ended += actions.filter(({ kind }) => kind === 'ended').length
        broken.push(...violations(left, state, event, after, actions, nowMs))
        if ((after.sessionState === 'AdminDown') !== stopped) broken.push('AdminDown without a stop, or the reverse')
        state = after
      }
      expect(broken).toEqual([])
      expect(ended).toBeLessThanOrEqual(1)
    }),
    { numRuns: 300 },
  )
})

/** What must hold of a session after any event; the words of what does not. */
function violations(
  session: Session,
  before: State,
  event: Event,
  after: State,
  actions: readonly Action[],
  nowMs: number,
): readonly string[] {
  const found: string[] = []
  const alive = after.sessionState === 'Up' || after.sessionState === 'Init'
  if (alive && deadlineMs(after) === undefined) found.push(`${after.sessionState} for ever`)
  if (session.role === 'passive' && !after.remote && after.transmitAtMs !== undefined) found.push('passive, and speaks')
  if (after.transmitAtMs !== before.transmitAtMs && (after.transmitAtMs ?? nowMs) < nowMs) found.push('due in the past')
  const [sent, ...more] = actions.filter(action => action.kind === 'send')
  if (more.length > 0) found.push('two packets for one event')
  if (sent?.packet.poll && sent.packet.final) found.push('poll and final at once')
  const asked = event.kind === 'received' && event.packet.poll && after.sessionState !== 'AdminDown'
  if (asked !== (sent?.packet.final ?? false)) found.push('a poll without its final, or the reverse')
  if (sent && sent.packet.state !== after.sessionState) found.push('says what is not so')
  return found
}
