import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createRandom } from '../../test/seeded-random.ts'
import { step } from './fsm.ts'
import type { ReceivedMessage } from './message.ts'
import { localOpen } from './negotiate.ts'
import { notification } from './notification.ts'
import {
  type Action,
  type Event,
  initialState,
  type Peer,
  type Side,
  type State,
  stateName,
  type TimerName,
} from './peer-state.ts'

const peer: Peer = {
  localAs: 64512,
  peerAs: 64513,
  bgpIdentifier: 1,
  holdTimeSeconds: 9,
  keepaliveTimeSeconds: undefined,
  families: ['IPv4'],
  extendedNextHop: false,
  gracefulRestart: undefined,
  direction: 'both',
  connectRetryTimeSeconds: 10,
}
const router: Peer = { ...peer, localAs: 64513, peerAs: 64512, bgpIdentifier: 2 }

const sides = ['outgoing', 'incoming'] as const
const timers = [
  'connectRetry',
  'backOffReset',
  'outgoingHold',
  'outgoingKeepalive',
  'incomingHold',
  'incomingKeepalive',
] as const
const other = { outgoing: 'incoming', incoming: 'outgoing' } as const

/** The timers that run after these actions, if those before them did. */
function runningTimers(before: ReadonlySet<TimerName>, actions: readonly Action[]): ReadonlySet<TimerName> {
  const running = new Set(before)
  for (const action of actions) {
    if (action.kind === 'startTimer') running.add(action.timer)
    if (action.kind === 'stopTimer') running.delete(action.timer)
  }
  return running
}

/** What must hold of a peer after any event; the words of what does not. */
function violations(settings: Peer, state: State, timersRunning: ReadonlySet<TimerName>): readonly string[] {
  const found: string[] = []
  const established = sides.filter(side => state[side].kind === 'Established')
  if (established.length > 1) found.push('two sessions')
  if (established.length === 1 && sides.some(side => !['None', 'Established'].includes(state[side].kind))) {
    found.push('a session and another connection')
  }
  if (stateName(state) === 'Idle' && timersRunning.size > 0) found.push(`${[...timersRunning].join(' ')} in Idle`)
  for (const side of sides) {
    const alive = !['None', 'Connect'].includes(state[side].kind)
    const own = ([`${side}Hold`, `${side}Keepalive`] as const).filter(timer => timersRunning.has(timer))
    if (!alive && own.length > 0) found.push(`${own.join(' ')} without a connection`)
    if (alive && !timersRunning.has(`${side}Hold`)) found.push(`${side} could wait for ever`)
  }
  if (state.incoming.kind === 'Connect') found.push('a connection from the peer that we dial')
  const waiting = sides.every(side => ['None', 'Connect'].includes(state[side].kind))
  if (state.running && settings.direction !== 'passive' && waiting && !timersRunning.has('connectRetry')) {
    found.push('nothing will ever dial again')
  }
  return found
}

const messages: readonly ReceivedMessage[] = [
  { kind: 'open', open: localOpen(router, false) },
  { kind: 'open', open: localOpen({ ...router, localAs: 1 }, false) },
  { kind: 'keepalive' },
  { kind: 'update', update: { withdrawn: [], attributes: {}, nlri: [] }, problems: [] },
  { kind: 'routeRefresh', afi: 1, safi: 1, subtype: 0 },
  { kind: 'notification', notification: notification('administrativeReset') },
]

