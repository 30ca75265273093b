import { Malformed, Reader, Writer } from '../../net/cursor.ts'
import { asTrans } from './open.ts'

/** Three numbers of 32 bits (RFC 8092): who defines it, and what for. */
export interface LargeCommunity {
  readonly globalAdministrator: number
  readonly data1: number
  readonly data2: number
}

/** Eight octets whose first two say the kind (RFC 4360); most kinds are of no interest here. */
export type ExtendedCommunity =
  /** How much traffic the next hop can take, for unequal shares (draft-ietf-idr-link-bandwidth). */
  | {
      readonly kind: 'linkBandwidth'
      readonly as: number
      readonly bytesPerSecond: number
      readonly transitive: boolean
    }
  | { readonly kind: 'other'; readonly octets: Uint8Array }

/** Communities that every router knows (RFC 1997, RFC 8326), as 32-bit numbers. */
export const wellKnownCommunities = {
  gracefulShutdown: 0xffff0000,
  noExport: 0xffffff01,
  noAdvertise: 0xffffff02,
  noExportSubconfed: 0xffffff03,
} as const

const communitySize = 4
const extendedSize = 8
const largeSize = 12

export function encodeCommunities(communities: readonly number[]): Uint8Array {
  const writer = new Writer(communities.length * communitySize)
  for (const community of communities) writer.uint32(community)
  return writer.finish()
}

/** Throws Malformed where the octets are not one or more whole communities (RFC 7606 §7.8). */
export function decodeCommunities(octets: Uint8Array): readonly number[] {
  return readAll(octets, communitySize, reader => reader.uint32())
}

export function encodeLargeCommunities(communities: readonly LargeCommunity[]): Uint8Array {
  const writer = new Writer(communities.length * largeSize)
  for (const community of communities) {
    writer.uint32(community.globalAdministrator).uint32(community.data1).uint32(community.data2)
  }
  return writer.finish()
}

/** Throws Malformed where the octets are not one or more whole communities (RFC 8092 §6). */
export function decodeLargeCommunities(octets: Uint8Array): readonly LargeCommunity[] {
  return readAll(octets, largeSize, reader => ({
    globalAdministrator: reader.uint32(),
    data1: reader.uint32(),
    data2: reader.uint32(),
  }))
}

/** High octet of the type: two-octet AS specific, transitive or (with bit 0x40) not; low octet: link bandwidth. */
const twoOctetAsSpecific = 0x00
const nonTransitive = 0x40
const linkBandwidthSubtype = 0x04

/**
 * Link bandwidth, the one kind that Berth sends; the number is an IEEE 754 single of octets per second.
 *
 *     0x40 or 0x00 (1) | 0x04 (1) | AS (2) | bandwidth (4)
 */
export function encodeExtendedCommunities(communities: readonly ExtendedCommunity[]): Uint8Array {
  const writer = new Writer(communities.length * extendedSize)
  for (const community of communities) {
    if (community.kind === 'other') {
      writer.bytes(community.octets)
      continue
    }
    writer.uint8(twoOctetAsSpecific | (community.transitive ? 0 : nonTransitive)).uint8(linkBandwidthSubtype)
    writer.uint16(community.as > 0xffff ? asTrans : community.as).uint32(floatToBits(community.bytesPerSecond))
  }
  return writer.finish()
}

/** Throws Malformed where the octets are not one or more whole communities (RFC 7606 §7.14). */
export function decodeExtendedCommunities(octets: Uint8Array): readonly ExtendedCommunity[] {
  return readAll(octets, extendedSize, reader => {
    const community = reader.bytes(extendedSize)
    const [high = 0, low = 0] = community
    if ((high & ~nonTransitive) !== twoOctetAsSpecific || low !== linkBandwidthSubtype) {
      return { kind: 'other', octets: community.slice() }
    }
    const value = new Reader(community.subarray(2))
    const as = value.uint16()
    return { kind: 'linkBandwidth', as, bytesPerSecond: bitsToFloat(value.uint32()), transitive: high < nonTransitive }
  })
}

function readAll<Community>(
  octets: Uint8Array,
  size: number,
  read: (reader: Reader) => Community,
): readonly Community[] {
  if (octets.length === 0 || octets.length % size !== 0) throw new Malformed(`${octets.length} octets of communities`)
  const reader = new Reader(octets)
  return Array.from({ length: octets.length / size }, () => read(reader))
}

function floatToBits(value: number): number {
  const view = new DataView(new ArrayBuffer(4))
  view.setFloat32(0, value)
  return view.getUint32(0)
}

function bitsToFloat(bits: number): number {
  const view = new DataView(new ArrayBuffer(4))
  view.setUint32(0, bits)
  return view.getFloat32(0)
}
