import { describe, expect, test } from 'vitest'
import { member } from '../test-values.ts'
import type { ReachReport, Standing } from './detector-state.ts'
import { sameMembers } from './membership.ts'
import {
  livenessOf,
  mayMove,
  nextChangeMs,
  noSuspicions,
  type SuspicionEvent,
  step,
  suspicionSettings,
  withoutSuspected,
} from './suspicion.ts'

const settings = suspicionSettings(3_000)
const members = new Map(['a', 'b', 'c', 'd', 'e'].map(name => [name, member(name)]))

type Timed = readonly [nowMs: number, event: SuspicionEvent]

function reach(standing: Standing, lost: string, ownMissed = '', left = false): SuspicionEvent {
  const report: ReachReport = {
    standing,
    lost: Array.from(lost, node => ({ node, run: `${node}-run`, left, sinceMs: 0 })),
    ownMissed: ownMissed.split(''),
    suspected: [],
  }
  return { kind: 'reach', report }
}

const leaseOf = (node: string, run = `${node}-run`): SuspicionEvent => ({ kind: 'leaseChanged', node, run })
const due: SuspicionEvent = { kind: 'due' }
const renewed = (sentMs: number): SuspicionEvent => ({ kind: 'renewed', sentMs })

function after(events: readonly Timed[]) {
  let suspicions = noSuspicions(settings)
  const renewals: number[] = []
  for (const [nowMs, event] of events) {
    const [next, { renew }] = step(suspicions, event, nowMs)
    suspicions = next
    if (renew) renewals.push(nowMs)
  }
  return { suspicions, renewals }
}

function gone(events: readonly Timed[], nowMs: number): string {
  const alive = livenessOf(members, after(events).suspicions, nowMs)
  return [...alive].flatMap(([node, { liveness }]) => (liveness === 'gone' ? [node] : [])).join('')
}

test('where nobody is lost, the members are the same object', () => {
  expect(livenessOf(members, noSuspicions(settings), 0)).toBe(members)
})

test('whoever is lost is told from one whose Lease is over', () => {
  const over = new Map([...members, ['d', member('d', { liveness: 'gone' })] as const])
  const alive = livenessOf(over, after([[300, reach('most', 'de')]]).suspicions, 300)
  expect(alive.get('e')).toMatchObject({ liveness: 'gone', unheard: true })
  expect(alive.get('d')?.unheard).toBeUndefined()
})

test('what is expected of those who are suspected is what is so once they are lost', () => {
  const lost = livenessOf(members, after([[300, reach('most', 'de')]]).suspicions, 300)
  expect(withoutSuspected(members, ['d', 'e'])).toEqual(lost)
  expect(sameMembers(withoutSuspected(members, ['d', 'e']), lost)).toBe(true)
  expect(sameMembers(withoutSuspected(members, ['d']), lost)).toBe(false)
  expect(withoutSuspected(lost, ['d', 'x'])).toEqual(lost)
})

describe('together with most of the members', () => {
  test('whoever is lost is gone at once, and no longer when it is found again', () => {
    expect(gone([[300, reach('most', 'e')]], 300)).toBe('e')
    expect(
      gone(
        [
          [300, reach('most', 'e')],
          [900, reach('most', '')],
        ],
        900,
      ),
    ).toBe('')
  })

  test('whoever shows life on the API server is gone all the same: what it has is ours by a claim, if it is silent here', () => {
    const lost: Timed[] = [[300, reach('most', 'e')]]
    expect(gone([...lost, [310, leaseOf('e')], [3_310, leaseOf('e')]], 3_400)).toBe('e')
  })

  test('a new run of it has nothing to do with that', () => {
    expect(
      gone(
        [
          [300, reach('most', 'e')],
          [400, leaseOf('e', 'e-next')],
        ],
        400,
      ),
    ).toBe('')
    const restarted = new Map(members).set('e', { ...member('e'), facts: { ...member('e').facts, run: 'e-next' } })
    const { suspicions } = after([[300, reach('most', 'e')]])
    expect(livenessOf(restarted, suspicions, 400).get('e')?.liveness).toBe('alive')
  })
})

