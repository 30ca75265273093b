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
  /** Closes every socket and ends the thread. */
  | { readonly kind: 'stop' }

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
