import type { Message, ReceivedMessage } from './message.ts'
import type { PeerTerms, Session } from './negotiate.ts'
import type { Notification } from './notification.ts'

/** What of a peer's settings the machine needs. */
export interface Peer extends PeerTerms {
  /** Whether we dial, wait to be dialled, or both. */
  readonly direction: 'active' | 'passive' | 'both'
  /** How long one attempt to connect may take, and the longest pause before the next. */
  readonly connectRetryTimeSeconds: number
}

/** The two connections that a peer may have for a moment: the one we dialled and the one it dialled. */
export type Side = 'outgoing' | 'incoming'

/** How far a connection has got. */
export type Connection =
  | { readonly kind: 'None' }
  | { readonly kind: 'Connect' }
  | { readonly kind: 'OpenSent' }
  | { readonly kind: 'OpenConfirm'; readonly session: Session }
  | { readonly kind: 'Established'; readonly session: Session }

export interface State {
  /** Between start and stop. */
  readonly running: boolean
  readonly outgoing: Connection
  readonly incoming: Connection
  /** The RFC's ConnectRetryCounter: attempts in a row that came to nothing. */
  readonly failures: number
  /** No session has stood since the speaker started, so the next OPEN says so (RFC 4724 §3). */
  readonly restarting: boolean
}

export type TimerName =
  | 'connectRetry'
  /** Forgets the failures of a peer whose session lasts. */
  | 'backOffReset'
  | 'outgoingHold'
  | 'outgoingKeepalive'
  | 'incomingHold'
  | 'incomingKeepalive'

export type Event =
  | { readonly kind: 'start' }
  /** For good; without a notification silently, so that a peer with graceful restart keeps our routes. */
  | { readonly kind: 'stop'; readonly notification?: Notification }
  /** Ends what there is and begins anew: BFD says that the peer is gone, or its settings have changed. */
  | { readonly kind: 'reset'; readonly notification: Notification }
  | { readonly kind: 'timerExpired'; readonly timer: TimerName }
  /** The connection that `connect` asked for is up. */
  | { readonly kind: 'connected' }
  /** The peer has dialled us; the answer is the action `accept` or `refuse`. */
  | { readonly kind: 'accepted' }
  /** A connection is gone, or never came up. */
  | { readonly kind: 'disconnected'; readonly side: Side; readonly reason: string }
  | { readonly kind: 'received'; readonly side: Side; readonly message: ReceivedMessage }
  /** Bytes that are no message, and what to answer. */
  | { readonly kind: 'malformed'; readonly side: Side; readonly notification: Notification }

export type Action =
  /** Dial; the outcome is the event `connected` or `disconnected`. */
  | { readonly kind: 'connect' }
  /** Keep the connection that the event `accepted` spoke of, as `incoming`. */
  | { readonly kind: 'accept' }
  /** Close the connection that the event `accepted` spoke of, with these words. */
  | { readonly kind: 'refuse'; readonly notification: Notification }
  | { readonly kind: 'send'; readonly side: Side; readonly message: Exclude<Message, { kind: 'update' }> }
  /** Close once all that was sent has left; nothing more is heard of this connection. */
  | { readonly kind: 'close'; readonly side: Side }
  | { readonly kind: 'startTimer'; readonly timer: TimerName; readonly delayMs: number }
  | { readonly kind: 'stopTimer'; readonly timer: TimerName }
  | { readonly kind: 'established'; readonly side: Side; readonly session: Session }
  /** An UPDATE or a ROUTE-REFRESH of the session. */
  | { readonly kind: 'deliver'; readonly message: Extract<ReceivedMessage, { kind: 'update' | 'routeRefresh' }> }
  /** A connection or an attempt ended; `wasEstablished` says whether a session did. */
  | { readonly kind: 'down'; readonly wasEstablished: boolean; readonly cause: Cause }

/** Why a connection ended. */
export type Cause =
  | { readonly kind: 'sent'; readonly notification: Notification }
  | { readonly kind: 'received'; readonly notification: Notification }
  | { readonly kind: 'disconnected'; readonly reason: string }
  /** On purpose and without a word: a restart that the peer bridges. */
  | { readonly kind: 'stopped' }

/** RFC 4271's names, as people know them. */
export type StateName = 'Idle' | 'Connect' | 'Active' | 'OpenSent' | 'OpenConfirm' | 'Established'

/** No connection. */
export const none: Connection = { kind: 'None' }

export function initialState(): State {
  return { running: false, outgoing: none, incoming: none, failures: 0, restarting: true }
}

/** The session that stands, and on which connection. */
export function establishedSide(state: State): { readonly side: Side; readonly session: Session } | undefined {
  for (const side of ['outgoing', 'incoming'] as const) {
    const connection = state[side]
    if (connection.kind === 'Established') return { side, session: connection.session }
  }
  return undefined
}

const progress = ['None', 'Connect', 'OpenSent', 'OpenConfirm', 'Established'] as const

export function stateName({ running, outgoing, incoming }: State): StateName {
  if (!running) return 'Idle'
  const furthest = progress.indexOf(outgoing.kind) > progress.indexOf(incoming.kind) ? outgoing : incoming
  return furthest.kind === 'None' ? 'Active' : furthest.kind
}
