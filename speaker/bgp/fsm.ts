/**
 * The finite state machine of one peer (RFC 4271 §8), as a function from a state and an event to the next state and what
 * to do. It reads no clock and opens no socket: timers that fire, connections that come up or break, messages and an
 * operator's stop are all events, and chance is an argument. session.ts, the shell, does what the actions say.
 * The words of both are in peer-state.ts.
 *
 * A peer is one machine with two connections in it: the one that we dial (`outgoing`) and the one that the peer dials
 * (`incoming`). The RFC speaks of a machine per connection that must look at one another's states when two connections
 * collide (§6.8); with both in one value that is an ordinary `if`, and "never two sessions" can be checked.
 *
 *     way in    bytes → framer → decodeMessage → { received | malformed } ┐
 *               net.Socket 'connect' 'close', listener → { connected | accepted | disconnected } ┼→ step
 *               timers → { timerExpired }, configuration → { start | stop | reset } ┘
 *     way out   step → { connect | accept | refuse | send | close } → sockets, { startTimer | stopTimer } → timers,
 *               { established | deliver | down } → Adj-RIB-Out and status
 *
 * Of a connection it is known whether it is being dialled (Connect), waits for the peer's OPEN (OpenSent), for its
 * KEEPALIVE (OpenConfirm) or stands (Established). The RFC's name for the whole is that of the connection that got
 * furthest; a peer without any is Idle when stopped, else Active: it waits to dial, to be dialled, or both.
 *
 * Where this differs from the letter of §8.2.2, and why:
 * - After an error the RFC goes to Idle and starts again by itself, kept from doing so too fast by the optional
 *   IdleHoldTimer. Here one ConnectRetryTimer does both: 1 s, doubled with every failure in a row, up to the configured
 *   connect time, or up to two minutes where one side refuses the other in words before a session stands. So a router
 *   that answers with Cease is asked some twenty times in 20 minutes, and one that comes back finds us within seconds.
 *   A router that has a session with our address already (another program's that is about to give it up, or ours from
 *   before) is asked twice per connect time, without the pause growing: what it waits for may end at any moment.
 *   The count of failures is forgotten once a session has stood for a while, not as soon as it stands, or a router that
 *   accepts and then refuses would be asked without pause. Idle is left for "stopped".
 * - Connections from the peer are taken while we wait: they are at the peer's pace, and refusing them would make it wait.
 * - A new connection beside an Established one is refused, unless graceful restart was agreed: then the peer has
 *   restarted and the old one is dead (RFC 4724 §4.2).
 * - DelayOpenTimer is left out: it avoids collisions by waiting, and they are resolved without.
 * - KeepaliveTimer is not restarted by UPDATEs: a keepalive too many does no harm.
 *
 * Supported standards: RFC 4271 §8 with §6.5–6.8 and §10 (jitter), RFC 4724 §4 (as the one that restarts), RFC 4486,
 * RFC 6286 §2.3 (collisions between equal identifiers), RFC 6608, RFC 8538 (Hard Reset), RFC 9003, RFC 9687.
 */
import { type ReceivedMessage, typeOctet } from './message.ts'
import { localOpen, negotiate, type Session } from './negotiate.ts'
import { type ErrorName, hardReset, type Notification, notification } from './notification.ts'
import type { Open } from './open.ts'
import {
  type Action,
  type Cause,
  type Connection,
  type Event,
  establishedSide,
  none,
  type Peer,
  type Side,
  type State,
  type TimerName,
} from './peer-state.ts'

/** Until the peer's OPEN there is no agreed hold time; §8.2.2 suggests four minutes, a dead peer deserves less. */
const openHoldTimeMs = 60_000
const firstRetryMs = 1_000
/** The longest pause after a refusal in words. */
const longestBackOffMs = 120_000
/** A session that has stood for so long was no mistake. */
const backOffResetMs = 10_000

/** One call of `step`: what it knows, and the actions that it gathers. */
interface Turn {
  readonly peer: Peer
  /** From 0 to 1, for jitter. */
  readonly chance: number
  readonly actions: Action[]
}

