/**
 * As much of SCTP (RFC 9260) as a client and a server need to say hello: INIT and INIT ACK. Kernels often come without SCTP, while
 * netfilter carries it all the same; so both ends here are raw sockets, and what is tested is the way between them.
 */
import { addressToBytes, parseAddress } from '../../net/address.ts'
import { AF_INET6, SOCK_RAW } from '../../speaker/rawsock/linux.ts'
import { openRawSocket, type RawSocket } from '../../speaker/rawsock/rawsock.ts'

/** The chunk types used here (RFC 9260 §3.2). */
export const chunkType = { init: 1, initAck: 2 } as const

export interface SctpPacket {
  readonly sourcePort: number
  readonly destinationPort: number
  /** 0 in a packet that carries INIT, else what the other side asked for in its `initiateTag` (§8.5.1). */
  readonly verificationTag: number
  readonly chunk: number
  readonly initiateTag: number
  /** What stands in the parameter: an INIT ACK's state cookie. */
  readonly cookie: string
}

const headerLength = 12
const chunkLength = 20
const stateCookie = 7

/** Common header, one INIT or INIT ACK chunk, and in it one parameter. */
export function encodeSctp(packet: SctpPacket): Uint8Array {
  const cookie = Buffer.from(packet.cookie)
  const padded = Math.ceil(cookie.length / 4) * 4
  const bytes = Buffer.alloc(headerLength + chunkLength + 4 + padded)
  bytes.writeUInt16BE(packet.sourcePort, 0)
  bytes.writeUInt16BE(packet.destinationPort, 2)
  bytes.writeUInt32BE(packet.verificationTag, 4)
  bytes.writeUInt8(packet.chunk, 12)
  bytes.writeUInt16BE(chunkLength + 4 + cookie.length, 14)
  bytes.writeUInt32BE(packet.initiateTag, 16)
  bytes.writeUInt32BE(65_536, 20) // advertised receiver window
  bytes.writeUInt16BE(1, 24) // outbound streams
  bytes.writeUInt16BE(1, 26) // inbound streams
  bytes.writeUInt32BE(packet.initiateTag, 28) // initial TSN
  bytes.writeUInt16BE(stateCookie, 32)
  bytes.writeUInt16BE(4 + cookie.length, 34)
  cookie.copy(bytes, 36)
  bytes.writeUInt32LE(crc32c(bytes), 8)
  return bytes
}

/** The packet, or undefined where it is none of ours or its checksum is wrong: whoever rewrites a port must rewrite that too. */
export function decodeSctp(datagram: Uint8Array): SctpPacket | undefined {
  const bytes = Buffer.from(datagram)
  if (bytes.length < headerLength + chunkLength + 4) return undefined
  const checksum = bytes.readUInt32LE(8)
  bytes.writeUInt32LE(0, 8)
  if (crc32c(bytes) !== checksum) return undefined
  return {
    sourcePort: bytes.readUInt16BE(0),
    destinationPort: bytes.readUInt16BE(2),
    verificationTag: bytes.readUInt32BE(4),
    chunk: bytes.readUInt8(12),
    initiateTag: bytes.readUInt32BE(16),
    cookie: bytes.subarray(36, 32 + bytes.readUInt16BE(34)).toString('utf8'),
  }
}

/** CRC-32C, reflected, as SCTP wants it (RFC 9260 appendix A). */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const octet of bytes) {
    crc ^= octet
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return ~crc >>> 0
}

const AF_INET = 2
const IPPROTO_SCTP = 132

/** A raw socket for SCTP; with `local`, for packets to that address only. */
export function openSctp(
  family: 4 | 6,
  local: string | undefined,
  onPacket: (packet: SctpPacket, from: Uint8Array) => void,
): RawSocket {
  const socket = openRawSocket(family === 4 ? AF_INET : AF_INET6, SOCK_RAW, IPPROTO_SCTP)
  if (local !== undefined) socket.bind(socketAddress(local))
  socket.receive({
    dataSize: 1024,
    slots: 8,
    onDatagram: ({ data, from }) => {
      // An IPv4 raw socket delivers the IP header too.
      const packet = decodeSctp(family === 4 ? data.subarray(((data[0] ?? 0) & 15) * 4) : data)
      if (packet !== undefined) onPacket(packet, from.slice())
    },
    onError: () => {},
  })
  return socket
}

/** `struct sockaddr_in` or `sockaddr_in6` with port 0. */
export function socketAddress(text: string): Uint8Array {
  const address = parseAddress(text)
  if (address === undefined) throw new Error(`${text} is no address`)
  const octets = addressToBytes(address)
  if (address.family === 'IPv4') return Uint8Array.of(AF_INET, 0, 0, 0, ...octets, 0, 0, 0, 0, 0, 0, 0, 0)
  return Uint8Array.of(AF_INET6, 0, 0, 0, 0, 0, 0, 0, ...octets, 0, 0, 0, 0)
}
