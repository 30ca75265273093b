import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createLoop } from './loop.ts'

beforeEach(
  () =>
    void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate', 'performance'] }),
)
afterEach(() => void vi.useRealTimers())

/** A loop whose runs take so long; `at` is when each began, and `able` whether it can run. */
function setUp({ takesMs = 0 } = {}) {
  const startMs = performance.now()
  const scene = { at: [] as number[], able: true }
  const loop = createLoop(() => {
    if (!scene.able) return false
    scene.at.push(Math.round(performance.now() - startMs))
    vi.advanceTimersByTime(takesMs)
    return true
  })
  return { loop, scene }
}

test('changes that come together make one run, soon', () => {
  const { loop, scene } = setUp()
  loop.wake()
  vi.advanceTimersByTime(2)
  loop.wake()
  expect(loop.state.wokenAtMs).toBeDefined()
  vi.advanceTimersByTime(100)
  expect(scene.at).toEqual([5])
  expect(loop.state).toEqual({ runs: 1, lastRunMs: 0, wokenAtMs: undefined })
})

test('an urgent change waits for no other, and for no timer', () => {
  const { loop, scene } = setUp()
  loop.wake()
  loop.wake('urgent')
  vi.advanceTimersByTime(0)
  expect(scene.at).toEqual([0])
})

test('in a burst of changes, long runs take a third of the time', () => {
  const { loop, scene } = setUp({ takesMs: 30 })
  for (let passed = 0; passed < 300; passed += 10) {
    loop.wake()
    vi.advanceTimersByTime(10)
  }
  const pauses = scene.at.slice(1).map((at, index) => at - (scene.at[index] ?? 0))
  expect(pauses.length).toBeGreaterThan(2)
  expect(Math.min(...pauses)).toBe(90)
})

test('runs at a time that was asked for, and earlier where something happens', () => {
  const { loop, scene } = setUp()
  loop.runAt(performance.now() + 1_000)
  loop.runAt(performance.now() + 500)
  loop.runAt(performance.now() + 2_000)
  vi.advanceTimersByTime(600)
  expect(scene.at).toEqual([500])
  loop.runAt(performance.now() + 1_000)
  loop.wake()
  vi.advanceTimersByTime(2_000)
  expect(scene.at).toEqual([500, 605])
})

test('what could not be looked at still waits', () => {
  const { loop, scene } = setUp()
  scene.able = false
  loop.wake()
  vi.advanceTimersByTime(10)
  expect(loop.state.runs).toBe(0)
  expect(loop.state.wokenAtMs).toBeDefined()
  scene.able = true
  loop.wake()
  vi.advanceTimersByTime(10)
  expect(loop.state).toMatchObject({ runs: 1, wokenAtMs: undefined })
})

test('that has been stopped runs no more', () => {
  const { loop, scene } = setUp()
  loop.wake()
  loop.stop()
  loop.wake()
  loop.runNow()
  vi.advanceTimersByTime(100)
  expect(scene.at).toEqual([])
})
