import { describe, expect, test } from 'vitest'
import { member } from '../test-values.ts'
import type { Finding } from './evidence.ts'
import type { Liveness } from './membership.ts'
import type { Claim, OwnershipRecord } from './record.ts'
import { afterFinding, assume, cautionOf, electOwners, settleAssumptions } from './takeover.ts'

const claim = (node: string): Claim => ({ node, because: 'first', from: undefined })
const record = (claimant: string, published?: string): Pick<OwnershipRecord, 'claim' | 'published'> => ({
  claim: claim(claimant),
  published: published === undefined ? undefined : { node: published, addresses: [], interfaces: [] },
})
const members = (of: Readonly<Record<string, Liveness>>) =>
  new Map(Object.entries(of).map(([name, liveness]) => [name, member(name, { liveness })]))

describe('an address', () => {
  const all = members({ a: 'alive', b: 'alive' })
  test.each([
    { situation: 'that nobody had is asked for', record: undefined, caution: { kind: 'ask' } },
    { situation: 'that we had before is asked for', record: record('a', 'a'), caution: { kind: 'ask' } },
    { situation: 'that is handed over is not', record: record('a', 'b'), caution: { kind: 'none' } },
    {
      situation: 'whose owner the detector has lost is asked for',
      record: record('b', 'b'),
      lost: members({ a: 'alive', b: 'gone' }),
      caution: { kind: 'ask', owner: 'b' },
    },
    {
      situation: 'whose owner does not renew its Lease is not',
      record: record('b', 'b'),
      byLease: members({ a: 'alive', b: 'gone' }),
      lost: members({ a: 'alive', b: 'gone' }),
      caution: { kind: 'none' },
    },
    {
      situation: 'whose owner died before it began, while the one before lives, is handed over',
      record: record('c', 'b'),
      lost: members({ a: 'alive', b: 'alive', c: 'gone' }),
      caution: { kind: 'none' },
    },
  ] as const)('$situation', ({ record, caution, ...more }) => {
    const byLease = 'byLease' in more ? more.byLease : all
    const alive = 'lost' in more ? more.lost : byLease
    expect(cautionOf({ self: 'a', record, members: byLease, alive })).toMatchObject(caution)
  })
})

describe('when the segment was asked', () => {
  const answered: Finding = { kind: 'answered', interface: 'eth0', mac: 'm' }
  const takeOver = { kind: 'ask', owner: 'b' } as const
  const first = { kind: 'ask', owner: undefined } as const
  const base = { caution: takeOver, node: undefined, isClaimant: false, inTouchMs: 0, askingMs: 0 }
  test.each([
    { situation: 'and nobody answered, we begin', finding: { kind: 'silent' }, more: {}, next: { kind: 'announce' } },
    {
      situation: 'and the owner answered, it lives',
      finding: answered,
      more: { node: 'b', inTouchMs: 99_999 },
      next: { kind: 'askAgain', afterMs: 100 },
    },
    {
      situation: 'and the owner goes on answering, it is asked less often',
      finding: answered,
      more: { node: 'b', askingMs: 5_000 },
      next: { kind: 'askAgain', afterMs: 1_000 },
    },
    {
      situation: 'and another speaker answered, it was quicker',
      finding: answered,
      more: { node: 'c', inTouchMs: 1_999 },
      next: { kind: 'askAgain' },
    },
    {
      situation: 'and the one that the record names answered, it has it',
      finding: answered,
      more: { node: 'c', isClaimant: true, inTouchMs: 99_999 },
      next: { kind: 'askAgain' },
    },
    {
      situation: "and a node answered that never claims it, that is its kernel's",
      finding: answered,
      more: { node: 'c', inTouchMs: 2_000 },
      next: { kind: 'announce' },
    },
    {
      situation: 'and a stranger has what was ours, we go on',
      finding: answered,
      more: {},
      next: { kind: 'announce' },
    },
    {
      situation: 'and a stranger has what is new, we leave it',
      finding: answered,
      more: { caution: first },
      next: { kind: 'taken', by: 'm', afterMs: 10_000 },
    },
    {
      situation: 'and another asked as well, we let it go first',
      finding: { ...answered, kind: 'rival' },
      more: {},
      next: { kind: 'askAgain' },
    },
    { situation: 'without a link, we ask again', finding: { kind: 'noLink' }, more: {}, next: { kind: 'askAgain' } },
  ] as const)('$situation', ({ finding, more, next }) => {
    expect(afterFinding(finding, { ...base, ...more })).toMatchObject(next)
  })
})

