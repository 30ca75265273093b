import type { Address } from '../../net/address.ts'
import { type MacAddress, zeroMac } from '../../net/mac.ts'
import type { Found } from '../wire/found.ts'

import type { ArpPacket } from './packet.ts'

/** 0.0.0.0: whoever asks has no address yet. */
const nobody: Address = { family: 'IPv4', value: 0n }

/**
 * "Does anybody have this address?" (RFC 5227 §2.1.1), to be broadcast. Its sender address is 0.0.0.0, so that the
 * question itself changes nobody's cache, whatever the answer.
 */
export function arpProbe(address: Address, mac: MacAddress): ArpPacket {
  return {
    operation: 'request',
    senderHardwareAddress: mac,
    senderProtocolAddress: nobody,
    targetHardwareAddress: zeroMac,
    targetProtocolAddress: address,
  }
}

/** A packet of another station that says it has its sender address (an answer, an announcement), or probes for one. */
export function readArp(packet: ArpPacket, isOwn: (mac: MacAddress) => boolean): Found | undefined {
  const { operation, senderProtocolAddress, senderHardwareAddress: mac, targetProtocolAddress } = packet
  if (isOwn(mac)) return undefined
  if (senderProtocolAddress.value !== nobody.value) return { kind: 'holder', address: senderProtocolAddress, mac }
  return operation === 'request' ? { kind: 'probe', address: targetProtocolAddress, mac } : undefined
}
