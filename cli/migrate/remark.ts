/** What of MetalLB's configuration is not the same afterwards, and what to do about it. */
export interface Remark {
  readonly weight: RemarkWeight
  /** `BGPPeer tor`. */
  readonly object: string
  /** Where in its spec; empty = the object as a whole. */
  readonly field: string
  readonly what: string
  /** Empty where nothing has to be done. */
  readonly todo: string
}

/** How much it matters. */
export type RemarkWeight =
  /** Nothing of it is carried over. */
  | 'lost'
  /** Somebody has to do something that no manifest can. */
  | 'todo'
  /** Written otherwise, so that it goes on meaning what it meant. */
  | 'changed'
  /** Carried over as it is, and means something else in Berth. */
  | 'differs'

/** The most important first; of one weight by object, as a table shows them. */
export function inOrder(remarks: readonly Remark[]): readonly Remark[] {
  const weights: readonly RemarkWeight[] = ['lost', 'todo', 'differs', 'changed']
  return remarks.toSorted((one, other) => weights.indexOf(one.weight) - weights.indexOf(other.weight))
}
