import { describe, expect, test } from 'vitest'
import { createDetector, nextDueMs, reportOf, step } from './detector.ts'
import { type Detector, type DetectorAction, type DetectorEvent, defaultDetectorSettings } from './detector-state.ts'

const peers = (names: string) => Array.from(names, node => ({ node, run: `${node}-run` }))
const settings = defaultDetectorSettings

type Timed = readonly [nowMs: number, event: DetectorEvent]

function session(node: string, state: 'up' | 'down' | 'stopped'): DetectorEvent {
  return { kind: 'session', node, state }
}

function verdict(
  from: string,
  missed: string,
  sequence = 1,
  about: 'verdicts' | 'question' | 'answer' = 'verdicts',
): DetectorEvent {
  return { kind: 'verdict', from, about, sequence, nonce: 9, missed: Array.from(missed, node => `${node}-run`) }
}

/** A detector on node a whose sessions with all others are up, and what it did since. */
function run(
  names: string,
  events: readonly Timed[],
): { readonly detector: Detector; readonly actions: DetectorAction[] } {
  let detector = createDetector({ node: 'a', run: 'a-run' }, settings)
  const others = names.split('').filter(name => name !== 'a')
  const begin: Timed[] = [
    [0, { kind: 'peers', peers: peers(names) }],
    ...others.map((node): Timed => [0, session(node, 'up')]),
  ]
  for (const [nowMs, event] of begin) [detector] = step(detector, event, nowMs)
  const actions: DetectorAction[] = []
  for (const [nowMs, event] of events) {
    const [next, done] = step(detector, event, nowMs)
    detector = next
    actions.push(...done)
  }
  return { detector, actions }
}

const lost = (detector: Detector): string =>
  reportOf(detector)
    .lost.map(({ node }) => node)
    .sort()
    .join('')
const sends = (actions: readonly DetectorAction[]) => actions.filter(action => action.kind === 'send')

describe('a node that dies', () => {
  test('is lost when most of its watchers have said so, which all are told at once', () => {
    const { detector, actions } = run('abcd', [[300, session('d', 'down')]])
    expect(lost(detector)).toBe('')
    expect(sends(actions)).toMatchObject([
      { to: peers('bcd'), message: { kind: 'verdicts', missed: ['d-run'], sequence: 0 } },
    ])
    const later = run('abcd', [
      [300, session('d', 'down')],
      [320, verdict('b', 'd')],
    ])
    expect(lost(later.detector)).toBe('d')
    expect(later.actions.at(-1)).toEqual({
      kind: 'report',
      report: {
        standing: 'most',
        lost: [{ node: 'd', run: 'd-run', left: false, sinceMs: 320 }],
        ownMissed: ['d'],
        suspected: [],
      },
    })
  })

  test('is suspected from the first word of it on, be it ours or another\u2019s', () => {
    const suspected = (...events: readonly Timed[]) => reportOf(run('abcd', events).detector).suspected.join('')
    expect(suspected([300, session('d', 'down')])).toBe('d')
    expect(suspected([300, verdict('b', 'd')])).toBe('d')
    expect(suspected([300, verdict('b', 'd')], [310, verdict('b', '', 1)])).toBe('')
    expect(suspected([300, verdict('b', 'd')], [320, session('d', 'down')])).toBe('')
    expect(run('abcd', [[300, verdict('b', 'd')]]).actions).toMatchObject([{ kind: 'report' }])
  })

  test('is told of again, in case a datagram was lost, and then every second while it is missed', () => {
    let { detector } = run('abcd', [[300, session('d', 'down')]])
    const toldAt: number[] = []
    for (
      let dueMs = nextDueMs(detector, 300);
      dueMs !== undefined && dueMs < 3_000;
      dueMs = nextDueMs(detector, dueMs)
    ) {
      const [next, actions] = step(detector, { kind: 'due' }, dueMs)
      detector = next
      if (sends(actions).some(({ to }) => to.length === 3)) toldAt.push(dueMs)
    }
    expect(toldAt).toEqual([340, 420, 1_420, 2_420])
  })

  test('hears it itself four times a second: its clock may have stood still', () => {
    let { detector } = run('abcd', [[300, session('d', 'down')]])
    const toldAt: number[] = []
    for (
      let dueMs = nextDueMs(detector, 300);
      dueMs !== undefined && dueMs < 1_500;
      dueMs = nextDueMs(detector, dueMs)
    ) {
      const [next, actions] = step(detector, { kind: 'due' }, dueMs)
      detector = next
      if (sends(actions).some(({ to }) => to.some(({ node }) => node === 'd'))) toldAt.push(dueMs)
    }
    expect(toldAt).toEqual([340, 420, 670, 920, 1_170, 1_420])
  })

  test('is found again when its session is up, and when a new run of it is there', () => {
    const dead: Timed[] = [
      [300, session('d', 'down')],
      [320, verdict('b', 'd')],
      [330, verdict('c', 'd')],
    ]
    const back = run('abcd', [
      ...dead,
      [900, session('d', 'up')],
      [950, verdict('b', '', 2)],
      [951, verdict('c', '', 2)],
    ])
    expect(lost(back.detector)).toBe('')
    expect(sends(back.actions).at(-1)).toMatchObject({ message: { missed: [] } })
    const restarted = [...peers('abc'), { node: 'd', run: 'd-next' }]
    expect(lost(run('abcd', [...dead, [900, { kind: 'peers', peers: restarted }]]).detector)).toBe('')
  })

  test('says nothing of itself where its session was never up, or was ended on purpose', () => {
    const stopped = run('ab', [
      [100, session('b', 'stopped')],
      [200, session('b', 'down')],
    ])
    expect(lost(stopped.detector)).toBe('')
    expect(stopped.actions).toEqual([])
  })
})

