import type { IpFamily } from '../../net/address.ts'
import type { Session } from './negotiate.ts'
import type { StateName } from './peer-state.ts'

/** What can be seen of one peer, for status objects, metrics and people. Times are milliseconds since 1970. */
export interface PeerStatus {
  readonly name: string
  /** As programs take it, with zone: the address that is dialled, or waited for. */
  readonly remote: string
  readonly state: StateName
  readonly sinceMs: number
  readonly session: SessionStatus | undefined
  /** The latest of the three below. */
  readonly lastError: LastError | undefined
  /** The NOTIFICATION that we sent last. */
  readonly lastErrorSent: TimedText | undefined
  /** The NOTIFICATION that the peer sent last, with its operator's words where there are any (RFC 9003). */
  readonly lastErrorReceived: TimedText | undefined
  /** Why a connection broke or never came up. */
  readonly lastErrorTransport: TimedText | undefined
  /** Sessions that came up since the peer was configured. */
  readonly establishedCount: number
  readonly messages: MessageCounts
}

export interface SessionStatus {
  readonly negotiated: Session
  readonly localAddress: string
  readonly remotePort: number
  /** Who dialled: we, or the peer. */
  readonly initiator: 'local' | 'remote'
  readonly prefixesSent: Readonly<Record<IpFamily, number>>
  /** Announcements received, each counted though none is kept. */
  readonly prefixesReceived: Readonly<Record<IpFamily, number>>
  /** UPDATEs with errors that the session survived. */
  readonly updatesWithErrors: number
  /** Families of which the peer has said that it has told all. */
  readonly endOfRibReceived: readonly IpFamily[]
  /** Our own first telling is complete. */
  readonly endOfRibSent: boolean
  /** Families that cannot be announced, since this node has no address that could be their next hop. */
  readonly withoutNextHop: readonly IpFamily[]
  /** Prefixes set aside, since their attributes do not fit into a message. */
  readonly tooLong: readonly string[]
}

/** Something that happened, in words for people who run routers. */
export interface TimedText {
  readonly text: string
  readonly atMs: number
}

/** Why the last session or attempt ended. */
export interface LastError extends TimedText {
  /** Who said so: `local` we did, `remote` the peer did, `transport` nobody: the connection broke or never came up. */
  readonly from: 'local' | 'remote' | 'transport'
}

/** The last error of each origin, as a PeerStatus names them. */
export type LastErrors = Pick<PeerStatus, 'lastError' | 'lastErrorSent' | 'lastErrorReceived' | 'lastErrorTransport'>

export const noErrors: LastErrors = {
  lastError: undefined,
  lastErrorSent: undefined,
  lastErrorReceived: undefined,
  lastErrorTransport: undefined,
}

/** The errors with one more. */
export function withError(errors: LastErrors, lastError: LastError): LastErrors {
  const { from, text, atMs } = lastError
  const timed = { text, atMs }
  switch (from) {
    case 'local':
      return { ...errors, lastError, lastErrorSent: timed }
    case 'remote':
      return { ...errors, lastError, lastErrorReceived: timed }
    case 'transport':
      return { ...errors, lastError, lastErrorTransport: timed }
  }
}

/** What the system's error codes mean between routers. */
const transportWords: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused: nothing listens there, or not to this node',
  ECONNRESET: 'the peer reset the connection',
  EPIPE: 'the peer closed the connection',
  ETIMEDOUT: 'no answer',
  EHOSTUNREACH: 'no route to the peer, or its hardware address is not found',
  ENETUNREACH: 'no route to the peer',
  ENETDOWN: 'the interface is down',
  EADDRNOTAVAIL: 'this node does not have the source address',
  EADDRINUSE: 'another program uses the address and port',
  ENODEV: 'the interface or VRF does not exist',
  EACCES: 'this node’s firewall or a missing privilege forbids it',
  EPERM: 'this node’s firewall or a missing privilege forbids it',
}

/** Why a connection broke, by the system's code where it has a meaning here, which stays in brackets to search for. */
export function formatTransportError(code: string | undefined, message: string): string {
  const words = code === undefined ? undefined : transportWords[code]
  return words === undefined ? message : `${words} (${code})`
}

/** Messages by kind, since the peer was configured. */
export interface MessageCounts {
  readonly sent: Readonly<Record<CountedKind, number>>
  readonly received: Readonly<Record<CountedKind, number>>
}

export type CountedKind = 'open' | 'update' | 'notification' | 'keepalive' | 'routeRefresh'

export function noMessages(): Record<CountedKind, number> {
  return { open: 0, update: 0, notification: 0, keepalive: 0, routeRefresh: 0 }
}
