import type { AuthenticationSettings } from './authentication.ts'
import type { SessionState } from './packet.ts'

/*
 * What is said of BFD sessions between those who want them and the thread that keeps them. Everything here survives a
 * structured clone. Timers are called as in BFDProfile.
 */

/** A session that somebody wants. */
export interface BfdSessionSettings {
  /** Unique; reports and counters come under it. */
  readonly name: string
  /** Canonical text, without a zone. */
  readonly remote: string
  /** The address that packets leave from; undefined = the kernel's choice. */
  readonly local: string | undefined
  /** An interface or a VRF that the packets go through; a link-local remote address needs one. */
  readonly device: string | undefined
  /** `single` = the remote system is on a network of ours (RFC 5881), `multiple` = behind routers (RFC 5883). */
  readonly hops: 'single' | 'multiple'
  /** Over several hops, the least TTL that a packet may arrive with; over one it must be 255. */
  readonly minimumTtl: number
  readonly transmitIntervalMs: number
  readonly receiveIntervalMs: number
  readonly detectMultiplier: number
  readonly passiveMode: boolean
  readonly authentication: AuthenticationSettings | undefined
}

/** A session as it is; told whenever any of it changes. */
export interface BfdSessionStatus {
  readonly name: string
  /** AdminDown is the last word of a session that is not wanted any more. */
  readonly state: SessionState
  /** When it came into this state, by the wall clock. */
  readonly sinceMs: number
  /** Why it came into this state (`formatDiagnostic`). */
  readonly diagnostic: number
  /**
   * What the remote system says of itself; undefined while it is not heard. AdminDown is no failure: whoever uses the
   * session goes on without it (RFC 5882 §3.2).
   */
  readonly remote:
    | { readonly state: SessionState; readonly diagnostic: number; readonly discriminator: number }
    | undefined
  readonly localDiscriminator: number
  /** Between our packets, before jitter, as both ends agreed; undefined where none may be sent. */
  readonly transmitIntervalMs: number | undefined
  /** How long the remote system may be silent; undefined while it is not heard. */
  readonly detectionTimeMs: number | undefined
  /** What this node itself lacks for the session, in words. */
  readonly problem: string | undefined
}

/** Totals of one session since it was first wanted. */
export interface BfdSessionCounters {
  readonly name: string
  readonly packetsSent: number
  /** Packets that were taken. */
  readonly packetsReceived: number
  readonly ups: number
  /** Times that it was Up and ceased to be. */
  readonly downs: number
  /** Packets for this session that were not taken, by reason. */
  readonly discarded: Readonly<Record<string, number>>
  /** Packets that should have left and did not, by reason. */
  readonly dropped: Readonly<Record<string, number>>
}

/** Totals since the start. */
export interface BfdCounters {
  readonly sessions: readonly BfdSessionCounters[]
  /** Packets that were for no session, by reason (`malformed`, `unknownSession`…). */
  readonly discarded: Readonly<Record<string, number>>
  /** Packets that the kernel dropped: TTL not 255 over a single hop, or a full receive buffer. */
  readonly droppedByKernel: number
}
