import { describe, expect, test } from 'vitest'
import { step } from './fsm.ts'
import type { ReceivedMessage } from './message.ts'
import { localOpen, negotiate, type Session } from './negotiate.ts'
import { formatNotification, notification, shutdownCommunication } from './notification.ts'
import { type Action, type Event, initialState, type Peer, type State, stateName } from './peer-state.ts'

const peer: Peer = {
  localAs: 64512,
  peerAs: 64513,
  bgpIdentifier: 0x0a000001,
  holdTimeSeconds: 90,
  keepaliveTimeSeconds: undefined,
  families: ['IPv4', 'IPv6'],
  extendedNextHop: false,
  gracefulRestart: undefined,
  direction: 'both',
  connectRetryTimeSeconds: 10,
}
/** The router on the other side; its identifier is the higher one. */
const router: Peer = { ...peer, localAs: 64513, peerAs: 64512, bgpIdentifier: 0x0a000002, holdTimeSeconds: 30 }
const restartable = { gracefulRestart: { restartTimeSeconds: 120 } }

const open: ReceivedMessage = { kind: 'open', open: localOpen(router, false) }
const keepalive: ReceivedMessage = { kind: 'keepalive' }
const update: ReceivedMessage = { kind: 'update', update: { withdrawn: [], attributes: {}, nlri: [] }, problems: [] }

const received = (side: 'outgoing' | 'incoming', message: ReceivedMessage): Event => ({
  kind: 'received',
  side,
  message,
})
const expired = (timer: Extract<Event, { kind: 'timerExpired' }>['timer']): Event => ({ kind: 'timerExpired', timer })

/** Runs the events; the state afterwards and what the last of them led to. */
function run(settings: Peer, events: readonly Event[], from = initialState()): [State, readonly Action[]] {
  let state = from
  let actions: readonly Action[] = []
  for (const event of events) [state, actions] = step(settings, state, event, 0)
  return [state, actions]
}

function words(actions: readonly Action[]): readonly string[] {
  return actions.map(action => {
    switch (action.kind) {
      case 'send':
        return `${action.side}: ${sent(action.message)}`
      case 'refuse':
        return `refuse: ${formatNotification(action.notification)}`
      case 'close':
        return `close ${action.side}`
      case 'startTimer':
        return `${action.timer} ${action.delayMs / 1000} s`
      case 'stopTimer':
        return `no ${action.timer}`
      case 'down':
        return action.wasEstablished ? 'session down' : 'attempt failed'
      case 'established':
        return `established ${action.side}`
      case 'connect':
      case 'accept':
      case 'deliver':
        return action.kind
    }
  })
}

function sent(message: Extract<Action, { kind: 'send' }>['message']): string {
  return message.kind === 'notification' ? formatNotification(message.notification) : message.kind.toUpperCase()
}

/** Whether an OPEN among these says that we have restarted. */
function restarting(actions: readonly Action[]): boolean {
  const opens = actions.map(action =>
    action.kind === 'send' && action.message.kind === 'open' ? action.message.open : undefined,
  )
  const capabilities = opens.flatMap(one => one?.capabilities ?? [])
  return capabilities.some(capability => capability.kind === 'gracefulRestart' && capability.restarting)
}

const dialled: readonly Event[] = [{ kind: 'start' }, { kind: 'connected' }]
const up: readonly Event[] = [...dialled, received('outgoing', open), received('outgoing', keepalive)]

