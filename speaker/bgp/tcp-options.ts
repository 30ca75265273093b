import type { Address, IpFamily } from '../../net/address.ts'
import { levelIp, type SocketOption, socketAddress } from '../rawsock/inet.ts'

/* What of a TCP connection's options only BGP uses. */

export const streamSocket = 1
export const protocolTcp = 6

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
