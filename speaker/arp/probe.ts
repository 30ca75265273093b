import type { Address } from '../../net/address.ts'
import { type MacAddress, zeroMac } from '../../net/mac.ts'
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

/** Who says, with this packet, that it has its sender address: an answer to a probe, or an announcement. */
export function arpHolder(
  packet: ArpPacket,
  isOwn: (mac: MacAddress) => boolean,
): { readonly address: Address; readonly mac: MacAddress } | undefined {
  const { senderProtocolAddress, senderHardwareAddress } = packet
  if (senderProtocolAddress.value === nobody.value || isOwn(senderHardwareAddress)) return undefined
  return { address: senderProtocolAddress, mac: senderHardwareAddress }
}
