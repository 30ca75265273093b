import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { countedOn, lostFrom, type Missing } from './reach.ts'
import { type WatchGraph, watchGraph } from './watchers.ts'

function missing(of: Readonly<Record<string, string>>): Missing {
  return new Map(Object.entries(of).map(([node, missed]) => [node, new Set(missed)]))
}

function reachedFrom(self: string, graph: WatchGraph, said: Missing): ReadonlySet<string> {
  const lost = lostFrom(self, graph, said)
  return new Set([...graph.keys()].filter(node => !lost.has(node)))
}

function reached(self: string, nodes: string, said: Readonly<Record<string, string>>): string {
  return [...reachedFrom(self, watchGraph(nodes), missing(said))].sort().join('')
}

describe('a node that has just begun', () => {
  const said = missing({ a: 'de', b: 'de', c: 'de' })
  const lost = new Set('de')
  const counted = (young: string, heard: string): number =>
    countedOn('a', watchGraph('abcdef'), said, lost, { young: new Set(young), heard: new Set(heard) })

  test('counts for those that hear it', () => {
    expect(counted('', 'bcf')).toBe(4)
    expect(counted('f', 'bcf')).toBe(4)
    expect(counted('f', 'bc')).toBe(3)
    expect(counted('d', 'bcdf')).toBe(4)
  })

  test('leads to no other', () => {
    const onlyByC = missing({ a: 'f', b: 'f', d: 'f', e: 'f' })
    const count = (young: string): number =>
      countedOn('a', watchGraph('abcdef'), onlyByC, new Set(), { young: new Set(young), heard: new Set('bcde') })
    expect(count('')).toBe(6)
    expect(count('c')).toBe(5)
  })
})

describe('a node', () => {
  test('can count on all while nobody misses anybody', () => {
    expect(reached('a', 'abcde', {})).toBe('abcde')
  })

  test('that most of its watchers miss is lost, even before the last of them says so', () => {
    expect(reached('a', 'abcde', { a: 'e', b: 'e', c: 'e' })).toBe('abcd')
    expect(reached('a', 'abcde', { a: 'e', b: 'e' })).toBe('abcde')
  })

  test('that only one of two misses is not: the way between them may be broken', () => {
    expect(reached('a', 'abc', { a: 'c' })).toBe('abc')
    expect(reached('b', 'abc', { a: 'c' })).toBe('abc')
    expect(reached('b', 'abc', { a: 'c', b: 'c' })).toBe('ab')
  })

  test('of two is lost when the other misses it', () => {
    expect(reached('a', 'ab', { a: 'b' })).toBe('a')
  })

  test('is lost with those that die with it and say nothing of each other', () => {
    expect(reached('a', 'abcde', { a: 'cde', b: 'cde' })).toBe('ab')
    expect(reached('a', 'abc', { a: 'bc' })).toBe('a')
  })

  test('that misses everybody is itself what is wrong', () => {
    expect(reached('a', 'abcde', { e: 'abcd', a: 'e', b: 'e', c: 'e', d: 'e' })).toBe('abcd')
    expect(reached('e', 'abcde', { e: 'abcd' })).toBe('e')
  })
})

test('each side of a torn network counts on exactly its own, whatever the sides', () => {
  const nodes = fc
    .integer({ min: 8, max: 60 })
    .map(count => Array.from({ length: count }, (_, index) => `node-${index}`))
  fc.assert(
    fc.property(nodes, fc.infiniteStream(fc.boolean()), (names, chance) => {
      const graph = watchGraph(names)
      const side = new Map(names.map(name => [name, chance.next().value === true]))
      const self = names[0] ?? ''
      const own = names.filter(name => side.get(name) === side.get(self))
      // Only what the own side says is heard.
      const said = new Map(
        own.map(name => [name, new Set((graph.get(name) ?? []).filter(other => side.get(other) !== side.get(name)))]),
      )
      const connected = within(self, own, graph)
      expect([...reachedFrom(self, graph, said)].filter(name => !own.includes(name))).toEqual([])
      expect(reachedFrom(self, graph, said)).toEqual(new Set(connected))
    }),
  )
})

/** The nodes of one side that hang together by sessions among themselves. */
function within(
  self: string,
  own: readonly string[],
  graph: ReadonlyMap<string, readonly string[]>,
): readonly string[] {
  const found = new Set([self])
  for (const node of found) for (const next of graph.get(node) ?? []) if (own.includes(next)) found.add(next)
  return [...found]
}

test('a ring stays in one piece without any five nodes, as is taken for granted without a look', () => {
  fc.assert(
    fc.property(fc.integer({ min: 8, max: 40 }), fc.infiniteStream(fc.nat()), (count, chance) => {
      const names = Array.from({ length: count }, (_, index) => `node-${index}`)
      const graph = watchGraph(names)
      const dead = new Set(Array.from({ length: 5 }, () => names[(chance.next().value ?? 0) % count] ?? ''))
      const living = names.filter(name => !dead.has(name))
      expect(within(living[0] ?? '', living, graph)).toHaveLength(living.length)
    }),
  )
})

test('those that said that they have left are lost, and their word counts no more', () => {
  const graph = watchGraph('abcde')
  const said = missing({ e: 'abcd', a: 'b' })
  expect([...lostFrom('a', graph, said, new Set('e'))]).toEqual(['e'])
})
