/**
 * Neighbor Discovery, the part of it that resolves addresses: what ARP is to IPv4, over ICMPv6.
 *
 * What it stands for. A Neighbor Solicitation asks who has `targetAddress`; it goes to the target's solicited-node group
 * (made of the address's last 24 bits), or to the target itself when a cache entry is being checked (Neighbor
 * Unreachability Detection). A Neighbor Advertisement answers with the MAC in its Target Link-Layer Address option, or,
 * unsolicited and to all nodes, makes known that an address has moved. Berth answers for addresses of Services, which
 * are configured on no interface, so the kernel does not answer for them and does not even receive what is sent to them.
 *
 * The way in: an AF_PACKET socket per interface (responder.ts) behind a filter in the kernel (filter.ts) →
 * `decodeNeighborPacket`, which checks all that RFC 4861 §7.1 wants checked → `answerNeighbor` (answer.ts). The way out:
 * `encodeNeighborPacket` → the same socket. An ICMPv6 socket sends nothing here, for its source would have to be an
 * address of the node, and stations compare the source with the target that they asked for. One is open all the same:
 * it holds the solicited-node groups (groups.ts), so that the network card and MLD-snooping switches let them through.
 *
 * Pure are this file, option.ts, ipv6.ts, answer.ts and filter.ts. The responder holds the sockets and the counters.
 *
 * Duplicate Address Detection. A station that wants to take an address solicits it from the unspecified address `::`.
 * An answer to all nodes (RFC 4861 §7.2.4) tells it to keep off.
 *
 * Hostile input. Hop limit 255 proves that no router forwarded the packet, so only the segment's own stations can forge
 * one. Options are length-checked, a length of zero ends the decoding (RFC 4861 §4.6), and unknown ones are skipped.
 *
 * Left out: routers and prefixes (Router Solicitation, Router Advertisement, Redirect), packets with IPv6 extension
 * headers, which no stack sends here and RFC 6980 forbids in part, SEND (RFC 3971), anycast and proxy advertisements.
 *
 * Supported standards: RFC 4861 §4.3, 4.4, 7.1, 7.2; RFC 4862 §5.4 (as the station that has the address); RFC 4443 §2.3.
 */
import { type Address, addressFromBytes, addressToBytes } from '../../net/address.ts'
import { type Decoded, decoding, Malformed, Reader, Writer } from '../../net/cursor.ts'
import { icmpv6Checksum, readIpv6Header, writeIpv6Header } from './ipv6.ts'
import { decodeOptions, encodeOptions, type NdpOption } from './option.ts'

export interface NeighborSolicitation {
  readonly kind: 'solicitation'
  readonly targetAddress: Address
  readonly options: readonly NdpOption[]
}

export interface NeighborAdvertisement {
  readonly kind: 'advertisement'
  /** The sender is a router. */
  readonly router: boolean
  /** This is the answer to a solicitation. */
  readonly solicited: boolean
  /** Replaces the MAC in the receiver's cache. */
  readonly override: boolean
  readonly targetAddress: Address
  readonly options: readonly NdpOption[]
}

export type NeighborMessage = NeighborSolicitation | NeighborAdvertisement

/** A message with the addresses of the IPv6 packet that carries it. */
export interface NeighborPacket {
  readonly source: Address
  readonly destination: Address
  readonly message: NeighborMessage
}

export const neighborSolicitationType = 135
export const neighborAdvertisementType = 136
const routerFlag = 0x80
const solicitedFlag = 0x40
const overrideFlag = 0x20

/** The hop limit that a packet has only if no router forwarded it (RFC 4861 §7.1). */
export const ndpHopLimit = 255

const ipv6HeaderSize = 40
const messageHeadSize = 24

export const unspecifiedAddress: Address = { family: 'IPv6', value: 0n }
export const allNodes: Address = { family: 'IPv6', value: (0xff02n << 112n) | 1n }

/** The group ff02::1:ffXX:XXXX that stations with such an address listen to (RFC 4291 §2.7.1). */
export function solicitedNodeGroup(address: Address): Address {
  return { family: 'IPv6', value: (0xff02n << 112n) | (0x1ffn << 24n) | (address.value & 0xff_ffffn) }
}

