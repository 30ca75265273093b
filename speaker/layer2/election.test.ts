import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Candidates, type Contest, elect, score, spreadBound, type Verdict } from './election.ts'

function candidates(nodes: readonly string[], lesser: readonly string[] = []): Candidates {
  return { nodes: [...nodes].sort(), lesser: new Set(lesser) }
}

function contests(count: number, everyone: Candidates, owner?: (index: number) => string | undefined): Contest[] {
  return Array.from({ length: count }, (_, index) => ({
    key: `192.0.${index >> 8}.${index & 255}`,
    candidates: everyone,
    owner: owner?.(index),
  }))
}

function nodeNames(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `node-${index + 1}`)
}

/** The contests of the next election, once everyone has recorded what this one decided. */
function adopt(contests: readonly Contest[], verdicts: ReadonlyMap<string, Verdict>): Contest[] {
  return contests.map(contest => ({ ...contest, owner: verdicts.get(contest.key)?.node }))
}

function loads(verdicts: ReadonlyMap<string, Verdict>, nodes: readonly string[]): number[] {
  const counts = new Map(nodes.map(node => [node, 0]))
  for (const { node } of verdicts.values()) counts.set(node, (counts.get(node) ?? 0) + 1)
  return [...counts.values()]
}

function moved(before: ReadonlyMap<string, Verdict>, after: ReadonlyMap<string, Verdict>): string[] {
  return [...after].filter(([key, verdict]) => before.get(key)?.node !== verdict.node).map(([key]) => key)
}

function timeOf(input: readonly Contest[]): number {
  const times = Array.from({ length: 5 }, () => {
    const begin = performance.now()
    elect(input)
    return performance.now() - begin
  })
  return Math.min(...times)
}

describe('one address', () => {
  const everyone = candidates(['a', 'b', 'c'])

  test('goes to the node that scores highest for it', () => {
    const best = ['a', 'b', 'c'].sort((one, other) => score('192.0.2.1', other) - score('192.0.2.1', one))[0]
    const verdicts = elect([{ key: '192.0.2.1', candidates: everyone, owner: undefined }])
    expect(verdicts.get('192.0.2.1')).toEqual({ node: best, because: 'first' })
  })

  test.each(['a', 'b', 'c'])('stays with its owner %s, whatever the scores say', owner => {
    const verdicts = elect([{ key: '192.0.2.1', candidates: everyone, owner }])
    expect(verdicts.get('192.0.2.1')).toEqual({ node: owner, because: 'kept' })
  })

  test('finds another node when its owner can no longer have it', () => {
    const verdicts = elect([{ key: '192.0.2.1', candidates: candidates(['a', 'b']), owner: 'c' }])
    expect(verdicts.get('192.0.2.1')?.because).toBe('ownerUnable')
    expect(['a', 'b']).toContain(verdicts.get('192.0.2.1')?.node)
  })

  test('moves to a preferred node that came back', () => {
    const verdicts = elect([{ key: '192.0.2.1', candidates: candidates(['b'], ['a', 'c']), owner: 'a' }])
    expect(verdicts.get('192.0.2.1')).toEqual({ node: 'b', because: 'preferred' })
  })
})

