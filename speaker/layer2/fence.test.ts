import { describe, expect, test } from 'vitest'
import {
  createFence,
  type Fence,
  type FenceAction,
  type FenceEvent,
  fenceSettings,
  licenceOf,
  mayAnswer,
  step,
} from './fence.ts'

const settings = fenceSettings({ intervalMs: 100, detectMultiplier: 3, leaseDurationMs: 10_000, renewPeriodMs: 3_000 })

type Timed = readonly [nowMs: number, event: FenceEvent]

const tick = (neighbours: readonly string[] = ['b', 'c', 'd'], nonce = 7, leapMs = 0): FenceEvent => ({
  kind: 'tick',
  nonce,
  neighbours,
  leapMs,
})
const answer = (from: string, missesUs = false, nonce = 7): FenceEvent => ({ kind: 'answer', from, nonce, missesUs })
const standing = (is: 'most' | 'half' | 'few'): FenceEvent => ({ kind: 'standing', standing: is })

/** A fence that ticks every 50 ms up to the first of the events and between them, main living all the while. */
function run(events: readonly Timed[], options: { ticks?: boolean; untilMs?: number } = {}) {
  let fence: Fence = createFence(settings, 0)
  const actions: FenceAction[] = []
  const take = (event: FenceEvent, nowMs: number): void => {
    const [next, done] = step(fence, event, nowMs)
    fence = next
    actions.push(...done)
  }
  let nowMs = 0
  const tickUntil = (endMs: number): void => {
    for (; options.ticks !== false && nowMs + 50 <= endMs; nowMs += 50) {
      take({ kind: 'main', atMs: nowMs + 50 }, nowMs + 50)
      take(tick(), nowMs + 50)
    }
  }
  for (const [atMs, event] of events) {
    tickUntil(atMs)
    nowMs = atMs
    take(event, atMs)
  }
  if (options.untilMs !== undefined) tickUntil(options.untilMs)
  return { fence, actions, kinds: actions.map(({ kind }) => kind) }
}

const may = (fence: Fence, nowMs: number): boolean => mayAnswer(licenceOf(fence), nowMs)

test('with 100 ms × 3 a gap may last 200 ms: nobody can have noticed a shorter one', () => {
  expect(settings).toMatchObject({ gapMs: 200, cutOffMs: 2_000, mainPatienceMs: 6_500, settleMs: 400 })
})