describe('what was taken over and not yet written down', () => {
  const assumed = assume(new Map(), '192.0.2.1', claim('b'))
  const everybody = { nodes: ['a', 'b', 'c', 'd'], lesser: new Set<string>() }
  const contest = { key: '192.0.2.1', candidates: everybody, claim: claim('b') }
  const there =
    (...nodes: string[]) =>
    (node: string) =>
      nodes.includes(node)

  test('is ours in our eyes, even when the former owner is back', () => {
    const view = { self: 'a', assumptions: assumed, isThere: there('a', 'b', 'c', 'd') }
    const verdicts = electOwners([contest, { ...contest, key: '192.0.2.2' }], view)
    expect([...verdicts.values()]).toEqual([
      { node: 'a', because: 'kept' },
      { node: 'b', because: 'kept' },
    ])
  })

  const names = Array.from({ length: 40 }, (_, index) => `192.0.2.${index}`)
  const owners = ['a', 'b', 'c', 'd']
  const contestsAmong = (...nodes: string[]) =>
    names.map((key, index) => ({
      key,
      candidates: { nodes, lesser: new Set<string>() },
      claim: claim(owners[index % 4] ?? ''),
    }))
  const nodesOf = (verdicts: ReturnType<typeof electOwners>) => Array.from(verdicts, ([key, { node }]) => [key, node])

  test('is where everybody elects it, when another dies before it could be written down', () => {
    const first = electOwners(contestsAmong('a', 'b', 'c'), {
      self: 'x',
      assumptions: new Map(),
      isThere: there('a', 'b', 'c'),
    })
    const taken = names.filter((_, index) => index % 4 === 3)
    const later = { self: 'x', assumptions: new Map(), isThere: there('a', 'b') }
    const byAll = electOwners(contestsAmong('a', 'b'), later)
    for (const heir of ['a', 'b']) {
      // What an heir has taken over it knows for certain.
      const own = taken.filter(key => first.get(key)?.node === heir)
      const assumptions = new Map(own.map(key => [key, claim('d')]))
      const itself = electOwners(contestsAmong('a', 'b'), { ...later, self: heir, assumptions })
      expect(own.length).toBeGreaterThan(0)
      expect(nodesOf(itself)).toEqual(nodesOf(byAll))
    }
  })

  test("goes to the same heir for those that have read its neighbours' new claims and those that have not", () => {
    const view = { self: 'x', assumptions: new Map(), isThere: there('a', 'b', 'c') }
    const before = electOwners(contestsAmong('a', 'b', 'c'), view)
    const written = contestsAmong('a', 'b', 'c').map((one, index) =>
      index < 20 ? { ...one, claim: claim(before.get(one.key)?.node ?? '') } : one,
    )
    expect(nodesOf(electOwners(written, view))).toEqual(nodesOf(before))
    const heirs = names.filter((_, index) => index % 4 === 3).map(key => before.get(key)?.node)
    expect(new Set(heirs)).toEqual(new Set(['a', 'b', 'c']))
  })

  test('stays so until the record says something new, or we stop', () => {
    expect(
      settleAssumptions(
        assumed,
        () => claim('b'),
        () => true,
      ),
    ).toBe(assumed)
    expect(
      settleAssumptions(
        assumed,
        () => claim('c'),
        () => true,
      ).size,
    ).toBe(0)
    expect(
      settleAssumptions(
        assumed,
        () => ({ node: 'b', because: 'spread', from: 'c' }),
        () => true,
      ).size,
    ).toBe(0)
    expect(
      settleAssumptions(
        assumed,
        () => claim('b'),
        () => false,
      ).size,
    ).toBe(0)
  })
})
