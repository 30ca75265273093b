import fc from 'fast-check'
import { expect, test } from 'vitest'
import { watchersOf, watchGraph } from './watchers.ts'

function names(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `node-${index + 1}`)
}

test.each([1, 2, 3, 4, 5, 6, 7])('%i nodes all watch each other', count => {
  for (const [, watched] of watchGraph(names(count))) expect(watched).toHaveLength(count - 1)
})

test.each([8, 9, 100, 1000])('of %i nodes each has six sessions', count => {
  for (const [node, watched] of watchGraph(names(count))) {
    expect(new Set(watched).size).toBe(6)
    expect(watched).not.toContain(node)
  }
})

test('whoever watches is watched, and the order of the names is irrelevant', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 40 }), nodes => {
      const graph = watchGraph(nodes)
      for (const [node, watched] of graph) for (const other of watched) expect(graph.get(other)).toContain(node)
      expect(watchGraph(nodes.toReversed())).toEqual(graph)
    }),
  )
})

test('a node that joins or leaves changes the sessions of its six neighbours only', () => {
  for (const newcomer of ['x', 'y', 'z']) {
    const before = watchGraph(names(50))
    const after = watchGraph([...names(50), newcomer])
    const changed = names(50).filter(node => String(before.get(node)) !== String(after.get(node)))
    expect(changed.sort()).toEqual([...(after.get(newcomer) ?? [])].sort())
  }
})

test('a node that is not in the list is watched as if it were', () => {
  expect(watchersOf('a', ['b', 'c'])).toEqual(['b', 'c'])
})
