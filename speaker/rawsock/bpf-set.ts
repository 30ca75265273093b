import type { Instruction } from './bpf.ts'

/** Numbers from `first` to `last`, both included. */
export interface NumberRange {
  readonly first: number
  readonly last: number
}

/**
 * Ranges that hold every number given, at most `most` of them. Where more would be needed, those with the smallest gaps
 * between them become one, so the ranges may hold some numbers besides: as a filter they let a little too much through.
 */
export function coveringRanges(numbers: Iterable<number>, most: number): readonly NumberRange[] {
  const sorted = [...new Set(numbers)].sort((one, other) => one - other)
  const gaps = sorted.slice(1).map((number, index) => number - (sorted[index] ?? number))
  const widest = gaps.filter(gap => gap > 1).sort((one, other) => other - one)
  // A gap as wide as the first one that is too many closes too, lest gaps of equal width exceed the number allowed.
  const narrowestKept = widest[most - 1] === undefined ? 2 : (widest[most - 1] ?? 0) + 1
  const ranges: { first: number; last: number }[] = []
  for (const number of sorted) {
    const open = ranges.at(-1)
    if (open && number - open.last < narrowestKept) open.last = number
    else ranges.push({ first: number, last: number })
  }
  return ranges
}

/**
 * Instructions that go to the label `match` when the accumulator is in one of the ranges (ascending, disjoint), else to
 * `miss`, after log₂ of them comparisons. `prefix` keeps the labels of two sets in one program apart.
 */
export function jumpIfMember(
  ranges: readonly NumberRange[],
  match: string,
  miss: string,
  prefix: string,
): Instruction[] {
  const [only] = ranges
  if (!only) return [{ kind: 'goto', to: miss }]
  if (ranges.length === 1) {
    return [
      { kind: 'jump', when: '<', value: only.first, to: miss },
      { kind: 'jump', when: '≤', value: only.last, to: match },
      { kind: 'goto', to: miss },
    ]
  }
  const middle = ranges.length >> 1
  const lower = `${prefix}<${middle}`
  return [
    { kind: 'jump', when: '<', value: ranges[middle]?.first ?? 0, to: lower },
    ...jumpIfMember(ranges.slice(middle), match, miss, `${lower}≥`),
    { kind: 'label', name: lower },
    ...jumpIfMember(ranges.slice(0, middle), match, miss, `${lower}<`),
  ]
}