describe('the way up', () => {
  test('dials, says OPEN, then KEEPALIVE, and stands when the peer has said both', () => {
    const [connecting, first] = run(peer, [{ kind: 'start' }])
    expect([stateName(connecting), ...words(first)]).toEqual(['Connect', 'connect', 'connectRetry 10 s'])
    const [openSent, second] = run(peer, dialled)
    expect([stateName(openSent), ...words(second)]).toEqual([
      'OpenSent',
      'no connectRetry',
      'outgoing: OPEN',
      'outgoingHold 60 s',
    ])
    const [confirm, third] = run(peer, [...dialled, received('outgoing', open)])
    expect([stateName(confirm), ...words(third)]).toEqual([
      'OpenConfirm',
      'no connectRetry',
      'outgoingHold 30 s',
      'outgoing: KEEPALIVE',
      'outgoingKeepalive 10 s',
    ])
    const [established, fourth] = run(peer, up)
    expect([stateName(established), ...words(fourth)]).toEqual([
      'Established',
      'no connectRetry',
      'outgoingHold 30 s',
      'backOffReset 10 s',
      'established outgoing',
    ])
  })

  test('a passive peer waits without a timer, and takes the connection', () => {
    const passive: Peer = { ...peer, direction: 'passive' }
    const [waiting, nothing] = run(passive, [{ kind: 'start' }])
    expect([stateName(waiting), nothing]).toEqual(['Active', []])
    const [, actions] = run(passive, [{ kind: 'start' }, { kind: 'accepted' }])
    expect(words(actions)).toEqual(['accept', 'incoming: OPEN', 'incomingHold 60 s'])
  })

  test('a peer that only we dial, or that is stopped, is refused', () => {
    const [, active] = run({ ...peer, direction: 'active' }, [{ kind: 'start' }, { kind: 'accepted' }])
    expect(words(active)).toEqual(['refuse: Cease: Connection Rejected'])
    expect(words(run(peer, [{ kind: 'accepted' }])[1])).toEqual(['refuse: Cease: Connection Rejected'])
  })

  test('with a hold time of 0 there are neither keepalives nor a hold timer', () => {
    const silent: ReceivedMessage = { kind: 'open', open: localOpen({ ...router, holdTimeSeconds: 0 }, false) }
    const [, actions] = run(peer, [...dialled, received('outgoing', silent)])
    expect(words(actions)).toEqual(['no connectRetry', 'no outgoingHold', 'outgoing: KEEPALIVE'])
  })

  test('UPDATE and ROUTE-REFRESH are delivered, and like KEEPALIVE prove that the peer lives', () => {
    expect(words(run(peer, [...up, received('outgoing', update)])[1])).toEqual(['outgoingHold 30 s', 'deliver'])
    expect(words(run(peer, [...up, received('outgoing', keepalive)])[1])).toEqual(['outgoingHold 30 s'])
    const refresh: ReceivedMessage = { kind: 'routeRefresh', afi: 1, safi: 1, subtype: 0 }
    expect(words(run(peer, [...up, received('outgoing', refresh)])[1])).toEqual(['outgoingHold 30 s', 'deliver'])
  })

  test('the first OPEN after a start says that we restarted, later ones do not', () => {
    const settings = { ...peer, ...restartable }
    expect(restarting(run(settings, dialled)[1])).toBe(true)
    const lost: Event = { kind: 'disconnected', side: 'outgoing', reason: 'reset' }
    const again = run(settings, [...up, lost, expired('connectRetry'), { kind: 'connected' }])
    expect([restarting(again[1]), stateName(again[0])]).toEqual([false, 'OpenSent'])
  })
})

