import { type Decoded, decoding, Malformed, Reader, Writer } from '../../net/cursor.ts'

/*
 * Router Advertisements as far as BGP peers by interface need them: each side learns the other's link-local address from
 * those it hears, since there is no address in anybody's configuration. Routers call that "BGP unnumbered".
 */

/** ICMPv6's numbers for them and for asking for one (RFC 4861 §4.1, §4.2). */
export const routerAdvertisement = 134
const routerSolicitation = 133

/** What a neighbour cannot have sent when fewer hops are left: the packet was forwarded (RFC 4861 §6.1.2). */
export const neighbourHopLimit = 255

/**
 * One that makes nobody's default router of us: with a router lifetime of 0 it only says that we are here. The kernel
 * fills in the checksum.
 *
 *     type (1) | code (1) | checksum (2) | hop limit (1) | flags (1) | router lifetime (2) | reachable (4) | retrans (4)
 */
export function encodePresence(): Uint8Array {
  return new Writer(16).uint8(routerAdvertisement).uint8(0).bytes(new Uint8Array(14)).finish()
}

/**
 * Asks the routers of a link to advertise themselves now, and not only when their time has come. The kernel fills in
 * the checksum.
 *
 *     type (1) | code (1) | checksum (2) | reserved (4)
 */
export function encodeSolicitation(): Uint8Array {
  return new Writer(8).uint8(routerSolicitation).bytes(new Uint8Array(7)).finish()
}

/** Whether this is a Router Advertisement as RFC 4861 §6.1.2 wants it; what else stands in it is of no interest here. */
export function decodePresence(message: Uint8Array, hopLimit: number | undefined): Decoded<true> {
  return decoding(() => {
    const reader = new Reader(message)
    if (reader.uint8() !== routerAdvertisement) throw new Malformed('no Router Advertisement')
    if (reader.uint8() !== 0) throw new Malformed('a code other than 0')
    reader.skip(14)
    if (hopLimit !== neighbourHopLimit) throw new Malformed(`a hop limit of ${hopLimit}: it was forwarded`)
    return true
  })
}

/** `struct icmp6_filter` that lets only this type pass: a bit set is a type blocked. */
export function onlyType(type: number): Uint8Array {
  const words = new Uint32Array(8).fill(0xffffffff)
  const index = type >> 5
  words[index] = ~(1 << (type & 31)) >>> 0
  return new Uint8Array(words.buffer)
}

/** The hop limit among a datagram's control messages (RFC 3542 §6.3): length (8) | level (4) | type (4) | value (4). */
export function hopLimitIn(control: Uint8Array): number | undefined {
  const view = new DataView(control.buffer, control.byteOffset, control.byteLength)
  for (let offset = 0; offset + 20 <= control.length; ) {
    const length = view.getUint32(offset, true)
    if (view.getUint32(offset + 8, true) === 41 && view.getUint32(offset + 12, true) === 52) {
      return view.getUint32(offset + 16, true)
    }
    if (length < 16) return undefined
    offset += Math.ceil(length / 8) * 8
  }
  return undefined
}
