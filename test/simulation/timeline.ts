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

/** Chance that is the same every time: everything in a schedule follows from its seed. */
export interface Random {
  /** 0 ≤ x < 1. */
  (): number
  between(least: number, most: number): number
  /** A whole number, both ends included. */
  integer(least: number, most: number): number
  chance(probability: number): boolean
  pick<T>(values: readonly T[]): T
  /** A part of the values, at least one and not all where there are several. */
  part<T>(values: readonly T[]): readonly T[]
}

/** Mulberry32. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return Object.assign(next, {
    between: (least: number, most: number) => least + next() * (most - least),
    integer: (least: number, most: number) => least + Math.floor(next() * (most - least + 1)),
    chance: (probability: number) => next() < probability,
    pick: <T>(values: readonly T[]) => values[Math.floor(next() * values.length)] as T,
    part: <T>(values: readonly T[]) => {
      const shuffled = values.map(value => ({ value, at: next() })).sort((one, other) => one.at - other.at)
      const count = 1 + Math.floor(next() * Math.max(1, values.length - 1))
      return shuffled.slice(0, count).map(({ value }) => value)
    },
  })
}
