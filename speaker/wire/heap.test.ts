import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { createHeap } from './heap.ts'

test('gives back in order whatever is added and removed in any order', () => {
  const operations = fc.array(fc.oneof(fc.integer(), fc.constant('remove' as const)), { maxLength: 300 })
  fc.assert(
    fc.property(operations, steps => {
      const heap = createHeap<number>((one, other) => one - other)
      const model: number[] = []
      for (const step of steps) {
        if (step === 'remove') {
          heap.removeFirst()
          model.shift()
        } else {
          heap.add(step)
          model.push(step)
          model.sort((one, other) => one - other)
        }
        expect(heap.first()).toBe(model[0])
        expect(heap.size).toBe(model.length)
      }
    }),
  )
})