describe('the segment is to be asked who else answers', () => {
  const kinds = (events: readonly Timed[]) => run('abc', events).actions.map(({ kind }) => kind)
  const lostAll: Timed[] = [
    [300, session('b', 'down')],
    [300, session('c', 'down')],
  ]

  test('when somebody is here again that was lost', () => {
    expect(kinds(lostAll)).not.toContain('checkSegment')
    expect(kinds([...lostAll, [5_000, session('b', 'up')]])).toContain('checkSegment')
  })

  test('when somebody is here again whose Lease was over meanwhile', () => {
    const over: Timed[] = [...lostAll, [10_000, { kind: 'peers', peers: peers('a') }]]
    expect(kinds(over)).not.toContain('checkSegment')
    expect(kinds([...over, [20_000, { kind: 'peers', peers: peers('abc') }]])).toContain('checkSegment')
  })

  test('every ten seconds while somebody is lost, who may have us for dead', () => {
    const due = (nowMs: number): Timed => [nowMs, { kind: 'due' }]
    expect(nextDueMs(run('abc', lostAll).detector, 9_999)).toBe(10_300)
    const looks = kinds([...lostAll, due(10_299), due(10_300), due(15_000), due(20_300)])
    expect(looks.filter(kind => kind === 'checkSegment')).toHaveLength(2)
    const back: Timed[] = [...lostAll, [400, session('b', 'up')], [401, session('c', 'up')]]
    expect(kinds([...back, due(10_300)]).filter(kind => kind === 'checkSegment')).toHaveLength(1)
  })

  test('not when somebody has started anew', () => {
    const next: DetectorEvent = { kind: 'peers', peers: [...peers('a'), { node: 'b', run: 'b-next' }] }
    const { actions } = run('ab', [
      [300, session('b', 'down')],
      [5_000, next],
    ])
    expect(actions.map(({ kind }) => kind)).not.toContain('checkSegment')
  })
})

