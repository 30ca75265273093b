import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createIntervalSet } from './intervals.ts'

describe('a set of intervals', () => {
  it('says the same as a plain set under any adds and deletes', () => {
    const value = fc.bigInt({ min: 0n, max: 40n })
    const step = fc.tuple(fc.constantFrom('add', 'delete'), value)
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), steps => {
        const intervals = createIntervalSet()
        const model = new Set<bigint>()
        for (const [kind, one] of steps) {
          const wasThere = model.has(one)
          expect(kind === 'add' ? !intervals.add(one) : intervals.delete(one)).toBe(wasThere)
          if (kind === 'add') model.add(one)
          else model.delete(one)
          let lowest = 0n
          while (model.has(lowest)) lowest++
          expect(intervals.lowestAbsent()).toBe(lowest)
          expect(intervals.count).toBe(BigInt(model.size))
          let runs = 0
          for (let at = 0n; at <= 40n; at++) {
            expect(intervals.has(at)).toBe(model.has(at))
            if (model.has(at) && !model.has(at - 1n)) runs++
          }
          expect(intervals.runs).toBe(runs)
        }
      }),
      { numRuns: 200 },
    )
  })

  it('keeps thousands of runs apart and joins them again', () => {
    const intervals = createIntervalSet()
    const size = 20_000n
    for (let value = 1n; value < size; value += 2n) intervals.add(value)
    expect(intervals.runs).toBe(10_000)
    // From both ends and the middle, so that chunks are split and emptied everywhere.
    for (let step = 0n; step < size / 2n; step++) intervals.add(2n * ((step * 7_919n) % (size / 2n)))
    expect(intervals.runs).toBe(1)
    expect(intervals.count).toBe(size)
    expect(intervals.lowestAbsent()).toBe(size)
    intervals.delete(12_345n)
    expect(intervals.lowestAbsent()).toBe(12_345n)
  })

  it('is empty at first', () => {
    const intervals = createIntervalSet()
    expect(intervals.lowestAbsent()).toBe(0n)
    expect(intervals.has(0n)).toBe(false)
    expect(intervals.delete(0n)).toBe(false)
  })
})
