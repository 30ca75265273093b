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
  readonly lastError: LastError | undefined
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

/** Why the last session or attempt ended, in words. */
export interface LastError {
  /** Who said so: `local` we did, `remote` the peer did, `transport` nobody: the connection broke or never came up. */
  readonly from: 'local' | 'remote' | 'transport'
  readonly text: string
  readonly atMs: number
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
