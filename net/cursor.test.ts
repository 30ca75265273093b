import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decoding, Malformed, Reader, Writer } from './cursor.ts'
import { formatMac, multicastMacForIPv6, parseMac, sameMac } from './mac.ts'

test('fields come back as written, big-endian, at any offset of the buffer beneath', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 255 }),
      fc.integer({ min: 0, max: 65_535 }),
      fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      fc.uint8Array({ maxLength: 20 }),
      fc.integer({ min: 0, max: 9 }),
      (eight, sixteen, thirtyTwo, tail, offset) => {
        const written = new Writer(7 + tail.length).uint8(eight).uint16(sixteen).uint32(thirtyTwo).bytes(tail).finish()
        const shifted = new Uint8Array(offset + written.length)
        shifted.set(written, offset)
        const reader = new Reader(shifted.subarray(offset))
        expect([reader.uint8(), reader.uint16(), reader.uint32()]).toEqual([eight, sixteen, thirtyTwo])
        expect(reader.rest()).toEqual(tail)
        expect(reader.remaining).toBe(0)
      },
    ),
  )
})

describe('a reader never runs past its bytes', () => {
  for (const [what, read] of [
    ['uint8', (reader: Reader) => reader.uint8()],
    ['uint16', (reader: Reader) => reader.uint16()],
    ['uint32', (reader: Reader) => reader.uint32()],
    ['bytes', (reader: Reader) => reader.bytes(1)],
    ['skip', (reader: Reader) => reader.skip(1)],
  ] as const) {
    test(what, () => expect(() => read(new Reader(new Uint8Array(8).subarray(8)))).toThrow(Malformed))
  }
})

test('malformed bytes are a value, a bug is an exception', () => {
  expect(decoding(() => new Reader(new Uint8Array(1)).uint16())).toEqual({
    ok: false,
    problem: '2 octets wanted at offset 0, 1 left',
  })
  expect(() =>
    decoding(() => {
      throw new TypeError('a bug')
    }),
  ).toThrow('a bug')
})

test('a buffer sized wrong is noticed', () => {
  expect(() => new Writer(2).uint8(1).finish()).toThrow(/1 octets written into a message of 2/)
  expect(() => new Writer(1).uint16(1)).toThrow(RangeError)
})

test('Ethernet addresses parse, print and compare; multicast follows RFC 2464', () => {
  const mac = parseMac('02:00:5E:10:00:0a')
  if (!mac) throw new Error('refused')
  expect(formatMac(mac)).toBe('02:00:5e:10:00:0a')
  expect(sameMac(mac, Uint8Array.of(2, 0, 0x5e, 0x10, 0, 10))).toBe(true)
  expect(sameMac(mac, mac.subarray(0, 5))).toBe(false)
  for (const text of ['', '02:00:5e:10:00', '02-00-5e-10-00-0a', '02:00:5e:10:00:0a:01'])
    expect(parseMac(text)).toBeUndefined()
  const solicitedNode = Uint8Array.of(0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xaa, 0xbb, 0xcc)
  expect(formatMac(multicastMacForIPv6(solicitedNode))).toBe('33:33:ff:aa:bb:cc')
})
