/*
 * RFC 5880 §6.8 as a function: packets, deadlines and settings are events, the time and chance are arguments. The essay
 * is at the top of packet.ts, the words are in session-state.ts.
 *
 * Deadlines are values of the state, not timers that start and stop: a packet that moves the detection time by one
 * interval costs an addition. session.ts sleeps until the nearest one. An event that comes before its deadline does
 * nothing, so a packet that is read at the last moment counts.
 */
import { type ControlPacket, diagnostics, type SessionState } from './packet.ts'
import {
  type Action,
  deadlineMs,
  detectionTimeMs,
  type Event,
  remoteDetectionTimeMs,
  type Session,
  type State,
  slowIntervalMicros,
} from './session-state.ts'

/** One call of `step`: what it knows, and the actions that it gathers. */
interface Turn {
  readonly session: Session
  readonly nowMs: number
  /** From 0 to 1, for jitter. */
  readonly chance: number
  readonly actions: Action[]
}

/** `chance` is a random number from 0 to 1; a packet that is scheduled in this step comes by so much earlier. */
export function step(
  session: Session,
  state: State,
  event: Event,
  nowMs: number,
  chance: number,
): readonly [State, readonly Action[]] {
  const turn: Turn = { session, nowMs, chance, actions: [] }
  return [next(turn, state, event), turn.actions]
}

function next(turn: Turn, state: State, event: Event): State {
  switch (event.kind) {
    case 'received':
      return received(turn, state, event.packet)
    case 'transmitDue':
      return transmitDue(turn, state)
    case 'deadlineDue':
      return deadlineDue(turn, state)
    case 'configured':
      return settle(turn, state, state)
    case 'stop':
      return stop(turn, state)
  }
}

/** The state that a packet leads to, by our state and then the packet's (§6.2, §6.8.6). */
const transitions = {
  Down: { AdminDown: 'Down', Down: 'Init', Init: 'Up', Up: 'Down' },
  Init: { AdminDown: 'Down', Down: 'Init', Init: 'Up', Up: 'Up' },
  Up: { AdminDown: 'Down', Down: 'Down', Init: 'Up', Up: 'Up' },
} as const satisfies Record<Exclude<SessionState, 'AdminDown'>, Record<SessionState, SessionState>>

function received(turn: Turn, state: State, packet: ControlPacket): State {
  if (!isFresh(turn, state, packet)) return discard(turn, state, 'sequenceNumber')
  if (state.sessionState === 'AdminDown') {
    // Discarded as §6.8.6 says; but one that is not Up any more has heard the news, and waiting can end.
    discard(turn, state, 'stopped')
    const hasHeard = packet.state === 'Down' || packet.state === 'AdminDown'
    return hasHeard && state.endsAtMs !== undefined ? end(turn, state) : state
  }
  const heard: State = {
    ...state,
    remote: {
      discriminator: packet.myDiscriminator,
      state: packet.state,
      diagnostic: packet.diagnostic,
      demand: packet.demand,
      detectMult: packet.detectMult,
      desiredMinTxInterval: packet.desiredMinTxInterval,
      requiredMinRxInterval: packet.requiredMinRxInterval,
      receivedAtMs: turn.nowMs,
    },
    // A Final that comes before our Poll has left answers one of other parameters.
    poll: packet.final && state.poll === 'sent' ? 'none' : state.poll,
  }
  const moved = moveTo(heard, transitions[state.sessionState][packet.state], diagnostics.neighborSignaledSessionDown)
  return settle(turn, state, remember(moved, packet, turn.nowMs), packet.poll)
}

/** Changes the session state; falling has a reason, and climbing takes the old one back. */
function moveTo(state: State, sessionState: SessionState, reason: number): State {
  if (sessionState === state.sessionState) return state
  return { ...state, sessionState, localDiagnostic: sessionState === 'Down' ? reason : diagnostics.none }
}

