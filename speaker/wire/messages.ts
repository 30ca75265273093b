import type { BfdCounters, BfdSessionSettings, BfdSessionStatus } from '../bfd/messages.ts'
import type { ReachReport } from '../layer2/detector-state.ts'
import type { Finding } from '../layer2/evidence.ts'
import type { Sharing } from '../layer2/load-sharing.ts'
import type { Caution } from '../layer2/takeover.ts'

/**
 * What the speaker's two threads say to each other. Main decides what this node announces and says so in commands; the
 * wire thread answers the segment and reports what it did and what it saw. Everything here survives a structured clone.
 */

/** An address that this node answers for, and where. */
export interface WireAnnouncement {
  /** Canonical text, as `formatAddress` writes it. */
  readonly address: string
  /** Names of interfaces, or every interface with `layer2` set. */
  readonly interfaces: readonly string[] | 'all'
  /** The nodes that answer for it together with this one, each for a part of the clients. */
  readonly sharing?: Sharing
}

/** From main to wire. */
export type WireCommand =
  /**
   * Adds these or replaces what was said of them before. New ones are made known to the segment at once, or once the
   * segment has been asked and nobody has them, as `caution` says.
   */
  | { readonly kind: 'announce'; readonly announcements: readonly WireAnnouncement[]; readonly caution?: Caution }
  /** Another caution for addresses that wait for the segment's word. */
  | { readonly kind: 'caution'; readonly addresses: readonly string[]; readonly caution: Caution }
  | KnowledgeCommand
  /** Stops answering for these. */
  | { readonly kind: 'withdraw'; readonly addresses: readonly string[] }
  /** The BFD sessions that are wanted from now on, and no others. */
  | { readonly kind: 'bfd'; readonly sessions: readonly BfdSessionSettings[] }
  /** Begins to look after the other speakers; once, before `members`. */
  | { readonly kind: 'cluster'; readonly settings: ClusterSettings }
  /** The speakers by their Leases, our own included. */
  | { readonly kind: 'members'; readonly members: readonly ClusterMember[] }
  /** A renewal of our own Lease has come back through the watch; when it was sent, by `monotonicMs`. */
  | { readonly kind: 'proven'; readonly sentMs: number }
  /** The main thread works; when it said so, by `monotonicMs`. */
  | { readonly kind: 'alive'; readonly atMs: number }
  /** Tells the remote systems of BFD that this is on purpose, closes every socket and ends the thread. */
  | { readonly kind: 'stop' }

/** What only main knows and a conflict is judged by; what is left out is as it was. */
export interface KnowledgeCommand {
  readonly kind: 'knowledge'
  /** Our own Lease cannot have run out. */
  readonly inTouch?: boolean
  /** The hardware addresses of the speakers' interfaces and their nodes: all of them. */
  readonly stations?: readonly (readonly [mac: string, node: string])[]
  /** Whom the record of an address names: those that have changed. */
  readonly claimants?: readonly (readonly [address: string, node: string | undefined])[]
}

/** How the speakers look after each other. */
export interface ClusterSettings {
  readonly node: string
  /** A UUID, new with every start. */
  readonly run: string
  /** The installation's secret, the same for all speakers. */
  readonly key: Uint8Array
  /** UDP, the same for all speakers. */
  readonly port: number
  /** Between two BFD packets, and after how many missing ones a speaker is missed. */
  readonly intervalMs: number
  readonly detectMultiplier: number
  readonly leaseDurationMs: number
  readonly renewPeriodMs: number
}

/** Another speaker and where it can be reached. */
export interface ClusterMember {
  readonly node: string
  readonly run: string
  /** Canonical text. */
  readonly address: string
  /** On a network of ours, not behind a router. */
  readonly neighbour: boolean
}

/** From wire to main. */
export type WireReport =
  /** All interfaces, those excluded by name left out; at the start and whenever any of them changes. */
  | { readonly kind: 'interfaces'; readonly interfaces: readonly NetworkInterface[] }
  /** Of those excluded by name the ones that a router may be reached over; whenever any of them changes. */
  | { readonly kind: 'excluded'; readonly interfaces: readonly NetworkInterface[] }
  /**
   * The first gratuitous packets for the address have left on these interfaces and requests are answered there. Empty
   * where none of the interfaces asked for can be used now. Said again whenever the set changes.
   */
  | { readonly kind: 'announced'; readonly address: string; readonly interfaces: readonly string[] }
  /** It is not answered for (any more): the segment is being asked, or another is to have it. `announced` follows or not. */
  | { readonly kind: 'withheld'; readonly address: string; readonly because: 'asking' | 'yielded' }
  /** The segment has been asked for an address that is to be announced, and somebody has it, or nobody could be asked. */
  | { readonly kind: 'contested'; readonly address: string; readonly finding: Finding }
  /** Another station goes on having an address that this node announces and has the better right to; it was defended. */
  | { readonly kind: 'conflict'; readonly address: string; readonly interface: string; readonly mac: string }
  /**
   * Another station claims an address that this node announces: a hand-over or a conflict. At once for each new
   * station, and then at most once a second.
   */
  | { readonly kind: 'seen'; readonly address: string; readonly interface: string; readonly mac: string }
  /** The counters that changed since the last report, every few seconds. */
  | { readonly kind: 'counters'; readonly counters: readonly WireCounter[] }
  /** A BFD session as it is now; told whenever any of it changes. */
  | { readonly kind: 'bfd'; readonly status: BfdSessionStatus }
  /** BFD's totals, every few seconds while there are sessions. */
  | { readonly kind: 'bfdCounters'; readonly counters: BfdCounters }
  /** Whom this node can count on, by its own sessions and what the other speakers say. */
  | { readonly kind: 'reach'; readonly report: ReachReport }
  /** Answers are withheld (`cutOff`), or no longer; or this process did not run for a while (`woke`). */
  | { readonly kind: 'fence'; readonly state: 'cutOff' | 'restored' | 'woke'; readonly gapMs?: number }
  /** Something that an operator should read; wire goes on without it. */
  | { readonly kind: 'problem'; readonly text: string }

/** One network interface of the node, as the kernel describes it. */
export interface NetworkInterface {
  readonly name: string
  readonly index: number
  readonly mac: string
  /** Switched on by the administrator. */
  readonly up: boolean
  /** The cable is in, so to speak. */
  readonly carrier: boolean
  readonly mtu: number
  readonly addresses: readonly { readonly address: string; readonly prefixLength: number }[]
  /** Whether addresses can be announced here: Ethernet, not loopback, not NOARP, no port of a bridge or bond. */
  readonly layer2: boolean
}

/** Which of the two resolution protocols a counter is about. */
export type ResolutionProtocol = 'ARP' | 'NDP'

/** Totals since the thread started; they only grow. */
export type WireCounter =
  | {
      readonly kind: 'address'
      readonly address: string
      readonly interface: string
      /** Requests for the address: ARP requests and Neighbor Solicitations. */
      readonly requestsReceived: number
      readonly responsesSent: number
      /** Unasked packets: ARP in both forms, unsolicited Neighbor Advertisements. */
      readonly gratuitousSent: number
    }
  | {
      readonly kind: 'interface'
      readonly interface: string
      readonly protocol: ResolutionProtocol
      /** Packets that break their RFC. */
      readonly malformed: number
      /** Well-formed packets that got no answer, by reason. */
      readonly ignored: Readonly<Record<string, number>>
      /** Packets that should have left or arrived and did not, by reason (`queueFull`: tried again, `linkDown`…, `receiveBufferFull`). */
      readonly dropped: Readonly<Record<string, number>>
    }
