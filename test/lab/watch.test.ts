import { expect, test } from 'vitest'
import { doubledMs, longestGapMs } from './watch.ts'

const every10 = (mac: string, fromMs: number, untilMs: number): [number, string][] =>
  Array.from({ length: (untilMs - fromMs) / 10 + 1 }, (_, index) => [fromMs + index * 10, mac])

test('a silence is counted from its neighbours, and at the ends too', () => {
  expect(longestGapMs([10, 20, 80, 90], 0, 100)).toBe(60)
  expect(longestGapMs([50, 60], 0, 100)).toBe(50)
  expect(longestGapMs([], 0, 100)).toBe(100)
})

test('one station after the other is not two at once', () => {
  expect(doubledMs([...every10('a', 0, 100), ...every10('b', 110, 200)])).toBe(0)
})

test('two at once are counted for as long as both answer', () => {
  expect(doubledMs([...every10('a', 0, 100), ...every10('b', 60, 200)])).toBe(40)
})

test('a single answer of a station that wakes up counts', () => {
  expect(doubledMs([...every10('b', 0, 200), [105, 'a']])).toBe(10)
})

test('a late answer does not end a stretch', () => {
  expect(doubledMs([...every10('a', 0, 100), ...every10('a', 130, 200), ...every10('b', 50, 150)])).toBe(100)
})