/** Whether the sequence number is within the window that §6.7.3 and §6.7.4 open, on a circle of 32 bits. */
function isFresh({ session, nowMs }: Turn, state: State, packet: ControlPacket): boolean {
  const known = state.receivedAuthSequence
  const sequenceNumber = sequenceNumberOf(packet)
  if (session.sequence === 'none' || sequenceNumber === undefined) return true
  if (!known || nowMs >= known.knownUntilMs) return true
  const ahead = (sequenceNumber - known.number) >>> 0
  return ahead >= (session.sequence === 'meticulous' ? 1 : 0) && ahead <= 3 * packet.detectMult
}

function sequenceNumberOf({ authentication }: ControlPacket): number | undefined {
  return authentication && 'sequenceNumber' in authentication ? authentication.sequenceNumber : undefined
}

/** The sequence number is known until nothing was received for twice the detection time (§6.8.1, AuthSeqKnown). */
function remember(state: State, packet: ControlPacket, nowMs: number): State {
  const number = sequenceNumberOf(packet)
  if (number === undefined) return state
  return {
    ...state,
    receivedAuthSequence: { number, knownUntilMs: nowMs + 2 * (detectionTimeMs(state) ?? 0) },
  }
}

function transmitDue(turn: Turn, state: State): State {
  if (state.transmitAtMs === undefined || turn.nowMs < state.transmitAtMs) return state
  return schedule(turn, send(turn, state, false))
}

function deadlineDue(turn: Turn, state: State): State {
  const deadline = deadlineMs(state)
  if (deadline === undefined || turn.nowMs < deadline) return state
  if (state.sessionState === 'AdminDown') return end(turn, state)
  // RemoteDiscr becomes 0 (§6.8.1). What the remote system wished for goes with it: it may come back as another, and
  // one that asked for no packets at all would never hear of us again.
  const forgotten: State = { ...state, remote: undefined, poll: 'none' }
  return settle(turn, state, moveTo(forgotten, 'Down', diagnostics.controlDetectionTimeExpired))
}

function stop(turn: Turn, state: State): State {
  if (state.sessionState === 'AdminDown') return state
  const waitMs = remoteDetectionTimeMs(turn.session, state)
  const stopped: State = {
    ...state,
    sessionState: 'AdminDown',
    localDiagnostic: diagnostics.administrativelyDown,
    poll: 'none',
    // §6.8.16: long enough for the remote system to notice, one way or the other.
    endsAtMs: waitMs === undefined ? undefined : turn.nowMs + waitMs,
  }
  const told = settle(turn, state, stopped)
  return waitMs === undefined ? end(turn, told) : told
}

function end(turn: Turn, state: State): State {
  turn.actions.push({ kind: 'ended' })
  return { ...state, endsAtMs: undefined, transmitInterval: undefined, transmitAtMs: undefined }
}

function discard(turn: Turn, state: State, reason: 'sequenceNumber' | 'stopped'): State {
  turn.actions.push({ kind: 'discarded', reason })
  return state
}

/** What follows from any change: parameters, a packet that tells of it, the time of the next one, a report. */
function settle(turn: Turn, before: State, changed: State, answerPoll = false): State {
  const agreed = withParameters(turn.session, changed)
  const tellsNews = agreed.sessionState !== before.sessionState && transmitInterval(turn.session, agreed) !== undefined
  // An answer to a Poll tells the news as well, whatever keeps us from sending otherwise (§6.8.7).
  const told = answerPoll || tellsNews ? send(turn, agreed, answerPoll) : agreed
  const settled = schedule(turn, told)
  if (isNews(before, settled)) turn.actions.push({ kind: 'changed' })
  return settled
}

/**
 * Advertises what the settings and the state ask for (§6.8.3). A change is made known by a Poll sequence; while Up, the
 * parts of it that would make the remote system believe us dead, or us it, wait for the Final.
 */
