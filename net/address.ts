import { Address4, Address6 } from 'ip-address'

/** The two address families, spelled as the Kubernetes API spells them in `spec.ipFamilies`. */
export type IpFamily = 'IPv4' | 'IPv6'

/**
 * One IP address as a number of its family: 32 bits of IPv4 or 128 of IPv6.
 * Two addresses are equal when family and value are; as a map key use `value` in a map per family, or `formatAddress`.
 */
export interface Address {
  readonly family: IpFamily
  readonly value: bigint
}

/** Width of an address in bits. */
export const addressBits = { IPv4: 32, IPv6: 128 } as const satisfies Record<IpFamily, number>

// ip-address accepts a zone, a prefix length and surrounding forms that are not a plain address.
const plainIPv4 = /^\d{1,3}(\.\d{1,3}){3}$/
const plainIPv6 = /^[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*$/

/**
 * The address that a text names, or undefined where it names none. Strict: dotted quads without leading zeros
 * (`010.0.0.1` is refused, not read as octal), RFC 4291 text for IPv6, no zone, no prefix length.
 */
export function parseAddress(text: string): Address | undefined {
  if (plainIPv4.test(text)) {
    if (!Address4.isValid(text) || /(^|\.)0\d/.test(text)) return undefined
    return { family: 'IPv4', value: new Address4(text).bigInt() }
  }
  if (!plainIPv6.test(text) || !Address6.isValid(text)) return undefined
  return { family: 'IPv6', value: new Address6(text).bigInt() }
}

/** Canonical text: a dotted quad, or RFC 5952 for IPv6. */
export function formatAddress(address: Address): string {
  if (address.family === 'IPv4') return formatIPv4(Number(address.value))
  return Address6.fromBigInt(address.value).correctForm()
}

function formatIPv4(value: number): string {
  return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`
}

/** Network byte order: 4 octets for IPv4, 16 for IPv6. */
export function addressToBytes(address: Address): Uint8Array {
  const bytes = new Uint8Array(addressBits[address.family] / 8)
  const view = new DataView(bytes.buffer)
  if (address.family === 'IPv4') {
    view.setUint32(0, Number(address.value))
  } else {
    view.setBigUint64(0, address.value >> 64n)
    view.setBigUint64(8, BigInt.asUintN(64, address.value))
  }
  return bytes
}

/** The address in 4 or 16 octets of network byte order; any other length is a programmer's error. */
export function addressFromBytes(bytes: Uint8Array): Address {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length === 4) return { family: 'IPv4', value: BigInt(view.getUint32(0)) }
  if (bytes.length === 16) {
    return { family: 'IPv6', value: (view.getBigUint64(0) << 64n) | view.getBigUint64(8) }
  }
  throw new RangeError(`an address has 4 or 16 octets, not ${bytes.length}`)
}

export function sameAddress(one: Address, other: Address): boolean {
  return one.family === other.family && one.value === other.value
}

/** IPv4 before IPv6, then by number. */
export function compareAddresses(one: Address, other: Address): number {
  if (one.family !== other.family) return one.family === 'IPv4' ? -1 : 1
  return one.value < other.value ? -1 : one.value > other.value ? 1 : 0
}
