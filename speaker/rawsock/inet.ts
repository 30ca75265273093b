import { type Address, addressToBytes, type IpFamily } from '../../net/address.ts'
import type { RawSocket } from './rawsock.ts'

/*
 * Options and addresses of IP sockets, for protocols that speak over TCP and UDP. Structures are in the processor's byte
 * order but for what the network sees; only little-endian processors are known here.
 */

export const socketDomains = { IPv4: 2, IPv6: 10 } as const satisfies Record<IpFamily, number>

export const levelSocket = 1
export const levelIp = { IPv4: 0, IPv6: 41 } as const satisfies Record<IpFamily, number>

/** One option: level, name and value, as setsockopt takes them. */
export interface SocketOption {
  readonly level: number
  readonly name: number
  readonly value: number | Uint8Array
}

/** Sets an option; throws where the kernel refuses it. */
export function setOption(socket: Pick<RawSocket, 'setOption'>, { level, name, value }: SocketOption): void {
  socket.setOption(level, name, value)
}

/** SO_REUSEADDR: lets a TCP listener come back at once after a restart, and UDP sockets that agree share a port. */
export function reuseAddress(on = true): SocketOption {
  return { level: levelSocket, name: 2, value: on ? 1 : 0 }
}

/** SO_BINDTODEVICE: an interface or a VRF. */
export function bindToDevice(device: string): SocketOption {
  return { level: levelSocket, name: 25, value: new TextEncoder().encode(`${device}\0`) }
}

/** IPV6_V6ONLY, so that sockets of both families share a port. */
export function onlyIPv6(): SocketOption {
  return { level: levelIp.IPv6, name: 26, value: 1 }
}

/** IP_TTL or IPV6_UNICAST_HOPS, of packets sent. */
export function timeToLive(family: IpFamily, ttl: number): SocketOption {
  return { level: levelIp[family], name: family === 'IPv4' ? 2 : 16, value: ttl }
}

/** INADDR_ANY and in6addr_any. */
export const anyAddress: Readonly<Record<IpFamily, Address>> = {
  IPv4: { family: 'IPv4', value: 0n },
  IPv6: { family: 'IPv6', value: 0n },
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
