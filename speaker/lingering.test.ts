import { expect, test } from 'vitest'
import { type Lingering, linger, nobodyLingers } from './lingering.ts'

const names = (lingering: Lingering): readonly string[] => [...lingering.names].sort()

test('who goes is still there for a while, and then no longer', () => {
  const both = linger(nobodyLingers, ['a', 'b'], 0, 100)
  const without = linger(both, ['a'], 50, 100)
  expect(names(without)).toEqual(['a', 'b'])
  expect(names(linger(without, ['a'], 149, 100))).toEqual(['a', 'b'])
  expect(names(linger(without, ['a'], 150, 100))).toEqual(['a'])
})

test('who is back in time begins anew', () => {
  const gone = linger(linger(nobodyLingers, ['a'], 0, 100), [], 10, 100)
  const back = linger(gone, ['a'], 90, 100)
  const again = linger(back, [], 95, 100)
  expect(names(linger(again, [], 194, 100))).toEqual(['a'])
  expect(names(linger(again, [], 195, 100))).toEqual([])
})

test('who comes is there at once, and who never was is not', () => {
  expect(names(linger(nobodyLingers, ['a'], 0, 100))).toEqual(['a'])
  expect(names(linger(nobodyLingers, [], 0, 100))).toEqual([])
})

test('the set is the same object for as long as nobody comes and nobody is gone for good', () => {
  const before = linger(nobodyLingers, ['a', 'b'], 0, 100)
  expect(linger(before, ['a'], 50, 100).names).toBe(before.names)
  expect(linger(before, ['a', 'c'], 50, 100).names).not.toBe(before.names)
})
