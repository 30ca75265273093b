/**
 * ARP for IPv4 over Ethernet: how a station asks who has an address, and how Berth says "I have".
 *
 * What it stands for. A router or a host that wants to send to an address of its own network broadcasts a request with
 * that address as `targetProtocolAddress`; the station that has it answers with its MAC in `senderHardwareAddress`, and
 * the asker keeps the pair in its cache. Berth answers for addresses of Services. They are configured on no interface,
 * so the kernel does not answer for them; traffic that then arrives is kube-proxy's.
 *
 * The way in: an AF_PACKET socket per interface (responder.ts) behind a filter that runs in the kernel (filter.ts) and
 * lets through what is about an announced address and nothing else → `decodeArpPacket` → `answerArp` (answer.ts), which
 * says what to do. The way out: `encodeArpPacket` → the same socket; the kernel puts the Ethernet header in front.
 *
 * Pure are this file, answer.ts and filter.ts. The responder holds the socket and the counters.
 *
 * Four kinds of packet are told apart by their addresses alone:
 *   request      sender has an address, target is another one; broadcast, or unicast when a cache entry is being checked
 *   probe        a request whose sender address is 0.0.0.0: "may I take this address?" (RFC 5227 §2.1); an answer means no
 *   announcement sender and target address are the same: "I have this address now" (RFC 5227 §2.3), the form of a request
 *   reply        told to the asker; with sender and target the same and broadcast, the other form of an announcement
 * Berth announces in both forms when it takes an address over, since some stations renew their caches by the one only
 * and some by the other.
 *
 * Who speaks for an address that is announced here, with a MAC that is not this node's, makes a claim: the speaker that
 * takes the address over, or a conflict. That is reported, not answered.
 *
 * Left out: protocols other than IPv4 and hardware other than Ethernet (the filter drops them), RARP and InARP, and the
 * defence of RFC 5227 §2.4 by repeated announcements: who gives way is decided by the election, not on the segment.
 *
 * Supported standards: RFC 826, RFC 5227 (as the station that has the address), RFC 5494 (operation codes).
 */
import { type Address, addressFromBytes, addressToBytes } from '../../net/address.ts'
import { type Decoded, decoding, Malformed, Reader, Writer } from '../../net/cursor.ts'
import type { MacAddress } from '../../net/mac.ts'

/** An ARP packet for IPv4 over Ethernet, in RFC 826's words. */
export interface ArpPacket {
  readonly operation: 'request' | 'reply'
  readonly senderHardwareAddress: MacAddress
  readonly senderProtocolAddress: Address
  /** Means nothing in a request. */
  readonly targetHardwareAddress: MacAddress
  readonly targetProtocolAddress: Address
}

const hardwareTypeEthernet = 1
const protocolTypeIPv4 = 0x0800
const operations = { 1: 'request', 2: 'reply' } as const

/** Octets of a packet; Ethernet pads it to 46. */
export const arpPacketSize = 28

/**
 *  0 hardware type (2) · protocol type (2) · hardware length (1) · protocol length (1) · operation (2)
 *  8 sender hardware address (6) · sender protocol address (4)
 * 18 target hardware address (6) · target protocol address (4)
 */
export function encodeArpPacket(packet: ArpPacket): Uint8Array {
  return new Writer(arpPacketSize)
    .uint16(hardwareTypeEthernet)
    .uint16(protocolTypeIPv4)
    .uint8(6)
    .uint8(4)
    .uint16(packet.operation === 'request' ? 1 : 2)
    .bytes(packet.senderHardwareAddress)
    .bytes(addressToBytes(packet.senderProtocolAddress))
    .bytes(packet.targetHardwareAddress)
    .bytes(addressToBytes(packet.targetProtocolAddress))
    .finish()
}

/** The packet in front of whatever padding follows. Its hardware addresses are views of the bytes given. */
export function decodeArpPacket(bytes: Uint8Array): Decoded<ArpPacket> {
  return decoding(() => {
    const reader = new Reader(bytes)
    expect(reader.uint16(), hardwareTypeEthernet, 'hardware type')
    expect(reader.uint16(), protocolTypeIPv4, 'protocol type')
    expect(reader.uint8(), 6, 'hardware address length')
    expect(reader.uint8(), 4, 'protocol address length')
    const operation = operations[reader.uint16() as 1 | 2] as 'request' | 'reply' | undefined
    if (!operation) throw new Malformed('an operation other than request and reply')
    return {
      operation,
      senderHardwareAddress: reader.bytes(6),
      senderProtocolAddress: addressFromBytes(reader.bytes(4)),
      targetHardwareAddress: reader.bytes(6),
      targetProtocolAddress: addressFromBytes(reader.bytes(4)),
    }
  })
}

function expect(found: number, wanted: number, field: string): void {
  if (found !== wanted) throw new Malformed(`${field} ${found}, not ${wanted}`)
}
