import { reachOnRing, type WatchGraph } from './watchers.ts'

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

/**
 * The nodes that cannot be counted on, seen from `self`, which never is one of them. `left` are those that said so
 * themselves; they are not asked about others. `graph` is that of watchers.ts, or more than it.
 */
export function lostFrom(
  self: string,
  graph: WatchGraph,
  missing: Missing,
  left: ReadonlySet<string> = nobody,
): ReadonlySet<string> {
  let lost = left
  if (missing.size === 0) return lost
  const accusers = accusersOf(missing)
  for (;;) {
    const before = lost
    const accused = [...accusers].filter(
      ([node, against]) => node !== self && !before.has(node) && isLost(graph.get(node) ?? [], against, before),
    )
    if (accused.length > 0) lost = new Set([...lost, ...accused.map(([node]) => node)])
    else if (isWhole(lost, missing)) return lost
    else {
      const connected = connectedTo(self, lost, graph, missing)
      const cutOff = [...graph.keys()].filter(node => !connected.has(node) && !before.has(node))
      if (cutOff.length === 0) return lost
      lost = new Set([...lost, ...cutOff])
    }
  }
}

/**
 * How many nodes can be counted on for certain, self included, where some are `lost`. A node that has just begun (`young`)
 * misses nobody yet, since it has known nobody: that says nothing of what it is connected with, and in a torn network both
 * sides would have it, and through it each other. It counts only for whoever has a session with it (`heard`), and leads nowhere.
 */
export function countedOn(
  self: string,
  graph: WatchGraph,
  missing: Missing,
  lost: ReadonlySet<string>,
  { young, heard }: { readonly young: ReadonlySet<string>; readonly heard: ReadonlySet<string> },
): number {
  const heardYoung = [...young].filter(node => heard.has(node) && !lost.has(node))
  return connectedTo(self, new Set([...lost, ...young]), graph, missing).size + heardYoung.length
}

function accusersOf(missing: Missing): ReadonlyMap<string, ReadonlySet<string>> {
  const accusers = new Map<string, Set<string>>()
  for (const [accuser, missed] of missing) {
    for (const node of missed) accusers.set(node, (accusers.get(node) ?? new Set()).add(accuser))
  }
  return accusers
}

function isLost(watchers: readonly string[], against: ReadonlySet<string>, lost: ReadonlySet<string>): boolean {
  // Views of the graph may differ for a moment: whoever misses a node has watched it.
  const asked = new Set([...watchers, ...against].filter(watcher => !lost.has(watcher)))
  const missing = [...asked].filter(watcher => against.has(watcher)).length
  return missing * 2 > asked.size
}

/**
 * Whether the others hang together for certain, without a look at each: a ring on which everyone has sessions with three on
 * either side stays in one piece without any five of its nodes, if no session but those of the lost ones is down.
 */
function isWhole(lost: ReadonlySet<string>, missing: Missing): boolean {
  if (lost.size >= 2 * reachOnRing) return false
  for (const [node, missed] of missing) {
    if (lost.has(node)) continue
    for (const other of missed) if (!lost.has(other)) return false
  }
  return true
}

function connectedTo(
  self: string,
  lost: ReadonlySet<string>,
  graph: WatchGraph,
  missing: Missing,
): ReadonlySet<string> {
  const connected = new Set([self])
  for (const node of connected) {
    for (const next of graph.get(node) ?? []) {
      if (connected.has(next) || lost.has(next)) continue
      const broken = (missing.get(node) ?? nobody).has(next) || (missing.get(next) ?? nobody).has(node)
      if (!broken) connected.add(next)
    }
  }
  return connected
}
