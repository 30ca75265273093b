/** Virtual time: what is due next runs next, and nothing takes any time. */
export interface Timeline {
  readonly nowMs: number
  at(atMs: number, run: () => void): void
  /** Runs everything that is due until then. */
  runUntil(endMs: number): void
}

interface Entry {
  readonly atMs: number
  readonly order: number
  readonly run: () => void
}

export function createTimeline(): Timeline {
  const heap: Entry[] = []
  let nowMs = 0
  let order = 0

  function sooner(one: Entry, other: Entry): boolean {
    return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order)
  }

  function push(entry: Entry): void {
    let at = heap.push(entry) - 1
    while (at > 0) {
      const up = (at - 1) >> 1
      const parent = heap[up] as Entry
      if (!sooner(entry, parent)) break
      heap[at] = parent
      at = up
    }
    heap[at] = entry
  }

  function pop(): Entry | undefined {
    const first = heap[0]
    const last = heap.pop()
    if (!first || !last || heap.length === 0) return first
    let at = 0
    for (;;) {
      let down = 2 * at + 1
      if (down >= heap.length) break
      if (down + 1 < heap.length && sooner(heap[down + 1] as Entry, heap[down] as Entry)) down++
      const child = heap[down] as Entry
      if (!sooner(child, last)) break
      heap[at] = child
      at = down
    }
    heap[at] = last
    return first
  }

  return {
    get nowMs() {
      return nowMs
    },
    at(atMs, run) {
      push({ atMs: Math.max(atMs, nowMs), order: order++, run })
    },
    runUntil(endMs) {
      for (let next = heap[0]; next && next.atMs <= endMs; next = heap[0]) {
        pop()
        nowMs = next.atMs
        next.run()
      }
      nowMs = endMs
    },
  }
}
