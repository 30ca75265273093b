import { expect, test } from 'vitest'
import { isGood, lastLine, skippedByReason, total, verdict } from './tally.ts'

const skipped = [
  { name: 'a.net.test.ts > one', reason: 'not root' },
  { name: 'b.net.test.ts > two', reason: 'no nft' },
  { name: 'a.net.test.ts > three', reason: 'not root' },
]

test('the last line adds everything up', () => {
  const sum = total([verdict(true), verdict(false), { passed: 40, failed: 2, skipped }])
  expect(lastLine(sum)).toBe('41 passed, 3 failed, 3 skipped')
  expect(lastLine(total([]))).toBe('0 passed, 0 failed, 0 skipped')
})

test('skipped tests are listed under the reason that they share', () => {
  expect(skippedByReason(skipped)).toEqual([
    'not root:',
    '  a.net.test.ts > one',
    '  a.net.test.ts > three',
    'no nft:',
    '  b.net.test.ts > two',
  ])
})

test.each([
  { situation: 'a failure', outcome: { passed: 9, failed: 1, skipped: [] }, mustRunAll: false, good: false },
  { situation: 'nothing run at all', outcome: { passed: 0, failed: 0, skipped: [] }, mustRunAll: false, good: false },
  { situation: 'something skipped at home', outcome: { passed: 9, failed: 0, skipped }, mustRunAll: false, good: true },
  { situation: 'something skipped in CI', outcome: { passed: 9, failed: 0, skipped }, mustRunAll: true, good: false },
  { situation: 'OK, all passed', outcome: { passed: 9, failed: 0, skipped: [] }, mustRunAll: true, good: true },
])('$situation: good is $good', ({ outcome, mustRunAll, good }) => {
  expect(isGood(outcome, { mustRunAll })).toBe(good)
})
