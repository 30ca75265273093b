import { type Address, addressBits, addressFromBytes, type IpFamily } from '../../net/address.ts'
import { Malformed, Reader } from '../../net/cursor.ts'
import type { AddressPrefix } from '../../net/range.ts'
import { joinOctets } from './octets.ts'

/**
 * Prefixes as BGP packs them (RFC 4271 §4.3): the length in bits, then as few octets as hold them.
 *
 *     length (1) | the first ⌈length / 8⌉ octets of the address
 */
export function encodePrefixes(prefixes: readonly AddressPrefix[]): Uint8Array {
  return joinOctets(prefixes.map(encodePrefix))
}

export function encodePrefix({ address, length }: AddressPrefix): Uint8Array {
  const octets = new Uint8Array(prefixSize(length))
  octets[0] = length
  let shift = BigInt(addressBits[address.family])
  for (let index = 1; index < octets.length; index++) {
    shift -= 8n
    octets[index] = Number((address.value >> shift) & 0xffn)
  }
  return octets
}

/** How many octets a prefix of this length takes. */
export function prefixSize(length: number): number {
  return 1 + Math.ceil(length / 8)
}

/** All the prefixes in these octets; throws Malformed for a length beyond the family's, or an end amid a prefix. */
export function decodePrefixes(octets: Uint8Array, family: IpFamily): readonly AddressPrefix[] {
  const reader = new Reader(octets)
  const prefixes: AddressPrefix[] = []
  while (reader.remaining > 0) {
    const length = reader.uint8()
    if (length > addressBits[family]) throw new Malformed(`an ${family} prefix of ${length} bits`)
    prefixes.push({ address: maskedAddress(reader.bytes(prefixSize(length) - 1), family, length), length })
  }
  return prefixes
}

/** Bits behind the prefix's length say nothing (RFC 4271 §4.3), so they are cleared. */
function maskedAddress(octets: Uint8Array, family: IpFamily, length: number): Address {
  const whole = new Uint8Array(addressBits[family] / 8)
  whole.set(octets)
  const { value } = addressFromBytes(whole)
  const hostBits = BigInt(addressBits[family] - length)
  return { family, value: (value >> hostBits) << hostBits }
}
