import { expect, test } from 'vitest'
import { simulateAll, simulateChanges } from './simulate.ts'

test.each(Array.from({ length: 10 }, (_, index) => 1 + index * 100))(
  'a hundred schedules of changes from seed %i',
  seed => {
    expect(simulateAll(seed, 100, simulateChanges)).toEqual([])
  },
)
