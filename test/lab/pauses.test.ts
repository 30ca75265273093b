import { setTimeout as delay } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { watchPauses } from './pauses.ts'

/** Nothing else runs in this process. */
function block(ms: number): number {
  const startMs = performance.now()
  while (performance.now() < startMs + ms);
  return startMs
}

test('a pause counts as far as it lies within the time that is asked for', async () => {
  const pauses = watchPauses()
  onTestFinished(() => pauses.stop())
  await delay(10)
  const startMs = block(60)
  await delay(10)
  // A few milliseconds of it are the pause that the timer makes by itself.
  expect(pauses.within(startMs, 60)).toBeGreaterThan(50)
  expect(pauses.within(startMs, 60)).toBeLessThanOrEqual(60)
  expect(pauses.within(startMs + 20, 20)).toBeCloseTo(20)
  expect(pauses.within(startMs - 10_000, 5_000)).toBe(0)
})
