import { describe, expect, test } from 'vitest'
import { delayMs, paceOf } from './session-pace.ts'
import { sessionStatusOf } from './session-record.ts'
import { bfd, established, status, view } from './test-sessions.ts'

const nowMs = Date.UTC(2026, 10, 23, 9)
const written = (one: ReturnType<typeof view>) => sessionStatusOf(one, 'node-1', [], nowMs)
const refused = (atMs: number) => ({ from: 'transport', text: 'connection refused', atMs }) as const
const up = written(view(established(), { bfd: bfd() }))
const dead = written(view(status({ sinceMs: nowMs - 1 }, refused(nowMs))))

describe('how soon a change is seen', () => {
  test.each([
    { situation: 'the first status', before: undefined, after: dead, pace: 'now' },
    { situation: 'the same again', before: up, after: written(view(established(), { bfd: bfd() })), pace: undefined },
    { situation: 'it is up', before: dead, after: up, pace: 'now' },
    { situation: 'it is down', before: up, after: dead, pace: 'now' },
    {
      situation: 'it fell and is back',
      before: up,
      after: written(view(established({ sinceMs: nowMs }), { bfd: bfd() })),
      pace: 'now',
    },
    {
      situation: 'BFD fell',
      before: up,
      after: written(view(established(), { bfd: bfd({ state: 'Down' }) })),
      pace: 'now',
    },
    {
      situation: 'a Secret is missing',
      before: dead,
      after: written(view(undefined, { problem: 'there is no Secret' })),
      pace: 'now',
    },
    {
      situation: 'it counts on',
      before: up,
      after: written(view(established({}, { prefixesReceived: { IPv4: 13, IPv6: 0 } }), { bfd: bfd() })),
      pace: 'soon',
    },
    {
      situation: 'another error',
      before: dead,
      after: written(view(status({ sinceMs: nowMs }, { ...refused(nowMs), text: 'no answer' }))),
      pace: 'soon',
    },
    {
      situation: 'the same error once more, and dialling again',
      before: dead,
      after: written(view(status({ state: 'Connect', sinceMs: nowMs + 1 }, refused(nowMs + 10_000)))),
      pace: 'later',
    },
    {
      situation: 'BFD climbs without being up',
      before: written(view(established(), { bfd: bfd({ state: 'Down' }) })),
      after: written(view(established(), { bfd: bfd({ state: 'Init' }) })),
      pace: 'later',
    },
  ])('$situation: $pace', ({ before, after, pace }) => expect(paceOf(before, after)).toBe(pace))
})

describe('when it is written', () => {
  const longAgoMs = Number.POSITIVE_INFINITY
  test('at once, together with what comes at the same moment', () => expect(delayMs('now', longAgoMs, 3)).toBe(100))
  test('a session that flaps: once a second', () => expect(delayMs('now', 200, 3)).toBe(800))
  test('counters: every ten seconds', () => expect(delayMs('soon', 4_000, 3)).toBe(6_000))
  test('counters of hundreds of sessions: so that all together are five a second', () => {
    expect(delayMs('soon', 0, 300)).toBe(60_000)
  })
  test('a dead router: once a minute', () => expect(delayMs('later', 10_000, 3)).toBe(50_000))
})
