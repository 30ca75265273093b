import type { ControlPacket, SessionState } from './packet.ts'

/** What of a session's settings the machine needs. Intervals are microseconds, as in packets. */
export interface Session {
  /** Names the session in packets to us; not 0, and no other session's. */
  readonly localDiscriminator: number
  /** The passive system sends nothing before it has heard the other (§6.1). */
  readonly role: 'active' | 'passive'
  readonly desiredMinTxInterval: number
  readonly requiredMinRxInterval: number
  readonly detectMult: number
  /** Which sequence numbers a signed packet may have; `none` = packets are not signed. */
  readonly sequence: 'none' | 'keyed' | 'meticulous'
}

/** What the last packet said of the remote system. */
export interface Remote {
  readonly discriminator: number
  readonly state: SessionState
  readonly diagnostic: number
  readonly demand: boolean
  readonly detectMult: number
  readonly desiredMinTxInterval: number
  readonly requiredMinRxInterval: number
  /** When it came. */
  readonly receivedAtMs: number
}

/** A session's state; the RFC's variables by the RFC's names, without `bfd.` (§6.8.1). */
export interface State {
  readonly sessionState: SessionState
  readonly localDiagnostic: number
  /** Undefined before the first packet and when a detection time has passed without one: RemoteDiscr is then 0. */
  readonly remote: Remote | undefined
  /** What packets say. */
  readonly desiredMinTxInterval: number
  readonly requiredMinRxInterval: number
  /** What is worked with: the above, or what was there before until the remote system has acknowledged (§6.8.3). */
  readonly usedMinTxInterval: number
  readonly usedMinRxInterval: number
  /** Whether packets ask for a Final; `due` until the first that does, with the parameters of now, has left. */
  readonly poll: 'none' | 'due' | 'sent'
  readonly transmitAuthSequence: number
  /** RcvAuthSeq, and how long it is known (AuthSeqKnown). */
  readonly receivedAuthSequence: { readonly number: number; readonly knownUntilMs: number } | undefined
  /** The interval that transmitAtMs was made from; undefined = no periodic packets now. */
  readonly transmitInterval: number | undefined
  /** When the last packet left that was no answer to a Poll. */
  readonly sentAtMs: number | undefined
  /** When the next periodic packet is due. */
  readonly transmitAtMs: number | undefined
  /** AdminDown only: how long the remote system is told; undefined once it has been. */
  readonly endsAtMs: number | undefined
}

/** Times are of any monotonic clock in milliseconds. A deadline's event may come early or late: it is looked at again. */
export type Event =
  /** A packet of this session whose signature, if any, is right. */
  | { readonly kind: 'received'; readonly packet: ControlPacket }
  /** `transmitAtMs` has passed. */
  | { readonly kind: 'transmitDue' }
  /** `deadlineMs` has passed. */
  | { readonly kind: 'deadlineDue' }
  /** The settings have changed. */
  | { readonly kind: 'configured' }
  /** For good: the remote system is told that this is on purpose. */
  | { readonly kind: 'stop' }

/** Why a packet that was for this session was not taken. */
export type Refused = 'sequenceNumber' | 'stopped'

export type Action =
  /** To be signed with the number where the session is authenticated. */
  | { readonly kind: 'send'; readonly packet: ControlPacket; readonly sequenceNumber: number }
  | { readonly kind: 'discarded'; readonly reason: Refused }
  /** Something that is of interest outside has changed: a state, a diagnostic, an interval. */
  | { readonly kind: 'changed' }
  /** A stopped session has told the remote system, or has tried for long enough. */
  | { readonly kind: 'ended' }

/** The slowest pace of a session that is not Up, and the fastest (§6.8.3). */
export const slowIntervalMicros = 1_000_000

/** A session in Down that sends its first packet at once, if it is active. The sequence number should be random. */
export function initialState(session: Session, transmitAuthSequence: number, nowMs: number): State {
  const desiredMinTxInterval = Math.max(session.desiredMinTxInterval, slowIntervalMicros)
  const active = session.role === 'active'
  return {
    sessionState: 'Down',
    localDiagnostic: 0,
    remote: undefined,
    desiredMinTxInterval,
    requiredMinRxInterval: session.requiredMinRxInterval,
    usedMinTxInterval: desiredMinTxInterval,
    usedMinRxInterval: session.requiredMinRxInterval,
    poll: 'none',
    transmitAuthSequence,
    receivedAuthSequence: undefined,
    transmitInterval: active ? desiredMinTxInterval : undefined,
    sentAtMs: undefined,
    transmitAtMs: active ? nowMs : undefined,
    endsAtMs: undefined,
  }
}

/** How long the remote system may be silent before it counts as gone (§6.8.4); undefined while it is unknown. */
export function detectionTimeMs({ remote, usedMinRxInterval }: State): number | undefined {
  if (!remote) return undefined
  return (remote.detectMult * Math.max(usedMinRxInterval, remote.desiredMinTxInterval)) / 1000
}

/** How long the remote system will wait for us. */
export function remoteDetectionTimeMs(session: Session, { remote, usedMinTxInterval }: State): number | undefined {
  if (!remote) return undefined
  return (session.detectMult * Math.max(usedMinTxInterval, remote.requiredMinRxInterval)) / 1000
}

/** When the next packet must have come; for a stopped session when it ends. */
export function deadlineMs(state: State): number | undefined {
  if (state.sessionState === 'AdminDown') return state.endsAtMs
  const detectionTime = detectionTimeMs(state)
  if (!state.remote || detectionTime === undefined) return undefined
  return state.remote.receivedAtMs + detectionTime
}
