import { IPv4CidrRange, IPv6CidrRange } from 'ip-num'
import { type Address, addressBits, compareAddresses, formatAddress, type IpFamily, parseAddress } from './address.ts'

/** The addresses from `first` to `last`, both included; `first <= last`. */
export interface AddressRange {
  readonly family: IpFamily
  readonly first: bigint
  readonly last: bigint
}

/** A range that is the whole of one network: its lowest address and the length of its mask in bits. */
export interface AddressPrefix {
  readonly address: Address
  readonly length: number
}

/** Why a text names no range, in words that go behind "is not a range: ". */
export type RangeProblem = { readonly problem: string }

/**
 * A range as admins write it: `192.0.2.0/24`, `2001:db8::/64` or `192.0.2.10-192.0.2.20` (spaces around the hyphen
 * allowed). Host bits of a prefix are masked off, so `192.0.2.10/24` is the whole of 192.0.2.0/24, as in MetalLB.
 */
export function parseRange(text: string): AddressRange | RangeProblem {
  const trimmed = text.trim()
  if (trimmed.includes('/')) return parsePrefixRange(trimmed)
  const ends = trimmed.split('-')
  if (ends.length !== 2)
    return { problem: 'write a CIDR such as 192.0.2.0/24 or a range such as 192.0.2.10-192.0.2.20' }
  const [firstText = '', lastText = ''] = ends.map(end => end.trim())
  const first = parseAddress(firstText)
  const last = parseAddress(lastText)
  if (!first) return { problem: `"${firstText}" is not an IP address` }
  if (!last) return { problem: `"${lastText}" is not an IP address` }
  if (first.family !== last.family) return { problem: 'both ends must be of one family, IPv4 or IPv6' }
  if (first.value > last.value)
    return { problem: `the first address is above the last; write ${lastText}-${firstText}` }
  return { family: first.family, first: first.value, last: last.value }
}

function parsePrefixRange(text: string): AddressRange | RangeProblem {
  const [addressText = '', lengthText = '', ...more] = text.split('/')
  const address = parseAddress(addressText)
  if (!address) return { problem: `"${addressText}" is not an IP address` }
  const bits = addressBits[address.family]
  if (more.length > 0 || !/^(0|[1-9]\d{0,2})$/.test(lengthText) || Number(lengthText) > bits) {
    return { problem: `the prefix length of an ${address.family} network is 0 to ${bits}` }
  }
  return prefixRange({ address, length: Number(lengthText) })
}

/** Every address of a prefix; host bits of its address are masked off. */
export function prefixRange(prefix: AddressPrefix): AddressRange {
  const text = `${formatAddress(prefix.address)}/${prefix.length}`
  const range = prefix.address.family === 'IPv4' ? IPv4CidrRange.fromCidr(text) : IPv6CidrRange.fromCidr(text)
  return { family: prefix.address.family, first: range.getFirst().getValue(), last: range.getLast().getValue() }
}

/** The network of this length that an address lies in. */
export function networkOf(address: Address, length: number): AddressPrefix {
  const hostBits = BigInt(addressBits[address.family] - length)
  if (hostBits === 0n) return { address, length }
  return { address: { family: address.family, value: (address.value >> hostBits) << hostBits }, length }
}

/** The range as a prefix where it is one, else `first-last`. */
export function formatRange(range: AddressRange): string {
  const [only, ...more] = toPrefixes(range)
  if (only && more.length === 0) return `${formatAddress(only.address)}/${only.length}`
  return `${formatAddress(firstAddress(range))}-${formatAddress(lastAddress(range))}`
}

export function firstAddress(range: AddressRange): Address {
  return { family: range.family, value: range.first }
}

function lastAddress(range: AddressRange): Address {
  return { family: range.family, value: range.last }
}

export function rangeSize(range: AddressRange): bigint {
  return range.last - range.first + 1n
}

export function contains(range: AddressRange, address: Address): boolean {
  return range.family === address.family && range.first <= address.value && address.value <= range.last
}

export function overlaps(one: AddressRange, other: AddressRange): boolean {
  return one.family === other.family && one.first <= other.last && other.first <= one.last
}

/** IPv4 before IPv6, then by first address. */
export function compareRanges(one: AddressRange, other: AddressRange): number {
  return compareAddresses(firstAddress(one), firstAddress(other))
}

/** The fewest prefixes that together are exactly the range, in ascending order. */
export function toPrefixes(range: AddressRange): readonly AddressPrefix[] {
  const bits = addressBits[range.family]
  const prefixes: AddressPrefix[] = []
  let next = range.first
  while (next <= range.last) {
    let hostBits = next === 0n ? bits : trailingZeros(next)
    while (hostBits > bits || next + (1n << BigInt(hostBits)) - 1n > range.last) hostBits--
    prefixes.push({ address: { family: range.family, value: next }, length: bits - hostBits })
    next += 1n << BigInt(hostBits)
  }
  return prefixes
}

function trailingZeros(value: bigint): number {
  let zeros = 0
  for (let rest = value; (rest & 1n) === 0n; rest >>= 1n) zeros++
  return zeros
}
