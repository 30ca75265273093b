import { formatSelector, type LabelSelector } from './selector.ts'

/**
 * Whether two lists of node selectors select a common node for certain, whatever the nodes: one of them selects all, or
 * both have the same selector. Where that is not so, only the nodes themselves can tell.
 */
export function sharesNodes(one: readonly LabelSelector[], other: readonly LabelSelector[]): boolean {
  if (one.length === 0 || other.length === 0) return true
  const texts = new Set(one.map(formatSelector))
  return other.some(selector => texts.has(formatSelector(selector)))
}
