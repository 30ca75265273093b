import { isIP } from 'node:net'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  addressFromBytes,
  addressToBytes,
  compareAddresses,
  formatAddress,
  parseAddress,
  sameAddress,
} from './address.ts'

const ipv4Value = fc.bigInt({ min: 0n, max: 2n ** 32n - 1n })
const ipv6Value = fc.bigInt({ min: 0n, max: 2n ** 128n - 1n })
const address = fc.oneof(
  ipv4Value.map(value => ({ family: 'IPv4' as const, value })),
  ipv6Value.map(value => ({ family: 'IPv6' as const, value })),
)

describe('a text that is not an address', () => {
  for (const text of [
    '',
    '10.0.0',
    '010.0.0.1',
    '0x0a.0.0.1',
    '256.0.0.1',
    '10.0.0.1/24',
    ' 10.0.0.1',
    'fe80::1%eth0',
    'fe80::1%',
    '[::1]',
    '1::2::3',
    '12345::',
    '::ffff:10.0.0.256',
    'web.example',
  ]) {
    test(`"${text}" is refused`, () => expect(parseAddress(text)).toBeUndefined())
  }
})

describe('a text that is an address', () => {
  for (const [text, canonical] of [
    ['192.0.2.1', '192.0.2.1'],
    ['255.255.255.255', '255.255.255.255'],
    ['0.0.0.0', '0.0.0.0'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['::', '::'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['::ffff:10.0.0.1', '::ffff:a00:1'],
  ] as const) {
    test(`${text} reads as ${canonical}`, () => {
      const parsed = parseAddress(text)
      expect(parsed && formatAddress(parsed)).toBe(canonical)
    })
  }
})

test('exactly the texts that the platform takes for an address are parsed', () => {
  const digits = fc.string({ unit: fc.constantFrom('0', '1', '2', '5', '.', ':', 'f', 'a', '%', '/'), maxLength: 24 })
  const text = fc.oneof(digits, fc.ipV4(), fc.ipV6(), fc.ipV4Extended(), fc.string())
  fc.assert(
    fc.property(text, candidate => {
      const zoned = candidate.includes('%')
      expect(parseAddress(candidate) !== undefined).toBe(isIP(candidate) !== 0 && !zoned)
    }),
    { numRuns: 5_000 },
  )
})

test('formatting and parsing, and bytes and back, give the same address', () => {
  fc.assert(
    fc.property(address, original => {
      const reparsed = parseAddress(formatAddress(original))
      expect(reparsed && sameAddress(reparsed, original)).toBe(true)
      expect(sameAddress(addressFromBytes(addressToBytes(original)), original)).toBe(true)
    }),
  )
})

test('IPv4 sorts before IPv6, then by number', () => {
  const sorted = ['2001:db8::1', '192.0.2.9', '::1', '192.0.2.10']
    .map(text => parseAddress(text))
    .filter(parsed => parsed !== undefined)
    .toSorted(compareAddresses)
  expect(sorted.map(formatAddress)).toEqual(['192.0.2.9', '192.0.2.10', '::1', '2001:db8::1'])
})

test('five octets are nobody’s address', () => {
  expect(() => addressFromBytes(new Uint8Array(5))).toThrow(/4 or 16 octets/)
})