function withParameters(session: Session, state: State): State {
  const up = state.sessionState === 'Up'
  const desiredMinTxInterval = up
    ? session.desiredMinTxInterval
    : Math.max(session.desiredMinTxInterval, slowIntervalMicros)
  const { requiredMinRxInterval } = session
  const changed =
    desiredMinTxInterval !== state.desiredMinTxInterval || requiredMinRxInterval !== state.requiredMinRxInterval
  const heard = state.remote !== undefined && state.sessionState !== 'AdminDown'
  const poll = !heard ? 'none' : changed ? 'due' : state.poll
  const wait = up && poll !== 'none'
  return {
    ...state,
    desiredMinTxInterval,
    requiredMinRxInterval,
    poll,
    usedMinTxInterval:
      wait && desiredMinTxInterval > state.usedMinTxInterval ? state.usedMinTxInterval : desiredMinTxInterval,
    usedMinRxInterval:
      wait && requiredMinRxInterval < state.usedMinRxInterval ? state.usedMinRxInterval : requiredMinRxInterval,
  }
}

/** The interval of periodic packets in microseconds, before jitter; undefined where none may be sent (§6.8.7). */
function transmitInterval(session: Session, state: State): number | undefined {
  const { remote } = state
  if (!remote) return session.role === 'passive' ? undefined : state.usedMinTxInterval
  if (remote.requiredMinRxInterval === 0) return undefined
  const demanded = remote.demand && remote.state === 'Up' && state.sessionState === 'Up'
  if (demanded && state.poll === 'none') return undefined
  return Math.max(state.usedMinTxInterval, remote.requiredMinRxInterval)
}

/** Sets the time of the next periodic packet where one has been sent or the interval has changed. */
function schedule(turn: Turn, state: State): State {
  const interval = transmitInterval(turn.session, state)
  if (interval === state.transmitInterval && (interval === undefined) === (state.transmitAtMs === undefined)) {
    return state
  }
  if (interval === undefined) return { ...state, transmitInterval: undefined, transmitAtMs: undefined }
  const pauseMs = (interval / 1000) * jitter(turn)
  const transmitAtMs = state.sentAtMs === undefined ? turn.nowMs : Math.max(turn.nowMs, state.sentAtMs + pauseMs)
  return { ...state, transmitInterval: interval, transmitAtMs }
}

/** 75 to 100 %, or to 90 % where a single late packet would mean death (§6.8.7). */
function jitter({ session, chance }: Turn): number {
  return session.detectMult === 1 ? 0.9 - 0.15 * chance : 1 - 0.25 * chance
}

function send(turn: Turn, state: State, final: boolean): State {
  const { session } = turn
  const packet: ControlPacket = {
    diagnostic: state.localDiagnostic,
    state: state.sessionState,
    poll: !final && state.poll !== 'none',
    final,
    // Berth's BFD lives and dies with the speaker.
    controlPlaneIndependent: false,
    demand: false,
    detectMult: session.detectMult,
    myDiscriminator: session.localDiscriminator,
    yourDiscriminator: state.remote?.discriminator ?? 0,
    desiredMinTxInterval: state.desiredMinTxInterval,
    requiredMinRxInterval: state.requiredMinRxInterval,
    requiredMinEchoRxInterval: 0,
    authentication: undefined,
  }
  turn.actions.push({ kind: 'send', packet, sequenceNumber: state.transmitAuthSequence })
  const counted = { ...state, transmitAuthSequence: (state.transmitAuthSequence + 1) >>> 0 }
  if (final) return counted
  const poll = state.poll === 'none' ? 'none' : 'sent'
  return { ...counted, poll, sentAtMs: turn.nowMs, transmitAtMs: undefined }
}

function isNews(before: State, after: State): boolean {
  return (
    before.sessionState !== after.sessionState ||
    before.localDiagnostic !== after.localDiagnostic ||
    before.remote?.state !== after.remote?.state ||
    before.remote?.diagnostic !== after.remote?.diagnostic ||
    before.remote?.discriminator !== after.remote?.discriminator ||
    before.transmitInterval !== after.transmitInterval ||
    detectionTimeMs(before) !== detectionTimeMs(after)
  )
}
