/** The labels of a Kubernetes object. */
export type Labels = Readonly<Record<string, string>>

/** One line of `matchExpressions`. */
export type SelectorRequirement =
  | { readonly operator: 'In' | 'NotIn'; readonly key: string; readonly values: readonly string[] }
  | { readonly operator: 'Exists' | 'DoesNotExist'; readonly key: string }

/** A parsed `metav1.LabelSelector`: every requirement must hold. Without any it matches every object. */
export interface LabelSelector {
  readonly requirements: readonly SelectorRequirement[]
}

/** Whether labels satisfy a selector, by the rules of `metav1.LabelSelector` (NotIn holds for an absent key). */
export function matches(selector: LabelSelector, labels: Labels): boolean {
  return selector.requirements.every(requirement => holds(requirement, labels))
}

function holds(requirement: SelectorRequirement, labels: Labels): boolean {
  const value = Object.hasOwn(labels, requirement.key) ? labels[requirement.key] : undefined
  switch (requirement.operator) {
    case 'In':
      return value !== undefined && requirement.values.includes(value)
    case 'NotIn':
      return value === undefined || !requirement.values.includes(value)
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
  }
}

/** Whether any of the selectors matches. An empty list matches nothing: callers say themselves what "none given" means. */
export function matchesAny(selectors: readonly LabelSelector[], labels: Labels): boolean {
  return selectors.some(selector => matches(selector, labels))
}

/** The selector as `kubectl get -l` would take it, for messages; "everything" where it has no requirement. */
export function formatSelector(selector: LabelSelector): string {
  if (selector.requirements.length === 0) return 'everything'
  return selector.requirements.map(formatRequirement).join(',')
}

function formatRequirement(requirement: SelectorRequirement): string {
  switch (requirement.operator) {
    case 'In':
      return requirement.values.length === 1
        ? `${requirement.key}=${requirement.values[0]}`
        : `${requirement.key} in (${requirement.values.join(',')})`
    case 'NotIn':
      return `${requirement.key} notin (${requirement.values.join(',')})`
    case 'Exists':
      return requirement.key
    case 'DoesNotExist':
      return `!${requirement.key}`
  }
}
