import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addressBits, formatAddress, parseAddress } from './address.ts'
import {
  type AddressRange,
  contains,
  formatRange,
  networkOf,
  overlaps,
  parseRange,
  prefixRange,
  rangeSize,
  toPrefixes,
} from './range.ts'

function range(text: string): AddressRange {
  const parsed = parseRange(text)
  if ('problem' in parsed) throw new Error(parsed.problem)
  return parsed
}

describe('a text that is not a range says what to write', () => {
  for (const [text, words] of [
    ['192.0.2.0', /write a CIDR such as 192\.0\.2\.0\/24/],
    ['192.0.2.0/33', /0 to 32/],
    ['192.0.2.0/024', /0 to 32/],
    ['192.0.2.0/24/1', /0 to 32/],
    ['2001:db8::/129', /0 to 128/],
    ['192.0.2.0/', /0 to 32/],
    ['192.0.2.20-192.0.2.10', /write 192\.0\.2\.10-192\.0\.2\.20/],
    ['192.0.2.1-2001:db8::1', /one family/],
    ['192.0.2.1-', /"" is not an IP address/],
    ['web-10', /"web" is not an IP address/],
    ['', /write a CIDR/],
  ] as const) {
    test(`"${text}"`, () => {
      const parsed = parseRange(text)
      expect('problem' in parsed && parsed.problem).toMatch(words)
    })
  }
})

describe('OK', () => {
  for (const [text, formatted, size] of [
    ['192.0.2.0/24', '192.0.2.0/24', 256n],
    ['192.0.2.77/24', '192.0.2.0/24', 256n],
    ['192.0.2.1/32', '192.0.2.1/32', 1n],
    ['192.0.2.0-192.0.2.255', '192.0.2.0/24', 256n],
    [' 192.0.2.10 - 192.0.2.20 ', '192.0.2.10-192.0.2.20', 11n],
    ['0.0.0.0/0', '0.0.0.0/0', 2n ** 32n],
    ['2001:db8::/48', '2001:db8::/48', 2n ** 80n],
    ['::/0', '::/0', 2n ** 128n],
    ['2001:db8::1-2001:db8::1', '2001:db8::1/128', 1n],
  ] as const) {
    test(`"${text}" is ${formatted}`, () => {
      expect(formatRange(range(text))).toBe(formatted)
      expect(rangeSize(range(text))).toBe(size)
    })
  }
})

const anyRange = fc
  .tuple(
    fc.constantFrom('IPv4' as const, 'IPv6' as const),
    fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }),
    fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }),
  )
  .map(([family, one, other]) => ({ family, first: one < other ? one : other, last: one < other ? other : one }))

test('the prefixes of a range are exactly the range, without gap or overlap', () => {
  fc.assert(
    fc.property(anyRange, whole => {
      let next = whole.first
      for (const prefix of toPrefixes(whole)) {
        const part = prefixRange(prefix)
        expect(part.first).toBe(next)
        next = part.last + 1n
      }
      expect(next).toBe(whole.last + 1n)
    }),
  )
})

test('a formatted range parses to itself', () => {
  fc.assert(
    fc.property(anyRange, whole => {
      expect(range(formatRange(whole))).toEqual(whole)
    }),
  )
})

test('two ranges overlap just when one holds an end of the other', () => {
  fc.assert(
    fc.property(anyRange, anyRange, (one, other) => {
      const shareAnEnd = [one.first, one.last].some(value => contains(other, { family: one.family, value }))
      const inside = contains(one, { family: other.family, value: other.first })
      expect(overlaps(one, other)).toBe(shareAnEnd || inside)
    }),
  )
})

test('an IPv4 address is in no IPv6 range of the same numbers', () => {
  const address = parseAddress('0.0.0.1')
  if (!address) throw new Error('unreachable')
  expect(contains(range('::/0'), address)).toBe(false)
  expect(contains(range('0.0.0.0/0'), address)).toBe(true)
  expect(formatAddress(address)).toBe('0.0.0.1')
})

test('the network of an address is the one of its length that holds it', () => {
  const address = fc.oneof(
    fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }).map(value => ({ family: 'IPv4' as const, value })),
    fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }).map(value => ({ family: 'IPv6' as const, value })),
  )
  fc.assert(
    fc.property(address, fc.nat({ max: 128 }), (one, bits) => {
      const length = Math.min(bits, addressBits[one.family])
      const network = networkOf(one, length)
      expect(network.length).toBe(length)
      const whole = prefixRange(network)
      expect(contains(whole, one)).toBe(true)
      expect(whole.first).toBe(network.address.value)
    }),
  )
})
