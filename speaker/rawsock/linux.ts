/**
 * Linux's numbers and structures, as far as Berth's sockets need them. The structures are in the processor's own byte
 * order but for what the network sees. Only little-endian processors are known here; rawsock.ts refuses others.
 */

export const AF_INET6 = 10
export const AF_NETLINK = 16
export const AF_PACKET = 17

export const SOCK_DGRAM = 2
export const SOCK_RAW = 3

export const SOL_SOCKET = 1
export const SO_RCVBUF = 8
export const SO_DETACH_FILTER = 27

export const SOL_PACKET = 263
export const PACKET_STATISTICS = 6

export const IPPROTO_IPV6 = 41
export const IPV6_JOIN_GROUP = 20
export const IPV6_LEAVE_GROUP = 21

export const IPPROTO_ICMPV6 = 58
export const ICMP6_FILTER = 1

export const ETH_P_ARP = 0x0806
export const ETH_P_IPV6 = 0x86dd

/** How the kernel sorted a received frame by its destination. */
export const packetTypes = { host: 0, broadcast: 1, multicast: 2, otherHost: 3, outgoing: 4 } as const

/** `struct sockaddr_ll`: an interface and a protocol to bind to, or a station to send to. */
export function packetAddress(protocol: number, interfaceIndex: number, mac?: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(20)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, AF_PACKET, true)
  view.setUint16(2, protocol)
  view.setInt32(4, interfaceIndex, true)
  if (mac) {
    bytes[11] = mac.length
    bytes.set(mac, 12)
  }
  return bytes
}

/** What `struct sockaddr_ll` says of a received packet. */
export interface PacketSender {
  readonly packetType: number
  readonly mac: Uint8Array
}

/** Reads the `sockaddr_ll` that the kernel wrote; the MAC is a view of it. */
export function decodePacketSender(sockaddr: Uint8Array): PacketSender {
  return { packetType: sockaddr[10] ?? packetTypes.otherHost, mac: sockaddr.subarray(12, 12 + (sockaddr[11] ?? 0)) }
}

/** `struct sockaddr_nl`: the kernel, and the multicast groups to listen to as a bit set. */
export function netlinkAddress(groups: number): Uint8Array {
  const bytes = new Uint8Array(12)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, AF_NETLINK, true)
  view.setUint32(8, groups, true)
  return bytes
}

/** `struct ipv6_mreq`: a group and the interface to join it on. */
export function ipv6Membership(group: Uint8Array, interfaceIndex: number): Uint8Array {
  const bytes = new Uint8Array(20)
  bytes.set(group)
  new DataView(bytes.buffer).setUint32(16, interfaceIndex, true)
  return bytes
}

/** `struct icmp6_filter` that lets no message through, for a socket that only holds group memberships. */
export const blockAllIcmp6: Uint8Array = new Uint8Array(32).fill(0xff)

/** `tp_drops` of `struct tpacket_stats`: packets lost to a full receive buffer since it was last asked. */
export function decodePacketDrops(statistics: Uint8Array): number {
  return new DataView(statistics.buffer, statistics.byteOffset, statistics.byteLength).getUint32(4, true)
}
