import type { Address } from '../../net/address.ts'
import type { MacAddress } from '../../net/mac.ts'
import type { Sharing } from '../layer2/load-sharing.ts'
import type { AddressCounter, InterfaceCounter } from './counters.ts'

/** Answers for addresses of one family on one interface. */
export interface Responder {
  /** With `sharing` only for the clients that are this node's; said again, whenever the nodes are others. */
  announce(address: Address, sharing?: Sharing): void
  withdraw(address: Address): void
  /** How many packets make an address known once. */
  readonly gratuitousPackets: number
  /** Sends one of them, numbered from 0: false = the queue is full, try it again. */
  sendGratuitous(address: Address, packet: number): boolean
  /** Asks the kernel how many packets it had to drop, and counts them. */
  countLosses(): void
  close(): void
}

/** What a responder is told and whom it tells. */
export interface ResponderOptions {
  readonly interface: { readonly name: string; readonly index: number; readonly mac: MacAddress }
  /** Whether a MAC is any of this node's. */
  readonly isOwn: (mac: MacAddress) => boolean
  /** The node whose speaker has this MAC. */
  readonly nodeOf: (mac: MacAddress) => string | undefined
  /** False while this node's time may have passed and others may have taken over. */
  readonly mayAnswer: () => boolean
  /** Another station claims an announced address. The MAC is a view of a buffer that is used again. */
  readonly onClaim: (address: Address, mac: MacAddress) => void
  readonly onProblem: (text: string) => void
  readonly counter: InterfaceCounter
  readonly addressCounter: (address: Address) => AddressCounter
}
