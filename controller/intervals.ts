/**
 * A set of whole numbers from 0 upwards, kept as the runs that lie in it: sorted, disjoint, never touching. Its size in
 * memory is the number of runs, and no operation walks through members. The runs are cut into chunks of bounded length,
 * so that adding a run in the middle of half a million moves a few hundred entries and not all.
 */
export interface IntervalSet {
  has(value: bigint): boolean
  /** Whether the value was absent. */
  add(value: bigint): boolean
  /** Whether the value was present. */
  delete(value: bigint): boolean
  /** The lowest number that is not in the set: the end of the run at 0, so it costs the same at any fill. */
  lowestAbsent(): bigint
  readonly count: bigint
  /** How many runs the members form; for tests and benchmarks. */
  readonly runs: number
}

interface Run {
  first: bigint
  last: bigint
}

const chunkLimit = 256

export function createIntervalSet(): IntervalSet {
  const chunks: Run[][] = []
  let count = 0n
  let runs = 0

  /** The chunk that holds the last run starting at or below the value; 0 where there is none. */
  function chunkFor(value: bigint): number {
    let low = 0
    let high = chunks.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((chunks[middle]?.[0]?.first ?? 0n) <= value) low = middle
      else high = middle - 1
    }
    return low
  }

  function add(value: bigint): boolean {
    const chunkIndex = chunkFor(value)
    const chunk = chunks[chunkIndex] ?? []
    if (chunks.length === 0) chunks.push(chunk)
    const at = lastStartingAtOrBelow(chunk, value)
    const before = chunk[at]
    if (before && value <= before.last) return false
    count++
    const after = chunk[at + 1] ?? chunks[chunkIndex + 1]?.[0]
    const joinsBefore = before !== undefined && before.last + 1n === value
    const joinsAfter = after !== undefined && after.first === value + 1n
    if (joinsBefore && joinsAfter) {
      before.last = after.last
      if (at + 1 < chunk.length) removeRun(chunkIndex, at + 1)
      else removeRun(chunkIndex + 1, 0)
    } else if (joinsBefore) {
      before.last = value
    } else if (joinsAfter) {
      after.first = value
    } else {
      insertRun(chunkIndex, at + 1, { first: value, last: value })
    }
    return true
  }

  function remove(value: bigint): boolean {
    const chunkIndex = chunkFor(value)
    const chunk = chunks[chunkIndex] ?? []
    const at = lastStartingAtOrBelow(chunk, value)
    const run = chunk[at]
    if (!run || run.last < value) return false
    count--
    const { first, last } = run
    if (first === last) {
      removeRun(chunkIndex, at)
    } else if (first === value) {
      run.first = value + 1n
    } else {
      run.last = value - 1n
      if (last !== value) insertRun(chunkIndex, at + 1, { first: value + 1n, last })
    }
    return true
  }

  function insertRun(chunkIndex: number, at: number, run: Run): void {
    const chunk = chunks[chunkIndex]
    if (!chunk) return
    chunk.splice(at, 0, run)
    runs++
    if (chunk.length > chunkLimit) chunks.splice(chunkIndex + 1, 0, chunk.splice(chunkLimit / 2))
  }

  function removeRun(chunkIndex: number, at: number): void {
    const chunk = chunks[chunkIndex]
    if (!chunk) return
    chunk.splice(at, 1)
    runs--
    if (chunk.length === 0) chunks.splice(chunkIndex, 1)
  }

  return {
    has(value) {
      const chunk = chunks[chunkFor(value)] ?? []
      const run = chunk[lastStartingAtOrBelow(chunk, value)]
      return run !== undefined && value <= run.last
    },
    add,
    delete: remove,
    lowestAbsent() {
      const run = chunks[0]?.[0]
      return run?.first === 0n ? run.last + 1n : 0n
    },
    get count() {
      return count
    },
    get runs() {
      return runs
    },
  }
}

/** Index of the last run that starts at or below the value, or -1. */
function lastStartingAtOrBelow(chunk: readonly Run[], value: bigint): number {
  let low = -1
  let high = chunk.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if ((chunk[middle]?.first ?? 0n) <= value) low = middle
    else high = middle - 1
  }
  return low
}