describe('with few', () => {
  const lost: Timed[] = [[300, reach('few', 'cde', 'cd')]]

  test('nobody is gone while the API server says nothing, however long', () => {
    expect(gone(lost, 3_600_000)).toBe('')
  })

  test('whoever shows no life on the API server is gone: those that know that they are missed soon, others after a period', () => {
    expect(gone([...lost, [820, renewed(799)]], 820)).toBe('')
    expect(gone([...lost, [820, renewed(801)]], 820)).toBe('cd')
    expect(gone([...lost, [4_320, renewed(4_301)]], 4_320)).toBe('cde')
  })

  test('one change of its Lease may have been on its way: a period more is given', () => {
    const once: Timed[] = [...lost, [350, leaseOf('c')]]
    expect(gone([...once, [4_340, renewed(4_349)]], 4_340)).toBe('de')
    expect(gone([...once, [4_360, renewed(4_350)]], 4_360)).toBe('cde')
  })

  test('a claim that it makes shows life as well, and ten at once no more than one', () => {
    const claimed: SuspicionEvent = { kind: 'claimed', node: 'b' }
    const claims = Array.from({ length: 10 }, (): Timed => [520, claimed])
    const lost: Timed[] = [[0, reach('few', 'bcde', 'b')], ...claims, [600, renewed(550)]]
    expect(gone(lost, 600)).toBe('')
    expect(gone([...lost, [4_600, renewed(4_530)]], 4_600)).toBe('bcde')
  })

  test('a second change shows that it lives', () => {
    const twice: Timed[] = [...lost, [350, leaseOf('c')], [3_350, leaseOf('c')]]
    expect(gone([...twice, [9_000, renewed(8_990)]], 9_000)).toBe('de')
  })

  test('whoever said farewell is gone without further ado', () => {
    expect(gone([[300, reach('few', 'c', '', true)]], 300)).toBe('c')
  })
})

test('nothing is taken for the spread by those who cannot count on most: whom they do not hear may have them for dead', () => {
  expect(mayMove(noSuspicions(settings))).toBe(true)
  expect(mayMove(after([[0, reach('most', 'b')]]).suspicions)).toBe(true)
  expect(mayMove(after([[0, reach('few', 'bcd', 'bcd')]]).suspicions)).toBe(false)
  const living: Timed[] = [
    [0, reach('half', 'b')],
    [10, leaseOf('b')],
    [260, leaseOf('b')],
  ]
  expect(mayMove(after(living).suspicions)).toBe(false)
  expect(mayMove(after([...living, [9_000, reach('most', '')]]).suspicions)).toBe(true)
})

describe('with most of the members no longer, since one more is lost', () => {
  const blip = (atMs: number): Timed => [atMs, reach('few', 'de', 'd')]
  const lost: Timed = [300, reach('most', 'e')]

  test('whoever was held for gone long enough to have renewed its Lease stays so, and the other is none of those', () => {
    expect(gone([lost, blip(4_300)], 4_300)).toBe('e')
    expect(gone([lost, blip(4_300), [4_600, reach('few', 'de', 'de')]], 9_000)).toBe('e')
    expect(gone([lost, blip(4_300), [5_300, reach('most', 'e')], [5_400, reach('half', 'de')]], 5_400)).toBe('e')
  })

  test('of those that are lost together, one is noticed before the other', () => {
    expect(gone([lost, blip(4_299)], 9_000)).toBe('')
  })

  test('it is gone until it shows life: it renews its Lease, claims something, or is heard', () => {
    const claimed: SuspicionEvent = { kind: 'claimed', node: 'e' }
    for (const sign of [leaseOf('e'), claimed]) {
      expect(gone([lost, blip(4_300), [4_400, sign]], 4_400)).toBe('')
      expect(gone([lost, [4_000, sign], blip(4_300)], 4_300)).toBe('')
    }
    expect(gone([lost, blip(4_300), [4_400, reach('few', 'd', 'd')], blip(4_500)], 4_500)).toBe('')
  })

  test('what it is asked for does not depend on it any more', () => {
    const half: Timed[] = [lost, [4_300, reach('half', 'e')]]
    expect(after(half).renewals).toEqual([])
  })
})

