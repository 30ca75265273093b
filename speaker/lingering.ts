import { type Pacing, pace, ripeKeys } from './layer2/pacing.ts'

/** Things that are there, and things that have gone so lately that they may be back soon. */
export interface Lingering {
  /** The same object for as long as it has the same members. */
  readonly names: ReadonlySet<string>
  /** Since when those that linger are gone. */
  readonly gone: Pacing<string>
}

export const nobodyLingers: Lingering = { names: new Set(), gone: new Map() }

/** What is to be taken for being there: what is, and what was and has been gone for less than `forMs`. */
export function linger(before: Lingering, present: Iterable<string>, nowMs: number, forMs: number): Lingering {
  const here = new Set(present)
  const missing = [...before.names].filter(name => !here.has(name))
  const gone = pace(before.gone, missing, nowMs)
  const overdue = ripeKeys(gone, () => forMs, nowMs)
  const names = new Set([...here, ...missing.filter(name => !overdue.has(name))])
  const same = names.size === before.names.size && [...names].every(name => before.names.has(name))
  return { names: same ? before.names : names, gone }
}