describe('what goes wrong', () => {
  const outcomes: readonly [name: string, settings: Peer, events: readonly Event[], expected: string][] = [
    [
      'KEEPALIVE before OPEN',
      peer,
      [...dialled, received('outgoing', keepalive)],
      'Finite State Machine Error: Unexpected Message in OpenSent',
    ],
    [
      'UPDATE before KEEPALIVE',
      peer,
      [...dialled, received('outgoing', open), received('outgoing', update)],
      'Finite State Machine Error: Unexpected Message in OpenConfirm',
    ],
    [
      'OPEN in a session',
      peer,
      [...up, received('outgoing', open)],
      'Finite State Machine Error: Unexpected Message in Established',
    ],
    [
      'another AS than expected',
      { ...peer, peerAs: 64999 },
      [...dialled, received('outgoing', open)],
      'OPEN Message Error: Bad Peer AS',
    ],
    [
      'another AS where ours is wanted',
      { ...peer, peerAs: 'internal' },
      [...dialled, received('outgoing', open)],
      'OPEN Message Error: Bad Peer AS',
    ],
    [
      'our AS where another is wanted',
      { ...peer, localAs: 64513, peerAs: 'external' },
      [...dialled, received('outgoing', open)],
      'OPEN Message Error: Bad Peer AS',
    ],
    [
      'our own identifier, in our AS',
      { ...peer, localAs: 64513, peerAs: 'internal', bgpIdentifier: router.bgpIdentifier },
      [...dialled, received('outgoing', open)],
      'OPEN Message Error: Bad BGP Identifier',
    ],
    [
      'no family in common',
      { ...peer, families: ['IPv6'] },
      [...dialled, received('outgoing', { kind: 'open', open: localOpen({ ...router, families: ['IPv4'] }, false) })],
      'OPEN Message Error: Unsupported Capability',
    ],
    ['no OPEN in time', peer, [...dialled, expired('outgoingHold')], 'Hold Timer Expired'],
    ['silence in a session', peer, [...up, expired('outgoingHold')], 'Hold Timer Expired'],
    [
      'bytes that are no message',
      peer,
      [...up, { kind: 'malformed', side: 'outgoing', notification: notification('connectionNotSynchronized') }],
      'Message Header Error: Connection Not Synchronized',
    ],
  ]
  for (const [name, settings, events, expected] of outcomes) {
    test(`${name} is answered, and the peer is dialled again after a second`, () => {
      const [state, actions] = run(settings, events)
      expect(words(actions)).toContain(`outgoing: ${expected}`)
      expect(words(actions).slice(-2)).toEqual([
        expect.stringMatching(/session down|attempt failed/),
        'connectRetry 1 s',
      ])
      expect(stateName(state)).toBe('Active')
    })
  }

  test('the type of a message out of turn goes with the answer', () => {
    const [, actions] = run(peer, [...up, received('outgoing', open)])
    expect(actions).toContainEqual({
      kind: 'send',
      side: 'outgoing',
      message: { kind: 'notification', notification: notification('unexpectedInEstablished', Uint8Array.of(1)) },
    })
  })

  test('a NOTIFICATION is never answered', () => {
    const cease: ReceivedMessage = { kind: 'notification', notification: notification('administrativeReset') }
    const [, actions] = run(peer, [...up, received('outgoing', cease)])
    expect(words(actions).filter(word => word.startsWith('outgoing:'))).toEqual([])
    expect(words(actions)).toContain('session down')
  })

  test('a router that answers with Cease is asked ever more seldom, up to two minutes', () => {
    const cease: ReceivedMessage = { kind: 'notification', notification: notification('connectionRejected') }
    let state = run(peer, [{ kind: 'start' }])[0]
    const pauses: string[] = []
    for (let attempt = 0; attempt < 9; attempt++) {
      const [refused, actions] = run(peer, [{ kind: 'connected' }, received('outgoing', cease)], state)
      pauses.push(words(actions).at(-1) ?? '')
      ;[state] = run(peer, [expired('connectRetry')], refused)
    }
    expect(pauses.map(pause => parseInt(pause.split(' ')[1] ?? '', 10))).toEqual([1, 2, 4, 8, 16, 32, 64, 120, 120])
  })

  test('a router that has a session with our address is asked steadily: another may be about to give it up', () => {
    const collision: ReceivedMessage = {
      kind: 'notification',
      notification: notification('connectionCollisionResolution'),
    }
    let state = run(peer, [{ kind: 'start' }])[0]
    for (let attempt = 0; attempt < 9; attempt++) {
      const [refused, actions] = run(peer, [{ kind: 'connected' }, received('outgoing', collision)], state)
      expect(words(actions).at(-1)).toBe('connectRetry 5 s')
      ;[state] = run(peer, [expired('connectRetry')], refused)
    }
    const [, actions] = run(peer, [{ kind: 'disconnected', side: 'outgoing', reason: 'ECONNREFUSED' }], state)
    expect(words(actions).at(-1)).toBe('connectRetry 1 s')
  })

  test('a router that accepts the session and then refuses is not asked without pause either', () => {
    const cease: ReceivedMessage = { kind: 'notification', notification: notification('connectionRejected') }
    const events = up.slice(1)
    const once = run(peer, [...up, received('outgoing', cease)])
    const twice = run(peer, [expired('connectRetry'), ...events, received('outgoing', cease)], once[0])
    expect(words(twice[1]).at(-1)).toBe('connectRetry 2 s')
    const stable = run(
      peer,
      [expired('connectRetry'), ...events, expired('backOffReset'), received('outgoing', cease)],
      once[0],
    )
    expect(words(stable[1]).at(-1)).toBe('connectRetry 1 s')
  })

  test('where nobody listens, the pause does not grow beyond the connect time', () => {
    const refused: Event = { kind: 'disconnected', side: 'outgoing', reason: 'ECONNREFUSED' }
    let state = run(peer, [{ kind: 'start' }])[0]
    let last = ''
    for (let attempt = 0; attempt < 30; attempt++) {
      const [down, actions] = run(peer, [refused], state)
      last = words(actions).at(-1) ?? ''
      ;[state] = run(peer, [expired('connectRetry')], down)
    }
    expect([last, stateName(state)]).toEqual(['connectRetry 10 s', 'Connect'])
  })

  test('a dial that nobody answers is given up and begun again', () => {
    const [, actions] = run(peer, [{ kind: 'start' }, expired('connectRetry')])
    expect(words(actions)).toEqual(['close outgoing', 'attempt failed', 'connect', 'connectRetry 10 s'])
  })

  test('timers are shortened by up to a quarter, as chance will', () => {
    const [, actions] = step(peer, initialState(), { kind: 'start' }, 1)
    expect(words(actions)).toEqual(['connect', 'connectRetry 7.5 s'])
  })
})