describe('a process that was stopped', () => {
  test('finds its licence over before it looks at anything', () => {
    const { fence } = run([], { untilMs: 1_000 })
    expect(may(fence, 1_199)).toBe(true)
    expect(may(fence, 1_200)).toBe(false)
    expect(may(fence, 60_000)).toBe(false)
  })

  const frozen: Timed[] = [[5_000, tick()]]

  test('asks its neighbours when it wakes, and answers nothing meanwhile', () => {
    const { fence, actions } = run(frozen, { ticks: false })
    expect(actions).toEqual([
      { kind: 'woke', gapMs: 5_000 },
      { kind: 'question', nonce: 7, to: ['b', 'c', 'd'] },
    ])
    expect(may(fence, 5_001)).toBe(false)
  })

  test('goes on when more than half of them say that they never missed it', () => {
    const one = run([...frozen, [5_002, answer('b')]], { ticks: false })
    expect(may(one.fence, 5_002)).toBe(false)
    const two = run([...frozen, [5_002, answer('b')], [5_002, answer('c')]], { ticks: false })
    expect(may(two.fence, 5_002)).toBe(true)
    expect(two.kinds).not.toContain('askSegment')
  })

  test.each([
    { situation: 'to another question', event: answer('b', false, 6) },
    { situation: 'of somebody who was not asked', event: answer('x') },
    { situation: 'that it has heard already', event: answer('c') },
  ])('is not moved by an answer $situation', ({ event }) => {
    const { fence } = run([...frozen, [5_001, answer('c')], [5_002, event]], { ticks: false })
    expect(may(fence, 5_002)).toBe(false)
  })

  test('asks the segment for everything when one has missed it, once its own sessions have settled', () => {
    const missed: Timed[] = [...frozen, [5_002, answer('b', true)], [5_002, answer('c')], [5_002, answer('d')]]
    const { fence, kinds } = run([...missed, [5_100, tick()], [5_200, tick()], [5_300, tick()]], { ticks: false })
    expect(may(fence, 5_300)).toBe(false)
    expect(kinds).not.toContain('askSegment')
    const settled: Timed[] = [5_100, 5_200, 5_300, 5_400].map(atMs => [atMs, tick()])
    expect(run([...missed, ...settled], { ticks: false }).kinds.at(-1)).toBe('askSegment')
  })

  test('with few to hear waits for a renewal that was sent after it woke', () => {
    const lonely: Timed[] = [
      [4_000, standing('few')],
      [5_000, tick()],
      [5_150, tick()],
      [5_300, tick()],
      [5_450, tick()],
    ]
    expect(run([...lonely, [5_460, { kind: 'proven', sentMs: 4_999 }]], { ticks: false }).kinds).not.toContain(
      'askSegment',
    )
    const proven = run([...lonely, [5_460, { kind: 'proven', sentMs: 5_001 }]], { ticks: false })
    expect(proven.kinds).toContain('askSegment')
  })

  test('asks again where nobody answers', () => {
    const { actions } = run([...frozen, [5_010, answer('b')], [5_050, tick()]], { ticks: false })
    expect(actions.at(-1)).toEqual({ kind: 'question', nonce: 7, to: ['c', 'd'] })
  })

  test('without a session to anybody need not ask: only its Lease could have run out', () => {
    const alone = run([[3_000, tick([])]], { ticks: false })
    expect(alone.kinds).toEqual([])
    expect(may(alone.fence, 3_100)).toBe(true)
    expect(run([[7_000, tick([])]], { ticks: false }).kinds).toEqual(['woke'])
  })

  test('notices a pause that only a clock of suspended time shows', () => {
    const { fence, kinds } = run([[1_020, tick(['b'], 8, 30_000)]])
    expect(kinds).toEqual(['woke', 'question'])
    expect(may(fence, 1_021)).toBe(false)
  })
})

describe('a node that hears few', () => {
  test('answers for two seconds more, and then no longer', () => {
    const { fence, kinds } = run([[1_010, standing('few')]], { untilMs: 3_000 })
    expect(may(fence, 3_009)).toBe(true)
    expect(may(fence, 3_010)).toBe(false)
    expect(kinds).toEqual([])
    expect(run([[1_010, standing('few')]], { untilMs: 3_050 }).kinds).toEqual(['cutOff'])
  })

  test('goes on while renewals come back', () => {
    const events: Timed[] = [1_000, 2_000, 3_000, 4_000].map(atMs => [atMs + 20, { kind: 'proven', sentMs: atMs }])
    const { fence, kinds } = run([[1_010, standing('few')], ...events], { untilMs: 5_900 })
    expect(may(fence, 5_950)).toBe(true)
    expect(kinds).toEqual([])
    expect(may(run([[1_010, standing('few')], ...events], { untilMs: 6_050 }).fence, 6_060)).toBe(false)
  })

  test('asks the segment before it answers again', () => {
    const { fence, kinds } = run([
      [1_010, standing('few')],
      [9_010, standing('most')],
    ])
    expect(kinds).toEqual(['cutOff', 'restored', 'askSegment'])
    expect(may(fence, 9_011)).toBe(true)
  })
})

test('half of the members are enough, without the API server, for ever', () => {
  const { fence, kinds } = run([[1_010, standing('half')]], { untilMs: 60_000 })
  expect(may(fence, 60_010)).toBe(true)
  expect(kinds).toEqual([])
})

test('a main thread that is silent for long ends it', () => {
  let fence = createFence(settings, 0)
  for (let nowMs = 50; nowMs <= 6_500; nowMs += 50) [fence] = step(fence, tick(), nowMs)
  expect(may(fence, 6_499)).toBe(true)
  expect(may(fence, 6_500)).toBe(false)
})
