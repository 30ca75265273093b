import { type Address, addressFromBytes, type IpFamily } from '../../net/address.ts'
import { levelIp, levelSocket, type SocketOption } from '../rawsock/inet.ts'
import type { Path } from './demultiplex.ts'

/*
 * The kernel's numbers and structures for BFD's UDP sockets. Structures are in the processor's byte order but for what
 * the network sees.
 */

export const datagramSocket = 2
export const protocolUdp = 17

/** Where control packets are sent to (RFC 5881 §4, RFC 5883 §5). */
export const destinationPorts = { single: 3784, multiple: 4784 } as const satisfies Record<Path['hops'], number>
/** Where they are sent from (RFC 5881 §4). */
export const sourcePorts = { first: 49152, last: 65535 } as const

/** Of control messages: the TTL or hop limit, and `struct in_pktinfo` or `in6_pktinfo`. */
const ttlMessage = { IPv4: 2, IPv6: 52 } as const satisfies Record<IpFamily, number>
const infoMessage = { IPv4: 8, IPv6: 50 } as const satisfies Record<IpFamily, number>

/** IP_TOS or IPV6_TCLASS, network control: what routers forward first. */
export function networkControl(family: IpFamily): SocketOption {
  return { level: levelIp[family], name: family === 'IPv4' ? 1 : 67, value: 0xc0 }
}

/** IP_RECVTTL or IPV6_RECVHOPLIMIT: a control message with each packet. */
export function receiveTtl(family: IpFamily): SocketOption {
  return { level: levelIp[family], name: family === 'IPv4' ? 12 : 51, value: 1 }
}

/** IP_PKTINFO or IPV6_RECVPKTINFO: the address that each packet was sent to. */
export function receivePacketInfo(family: IpFamily): SocketOption {
  return { level: levelIp[family], name: family === 'IPv4' ? 8 : 49, value: 1 }
}

/** SO_BINDTODEVICE, to be asked whether the device is still there. */
export const boundDevice = { level: levelSocket, name: 25 } as const
/** SO_MEMINFO: counters of the socket. */
export const memoryInfo = { level: levelSocket, name: 55 } as const

/** SK_MEMINFO_DROPS: packets that the filter refused or for which there was no room. */
export function decodeDrops(info: Uint8Array): number {
  return info.length < 36 ? 0 : new DataView(info.buffer, info.byteOffset, info.byteLength).getUint32(32, true)
}

/** Octets that the control messages of a packet need at most. */
export const controlSize = 24 + 40

/** What the control messages say of a packet; undefined where one of them is missing. */
export function decodeControl(control: Uint8Array, family: IpFamily): { ttl: number; to: Address } | undefined {
  const view = new DataView(control.buffer, control.byteOffset, control.byteLength)
  let ttl: number | undefined
  let to: Address | undefined
  for (let at = 0; at + 16 <= control.length; ) {
    const length = Number(view.getBigUint64(at, true))
    if (length < 16 || at + length > control.length) break
    const isIp = view.getInt32(at + 8, true) === levelIp[family]
    const type = view.getInt32(at + 12, true)
    const data = control.subarray(at + 16, at + length)
    if (isIp && type === ttlMessage[family] && data.length >= 4) ttl = view.getInt32(at + 16, true)
    if (isIp && type === infoMessage[family]) to = destination(data, family)
    at += Math.ceil(length / 8) * 8
  }
  return ttl === undefined || !to ? undefined : { ttl, to }
}

/** `in_pktinfo`: interface (4) | local address (4) | destination (4); `in6_pktinfo`: destination (16) | interface (4). */
function destination(info: Uint8Array, family: IpFamily): Address | undefined {
  const octets = family === 'IPv4' ? info.subarray(8, 12) : info.subarray(0, 16)
  return octets.length === (family === 'IPv4' ? 4 : 16) ? addressFromBytes(octets) : undefined
}

/** The address in a `sockaddr_in` or `sockaddr_in6`. */
export function senderOf(sockaddr: Uint8Array, family: IpFamily): Address | undefined {
  const octets = family === 'IPv4' ? sockaddr.subarray(4, 8) : sockaddr.subarray(8, 24)
  return octets.length === (family === 'IPv4' ? 4 : 16) ? addressFromBytes(octets) : undefined
}