describe('with half', () => {
  const lost: Timed[] = [[300, reach('half', 'b', 'b')]]

  test('and no API server, the other half is gone after three seconds', () => {
    expect(gone(lost, 3_299)).toBe('')
    expect(nextChangeMs(after(lost).suspicions, 3_000)).toBe(3_300)
    expect(gone(lost, 3_300)).toBe('b')
  })

  test('and an API server that goes away in between, it is gone three seconds after that was heard last', () => {
    const away: Timed[] = [...lost, [520, renewed(500)]]
    expect(gone(away, 3_499)).toBe('')
    expect(gone(away, 3_500)).toBe('b')
    expect(nextChangeMs(after(away).suspicions, 3_300)).toBe(3_500)
  })

  test('and the API server, it is gone when it shows no life there', () => {
    expect(gone([...lost, [820, renewed(801)]], 820)).toBe('b')
    expect(gone([...lost, [340, leaseOf('b')], [820, renewed(801)]], 900)).toBe('')
  })
})

describe('our own Lease is renewed', () => {
  test('at once when we miss somebody, who may miss us', () => {
    expect(after([[300, reach('most', 'e', 'e')]]).renewals).toEqual([300])
    expect(after([[300, reach('most', 'e')]]).renewals).toEqual([])
  })

  test('once more soon after: what came before the other noticed tells it nothing', () => {
    const lost: Timed[] = [[300, reach('most', 'e', 'e')]]
    expect(nextChangeMs(after(lost).suspicions, 300)).toBe(550)
    const later: Timed[] = [
      [549, due],
      [550, due],
      [800, due],
    ]
    const { renewals, suspicions } = after([...lost, ...later])
    expect(renewals).toEqual([300, 550])
    expect(nextChangeMs(suspicions, 800)).toBeUndefined()
    // A cable of ours that was pulled: the other misses us a little before we miss it, and shows life before we look.
    const early: Timed[] = [
      [300, leaseOf('c')],
      [350, reach('few', 'cde', 'cde')],
    ]
    expect(gone([...early, [870, renewed(851)]], 870)).toBe('cde')
    expect(gone([...early, [560, leaseOf('c')], [870, renewed(851)]], 870)).toBe('de')
  })

  test('again and again while it depends on it', () => {
    const lost: Timed[] = [
      [300, reach('half', 'b', 'b')],
      [550, due],
    ]
    expect(nextChangeMs(after(lost).suspicions, 550)).toBe(900)
    expect(after([...lost, [899, due], [900, due], [901, due]]).renewals).toEqual([300, 550, 900])
  })

  test('no more when the loss is settled', () => {
    const settled: Timed[] = [
      [300, reach('half', 'b', 'b')],
      [350, leaseOf('b')],
      [550, due],
      [950, leaseOf('b')],
    ]
    expect(after([...settled, [2_000, due]]).renewals).toEqual([300, 550])
  })
})

test('whoever said that it answers for nothing is gone until it claims something, also where nobody hears it any more', () => {
  const said: Timed[] = [
    [300, reach('most', 'e', '', true)],
    [900, reach('few', 'abcde'.slice(1), '', true)],
  ]
  expect(gone(said, 1_000)).toContain('e')
  const claims: SuspicionEvent = { kind: 'claimed', node: 'e' }
  expect(gone([...said, [2_000, claims]], 2_100)).not.toContain('e')
  // The same word is reported with every change of anything.
  expect(gone([...said, [2_000, claims], [2_050, reach('few', 'bcde', '', true)]], 2_100)).not.toContain('e')
  // It is heard again, and says it anew.
  const anew: Timed[] = [
    [3_000, reach('most', '')],
    [4_000, reach('most', 'e', '', true)],
  ]
  expect(gone([...said, [2_000, claims], ...anew], 4_000)).toBe('e')
})
