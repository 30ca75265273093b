import type { VerdictKind } from './verdict-message.ts'
import type { WatchGraph } from './watchers.ts'

/** A node with a speaker, as its Lease shows it; those whose Lease is over are none. */
export interface Peer {
  readonly node: string
  /** New with every start of its process. */
  readonly run: string
}

export interface DetectorSettings {
  /** After a change it is told again so much later each time: a datagram may be lost. */
  readonly repeatsMs: readonly number[]
  /** While anybody is missed, all are told so often. */
  readonly refreshMs: number
  /** Whoever is missed is told so more often: a machine whose clock stood still learns only so that its time has passed. */
  readonly refreshToMissedMs: number
  /** What another said counts for so long. */
  readonly opinionLifeMs: number
  /**
   * A new run whose session does not come up within this time is missed, where that of an earlier run was up. Until then
   * nobody else can know what it is connected with.
   */
  readonly newRunMs: number
  /** Whoever asks is told that it was missed if it was within this time: it may have been heard again just before. */
  readonly missedMemoryMs: number
  /** After waking up late, a session that goes down is not held against the other end for so long. */
  readonly distrustMs: number
  /** Nodes lost for so long get others to watch in their place. */
  readonly rewatchAfterMs: number
  /**
   * While anybody is lost, the segment is looked at so often: whoever took our Lease for over while we were apart has no
   * session with us any more, and where the API server is away when the networks meet again, nobody else would tell.
   */
  readonly lookEveryMs: number
}

export const defaultDetectorSettings: DetectorSettings = {
  repeatsMs: [40, 120],
  refreshMs: 1_000,
  refreshToMissedMs: 250,
  opinionLifeMs: 3_500,
  newRunMs: 4_000,
  missedMemoryMs: 5_000,
  distrustMs: 300,
  rewatchAfterMs: 2_000,
  lookEveryMs: 10_000,
}

/** What this node has to do with one other. */
export interface PeerState extends Peer {
  /** When this run became a member, as we heard of it, or could be counted on again. */
  readonly hereSinceMs: number
  /** Since when we want a session with this run; undefined = we do not. */
  readonly watchedSinceMs: number | undefined
  /**
   * Our session with this run. `unknown` = it was not up yet, or ended on purpose, which says nothing; `doubted` = it went
   * down just after we woke up late, and that may be our own fault.
   */
  readonly session: 'unknown' | 'up' | 'doubted' | 'down'
  readonly sessionSinceMs: number
  /** Whether a session with the node was ever up, of whatever run: BFD passes between us. */
  readonly passes: boolean
  /** What it said last, and when; `undefined` = nothing, which is what those say who miss nobody. */
  readonly opinion: { readonly sequence: number; readonly missed: readonly string[]; readonly atMs: number } | undefined
  /** It has said that it answers for nothing any more: what it had is free at once. */
  readonly left: boolean
  /** Until when that counts, if it is not said again; it is for good where it ended. */
  readonly leftUntilMs: number
  /** When it was last missed, by us or by those who decide that it is lost. */
  readonly missedAtMs: number
  /** Since when we cannot count on it. */
  readonly lostSinceMs: number | undefined
}

/** How many of the members a node can count on, itself among them. */
export type Standing = 'most' | 'half' | 'few'

/** What one speaker knows of the others' lives; lives in the wire thread. */
export interface Detector {
  readonly self: Peer
  readonly settings: DetectorSettings
  readonly peers: ReadonlyMap<string, PeerState>
  /** Runs of nodes that were members and are none now: the same run comes back after a partition. */
  readonly former: ReadonlyMap<string, string>
  /** Between all members. */
  readonly graph: WatchGraph
  /** Between those that can be counted on for long enough; where it is not all, their sessions come on top. */
  readonly survivors: WatchGraph
  readonly standing: Standing
  readonly sequence: number
  /** Whether we can answer for anything: false = without any link, or about to end. */
  readonly able: boolean
  /** What we have to say, and since when. */
  readonly missed: readonly string[]
  readonly missedSinceMs: number
  /** When we said it last to all, and to those whom it is about. */
  readonly toldAtMs: number
  readonly toldMissedAtMs: number
  readonly wokeAtMs: number
  /** When the segment is to be looked at next; undefined = nobody is lost. */
  readonly lookAtMs: number | undefined
}

/** Times are of the local monotonic clock. */
export type DetectorEvent =
  /** The members by their Leases, our own node left out or not. */
  | { readonly kind: 'peers'; readonly peers: readonly Peer[] }
  /** The BFD session with a node; `stopped` = the other end said AdminDown, or we have no session any more. */
  | { readonly kind: 'session'; readonly node: string; readonly state: 'up' | 'down' | 'stopped' }
  /** A message from another speaker that was for us and fresh (`isFresh`). */
  | {
      readonly kind: 'verdict'
      readonly from: string
      readonly about: VerdictKind
      readonly sequence: number
      readonly nonce: number
      readonly missed: readonly string[]
    }
  /**
   * We cannot answer for anything (no interface has a carrier), or can again. Others are told directly: the API server,
   * which has it from our Lease, may be away.
   */
  | { readonly kind: 'able'; readonly able: boolean }
  /** We have stopped answering and are about to end: tells everybody. To be given three times, some milliseconds apart. */
  | { readonly kind: 'leave' }
  /** This process did not run for a while. To be given before anything that was waiting meanwhile. */
  | { readonly kind: 'woke' }
  /** `nextDueMs` has passed. */
  | { readonly kind: 'due' }

/** A node on which nobody can count any more. */
export interface Lost extends Peer {
  /** It said so itself. */
  readonly left: boolean
  readonly sinceMs: number
}

/** What main gets to know: everything that the liveness of members depends on, besides their Leases. */
export interface ReachReport {
  readonly standing: Standing
  readonly lost: readonly Lost[]
  /** Nodes that our own session with is down: they know it too and show by their Lease if they live. */
  readonly ownMissed: readonly string[]
  /** Nodes that we miss, or others that can be counted on do, and that are not lost: they may be in a moment. */
  readonly suspected: readonly string[]
}

export type DetectorAction =
  /** The nodes to have a BFD session with. */
  | { readonly kind: 'watch'; readonly nodes: readonly string[] }
  | {
      readonly kind: 'send'
      readonly to: readonly Peer[]
      readonly message: {
        readonly kind: VerdictKind
        /** Of the first datagram; each further receiver gets the next number. */
        readonly sequence: number
        readonly nonce: number
        readonly missed: readonly string[]
      }
    }
  | { readonly kind: 'report'; readonly report: ReachReport }
  /**
   * The segment is to be asked who else answers for what is announced: nodes are here again that were alive all the while,
   * and may have taken over what we did; or are lost to us, and it is time to look whether the segment has them again.
   */
  | { readonly kind: 'checkSegment' }