describe('in a network torn in halves, whoever begins anew', () => {
  /** What b and c say again every second. */
  const torn = (missed: string, ...seconds: readonly number[]): Timed[] =>
    seconds.flatMap(second =>
      ['b', 'c'].map(
        (from, index): Timed => [second * 1_000 + 310 + index, verdict(from, missed, second * 10 + index)],
      ),
    )
  const apart: Timed[] = [...Array.from('def', (node): Timed => [300, session(node, 'down')]), ...torn('def', 0)]
  const anew = (node: string): DetectorEvent => ({
    kind: 'peers',
    peers: peers('abcdef').map(one => (one.node === node ? { node, run: `${node}-new` } : one)),
  })

  test('on the other side makes neither half the larger one', () => {
    const begun: Timed[] = [...apart, [1_000, anew('f')], ...torn('de', 1, 2, 3)]
    expect(reportOf(run('abcdef', begun).detector)).toMatchObject({ standing: 'half', ownMissed: ['d', 'e'] })
    const missed: Timed[] = [...begun, ...torn('de', 4), [1_000 + settings.newRunMs, { kind: 'due' }]]
    expect(reportOf(run('abcdef', missed).detector)).toMatchObject({ standing: 'half', ownMissed: ['d', 'e', 'f'] })
  })

  test('on the other side is missed after a while by one that is alone there: seed 2146', () => {
    const known = peers('abc')
    const { detector } = run('abc', [
      [300, session('c', 'down')],
      // It left, and is a member again: no session with it was ever up.
      [1_000, { kind: 'peers', peers: known.filter(({ node }) => node !== 'b') }],
      [2_000, { kind: 'peers', peers: known.map(one => (one.node === 'b' ? { node: 'b', run: 'b-new' } : one)) }],
      [2_000 + settings.newRunMs, { kind: 'due' }],
    ])
    expect(detector.missed).toEqual(['b-new', 'c-run'])
    expect(reportOf(detector).standing).toBe('few')
  })

  test('says after a while that it misses the other side too, which it never knew', () => {
    let detector = createDetector({ node: 'a', run: 'a-run' }, settings)
    const events: Timed[] = [
      [0, { kind: 'peers', peers: peers('abcdef') }],
      [200, session('b', 'up')],
      [200, session('c', 'up')],
      ...torn('def', 0, 1, 2, 3),
    ]
    for (const [nowMs, event] of events) [detector] = step(detector, event, nowMs)
    expect(nextDueMs(detector, 3_900)).toBeLessThanOrEqual(settings.newRunMs)
    const [after, actions] = step(detector, { kind: 'due' }, settings.newRunMs)
    expect(sends(actions)).toMatchObject([{ message: { kind: 'verdicts', missed: ['d-run', 'e-run', 'f-run'] } }])
    expect(lost(after)).toBe('def')
    expect(reportOf(after).standing).toBe('half')
    // When the others have them again, so has it: it never had a session with them itself.
    let healed = after
    for (const from of ['b', 'c']) [healed] = step(healed, verdict(from, '', 9_000), 4_100)
    expect(healed.missed).toEqual([])
    expect(lost(healed)).toBe('')
  })
})

test('a node that hears nobody has few, and half of two is half', () => {
  const alone = run('abc', [
    [300, session('b', 'down')],
    [301, session('c', 'down')],
  ])
  expect(reportOf(alone.detector)).toMatchObject({ standing: 'few', ownMissed: ['b', 'c'] })
  expect(reportOf(run('ab', [[300, session('b', 'down')]]).detector).standing).toBe('half')
})

test('what another said is forgotten when it does not say it again', () => {
  const said: Timed[] = [
    [300, session('d', 'down')],
    [310, verdict('b', 'd')],
  ]
  expect(lost(run('abcd', [...said, [3_700, { kind: 'due' }]]).detector)).toBe('d')
  expect(lost(run('abcd', [...said, [3_811, { kind: 'due' }]]).detector)).toBe('')
})

test('after waking up late, what is missed may be our own fault and is told only when it lasts', () => {
  const woken: Timed[] = [
    [1_000, { kind: 'woke' }],
    [1_001, session('b', 'down')],
  ]
  const doubting = run('ab', woken)
  expect(lost(doubting.detector)).toBe('')
  expect(sends(doubting.actions)).toEqual([])
  expect(nextDueMs(doubting.detector, 1_001)).toBe(1_301)
  expect(lost(run('ab', [...woken, [1_301, { kind: 'due' }]]).detector)).toBe('b')
  expect(lost(run('ab', [...woken, [1_050, session('b', 'up')], [1_301, { kind: 'due' }]]).detector)).toBe('')
})

