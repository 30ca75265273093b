import { expect, test } from 'vitest'
import { createRandom } from './seeded-random.ts'

test('what follows from a seed stays as it is, for seeds name known cases', () => {
  const seven = createRandom(7)
  expect([seven(), seven(), seven()].map(number => number * 2 ** 32)).toEqual([50271532, 266108690, 4195786334])
  expect(createRandom(-1)() * 2 ** 32).toBe(3850105811)
  const random = createRandom(20_261_123)
  expect(random.integer(1, 6)).toBe(6)
  expect(random.pick(['a', 'b', 'c'])).toBe('c')
  expect(random.part([1, 2, 3, 4])).toEqual([3, 2])
  expect(random.chance(0.5)).toBe(true)
  expect(random.between(10, 20)).toBe(16.132109148893505)
})
