import { type Address, addressFromBytes, addressToBytes, type IpFamily } from '../../net/address.ts'
import { Malformed, Reader, Writer } from '../../net/cursor.ts'
import type { AddressPrefix } from '../../net/range.ts'
import { type AfiSafi, familyOf, unicastOf } from './family.ts'
import { decodePrefixes, encodePrefixes } from './nlri.ts'
import { joinOctets, noOctets } from './octets.ts'

/** Routes of a family that the fixed fields of an UPDATE cannot carry (RFC 4760 §3), with their next hop. */
export type MpReach =
  | {
      readonly kind: 'unicast'
      readonly family: IpFamily
      /** Of the family's own, or an IPv6 address for IPv4 routes (RFC 8950). */
      readonly nextHop: Address
      /** The same next hop on the link it shares with the peer (RFC 2545 §3). */
      readonly linkLocalNextHop?: Address
      readonly nlri: readonly AddressPrefix[]
    }
  | Unknown

/** Routes of such a family that are no more (RFC 4760 §4); with none at all, the family's End-of-RIB (RFC 4724 §2). */
export type MpUnreach =
  | { readonly kind: 'unicast'; readonly family: IpFamily; readonly withdrawn: readonly AddressPrefix[] }
  | Unknown

/** Routes of a kind that Berth never asked for, kept as they came. */
interface Unknown extends AfiSafi {
  readonly kind: 'unknown'
  readonly octets: Uint8Array
}

/** afi (2) | safi (1) | length of next hop (1) | next hop | reserved (1) | NLRI */
export function encodeMpReach(reach: MpReach): Uint8Array {
  if (reach.kind === 'unknown') return encodeUnknown(reach)
  const nextHop = joinOctets([
    addressToBytes(reach.nextHop),
    reach.linkLocalNextHop ? addressToBytes(reach.linkLocalNextHop) : noOctets,
  ])
  const head = encodeAfiSafi(unicastOf(reach.family))
  return joinOctets([head, Uint8Array.of(nextHop.length), nextHop, Uint8Array.of(0), encodePrefixes(reach.nlri)])
}

/** Throws Malformed where the next hop or a prefix cannot be read: nobody knows then which routes were meant. */
export function decodeMpReach(octets: Uint8Array): MpReach {
  const reader = new Reader(octets)
  const { afiSafi, family } = decodeAfiSafi(reader)
  if (!family) return { kind: 'unknown', ...afiSafi, octets: reader.rest().slice() }
  const nextHop = reader.bytes(reader.uint8())
  reader.skip(1)
  const nlri = decodePrefixes(reader.rest(), family)
  const isIPv4 = family === 'IPv4' && nextHop.length === 4
  if (!isIPv4 && nextHop.length !== 16 && nextHop.length !== 32) {
    throw new Malformed(`an ${family} next hop of ${nextHop.length} octets`)
  }
  return {
    kind: 'unicast',
    family,
    nextHop: addressFromBytes(nextHop.subarray(0, 16)),
    ...(nextHop.length === 32 && { linkLocalNextHop: addressFromBytes(nextHop.subarray(16)) }),
    nlri,
  }
}

/** afi (2) | safi (1) | withdrawn routes */
export function encodeMpUnreach(unreach: MpUnreach): Uint8Array {
  if (unreach.kind === 'unknown') return encodeUnknown(unreach)
  return joinOctets([encodeAfiSafi(unicastOf(unreach.family)), encodePrefixes(unreach.withdrawn)])
}

export function decodeMpUnreach(octets: Uint8Array): MpUnreach {
  const reader = new Reader(octets)
  const { afiSafi, family } = decodeAfiSafi(reader)
  if (!family) return { kind: 'unknown', ...afiSafi, octets: reader.rest().slice() }
  return { kind: 'unicast', family, withdrawn: decodePrefixes(reader.rest(), family) }
}

function decodeAfiSafi(reader: Reader): { readonly afiSafi: AfiSafi; readonly family: IpFamily | undefined } {
  const afiSafi = { afi: reader.uint16(), safi: reader.uint8() }
  return { afiSafi, family: familyOf(afiSafi) }
}

function encodeAfiSafi({ afi, safi }: AfiSafi): Uint8Array {
  return new Writer(3).uint16(afi).uint8(safi).finish()
}

function encodeUnknown(routes: Unknown): Uint8Array {
  return joinOctets([encodeAfiSafi(routes), routes.octets])
}