describe('many addresses', () => {
  test('nine on five nodes are spread 2-2-2-2-1', () => {
    const nodes = nodeNames(5)
    expect(loads(elect(contests(9, candidates(nodes))), nodes).sort((one, other) => one - other)).toEqual([
      1, 2, 2, 2, 2,
    ])
  })

  test('those of a dead node go to the others in equal parts, and nothing else moves', () => {
    const nodes = nodeNames(5)
    const before = elect(contests(100, candidates(nodes)))
    const survivors = nodes.filter(node => node !== 'node-3')
    const after = elect(contests(100, candidates(survivors), index => before.get(`192.0.0.${index}`)?.node))
    expect(moved(before, after).every(key => before.get(key)?.node === 'node-3')).toBe(true)
    expect(Math.max(...loads(after, survivors))).toBe(25)
  })

  test('a node that comes back takes nothing back while the spread is within the bound', () => {
    const nodes = nodeNames(5)
    const four = elect(contests(100, candidates(nodes.slice(1))))
    const back = adopt(contests(100, candidates(nodes)), four)
    expect(moved(four, elect(back))).toEqual([])
  })

  test('a second node relieves a node that held everything, up to the bound and no further', () => {
    const verdicts = elect(contests(100, candidates(['a', 'b']), () => 'a'))
    expect(loads(verdicts, ['a', 'b'])).toEqual([62, 38])
    expect(new Set(Array.from(verdicts.values(), verdict => verdict.because))).toEqual(new Set(['kept', 'spread']))
  })

  test('make room for those that can only be on one node', () => {
    const bound = Array.from({ length: 20 }, (_, index) => ({
      key: `local-${index}`,
      candidates: candidates(['a']),
      owner: undefined,
    }))
    const free = contests(40, candidates(['a', 'b', 'c']))
    expect(loads(elect([...bound, ...free]), ['a', 'b', 'c'])).toEqual([20, 20, 20])
  })

  test('a preferred node may hold all that prefer it, whatever the spread', () => {
    const verdicts = elect(contests(30, candidates(['a'], ['b', 'c']), () => 'a'))
    expect(loads(verdicts, ['a', 'b', 'c'])).toEqual([30, 0, 0])
  })

  test('5,000 addresses on 100 nodes take well under 50 ms, from nothing and when all is settled', () => {
    const nodes = candidates(nodeNames(100))
    const fresh = contests(5000, nodes)
    const settled = adopt(fresh, elect(fresh))
    expect(timeOf(fresh)).toBeLessThan(50)
    expect(timeOf(settled)).toBeLessThan(20)
  })

  test('scores are spread evenly over the nodes', () => {
    const nodes = nodeNames(10)
    const firsts = new Map<string, number>()
    for (const { key } of contests(10_000, candidates(nodes))) {
      const best = nodes.reduce((one, other) => (score(key, other) > score(key, one) ? other : one))
      firsts.set(best, (firsts.get(best) ?? 0) + 1)
    }
    // Standard deviation 30: five of them either way.
    for (const node of nodes) expect(Math.abs((firsts.get(node) ?? 0) - 1000)).toBeLessThan(150)
  })
})

/** Clusters with several sets of candidates, owners that may and owners that may not be among them. */
const cluster = fc
  .record({ nodes: fc.integer({ min: 1, max: 8 }), sets: fc.integer({ min: 1, max: 4 }) })
  .chain(({ nodes, sets }) => {
    const names = nodeNames(nodes)
    return fc
      .array(fc.subarray(names, { minLength: 1 }), { minLength: sets, maxLength: sets })
      .map(chosen => chosen.map(nodes => candidates(nodes)))
      .chain(classes =>
        fc.array(
          fc.record({
            candidates: fc.constantFrom(...classes),
            owner: fc.option(fc.constantFrom(...names, 'gone'), { nil: undefined }),
          }),
          { maxLength: 60 },
        ),
      )
      .map(list => list.map((contest, index): Contest => ({ key: `192.0.2.${index}`, ...contest })))
  })

const uniformCluster = fc
  .record({
    nodes: fc.integer({ min: 1, max: 12 }),
    addresses: fc.integer({ min: 0, max: 200 }),
    owned: fc.infiniteStream(fc.nat(13)),
  })
  .map(({ nodes, addresses, owned }) => {
    const names = nodeNames(nodes)
    const everyone = candidates(names)
    return { names, contests: contests(addresses, everyone, () => names[owned.next().value ?? 0]) }
  })

