import { describe, expect, test } from 'vitest'
import { goesBefore } from './conflict.ts'
import { defaultEvidenceSettings } from './evidence.ts'
import { type HoldingAction, type HoldingEvent, hold, isAnswering, type Knowledge, nextDueMs, step } from './holding.ts'
import type { Caution } from './takeover.ts'

const address = '192.0.2.1'
const [high, low] = goesBefore('a', 'b', address) ? ['a', 'b'] : ['b', 'a']

type Timed = readonly [nowMs: number, event: HoldingEvent]

const claimedBy = (node: string): HoldingEvent => ({ kind: 'claimed', interface: 'eth0', mac: `mac-${node}` })
const askedBy = (node: string): HoldingEvent => ({ kind: 'asked', interface: 'eth0', mac: `mac-${node}` })
const due: HoldingEvent = { kind: 'due' }

interface Scene {
  readonly self?: string
  readonly caution?: Caution
  readonly interfaces?: readonly string[]
  readonly knowledge?: Partial<Knowledge>
}

function run(events: readonly Timed[], scene: Scene = {}) {
  const { self = 'a', caution = { kind: 'ask', owner: 'x' }, interfaces = ['eth0'] } = scene
  const knowledge: Knowledge = {
    nodeOf: mac => (mac.startsWith('mac-') ? mac.slice(4) : undefined),
    claimant: undefined,
    inTouch: true,
    provenMs: 0,
    ...scene.knowledge,
  }
  const [first, begun] = hold({ self, address, interfaces, caution, settings: defaultEvidenceSettings }, 0)
  let holding = first
  const told: [number, HoldingAction['kind']][] = begun.map(({ kind }) => [0, kind])
  for (const [nowMs, event] of events) {
    const [next, actions] = step(holding, event, knowledge, nowMs)
    holding = next
    told.push(...actions.map(({ kind }): [number, HoldingAction['kind']] => [nowMs, kind]))
  }
  return { holding, told, kinds: told.map(([, kind]) => kind), answers: isAnswering(holding) }
}

const silence: Timed[] = [
  [10, due],
  [20, due],
  [30, due],
]

describe('an address', () => {
  test('that is handed over is answered for at once', () => {
    expect(run([], { caution: { kind: 'none' } })).toMatchObject({ kinds: ['begin'], answers: true })
  })

  test('that is taken over is answered for after 30 ms of silence, and not before', () => {
    expect(run(silence.slice(0, 2)).answers).toBe(false)
    expect(run(silence)).toMatchObject({ kinds: ['ask', 'ask', 'ask', 'begin'], answers: true })
  })

  test('whose owner answers is asked for again until it does not', () => {
    const answered = run([[1, claimedBy('x')]])
    expect(answered).toMatchObject({ kinds: ['ask', 'contested'], answers: false })
    expect(nextDueMs(answered.holding)).toBe(101)
    const again: Timed[] = [
      [1, claimedBy('x')],
      [101, due],
      [121, due],
      [141, due],
      [161, due],
    ]
    expect(run(again).answers).toBe(true)
  })

  test('is begun with when its owner is back and hands it over', () => {
    const back: HoldingEvent = { kind: 'caution', caution: { kind: 'none' } }
    expect(
      run([
        [1, claimedBy('x')],
        [50, back],
      ]),
    ).toMatchObject({ kinds: ['ask', 'contested', 'begin'], answers: true })
    expect(run([...silence, [90, back]]).kinds).toEqual(['ask', 'ask', 'ask', 'begin'])
  })

  test('that two want at once goes to the one that scores higher', () => {
    expect(run([[5, askedBy(high)], ...silence], { self: low })).toMatchObject({
      kinds: ['ask', 'contested'],
      answers: false,
    })
    expect(run([[5, askedBy(low)], ...silence], { self: high }).answers).toBe(true)
    expect(run([[5, { ...askedBy('x'), mac: 'a stranger' } as HoldingEvent], ...silence]).answers).toBe(true)
  })

  test('waits for a link to ask on', () => {
    const plugged: HoldingEvent = { kind: 'interfaces', interfaces: ['eth0'] }
    expect(run([], { interfaces: [] }).answers).toBe(false)
    const asked: Timed[] = [
      [100, plugged],
      [120, due],
      [140, due],
      [160, due],
    ]
    expect(run(asked, { interfaces: [] })).toMatchObject({
      kinds: ['contested', 'ask', 'ask', 'ask', 'begin'],
      answers: true,
    })
  })

  test('that another member goes on answering without ever claiming it is its kernel’s, and begun with', () => {
    const contested: Timed[] = [
      [1, claimedBy('c')],
      [251, due],
      [252, claimedBy('c')],
      [502, due],
      [503, claimedBy('c')],
    ]
    expect(run(contested, { knowledge: { provenMs: 2_000 } }).answers).toBe(false)
    expect(run(contested, { knowledge: { provenMs: 2_001 } }).answers).toBe(true)
  })
})

