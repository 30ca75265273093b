import { expect, test } from 'vitest'
import { nextRipeMs, pace, ripeKeys } from './pacing.ts'

const wait = () => 100

test('what goes on waiting keeps its time, what is new begins, what is no longer wanted begins anew', () => {
  const first = pace(new Map(), ['a', 'b'], 0)
  const second = pace(first, ['a', 'c'], 60)
  expect(nextRipeMs(second, wait, 60)).toBe(100)
  expect([...ripeKeys(second, wait, 99)]).toEqual([])
  expect([...ripeKeys(second, wait, 100)]).toEqual(['a'])
  expect(nextRipeMs(second, wait, 100)).toBe(160)
  const third = pace(second, ['b'], 110)
  expect([...ripeKeys(third, wait, 200)]).toEqual([])
  expect(nextRipeMs(pace(third, [], 120), wait, 120)).toBeUndefined()
})
