import { score } from './election.ts'

/*
 * Who watches whom. Every speaker computes the same graph from the same names: the nodes stand on a ring in the order of a
 * hash of their names, and each keeps a BFD session with the three before it and the three after it. So a node has six
 * sessions however many nodes there are, each is watched by six others that have nothing in common but chance, and one
 * that joins or leaves changes the sessions of its six neighbours only. Up to seven nodes that is everybody with everybody.
 *
 * A session is one thing between two nodes: both ends watch through it.
 */

/** How many nodes on either side of it a node watches. */
export const reachOnRing = 3

/** For each node the nodes it has a session with; the relation is symmetric. */
export type WatchGraph = ReadonlyMap<string, readonly string[]>

/** The sessions between these nodes; the order in which they are given is irrelevant. */
export function watchGraph(nodes: Iterable<string>): WatchGraph {
  const ring = [...new Set(nodes)]
    .map(node => ({ node, position: score('ring', node) }))
    .sort((one, other) => one.position - other.position || (one.node < other.node ? -1 : 1))
    .map(({ node }) => node)
  return new Map(ring.map((node, index) => [node, neighboursAt(ring, index)]))
}

function neighboursAt(ring: readonly string[], index: number): readonly string[] {
  const steps = Math.min(reachOnRing, Math.ceil((ring.length - 1) / 2))
  const found = new Set<string>()
  for (let step = 1; step <= steps; step++) {
    for (const at of [index + step, index - step + ring.length]) found.add(ring[at % ring.length] ?? '')
  }
  found.delete(ring[index] ?? '')
  return [...found].sort()
}

/** Who watches the node, and whom it watches. */
export function watchersOf(node: string, nodes: Iterable<string>): readonly string[] {
  return watchGraph([...nodes, node]).get(node) ?? []
}
