import { expect, test } from 'vitest'
import { simulateAll } from './simulate.ts'

// In two files, so that two cores share the work.
test.each(Array.from({ length: 15 }, (_, index) => 3_000 + index * 100))('a hundred schedules from seed %i', seed => {
  expect(simulateAll(seed, 100)).toEqual([])
})
