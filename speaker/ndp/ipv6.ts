import { type Address, addressFromBytes, addressToBytes } from '../../net/address.ts'
import { Malformed, type Reader, type Writer } from '../../net/cursor.ts'

/** The fields of an IPv6 header that ICMPv6 looks at (RFC 8200 §3). */
export interface Ipv6Header {
  readonly payloadLength: number
  readonly hopLimit: number
  readonly source: Address
  readonly destination: Address
}

const nextHeaderIcmpv6 = 58

/**
 *  0 version 6 (4 bits) · traffic class and flow label, zero (28 bits)
 *  4 payload length (2) · next header (1) · hop limit (1)
 *  8 source (16) · destination (16)
 */
export function writeIpv6Header(writer: Writer, header: Ipv6Header): void {
  writer
    .uint32(0x6000_0000)
    .uint16(header.payloadLength)
    .uint8(nextHeaderIcmpv6)
    .uint8(header.hopLimit)
    .bytes(addressToBytes(header.source))
    .bytes(addressToBytes(header.destination))
}

/** The header of an ICMPv6 packet without extension headers. */
export function readIpv6Header(reader: Reader): Ipv6Header {
  const version = reader.uint32() >>> 28
  if (version !== 6) throw new Malformed(`IP version ${version}`)
  const payloadLength = reader.uint16()
  const nextHeader = reader.uint8()
  if (nextHeader !== nextHeaderIcmpv6) throw new Malformed(`next header ${nextHeader}, not ICMPv6`)
  return {
    payloadLength,
    hopLimit: reader.uint8(),
    source: addressFromBytes(reader.bytes(16)),
    destination: addressFromBytes(reader.bytes(16)),
  }
}

/**
 * The Internet checksum of an ICMPv6 packet with its IPv6 header (RFC 4443 §2.3): over the pseudo-header of RFC 8200
 * §8.1 (addresses, length, next header) and the message. With the checksum field zero it is what belongs there; with the
 * field filled in rightly it is zero.
 */
export function icmpv6Checksum(packet: Uint8Array): number {
  let sum = nextHeaderIcmpv6 + (packet.length - 40)
  for (let offset = 8; offset < packet.length; offset += 2) {
    sum += ((packet[offset] ?? 0) << 8) + (packet[offset + 1] ?? 0)
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}
