import type { WatchGraph } from './watchers.ts'

/*
 * Whom a node can count on, from the sessions that are said to be down. Two rules, applied until nothing changes:
 *
 * - A node is lost when more than half of those who watch it, of those that are not lost themselves, miss it. One watcher
 *   that is wrong, late or badly connected decides nothing, and one whose word got lost holds nothing up.
 * - A node is lost when no path of good sessions leads to it from here. That is what makes a torn network look the same from
 *   everywhere on one side of it, to a node that hears nobody, and where several nodes die at once and leave nobody to
 *   say so of each other.
 */

/** Who misses whom: for each node with something to say, the nodes it has lost its session with. */
export type Missing = ReadonlyMap<string, ReadonlySet<string>>

const nobody: ReadonlySet<string> = new Set()

/** The nodes that can be counted on, seen from `self`, which is always among them. Those that have left are not asked. */
export function reachedFrom(
  self: string,
  graph: WatchGraph,
  missing: Missing,
  left: ReadonlySet<string> = nobody,
): ReadonlySet<string> {
  let reached: ReadonlySet<string> = new Set([...graph.keys(), self].filter(node => !left.has(node)))
  if (missing.size === 0) return reached
  const accusers = accusersOf(missing)
  for (;;) {
    const kept = new Set([...reached].filter(node => node === self || !isLost(node, reached, graph, accusers)))
    const connected = connectedTo(self, kept, graph, missing)
    if (connected.size === reached.size) return reached
    reached = connected
  }
}

function accusersOf(missing: Missing): ReadonlyMap<string, ReadonlySet<string>> {
  const accusers = new Map<string, Set<string>>()
  for (const [accuser, missed] of missing) {
    for (const node of missed) accusers.set(node, (accusers.get(node) ?? new Set()).add(accuser))
  }
  return accusers
}

function isLost(
  node: string,
  reached: ReadonlySet<string>,
  graph: WatchGraph,
  accusers: ReadonlyMap<string, ReadonlySet<string>>,
): boolean {
  const against = accusers.get(node)
  if (!against) return false
  // Views of the graph may differ for a moment: whoever misses a node has watched it.
  const watchers = new Set([...(graph.get(node) ?? []), ...against].filter(watcher => reached.has(watcher)))
  const missing = [...watchers].filter(watcher => against.has(watcher)).length
  return missing * 2 > watchers.size
}

function connectedTo(
  self: string,
  nodes: ReadonlySet<string>,
  graph: WatchGraph,
  missing: Missing,
): ReadonlySet<string> {
  const connected = new Set([self])
  for (const node of connected) {
    for (const next of graph.get(node) ?? []) {
      if (connected.has(next) || !nodes.has(next)) continue
      const broken = (missing.get(node) ?? nobody).has(next) || (missing.get(next) ?? nobody).has(node)
      if (!broken) connected.add(next)
    }
  }
  return connected
}
