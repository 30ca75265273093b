import fc from 'fast-check'
import { expect, test } from 'vitest'
import { answered, asked, neverAsked, refreshIntervalMs } from './refresh-pace.ts'

/** When a peer is answered that asks at these times; timers are `lateMs` late. */
function answersTo(requestsMs: readonly number[], lateMs: number): readonly number[] {
  const answersMs: number[] = []
  let pace = neverAsked
  let dueMs: number | undefined
  const answerUntil = (nowMs: number): void => {
    if (dueMs === undefined || dueMs > nowMs) return
    answersMs.push(dueMs)
    pace = answered(dueMs)
    dueMs = undefined
  }
  for (const nowMs of requestsMs) {
    answerUntil(nowMs)
    const [next, delayMs] = asked(pace, nowMs)
    pace = next
    if (delayMs !== undefined) dueMs = delayMs === 0 ? nowMs : nowMs + delayMs + lateMs
    answerUntil(nowMs)
  }
  answerUntil(Number.POSITIVE_INFINITY)
  return answersMs
}

test('who asks once, or seldom, is answered at once', () => {
  expect(answersTo([5], 0)).toEqual([5])
  expect(answersTo([5, 5 + refreshIntervalMs, 60_000], 0)).toEqual([5, 5 + refreshIntervalMs, 60_000])
})

test('ten thousand requests in five seconds are six answers', () => {
  const requestsMs = Array.from({ length: 10_000 }, (_, index) => index / 2)
  expect(answersTo(requestsMs, 0)).toEqual([0, 1000, 2000, 3000, 4000, 5000])
})

test('however often a peer asks, it is answered soon after each request, and not more often than that', () => {
  const gaps = fc.array(fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 3000 })), {
    maxLength: 200,
  })
  fc.assert(
    fc.property(gaps, fc.integer({ min: 0, max: 50 }), (pauses, lateMs) => {
      let nowMs = 0
      const requestsMs = pauses.map(pauseMs => (nowMs += pauseMs))
      const answersMs = answersTo(requestsMs, lateMs)
      for (const requestMs of requestsMs) {
        const answerMs = answersMs.find(atMs => atMs >= requestMs) ?? Number.POSITIVE_INFINITY
        expect(answerMs - requestMs).toBeLessThanOrEqual(refreshIntervalMs + lateMs)
      }
      for (const [index, answerMs] of answersMs.entries()) {
        expect(answerMs - (answersMs[index - 1] ?? Number.NEGATIVE_INFINITY)).toBeGreaterThanOrEqual(refreshIntervalMs)
      }
    }),
  )
})