describe('the end', () => {
  const bye = shutdownCommunication('administrativeShutdown', 'bye')

  test('a stop says Cease with the operator’s words and leaves no timer', () => {
    const [state, actions] = run(peer, [...up, { kind: 'stop', notification: bye }])
    expect(stateName(state)).toBe('Idle')
    expect(words(actions)).toEqual([
      'outgoing: Cease: Administrative Shutdown "bye"',
      'no outgoingHold',
      'no outgoingKeepalive',
      'no backOffReset',
      'close outgoing',
      'session down',
      'no connectRetry',
    ])
  })

  test('to a peer that would keep our routes over a NOTIFICATION the stop is a Hard Reset', () => {
    const settings = { ...peer, ...restartable }
    const theirs: ReceivedMessage = { kind: 'open', open: localOpen({ ...router, ...restartable }, false) }
    const [, actions] = run(settings, [
      ...dialled,
      received('outgoing', theirs),
      received('outgoing', keepalive),
      { kind: 'stop', notification: bye },
    ])
    expect(words(actions)[0]).toBe('outgoing: Cease: Hard Reset (Cease: Administrative Shutdown "bye")')
  })

  test('a restart that the peer bridges is silent', () => {
    const [, actions] = run(peer, [...up, { kind: 'stop' }])
    expect(words(actions).filter(word => word.startsWith('outgoing:'))).toEqual([])
    expect(words(actions)).toContain('close outgoing')
  })

  test('a reset says why and begins anew', () => {
    const [state, actions] = run(peer, [...up, { kind: 'reset', notification: notification('bfdDown') }])
    expect(words(actions)[0]).toBe('outgoing: Cease: BFD Down')
    expect([stateName(state), words(actions).at(-1)]).toEqual(['Active', 'connectRetry 1 s'])
  })
})

