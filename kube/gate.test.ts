import { describe, expect, it } from 'vitest'
import { createGate } from './gate.ts'

describe('a gate', () => {
  it('lets its width through at once, and the others in the order in which they came', async () => {
    const gate = createGate(2)
    const through: number[] = []
    const all = [1, 2, 3, 4].map(async number => {
      await gate.enter(() => {})
      through.push(number)
    })
    await Promise.all(all.slice(0, 2))
    expect(through).toEqual([1, 2])
    gate.leave()
    await all[2]
    expect(through).toEqual([1, 2, 3])
    gate.leave()
    await all[3]
    expect(through).toEqual([1, 2, 3, 4])
  })

  it('forgets who gave up waiting, and does not count a place for it', async () => {
    const gate = createGate(1)
    await gate.enter(() => {})
    let giveUp: (reason: unknown) => void = () => {}
    const impatient = gate.enter(cancel => {
      giveUp = cancel
    })
    const next = gate.enter(() => {})
    giveUp(new Error('too long'))
    await expect(impatient).rejects.toThrow('too long')
    gate.leave()
    await next
    gate.leave()
    await gate.enter(() => {})
  })
})
