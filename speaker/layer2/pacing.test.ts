import { expect, test } from 'vitest'
import { nextRipeMs, nextTurnMs, noTurns, pace, ripeKeys, type Turns, takeTurns } from './pacing.ts'

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

test('what is ripe takes turns, in order, and keeps its turn until it is done', () => {
  const ripe = ['a', 'b', 'c']
  let turns: Turns<string> = takeTurns(noTurns, ripe, 100, 1_000)
  expect([...turns.admitted]).toEqual(['a'])
  expect(nextTurnMs(turns, ripe, 100)).toBe(1_100)
  turns = takeTurns(turns, ripe, 100, 1_099)
  expect([...turns.admitted]).toEqual(['a'])
  turns = takeTurns(turns, ripe, 100, 1_100)
  expect([...turns.admitted]).toEqual(['a', 'b'])
  // Once it is done it is not ripe any more, and that alone brings nobody's turn nearer.
  turns = takeTurns(turns, ['b', 'c'], 100, 1_150)
  expect([...turns.admitted]).toEqual(['b'])
  turns = takeTurns(turns, ['b', 'c'], 100, 1_200)
  expect([...turns.admitted]).toEqual(['b', 'c'])
  expect(nextTurnMs(turns, ['b', 'c'], 100)).toBeUndefined()
})