/**
 *   0 IPv6 header (40)
 *  40 type (1) · code 0 (1) · checksum (2) · flags of an advertisement, else reserved (4)
 *  48 target address (16)
 *  64 options
 */
export function encodeNeighborPacket(packet: NeighborPacket): Uint8Array {
  const { message } = packet
  const options = encodeOptions(message.options)
  const payloadLength = messageHeadSize + options.length
  const writer = new Writer(ipv6HeaderSize + payloadLength)
  writeIpv6Header(writer, {
    payloadLength,
    hopLimit: ndpHopLimit,
    source: packet.source,
    destination: packet.destination,
  })
  const bytes = writer
    .uint8(message.kind === 'solicitation' ? neighborSolicitationType : neighborAdvertisementType)
    .uint8(0)
    .uint16(0)
    .uint8(message.kind === 'solicitation' ? 0 : flagsOf(message))
    .bytes(new Uint8Array(3))
    .bytes(addressToBytes(message.targetAddress))
    .bytes(options)
    .finish()
  new DataView(bytes.buffer).setUint16(ipv6HeaderSize + 2, icmpv6Checksum(bytes))
  return bytes
}

function flagsOf(message: NeighborAdvertisement): number {
  return (
    (message.router ? routerFlag : 0) | (message.solicited ? solicitedFlag : 0) | (message.override ? overrideFlag : 0)
  )
}

/** An IPv6 packet that is a valid solicitation or advertisement by RFC 4861 §7.1; padding behind it is cut off. */
export function decodeNeighborPacket(bytes: Uint8Array): Decoded<NeighborPacket> {
  return decoding(() => {
    const reader = new Reader(bytes)
    const { payloadLength, hopLimit, source, destination } = readIpv6Header(reader)
    if (hopLimit !== ndpHopLimit) throw new Malformed(`hop limit ${hopLimit}: the packet came through a router`)
    const message = decodeMessage(reader.bytes(payloadLength))
    // A packet with a right checksum, its own checksum field included, sums up to zero.
    if (icmpv6Checksum(bytes.subarray(0, ipv6HeaderSize + payloadLength)) !== 0) throw new Malformed('wrong checksum')
    checkAddresses(source, destination, message)
    return { source, destination, message }
  })
}

function decodeMessage(bytes: Uint8Array): NeighborMessage {
  const reader = new Reader(bytes)
  const type = reader.uint8()
  const code = reader.uint8()
  if (code !== 0) throw new Malformed(`code ${code}`)
  reader.skip(2)
  const flags = reader.uint8()
  reader.skip(3)
  const targetAddress = addressFromBytes(reader.bytes(16))
  const options = decodeOptions(reader)
  if (type === neighborSolicitationType) return { kind: 'solicitation', targetAddress, options }
  if (type !== neighborAdvertisementType) throw new Malformed(`ICMPv6 type ${type}`)
  return {
    kind: 'advertisement',
    router: (flags & routerFlag) !== 0,
    solicited: (flags & solicitedFlag) !== 0,
    override: (flags & overrideFlag) !== 0,
    targetAddress,
    options,
  }
}

/** RFC 4861 §7.1.1 and §7.1.2. */
function checkAddresses(source: Address, destination: Address, message: NeighborMessage): void {
  if (isMulticast(message.targetAddress)) throw new Malformed('the target is a group')
  if (isMulticast(source)) throw new Malformed('the source is a group')
  if (message.kind === 'advertisement') {
    if (message.solicited && isMulticast(destination)) throw new Malformed('solicited, yet sent to a group')
    return
  }
  if (source.value !== unspecifiedAddress.value) return
  if (destination.value !== solicitedNodeGroup(message.targetAddress).value) {
    throw new Malformed('a probe from :: that is not sent to the solicited-node group')
  }
  if (message.options.some(option => option.kind === 'sourceLinkLayerAddress')) {
    throw new Malformed('a probe from :: that names a source link-layer address')
  }
}

function isMulticast(address: Address): boolean {
  return address.value >> 120n === 0xffn
}