/** `chance` is a random number from 0 to 1; timers started in this step are shortened by up to a quarter (§10). */
export function step(peer: Peer, state: State, event: Event, chance: number): readonly [State, readonly Action[]] {
  const turn: Turn = { peer, chance, actions: [] }
  return [next(turn, state, event), turn.actions]
}

function next(turn: Turn, state: State, event: Event): State {
  switch (event.kind) {
    case 'start':
      return start(turn, state)
    case 'stop':
      return stop(turn, state, event.notification)
    case 'reset':
      return reset(turn, state, event.notification)
    case 'timerExpired':
      return timerExpired(turn, state, event.timer)
    case 'connected':
      return connected(turn, state)
    case 'accepted':
      return accepted(turn, state)
    case 'disconnected':
      return end(turn, state, event.side, { kind: 'disconnected', reason: event.reason })
    case 'received':
      return received(turn, state, event.side, event.message)
    case 'malformed':
      return fail(turn, state, event.side, event.notification)
  }
}

function start(turn: Turn, state: State): State {
  if (state.running) return state
  const running = { ...state, running: true, failures: 0 }
  return turn.peer.direction === 'passive' ? running : dial(turn, running)
}

function stop(turn: Turn, state: State, reason: Notification | undefined): State {
  let stopped: State = { ...state, running: false, failures: 0 }
  for (const side of ['outgoing', 'incoming'] as const) {
    stopped = reason
      ? fail(turn, stopped, side, lasting(stopped[side], reason))
      : end(turn, stopped, side, { kind: 'stopped' })
  }
  stopTimer(turn, 'connectRetry')
  return stopped
}

/** A stop is meant to take the routes along, which a peer that agreed to RFC 8538 must be told. */
function lasting(connection: Connection, reason: Notification): Notification {
  const agreed = connection.kind === 'Established' && connection.session.gracefulRestart?.notification
  return agreed ? hardReset(reason) : reason
}

function reset(turn: Turn, state: State, reason: Notification): State {
  return fail(turn, fail(turn, state, 'outgoing', reason), 'incoming', reason)
}

function timerExpired(turn: Turn, state: State, timer: TimerName): State {
  switch (timer) {
    case 'connectRetry':
      return connectRetryExpired(turn, state)
    case 'backOffReset':
      return { ...state, failures: 0 }
    case 'outgoingHold':
      return holdExpired(turn, state, 'outgoing')
    case 'incomingHold':
      return holdExpired(turn, state, 'incoming')
    case 'outgoingKeepalive':
      return keepaliveExpired(turn, state, 'outgoing')
    case 'incomingKeepalive':
      return keepaliveExpired(turn, state, 'incoming')
  }
}

function connectRetryExpired(turn: Turn, state: State): State {
  if (!state.running || turn.peer.direction === 'passive') return state
  if (state.outgoing.kind === 'Connect') {
    // The timer was the pause as well: the next attempt need not wait again.
    const given = { ...state, outgoing: none, failures: state.failures + 1 }
    turn.actions.push({ kind: 'close', side: 'outgoing' })
    const reason = `no answer within ${turn.peer.connectRetryTimeSeconds} s`
    turn.actions.push({ kind: 'down', wasEstablished: false, cause: { kind: 'disconnected', reason } })
    return dial(turn, given)
  }
  const busy = isAgreed(state.incoming) || state.outgoing.kind !== 'None'
  return busy ? state : dial(turn, state)
}

function isAgreed(connection: Connection): boolean {
  return connection.kind === 'OpenConfirm' || connection.kind === 'Established'
}

function dial(turn: Turn, state: State): State {
  turn.actions.push({ kind: 'connect' })
  startTimer(turn, 'connectRetry', turn.peer.connectRetryTimeSeconds * 1000)
  return { ...state, outgoing: { kind: 'Connect' } }
}

function holdExpired(turn: Turn, state: State, side: Side): State {
  return fail(turn, state, side, notification('holdTimerExpired'))
}

