import { describe, expect, it } from 'vitest'
import { setCondition } from './conditions.ts'
import type { Condition } from './service.ts'

const ready = { type: 'Ready', status: 'True', reason: 'Valid', message: 'all is well' } as const
const first = new Date('2026-11-23T02:00:00.999Z')
const later = new Date('2026-11-23T03:00:00Z')
const other: Condition = { type: 'Other', status: 'False', reason: 'X', message: '', lastTransitionTime: 'then' }

describe('setting a condition', () => {
  it('returns the same array where nothing changed', () => {
    const before = setCondition([other], { ...ready, observedGeneration: 1 }, first)
    expect(setCondition(before, { ...ready, observedGeneration: 1 }, later)).toBe(before)
  })

  it('stamps a new one in whole seconds and leaves the others alone', () => {
    const after = setCondition([other], ready, first)
    expect(after).toEqual([other, { ...ready, lastTransitionTime: '2026-11-23T02:00:00Z' }])
    expect(after[0]).toBe(other)
  })

  it('keeps the time while only words or the generation change', () => {
    const before = setCondition([], ready, first)
    const reworded = setCondition(before, { ...ready, message: 'fine', observedGeneration: 7 }, later)
    expect(reworded).toEqual([
      { ...ready, message: 'fine', observedGeneration: 7, lastTransitionTime: '2026-11-23T02:00:00Z' },
    ])
  })

  it('moves the time when the status flips', () => {
    const before = setCondition([], ready, first)
    const [after] = setCondition(before, { ...ready, status: 'False', reason: 'Invalid' }, later)
    expect(after?.lastTransitionTime).toBe('2026-11-23T03:00:00Z')
  })
})
