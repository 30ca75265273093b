import type { BfdCounters, BfdSessionSettings, BfdSessionStatus } from '../bfd/messages.ts'

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
}

/** From main to wire. */
export type WireCommand =
  /** Adds these or replaces what was said of them before; new ones are made known to the segment at once. */
  | { readonly kind: 'announce'; readonly announcements: readonly WireAnnouncement[] }
  /** Stops answering for these. */
  | { readonly kind: 'withdraw'; readonly addresses: readonly string[] }
  /** The BFD sessions that are wanted from now on, and no others. */
  | { readonly kind: 'bfd'; readonly sessions: readonly BfdSessionSettings[] }
  | ProbeCommand
  /** Tells the remote systems of BFD that this is on purpose, closes every socket and ends the thread. */
  | { readonly kind: 'stop' }

/** Asks the segment who has these addresses; the answer is the report `probed` with the same id. */
export interface ProbeCommand {
  readonly kind: 'probe'
  readonly id: number
  /** Each with the interfaces to ask on. */
  readonly addresses: readonly WireAnnouncement[]
  /** How often to ask, as long as nobody answers. */
  readonly tries: number
  /** From one question to the next, and from the last one to the verdict. */
  readonly intervalMs: number
}

/** What a segment said of an address. */
export interface ProbeResult {
  readonly address: string
  /** Names of the interfaces on which the question left; none = nobody could be asked. */
  readonly asked: readonly string[]
  /** The stations that have it, this node left out. */
  readonly answers: readonly { readonly interface: string; readonly mac: string }[]
}

/** From wire to main. */
export type WireReport =
  /** All interfaces, those excluded by name left out; at the start and whenever any of them changes. */
  | { readonly kind: 'interfaces'; readonly interfaces: readonly NetworkInterface[] }
  /**
   * The first gratuitous packets for the address have left on these interfaces and requests are answered there. Empty
   * where none of the interfaces asked for can be used now. Said again whenever the set changes.
   */
  | { readonly kind: 'announced'; readonly address: string; readonly interfaces: readonly string[] }
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
  /** A probe is over: everybody has answered who will. */
  | { readonly kind: 'probed'; readonly id: number; readonly results: readonly ProbeResult[] }
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
