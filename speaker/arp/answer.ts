import type { Address } from '../../net/address.ts'
import { broadcastMac, type MacAddress, sameMac, zeroMac } from '../../net/mac.ts'
import type { ArpPacket } from './packet.ts'

/** What the answer to a packet depends on. */
export interface ArpStation {
  /** The MAC of the interface that the packet arrived on. */
  readonly mac: MacAddress
  /** Whether a MAC is any of this node's: its interfaces may sit on the same segment and hear each other. */
  readonly isOwn: (mac: MacAddress) => boolean
  /** Whether this node answers for the IPv4 address on this interface. */
  readonly announces: (address: Address) => boolean
}

/** What to do about a packet. */
export type ArpVerdict =
  | { readonly kind: 'reply'; readonly packet: ArpPacket }
  /** Another station says that it has an address that is announced here. */
  | { readonly kind: 'seen'; readonly address: Address; readonly mac: MacAddress }
  | { readonly kind: 'ignore'; readonly reason: ArpIgnoreReason }

export type ArpIgnoreReason =
  /** Sent by this node. */
  | 'own'
  /** About addresses that are not announced here; the kernel's filter lets a few of them through. */
  | 'otherAddress'
  /** The sender's MAC is a group's or nobody's: a reply would go to everyone or no one. */
  | 'badSender'
  /** A reply that was asked for by someone else. */
  | 'notARequest'

/** The verdict on a packet by RFC 826's reception rules; probes (RFC 5227 §2.1.1) are requests like any other. */
export function answerArp(packet: ArpPacket, station: ArpStation): ArpVerdict {
  const { senderHardwareAddress, senderProtocolAddress, targetProtocolAddress } = packet
  if (station.isOwn(senderHardwareAddress)) return ignore('own')
  // The lowest bit of a MAC's first octet marks a group (IEEE 802): no station sends as one.
  if (((senderHardwareAddress[0] ?? 0) & 1) === 1 || sameMac(senderHardwareAddress, zeroMac)) return ignore('badSender')
  // Before the request is looked at: a sender that uses our address makes a claim, whatever it asks for, and an answer
  // to its announcement (sender and target the same) would only set two stations arguing.
  if (station.announces(senderProtocolAddress)) {
    return { kind: 'seen', address: senderProtocolAddress, mac: senderHardwareAddress }
  }
  if (!station.announces(targetProtocolAddress)) return ignore('otherAddress')
  if (packet.operation !== 'request') return ignore('notARequest')
  return {
    kind: 'reply',
    packet: {
      operation: 'reply',
      senderHardwareAddress: station.mac,
      senderProtocolAddress: targetProtocolAddress,
      targetHardwareAddress: senderHardwareAddress,
      targetProtocolAddress: senderProtocolAddress,
    },
  }
}

function ignore(reason: ArpIgnoreReason): ArpVerdict {
  return { kind: 'ignore', reason }
}

/**
 * Both forms of the announcement that an address is here now, to be broadcast. The target MAC of the request form is
 * zero, as RFC 5227 §2.3 has it; that of the reply form the broadcast address, which it is sent to.
 */
export function gratuitousArp(address: Address, mac: MacAddress): readonly ArpPacket[] {
  const announcement = {
    senderHardwareAddress: mac,
    senderProtocolAddress: address,
    targetProtocolAddress: address,
  }
  return [
    { ...announcement, operation: 'request', targetHardwareAddress: zeroMac },
    { ...announcement, operation: 'reply', targetHardwareAddress: broadcastMac },
  ]
}
