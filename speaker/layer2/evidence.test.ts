import { describe, expect, test } from 'vitest'
import { defaultEvidenceSettings, type EvidenceEvent, type Inquiry, startInquiry, step } from './evidence.ts'

const answered = (on: string): EvidenceEvent => ({ kind: 'answered', interface: on, mac: '02:00:00:00:00:09' })

function run(interfaces: readonly string[], events: readonly (readonly [number, EvidenceEvent])[]) {
  const [first, actions] = startInquiry(interfaces, defaultEvidenceSettings, 0)
  let inquiry: Inquiry = first
  const askedAt = actions.map(() => 0)
  for (const [nowMs, event] of events) {
    const [next, done] = step(inquiry, event, nowMs)
    inquiry = next
    askedAt.push(...done.map(() => nowMs))
  }
  return { finding: inquiry.finding, askedAt, nextAtMs: inquiry.nextAtMs }
}

const due: EvidenceEvent = { kind: 'due' }

describe('the segment is asked', () => {
  test('three times, 10 ms apart, and silence is certain 10 ms after the last', () => {
    const before = run(
      ['eth0'],
      [
        [10, due],
        [20, due],
        [29, due],
      ],
    )
    expect(before).toEqual({ finding: undefined, askedAt: [0, 10, 20], nextAtMs: 30 })
    expect(
      run(
        ['eth0'],
        [
          [10, due],
          [20, due],
          [30, due],
        ],
      ).finding,
    ).toEqual({ kind: 'silent' })
  })

  test('by the plan where a turn comes late, but never twice in one breath', () => {
    expect(run(['eth0'], [[12, due]]).nextAtMs).toBe(20)
    expect(run(['eth0'], [[18, due]]).nextAtMs).toBe(23)
    expect(run(['eth0'], [[200, due]]).nextAtMs).toBe(205)
  })

  test('until somebody answers', () => {
    const { finding, askedAt } = run(
      ['eth0'],
      [
        [1, answered('eth0')],
        [20, due],
        [60, due],
      ],
    )
    expect(finding).toEqual({ kind: 'answered', interface: 'eth0', mac: '02:00:00:00:00:09' })
    expect(askedAt).toEqual([0])
  })

  test('on all interfaces with a link, and an answer on another says nothing', () => {
    expect(
      run(
        ['eth0'],
        [
          [1, answered('eth1')],
          [20, due],
          [40, due],
          [60, due],
        ],
      ).finding,
    ).toEqual({ kind: 'silent' })
    const less: EvidenceEvent = { kind: 'interfaces', interfaces: ['eth1'] }
    expect(
      run(
        ['eth0', 'eth1'],
        [
          [1, less],
          [2, answered('eth0')],
          [3, answered('eth1')],
        ],
      ).finding,
    ).toMatchObject({
      kind: 'answered',
      interface: 'eth1',
    })
  })

  test('in vain where no interface has a link, from the start or later', () => {
    expect(run([], []).finding).toEqual({ kind: 'noLink' })
    expect(run(['eth0'], [[1, { kind: 'interfaces', interfaces: [] }]]).finding).toEqual({ kind: 'noLink' })
  })
})

test.each([
  { yields: true, finding: { kind: 'rival', interface: 'eth0', mac: 'm' } },
  { yields: false, finding: undefined },
])('another that asks at the same time goes before us: $yields', ({ yields, finding }) => {
  expect(run(['eth0'], [[5, { kind: 'asked', interface: 'eth0', mac: 'm', yields }]]).finding).toEqual(finding)
})