describe('while it is answered for', () => {
  const caution = { kind: 'none' } as const

  test("a speaker's claim is told to main, and judged when the news behind it has had time to come", () => {
    const seen = run(
      [
        [5, claimedBy(low)],
        [6, claimedBy(low)],
      ],
      { self: high, caution },
    )
    expect(seen).toMatchObject({ kinds: ['begin', 'seen'], answers: true })
    expect(nextDueMs(seen.holding)).toBe(605)
    expect(
      run(
        [
          [5, claimedBy(low)],
          [605, due],
          [606, claimedBy(low)],
        ],
        { self: high, caution },
      ).kinds,
    ).toEqual(['begin', 'seen', 'ask', 'defend'])
    expect(
      run(
        [
          [5, claimedBy(high)],
          [605, due],
          [606, claimedBy(high)],
        ],
        { self: low, caution },
      ),
    ).toMatchObject({
      kinds: ['begin', 'seen', 'ask', 'cease'],
      answers: false,
    })
  })

  test('a stranger’s claim is judged sooner: it can only be a node whose Lease is still to be seen', () => {
    const seen = run([[5, { kind: 'claimed', interface: 'eth0', mac: 'a stranger' }]], { self: high, caution })
    expect(seen).toMatchObject({ kinds: ['begin'], answers: true })
    expect(nextDueMs(seen.holding)).toBe(305)
  })

  test('a claim that is not repeated is nobody’s: whoever handed it over answered until it saw us, and has stopped', () => {
    const handedOver: Timed[] = [
      [5, claimedBy(low)],
      [605, due],
      [625, due],
      [645, due],
      [665, due],
    ]
    const over = run(handedOver, { self: high, caution })
    expect(over).toMatchObject({ kinds: ['begin', 'seen', 'ask', 'ask', 'ask'], answers: true })
    expect(nextDueMs(over.holding)).toBeUndefined()
    // What is claimed after that is a matter of its own.
    expect(run([...handedOver, [5_000, claimedBy(low)]], { self: high, caution }).kinds.at(-1)).toBe('seen')
  })

  test('and the API server is away, it is judged at once', () => {
    const knowledge = { inTouch: false }
    expect(run([[5, claimedBy(low)]], { self: high, caution, knowledge }).kinds).toEqual(['begin', 'defend'])
    expect(
      run(
        [
          [5, claimedBy(low)],
          [900, claimedBy(low)],
        ],
        { self: high, caution, knowledge },
      ).kinds,
    ).toEqual(['begin', 'defend', 'cease'])
  })

  test('a stranger never gets it, and is not argued with all the time', () => {
    const stranger: HoldingEvent = { kind: 'claimed', interface: 'eth0', mac: 'a stranger' }
    const events: Timed[] = [
      [5, stranger],
      [1_005, due],
      [1_010, stranger],
      [1_100, stranger],
      [2_100, due],
      [2_101, stranger],
      [11_100, stranger],
      [12_100, due],
      [12_101, stranger],
    ]
    const { told, answers } = run(events, { caution })
    expect(answers).toBe(true)
    expect(told.filter(([, kind]) => kind === 'defend')).toEqual([
      [1_010, 'defend'],
      [12_101, 'defend'],
    ])
  })

  test('what was yielded is asked for every second, in case the other stops', () => {
    const yielded: Timed[] = [
      [5, claimedBy(high)],
      [1_004, due],
      [1_005, due],
      [1_005, claimedBy(high)],
    ]
    const { holding } = run(yielded, { self: low, caution })
    expect(nextDueMs(holding)).toBe(2_005)
    const silent: Timed[] = [
      [2_005, due],
      [2_025, due],
      [2_045, due],
      [2_065, due],
    ]
    expect(run([...yielded, ...silent], { self: low, caution }).answers).toBe(true)
  })

  test('the fence has it asked for before the next answer', () => {
    const asking = run([[500, { kind: 'askSegment' }]], { caution })
    expect(asking).toMatchObject({ kinds: ['begin', 'cease', 'ask'], answers: false })
    const answered: Timed[] = [
      [500, { kind: 'askSegment' }],
      [501, claimedBy('b')],
    ]
    expect(run(answered, { caution })).toMatchObject({ kinds: ['begin', 'cease', 'ask', 'contested'], answers: false })
  })

  test('or has it checked who else does, without a break', () => {
    const check: Timed[] = [
      [500, { kind: 'checkSegment' }],
      [520, due],
      [540, due],
      [560, due],
      [600, due],
    ]
    const checked = run(check, { caution })
    expect(checked).toMatchObject({ kinds: ['begin', 'ask', 'ask', 'ask'], answers: true })
    expect(nextDueMs(checked.holding)).toBeUndefined()
  })

  test('a link that was away for a moment is reason to ask: others may have begun', () => {
    const flap: Timed[] = [
      [500, { kind: 'interfaces', interfaces: [] }],
      [700, { kind: 'interfaces', interfaces: ['eth0'] }],
    ]
    expect(run(flap.slice(0, 1), { caution }).kinds).toEqual(['begin'])
    expect(run(flap, { caution }).kinds).toEqual(['begin', 'cease', 'ask'])
  })
})
