import { describe, expect, test } from 'vitest'
import { pauseBeforeRepeat, takeOverRepeats } from './repeats.ts'

describe('pauseBeforeRepeat', () => {
  test('the first is at once, the next few within five seconds and on both sides of the first second', () => {
    const times: number[] = []
    for (let sent = 0, atMs = 0; sent < takeOverRepeats; sent++) times.push((atMs += pauseBeforeRepeat(sent, 0.5)))
    expect(times[0]).toBe(0)
    expect(times.at(-1)).toBeLessThan(5_000)
    // Linux keeps an entry that is younger than a second: one packet must come in the second after.
    expect(times.some(atMs => atMs > 1_000 && atMs < 2_000)).toBe(true)
  })

  test('then about once a minute for ever, spread by chance', () => {
    for (const sent of [takeOverRepeats, 1_000_000]) {
      expect(pauseBeforeRepeat(sent, 0)).toBe(30_000)
      expect(pauseBeforeRepeat(sent, 0.5)).toBe(60_000)
      expect(pauseBeforeRepeat(sent, 0.999)).toBeLessThan(90_000)
    }
  })
})
