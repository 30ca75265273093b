import type { Address } from '../../net/address.ts'
import { type MacAddress, sameMac, zeroMac } from '../../net/mac.ts'
import { allNodes, type NeighborPacket, unspecifiedAddress } from './message.ts'
import type { NdpOption } from './option.ts'

/** What the answer to a packet depends on. */
export interface NdpStation {
  /** The MAC of the interface that the packet arrived on. */
  readonly mac: MacAddress
  /** Whether a MAC is any of this node's: its interfaces may sit on the same segment and hear each other. */
  readonly isOwn: (mac: MacAddress) => boolean
  /** Whether this node answers for the IPv6 address on this interface. */
  readonly announces: (address: Address) => boolean
}

/** What to do about a packet. */
export type NdpVerdict =
  | {
      readonly kind: 'reply'
      readonly packet: NeighborPacket
      /** The station to send it to; undefined = the packet's group. */
      readonly to: MacAddress | undefined
    }
  /** Another station says that it has an address that is announced here. */
  | { readonly kind: 'seen'; readonly address: Address; readonly mac: MacAddress }
  | { readonly kind: 'ignore'; readonly reason: NdpIgnoreReason }

export type NdpIgnoreReason =
  /** Sent by this node. */
  | 'own'
  /** About addresses that are not announced here; the kernel's filter lets a few of them through. */
  | 'otherAddress'
  /** The sender's MAC is a group's or nobody's: an answer would go to everyone or no one. */
  | 'badSender'

/** The verdict on a valid packet (RFC 4861 §7.2.3 to §7.2.5) that a frame from `sender` carried. */
export function answerNeighbor(packet: NeighborPacket, sender: MacAddress, station: NdpStation): NdpVerdict {
  const { message, source } = packet
  if (station.isOwn(sender)) return ignore('own')
  if (!station.announces(message.targetAddress)) return ignore('otherAddress')
  if (message.kind === 'advertisement') {
    const mac = linkLayerAddress(message.options, 'targetLinkLayerAddress') ?? sender
    return station.isOwn(mac) ? ignore('own') : { kind: 'seen', address: message.targetAddress, mac }
  }
  // A solicitation to the address itself need not say where it comes from (§4.3): then the frame does.
  const asker = linkLayerAddress(message.options, 'sourceLinkLayerAddress') ?? sender
  if (((asker[0] ?? 0) & 1) === 1 || sameMac(asker, zeroMac)) return ignore('badSender')
  if (source.value === unspecifiedAddress.value) {
    // Duplicate Address Detection: nobody can be answered, so all nodes are, and Solicited is off (§7.2.4).
    return { kind: 'reply', packet: advertisement(message.targetAddress, allNodes, station.mac, false), to: undefined }
  }
  return { kind: 'reply', packet: advertisement(message.targetAddress, source, station.mac, true), to: asker }
}

/** The advertisement that an address is here now, unasked and to all nodes (RFC 4861 §7.2.6). */
export function unsolicitedAdvertisement(address: Address, mac: MacAddress): NeighborPacket {
  return advertisement(address, allNodes, mac, false)
}

/**
 * Override is on: the address has one owner at a time, neither anycast nor proxied, and after a take-over the answer must
 * replace what the asker has in its cache. Router is off: the address is a host's, whatever else its node does.
 */
function advertisement(address: Address, destination: Address, mac: MacAddress, solicited: boolean): NeighborPacket {
  return {
    source: address,
    destination,
    message: {
      kind: 'advertisement',
      router: false,
      solicited,
      override: true,
      targetAddress: address,
      options: [{ kind: 'targetLinkLayerAddress', mac }],
    },
  }
}

/** The MAC that an option of this kind names. */
export function linkLayerAddress(options: readonly NdpOption[], kind: NdpOption['kind']): MacAddress | undefined {
  for (const option of options) if (option.kind === kind && option.kind !== 'other') return option.mac
  return undefined
}

function ignore(reason: NdpIgnoreReason): NdpVerdict {
  return { kind: 'ignore', reason }
}