const anyEvent: fc.Arbitrary<Event> = fc.oneof(
  { weight: 2, arbitrary: fc.constant<Event>({ kind: 'start' }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom<Event>(
      { kind: 'stop' },
      { kind: 'stop', notification: notification('peerDeconfigured') },
    ),
  },
  { weight: 1, arbitrary: fc.constant<Event>({ kind: 'reset', notification: notification('bfdDown') }) },
  { weight: 3, arbitrary: fc.constantFrom(...timers).map((timer): Event => ({ kind: 'timerExpired', timer })) },
  { weight: 4, arbitrary: fc.constantFrom<Event>({ kind: 'connected' }, { kind: 'accepted' }) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(...sides).map((side): Event => ({ kind: 'disconnected', side, reason: 'reset' })),
  },
  {
    weight: 12,
    arbitrary: fc
      .tuple(fc.constantFrom(...sides), fc.constantFrom(...messages))
      .map(([side, message]): Event => ({ kind: 'received', side, message })),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(...sides)
      .map((side): Event => ({ kind: 'malformed', side, notification: notification('badMessageType') })),
  },
)

test('after any events: no timer in Idle, never two sessions, no timer of a connection that is gone, always a way on', () => {
  const restartable = { gracefulRestart: { restartTimeSeconds: 120 } }
  const settings = fc.record({
    direction: fc.constantFrom('active' as const, 'passive' as const, 'both' as const),
    restarts: fc.boolean(),
  })
  fc.assert(
    fc.property(settings, fc.array(anyEvent, { maxLength: 60 }), ({ direction, restarts }, events) => {
      const subject: Peer = { ...peer, direction, ...(restarts && restartable) }
      let state = initialState()
      let running: ReadonlySet<TimerName> = new Set()
      for (const event of events) {
        // A timer fires only where it runs, and then runs no more.
        if (event.kind === 'timerExpired' && !running.has(event.timer)) continue
        if (event.kind === 'timerExpired') running = new Set([...running].filter(timer => timer !== event.timer))
        const [after, actions] = step(subject, state, event, 0.5)
        running = runningTimers(running, actions)
        state = after
        expect(violations(subject, state, running)).toEqual([])
      }
    }),
    { numRuns: 1500 },
  )
})

/** Two peers, a network between them that may lose connections and messages, and a clock that jumps. */
function simulate(settings: readonly [Peer, Peer], lossUntilMs: number, untilMs: number, chances: () => number) {
  const ends = settings.map(peerSettings => ({
    peer: peerSettings,
    state: initialState(),
    timers: new Map<TimerName, number>(),
    /** Numbers of the connections that it has on either side. */
    sockets: new Map<Side, number>(),
  }))
  const pending: { at: number; end: number; side: Side | undefined; socket: number; event: Event }[] = []
  let now = 0
  let sockets = 0
  const lossy = () => now < lossUntilMs && chances() < 0.3
  const post = (end: number, side: Side | undefined, socket: number, event: Event) => {
    // What one end says on a connection arrives in the order in which it was said.
    const behind = pending.filter(entry => entry.end === end && entry.socket === socket).map(({ at }) => at)
    pending.push({ at: Math.max(now, ...behind) + 1 + chances() * 20, end, side, socket, event })
  }
  const feed = (index: number, event: Event, dialled = 0) => {
    const end = ends[index]
    const far = ends[1 - index]
    if (!end || !far) throw new Error('two ends')
    const [state, actions] = step(end.peer, end.state, event, chances())
    end.state = state
    for (const action of actions) {
      switch (action.kind) {
        case 'startTimer':
          end.timers.set(action.timer, now + action.delayMs)
          break
        case 'stopTimer':
          end.timers.delete(action.timer)
          break
        case 'connect': {
          sockets += 1
          end.sockets.set('outgoing', sockets)
          // A lost SYN is heard of by nobody; the timer must see to it.
          if (!lossy()) post(1 - index, undefined, sockets, { kind: 'accepted' })
          break
        }
        case 'accept':
          end.sockets.set('incoming', dialled)
          post(1 - index, 'outgoing', dialled, { kind: 'connected' })
          break
        case 'refuse':
          post(1 - index, 'outgoing', dialled, { kind: 'disconnected', side: 'outgoing', reason: 'refused' })
          break
        case 'send': {
          const socket = end.sockets.get(action.side) ?? 0
          const { message } = action
          const arrives: ReceivedMessage = message
          if (!lossy())
            post(1 - index, other[action.side], socket, {
              kind: 'received',
              side: other[action.side],
              message: arrives,
            })
          break
        }
        case 'close': {
          const socket = end.sockets.get(action.side) ?? 0
          end.sockets.delete(action.side)
          if (!lossy())
            post(1 - index, other[action.side], socket, {
              kind: 'disconnected',
              side: other[action.side],
              reason: 'closed',
            })
          break
        }
        case 'established':
        case 'deliver':
        case 'down':
          break
      }
    }
  }
  const deliver = (entry: (typeof pending)[number]) => {
    const end = ends[entry.end]
    const far = ends[1 - entry.end]
    if (!end || !far) throw new Error('two ends')
    if (entry.event.kind === 'accepted') {
      // The connection may be gone again before it is taken.
      if (far.sockets.get('outgoing') === entry.socket) feed(entry.end, entry.event, entry.socket)
      return
    }
    if (entry.side && end.sockets.get(entry.side) === entry.socket) feed(entry.end, entry.event)
  }
  feed(0, { kind: 'start' })
  feed(1, { kind: 'start' })
  while (now < untilMs) {
    const nextPending = pending.reduce((least, { at }) => Math.min(least, at), Number.POSITIVE_INFINITY)
    const nextTimer = ends.reduce(
      (least, { timers: set }) => Math.min(least, ...set.values()),
      Number.POSITIVE_INFINITY,
    )
    now = Math.min(nextPending, nextTimer)
    if (now > untilMs) break
    const index = pending.findIndex(({ at }) => at === now)
    if (index >= 0) for (const entry of pending.splice(index, 1)) deliver(entry)
    else {
      ends.forEach((end, number) => {
        for (const [timer, at] of end.timers) {
          if (at !== now) continue
          end.timers.delete(timer)
          feed(number, { kind: 'timerExpired', timer })
        }
      })
    }
  }
  return ends
}

test('two peers joined by a network that loses connections and messages have one session soon after it stops', () => {
  const direction = fc.constantFrom<readonly [Peer['direction'], Peer['direction']]>(
    ['both', 'both'],
    ['both', 'passive'],
    ['active', 'passive'],
    ['passive', 'both'],
    ['active', 'both'],
  )
  fc.assert(
    fc.property(direction, fc.boolean(), fc.nat(), ([mine, theirs], restarts, seed) => {
      const restart = restarts ? { gracefulRestart: { restartTimeSeconds: 120 } } : {}
      const settings = [
        { ...peer, ...restart, direction: mine },
        { ...router, ...restart, direction: theirs },
      ] as const
      const ends = simulate(settings, 60_000, 60_000 + 400_000, createRandom(seed))
      const standing = ends.map(({ state, sockets }) =>
        sides.filter(side => state[side].kind === 'Established').map(side => [side, sockets.get(side)] as const),
      )
      const [[first] = [], [second] = []] = standing
      // One session each, and both on the same connection, which one end dialled and the other accepted.
      expect(standing.map(list => list.length)).toEqual([1, 1])
      expect(first?.[1]).toBe(second?.[1])
      expect(first?.[0]).not.toBe(second?.[0])
    }),
    { numRuns: 60 },
  )
})