describe('two connections at once (§6.8)', () => {
  const both: readonly Event[] = [...dialled, { kind: 'accepted' }]
  const collision = 'Cease: Connection Collision Resolution'

  test('the one that the higher identifier dialled stays, whichever OPEN comes first', () => {
    for (const sides of [
      ['outgoing', 'incoming'],
      ['incoming', 'outgoing'],
    ] as const) {
      const [state, actions] = run(peer, [...both, ...sides.map(side => received(side, open))])
      expect(words(actions)).toContain(`outgoing: ${collision}`)
      expect([state.outgoing.kind, state.incoming.kind]).toEqual(['None', 'OpenConfirm'])
      const [higher] = run({ ...peer, bgpIdentifier: 0x0a000003 }, [
        ...both,
        ...sides.map(side => received(side, open)),
      ])
      expect([higher.outgoing.kind, higher.incoming.kind]).toEqual(['OpenConfirm', 'None'])
    }
  })

  test('among equal identifiers the higher AS decides', () => {
    const equal = { ...peer, bgpIdentifier: router.bgpIdentifier }
    const [state] = run(equal, [...both, received('outgoing', open), received('incoming', open)])
    expect([state.outgoing.kind, state.incoming.kind]).toEqual(['None', 'OpenConfirm'])
  })

  test('a session that stands stays, and a new connection is refused', () => {
    expect(words(run(peer, [...up, { kind: 'accepted' }])[1])).toEqual([`refuse: ${collision}`])
    const [state, actions] = run(peer, [...both, received('outgoing', open), received('outgoing', keepalive)])
    expect(words(actions)).toContain(`incoming: ${collision}`)
    expect([state.outgoing.kind, state.incoming.kind]).toEqual(['Established', 'None'])
  })

  test('with graceful restart a new connection means that the peer restarted: the old session goes without a word', () => {
    const settings = { ...peer, ...restartable }
    const theirs: ReceivedMessage = { kind: 'open', open: localOpen({ ...router, ...restartable }, false) }
    const [state, actions] = run(settings, [
      ...dialled,
      received('outgoing', theirs),
      received('outgoing', keepalive),
      { kind: 'accepted' },
    ])
    expect(words(actions)).toEqual([
      'no outgoingHold',
      'no outgoingKeepalive',
      'no backOffReset',
      'close outgoing',
      'session down',
      'accept',
      'incoming: OPEN',
      'incomingHold 60 s',
    ])
    expect([state.outgoing.kind, state.incoming.kind]).toEqual(['None', 'OpenSent'])
  })

  test('a dial under way is given up for a connection whose OPEN has come', () => {
    const [state, actions] = run(peer, [{ kind: 'start' }, { kind: 'accepted' }, received('incoming', open)])
    expect(words(actions).slice(0, 3)).toEqual(['no outgoingHold', 'no outgoingKeepalive', 'close outgoing'])
    expect([state.outgoing.kind, state.incoming.kind]).toEqual(['None', 'OpenConfirm'])
  })
})

test('what the two OPENs agree on', () => {
  const agreed = (mine: Partial<Peer>, theirs: Partial<Peer>): Session | string => {
    const result = negotiate({ ...peer, ...mine }, localOpen({ ...router, ...theirs }, false))
    return result.ok ? result.value : formatNotification(result.problem)
  }
  expect(agreed({}, {})).toMatchObject({
    holdTimeSeconds: 30,
    keepaliveTimeSeconds: 10,
    internal: false,
    fourOctetAs: true,
    routeRefresh: true,
    families: ['IPv4', 'IPv6'],
  })
  expect(agreed({ keepaliveTimeSeconds: 3 }, {})).toMatchObject({ keepaliveTimeSeconds: 3 })
  expect(agreed({ keepaliveTimeSeconds: 30 }, { holdTimeSeconds: 9 })).toMatchObject({ keepaliveTimeSeconds: 3 })
  expect(agreed({}, { families: ['IPv6'] })).toMatchObject({ families: ['IPv6'] })
  expect(agreed({ peerAs: 4200000000 }, { localAs: 4200000000 })).toMatchObject({ peerAs: 4200000000 })
  expect(agreed({ extendedNextHop: true }, {})).toMatchObject({ extendedNextHop: false })
  expect(agreed({ extendedNextHop: true }, { extendedNextHop: true })).toMatchObject({ extendedNextHop: true })
  expect(agreed(restartable, {})).toMatchObject({ gracefulRestart: undefined })
  expect(agreed({}, restartable)).toMatchObject({ gracefulRestart: undefined })
  expect(agreed(restartable, restartable)).toMatchObject({ gracefulRestart: { restartTimeSeconds: 120 } })
  const plain = negotiate(peer, { ...localOpen(router, false), capabilities: [] })
  expect(plain).toMatchObject({ ok: true, value: { families: ['IPv4'], fourOctetAs: false, routeRefresh: false } })
})
