import { describe, expect, test } from 'vitest'
import { hex, shifted } from '../../test/packets/bytes.ts'
import { decodePresence, encodePresence, encodeSolicitation, hopLimitIn, onlyType } from './router-advertisement.ts'

test('ours makes nobody’s default router of us', () => {
  expect(encodePresence()).toEqual(hex('86 00 0000 00 00 0000 00000000 00000000'))
})

test('our question who is there', () => {
  expect(encodeSolicitation()).toEqual(hex('85 00 0000 00000000'))
})

describe('a Router Advertisement', () => {
  const frr = hex('86 00 1234 40 00 0000 00000000 00000000 0101 020000000002')
  const rows: readonly [name: string, message: Uint8Array, hopLimit: number | undefined, ok: boolean][] = [
    ['of a neighbour counts', frr, 255, true],
    ['that was forwarded does not', frr, 254, false],
    ['of unknown distance does not', frr, undefined, false],
    ['cut short does not', frr.subarray(0, 15), 255, false],
    ['of another code does not', frr.with(1, 1), 255, false],
    ['that is a Neighbor Advertisement does not', frr.with(0, 136), 255, false],
  ]
  for (const [name, message, hopLimit, ok] of rows) {
    test(name, () => expect(decodePresence(shifted(message), hopLimit).ok).toBe(ok))
  }
})

test('the hop limit is found among control messages', () => {
  const other = hex('1400000000000000 29000000 43000000 07000000 00000000')
  const limit = hex('1400000000000000 29000000 34000000 ff000000 00000000')
  expect(hopLimitIn(shifted(new Uint8Array([...other, ...limit])))).toBe(255)
  expect(hopLimitIn(other)).toBeUndefined()
  expect(hopLimitIn(hex('0000000000000000 29000000 43000000 07000000 00000000'))).toBeUndefined()
  expect(hopLimitIn(new Uint8Array(0))).toBeUndefined()
})

test('the filter lets one type pass', () => {
  const filter = onlyType(134)
  const passes = (type: number) => ((filter[type >> 3] ?? 0) & (1 << (type & 7))) === 0
  expect(Array.from({ length: 256 }, (_, type) => type).filter(passes)).toEqual([134])
})