test('a question is answered with whom we miss, the one who asks included if nobody can count on it', () => {
  const { actions } = run('abcd', [
    [300, session('d', 'down')],
    [310, verdict('b', 'd')],
    [400, verdict('c', '', 5, 'question')],
    [401, verdict('d', '', 5, 'question')],
  ])
  expect(sends(actions).filter(({ message }) => message.kind === 'answer')).toMatchObject([
    { to: peers('c'), message: { kind: 'answer', nonce: 9, missed: ['d-run'] } },
    { to: peers('d'), message: { kind: 'answer', nonce: 9, missed: ['d-run'] } },
  ])
})

test('in a larger cluster a node watches six, and others in their place when they are lost for long', () => {
  const names = 'abcdefghijkl'
  const { detector } = run(names, [])
  const watched = detector.graph.get('a') ?? []
  expect(watched).toHaveLength(6)
  const [first = ''] = watched
  const accusers = (detector.graph.get(first) ?? []).filter(name => name !== 'a')
  const dead: Timed[] = [[300, session(first, 'down')], ...accusers.map((name): Timed => [310, verdict(name, first)])]
  const soon = run(names, dead)
  expect(lost(soon.detector)).toBe(first)
  expect(soon.actions.filter(({ kind }) => kind === 'watch')).toEqual([])
  const watch = run(names, [...dead, [2_310, { kind: 'due' }]]).actions.find(({ kind }) => kind === 'watch')
  expect(watch).toMatchObject({ nodes: expect.arrayContaining([...watched]) })
  expect(watch?.kind === 'watch' && watch.nodes.length).toBeGreaterThan(6)
})

test.each(['acgjl', 'adefh', 'adfik'])(
  '%s, torn off from seven others, have them for lost as long as it lasts',
  near => {
    const names = 'abcdefghijkl'
    const far = names.split('').filter(name => !near.includes(name))
    const { detector: whole } = run(names, [])
    // One after the other: their last packets did not leave at the same moment.
    const missedAtMs = (node: string): number => 300 + far.indexOf(node) * 15
    const events: Timed[] = Array.from({ length: 70 }, (_, index): Timed => [410 + index * 30, { kind: 'due' }])
    for (const node of near.split('')) {
      const missed = far.filter(other => whole.graph.get(node)?.includes(other))
      for (const [index, other] of missed.entries()) {
        const said = verdict(node, missed.slice(0, index + 1).join(''), index)
        events.push([missedAtMs(other), node === 'a' ? session(other, 'down') : said])
      }
      for (const nowMs of node === 'a' ? [] : [1_400, 2_400])
        events.push([nowMs, verdict(node, missed.join(''), nowMs)])
    }
    let { detector } = run(names, [])
    for (const [nowMs, event] of events.sort(([one], [other]) => one - other)) {
      detector = step(detector, event, nowMs)[0]
      if (nowMs < 410) continue
      expect(`${nowMs} ms: ${lost(detector)}, ${detector.standing}`).toBe(`${nowMs} ms: ${far.join('')}, few`)
    }
  },
)

test('a member that goes while another has long been lost is not counted on: of two, one that hears nobody is half', () => {
  const alone: Timed[] = [
    [300, session('c', 'down')],
    [300, verdict('b', 'c')],
    // So long that b and a look after each other without c.
    [300 + settings.rewatchAfterMs, { kind: 'due' }],
  ]
  expect(reportOf(run('abc', alone).detector).standing).toBe('most')
  const { actions } = run('abc', [...alone, [5_000, { kind: 'peers', peers: peers('ac') }]])
  const reports = actions.flatMap(action => (action.kind === 'report' ? [action.report.standing] : []))
  expect(reports.at(-1)).toBe('half')
})
