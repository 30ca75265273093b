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

/** The numbers of mulberry32. Seeds name known cases: what follows from one must stay as it is. */
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