describe('whatever the cluster looks like', () => {
  test('the winner is a candidate, and the order of the input is irrelevant', () => {
    fc.assert(
      fc.property(cluster, fc.infiniteStream(fc.nat()), (input, chance) => {
        const shuffled = input
          .map(contest => ({
            contest: { ...contest, candidates: candidates(contest.candidates.nodes) },
            at: chance.next().value,
          }))
          .sort((one, other) => one.at - other.at)
          .map(({ contest }) => contest)
        const verdicts = elect(input)
        for (const contest of input) expect(contest.candidates.nodes).toContain(verdicts.get(contest.key)?.node)
        expect(verdicts.size).toBe(input.length)
        expect(new Map(elect(shuffled))).toEqual(new Map(verdicts))
      }),
    )
  })

  test('a second election, after everyone adopted the first, changes nothing', () => {
    fc.assert(
      fc.property(cluster, input => {
        const first = elect(input)
        expect(moved(first, elect(adopt(input, first)))).toEqual([])
      }),
    )
  })

  test('speakers that adopt the result one by one, in any order, end at the same result', () => {
    fc.assert(
      fc.property(uniformCluster, fc.infiniteStream(fc.boolean()), ({ contests: input }, chance) => {
        const whole = elect(input)
        const partly = input.map(contest =>
          chance.next().value ? { ...contest, owner: whole.get(contest.key)?.node } : contest,
        )
        expect(moved(whole, elect(partly))).toEqual([])
      }),
    )
  })

  test('a node that owns nothing leaves without anything changing', () => {
    fc.assert(
      fc.property(uniformCluster, ({ names, contests: input }) => {
        const verdicts = elect(input)
        const loser = names.find(name => !Array.from(verdicts.values(), verdict => verdict.node).includes(name))
        fc.pre(loser !== undefined && names.length > 1)
        const fewer = candidates(names.filter(name => name !== loser))
        const after = elect(adopt(input, verdicts).map(contest => ({ ...contest, candidates: fewer })))
        expect(moved(verdicts, after)).toEqual([])
      }),
    )
  })

  test('no node of a uniform cluster has more than the bound allows', () => {
    fc.assert(
      fc.property(uniformCluster, ({ names, contests: input }) => {
        const mean = input.length / names.length
        const most = Math.max(Math.ceil(mean), Math.floor(mean * spreadBound))
        expect(Math.max(...loads(elect(input), names))).toBeLessThanOrEqual(most)
      }),
    )
  })

  test('only what exceeds the bound moves away from owners that can', () => {
    fc.assert(
      fc.property(uniformCluster, ({ names, contests: input }) => {
        const mean = input.length / names.length
        const most = Math.max(Math.ceil(mean), Math.floor(mean * spreadBound))
        const held = names.map(name => input.filter(contest => contest.owner === name).length)
        const tooMany = held.reduce((sum, count) => sum + Math.max(0, count - most), 0)
        const moves = Array.from(elect(input).values()).filter(verdict => verdict.because === 'spread')
        expect(moves.length).toBe(tooMany)
      }),
    )
  })

  test('a node that joins takes at most its part', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 0, max: 300 }), (nodes, addresses) => {
        const before = elect(contests(addresses, candidates(nodeNames(nodes))))
        const grown = contests(addresses, candidates(nodeNames(nodes + 1)))
        expect(moved(before, elect(adopt(grown, before))).length).toBeLessThanOrEqual(
          Math.ceil(addresses / (nodes + 1)),
        )
      }),
    )
  })

  test('placing one more address moves none of the others, but those above a bound', () => {
    fc.assert(
      fc.property(uniformCluster, ({ contests: input }) => {
        fc.pre(input.length > 0)
        const settled = adopt(input, elect(input))
        const [newcomer, ...others] = settled
        fc.pre(newcomer !== undefined)
        const before = elect(others)
        const after = elect([{ ...newcomer, owner: undefined }, ...adopt(others, before)])
        expect(moved(before, after).filter(key => key !== newcomer.key)).toEqual([])
      }),
    )
  })
})