function keepaliveExpired(turn: Turn, state: State, side: Side): State {
  const connection = state[side]
  if (connection.kind === 'OpenConfirm' || connection.kind === 'Established') {
    sendKeepalive(turn, side, connection.session)
  }
  return state
}

function sendKeepalive(turn: Turn, side: Side, session: Session): void {
  turn.actions.push({ kind: 'send', side, message: { kind: 'keepalive' } })
  if (session.holdTimeSeconds > 0) startTimer(turn, `${side}Keepalive`, session.keepaliveTimeSeconds * 1000)
}

function connected(turn: Turn, state: State): State {
  if (state.outgoing.kind !== 'Connect') return state
  stopTimer(turn, 'connectRetry')
  return sendOpen(turn, state, 'outgoing')
}

function accepted(turn: Turn, state: State): State {
  const standing = establishedSide(state)
  const replaces = standing !== undefined && standing.session.gracefulRestart !== undefined
  const refusal: ErrorName | undefined =
    !state.running || turn.peer.direction === 'active'
      ? 'connectionRejected'
      : replaces || (!standing && state.incoming.kind === 'None')
        ? undefined
        : 'connectionCollisionResolution'
  if (refusal) {
    turn.actions.push({ kind: 'refuse', notification: notification(refusal) })
    return state
  }
  const ready = standing
    ? close(turn, state, standing.side, { kind: 'disconnected', reason: 'the peer restarted' })
    : state
  turn.actions.push({ kind: 'accept' })
  return sendOpen(turn, ready, 'incoming')
}

function sendOpen(turn: Turn, state: State, side: Side): State {
  turn.actions.push({ kind: 'send', side, message: { kind: 'open', open: localOpen(turn.peer, state.restarting) } })
  turn.actions.push({ kind: 'startTimer', timer: `${side}Hold`, delayMs: openHoldTimeMs })
  return { ...state, [side]: { kind: 'OpenSent' } }
}

function received(turn: Turn, state: State, side: Side, message: ReceivedMessage): State {
  const connection = state[side]
  if (connection.kind === 'None' || connection.kind === 'Connect') return state
  if (message.kind === 'notification') {
    return end(turn, state, side, { kind: 'received', notification: message.notification })
  }
  switch (connection.kind) {
    case 'OpenSent':
      if (message.kind === 'open') return opened(turn, state, side, message.open)
      return unexpected(turn, state, side, 'unexpectedInOpenSent', message)
    case 'OpenConfirm':
      if (message.kind === 'keepalive') return established(turn, state, side, connection.session)
      return unexpected(turn, state, side, 'unexpectedInOpenConfirm', message)
    case 'Established':
      if (message.kind === 'open') return unexpected(turn, state, side, 'unexpectedInEstablished', message)
      restartHold(turn, side, connection.session)
      if (message.kind !== 'keepalive') turn.actions.push({ kind: 'deliver', message })
      return state
  }
}

/** A message out of turn (§6.6); its type goes with the answer (RFC 6608 §3). */
function unexpected(turn: Turn, state: State, side: Side, error: ErrorName, message: ReceivedMessage): State {
  return fail(turn, state, side, notification(error, Uint8Array.of(typeOctet(message.kind))))
}

function restartHold(turn: Turn, side: Side, session: Session): void {
  const timer = `${side}Hold` as const
  if (session.holdTimeSeconds === 0) turn.actions.push({ kind: 'stopTimer', timer })
  else turn.actions.push({ kind: 'startTimer', timer, delayMs: session.holdTimeSeconds * 1000 })
}

function opened(turn: Turn, state: State, side: Side, open: Open): State {
  const negotiated = negotiate(turn.peer, open)
  if (!negotiated.ok) return fail(turn, state, side, negotiated.problem)
  const session = negotiated.value
  const other = otherSide(side)
  let alone = state
  if (isAgreed(state[other])) {
    // Collision (§6.8): both sides see the same two identifiers and keep the same connection.
    const loser = state[other].kind === 'Established' ? side : keptSide(turn.peer, session) === side ? other : side
    alone = fail(turn, state, loser, notification('connectionCollisionResolution'))
    if (loser === side) return alone
  } else if (state[other].kind === 'Connect') alone = close(turn, state, other, undefined)
  stopTimer(turn, 'connectRetry')
  restartHold(turn, side, session)
  sendKeepalive(turn, side, session)
  return { ...alone, [side]: { kind: 'OpenConfirm', session } }
}

