import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { runFilter } from '../../test/packets/bpf-machine.ts'
import { assemble } from './bpf.ts'
import { coveringRanges, jumpIfMember, type NumberRange } from './bpf-set.ts'

const word = fc.integer({ min: 0, max: 0xffffffff })

describe('coveringRanges', () => {
  test.each([
    { name: 'nothing', numbers: [], most: 4, ranges: [] },
    { name: 'neighbours become one range', numbers: [3, 1, 2, 2], most: 4, ranges: [[1, 3]] },
    {
      name: 'a gap parts two ranges',
      numbers: [1, 2, 5],
      most: 4,
      ranges: [
        [1, 2],
        [5, 5],
      ],
    },
    {
      name: 'too many: the smallest gap closes',
      numbers: [1, 3, 100, 200],
      most: 3,
      ranges: [
        [1, 3],
        [100, 100],
        [200, 200],
      ],
    },
    {
      name: 'too many of the same width: all of them close',
      numbers: [1, 3, 5, 100],
      most: 2,
      ranges: [
        [1, 5],
        [100, 100],
      ],
    },
    { name: 'one range for all', numbers: [1, 0xffffffff], most: 1, ranges: [[1, 0xffffffff]] },
  ])('$name', ({ numbers, most, ranges }) => {
    expect(coveringRanges(numbers, most)).toEqual(ranges.map(([first, last]) => ({ first, last })))
  })

  test('holds every number, in no more ranges than allowed, ascending and apart', () => {
    fc.assert(
      fc.property(fc.array(word, { maxLength: 200 }), fc.integer({ min: 1, max: 20 }), (numbers, most) => {
        const ranges = coveringRanges(numbers, most)
        expect(ranges.length).toBeLessThanOrEqual(most)
        for (const number of numbers) expect(isMember(ranges, number)).toBe(true)
        for (const [index, range] of ranges.entries()) {
          expect(range.first).toBeLessThanOrEqual(range.last)
          expect(range.first).toBeGreaterThan((ranges[index - 1]?.last ?? -2) + 1)
        }
      }),
    )
  })
})

describe('jumpIfMember', () => {
  test('lets through the members of the set and no one else', () => {
    const near = fc.array(fc.integer({ min: 1_000, max: 3_000 }), { maxLength: 300 })
    fc.assert(
      fc.property(fc.oneof(near, fc.array(word, { maxLength: 300 })), fc.array(word), (numbers, probes) => {
        const ranges = coveringRanges(numbers, 128)
        const program = assemble([
          { kind: 'load', size: 4, offset: 0 },
          ...jumpIfMember(ranges, 'take', 'drop', 'set'),
          { kind: 'label', name: 'take' },
          { kind: 'return', octets: 1 },
          { kind: 'label', name: 'drop' },
          { kind: 'return', octets: 0 },
        ])
        const bytes = new Uint8Array(4)
        for (const probe of [...probes, ...numbers.flatMap(number => [number - 1, number, number + 1])]) {
          new DataView(bytes.buffer).setUint32(0, probe)
          expect(runFilter(program, bytes, 0) === 1).toBe(isMember(ranges, probe >>> 0))
        }
      }),
      { numRuns: 50 },
    )
  })
})

function isMember(ranges: readonly NumberRange[], number: number): boolean {
  return ranges.some(({ first, last }) => first <= number && number <= last)
}
