import { type Address, addressToBytes, type IpFamily } from '../../net/address.ts'

/*
 * The kernel's numbers and structures for what a BGP connection needs beyond Node's own sockets. Structures are in the
 * processor's byte order but for what the network sees; Linux and Node run on little-endian processors.
 */

export const socketDomains = { IPv4: 2, IPv6: 10 } as const satisfies Record<IpFamily, number>
export const streamSocket = 1
export const protocolTcp = 6

/** One option: level, name and value, as setsockopt takes them. */
export interface SocketOption {
  readonly level: number
  readonly name: number
  readonly value: number | Uint8Array
}

const levelSocket = 1
const levelIp = { IPv4: 0, IPv6: 41 } as const satisfies Record<IpFamily, number>

/** Lets a listener come back at once after a restart. */
export function reuseAddress(): SocketOption {
  return { level: levelSocket, name: 2, value: 1 }
}

/** SO_BINDTODEVICE: an interface or a VRF. */
export function bindToDevice(device: string): SocketOption {
  return { level: levelSocket, name: 25, value: new TextEncoder().encode(`${device}\0`) }
}

/** IPV6_V6ONLY, so that listeners of both families share a port. */
export function onlyIPv6(): SocketOption {
  return { level: levelIp.IPv6, name: 26, value: 1 }
}

/** IP_TTL or IPV6_UNICAST_HOPS, of packets sent. */
export function timeToLive(family: IpFamily, ttl: number): SocketOption {
  return { level: levelIp[family], name: family === 'IPv4' ? 2 : 16, value: ttl }
}

/** IP_MINTTL or IPV6_MINHOPCOUNT, of packets received (RFC 5082). */
export function minimumTimeToLive(family: IpFamily, ttl: number): SocketOption {
  return { level: levelIp[family], name: family === 'IPv4' ? 21 : 73, value: ttl }
}

/** The longest key that the kernel takes. */
export const longestMd5Key = 80

/**
 * TCP_MD5SIG: segments to and from this address are signed with the key (RFC 2385); an empty one takes the key back.
 *
 *     struct sockaddr_storage (128) | flags (1) | prefix length (1) | key length (2) | interface index (4) | key (80)
 */
export function md5Signature(remote: Address, scopeId: number, key: string): SocketOption {
  const octets = new TextEncoder().encode(key)
  if (octets.length > longestMd5Key) throw new RangeError(`a TCP-MD5 key of ${octets.length} octets`)
  const value = new Uint8Array(216)
  value.set(socketAddress(remote, 0, scopeId))
  new DataView(value.buffer).setUint16(130, octets.length, true)
  value.set(octets, 136)
  return { level: protocolTcp, name: 14, value }
}

/**
 * `struct sockaddr_in` or `sockaddr_in6`:
 *
 *     family (2) | port (2) | IPv4 address (4) | zero (8)
 *     family (2) | port (2) | flow (4) | IPv6 address (16) | scope (4)
 */
export function socketAddress(address: Address, port: number, scopeId: number): Uint8Array {
  const octets = new Uint8Array(address.family === 'IPv4' ? 16 : 28)
  const view = new DataView(octets.buffer)
  view.setUint16(0, socketDomains[address.family], true)
  view.setUint16(2, port)
  octets.set(addressToBytes(address), address.family === 'IPv4' ? 4 : 8)
  if (address.family === 'IPv6') view.setUint32(24, scopeId, true)
  return octets
}