/** The connection that the speaker with the higher identifier dialled; among equals, the higher AS (RFC 6286 §2.3). */
function keptSide(peer: Peer, session: Session): Side {
  const difference = peer.bgpIdentifier - session.peerIdentifier || peer.localAs - session.peerAs
  return difference > 0 ? 'outgoing' : 'incoming'
}

function established(turn: Turn, state: State, side: Side, session: Session): State {
  const alone = fail(turn, state, otherSide(side), notification('connectionCollisionResolution'))
  stopTimer(turn, 'connectRetry')
  restartHold(turn, side, session)
  turn.actions.push({ kind: 'startTimer', timer: 'backOffReset', delayMs: backOffResetMs })
  turn.actions.push({ kind: 'established', side, session })
  return { ...alone, restarting: false, [side]: { kind: 'Established', session } }
}

function otherSide(side: Side): Side {
  return side === 'outgoing' ? 'incoming' : 'outgoing'
}

/** Ends a connection with the reason told to the peer, if it has got so far that it can be told. */
function fail(turn: Turn, state: State, side: Side, reason: Notification): State {
  const { kind } = state[side]
  if (kind === 'None') return state
  if (kind === 'Connect') return end(turn, state, side, { kind: 'stopped' })
  turn.actions.push({ kind: 'send', side, message: { kind: 'notification', notification: reason } })
  return end(turn, state, side, { kind: 'sent', notification: reason })
}

/** Ends a connection, and sees to it that a running peer is dialled again unless its other connection lives. */
function end(turn: Turn, state: State, side: Side, cause: Cause): State {
  const before = state[side]
  if (before.kind === 'None') return state
  const ended = close(turn, state, side, cause)
  if (!ended.running || ended[otherSide(side)].kind !== 'None') return ended
  const connectTimeMs = turn.peer.connectRetryTimeSeconds * 1000
  if (before.kind !== 'Established' && isCollision(cause)) {
    if (turn.peer.direction !== 'passive') startTimer(turn, 'connectRetry', connectTimeMs / 2)
    return ended
  }
  // An answer in words before there was a session will be the same next time, until somebody changes a configuration.
  const refused = before.kind !== 'Established' && (cause.kind === 'sent' || cause.kind === 'received')
  const longest = refused ? longestBackOffMs : connectTimeMs
  if (turn.peer.direction !== 'passive') {
    startTimer(turn, 'connectRetry', Math.min(firstRetryMs * 2 ** Math.min(ended.failures, 20), longest))
  }
  return { ...ended, failures: ended.failures + 1 }
}

/** Whether the router says that it has a session with our address. */
function isCollision(cause: Cause): boolean {
  if (cause.kind !== 'received') return false
  const { code, subcode } = notification('connectionCollisionResolution')
  return cause.notification.code === code && cause.notification.subcode === subcode
}

/** The one place where a connection goes: its timers with it. A dial given up for the other connection has no cause. */
function close(turn: Turn, state: State, side: Side, cause: Cause | undefined): State {
  const wasEstablished = state[side].kind === 'Established'
  stopTimer(turn, `${side}Hold`)
  stopTimer(turn, `${side}Keepalive`)
  if (wasEstablished) stopTimer(turn, 'backOffReset')
  turn.actions.push({ kind: 'close', side })
  if (cause) turn.actions.push({ kind: 'down', wasEstablished, cause })
  return { ...state, [side]: none }
}

function startTimer(turn: Turn, timer: TimerName, delayMs: number): void {
  turn.actions.push({ kind: 'startTimer', timer, delayMs: delayMs * (1 - turn.chance / 4) })
}

function stopTimer(turn: Turn, timer: TimerName): void {
  turn.actions.push({ kind: 'stopTimer', timer })
}
