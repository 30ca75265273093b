import type { IPAddressPool } from '../crds/config.ts'
import type { ResolvedConfig } from '../crds/resolve.ts'
import { type LabelSelector, type Labels, matchesAny } from '../crds/selector.ts'

/** The labels of the cluster's namespaces. */
export interface Namespaces {
  /** Undefined while the namespace is not known (yet, or any more). */
  labelsOf(namespace: string): Labels | undefined
  /** Whether any namespace at all is selected. */
  anySelected(selectors: readonly LabelSelector[]): boolean
}

/** All pools: those that hand out addresses, in the order in which they are tried, and those that are set aside. */
export interface PoolBook {
  readonly pools: readonly IPAddressPool[]
  /** Pools that exist but are not valid: they hand out nothing and take nothing back. */
  readonly setAside: readonly PoolSetAside[]
}

export interface PoolSetAside {
  readonly name: string
  /** The reason and message of the pool's condition Ready=False. */
  readonly reason: string
  readonly message: string
}

/** The pools of a configuration; those that no verdict leaves in use are set aside. */
export function bookOf({ config, verdicts }: ResolvedConfig): PoolBook {
  const inUse = new Set(config.pools.map(pool => pool.name))
  const setAside = verdicts.filter(({ kind, ready, name }) => kind === 'IPAddressPool' && !ready && !inUse.has(name))
  return { pools: config.pools, setAside }
}

/** What of a Service decides whether a pool admits it. */
export interface Applicant {
  readonly namespace: string
  readonly labels: Labels
}

/** Why a pool is not for this Service. */
export type AdmissionObjection =
  | {
      readonly kind: 'namespaceNotAdmitted'
      readonly namespace: string
      readonly namespaces: readonly string[]
      readonly selectors: readonly LabelSelector[]
      /** False where the selectors match no namespace of the cluster: then they admit none. */
      readonly selectorsMatchAny: boolean
    }
  | { readonly kind: 'labelsNotSelected'; readonly selectors: readonly LabelSelector[] }

/**
 * Whether serviceAllocation lets the Service in: its namespace is named or selected (where either is given), and its labels
 * match one of the serviceSelectors (where any is given). Selectors that match nothing admit nobody.
 */
export function admissionObjection(
  pool: IPAddressPool,
  applicant: Applicant,
  namespaces: Namespaces,
): AdmissionObjection | undefined {
  const rules = pool.serviceAllocation
  if (!rules) return undefined
  const restrictsNamespaces = rules.namespaces.length > 0 || rules.namespaceSelectors.length > 0
  if (restrictsNamespaces && !rules.namespaces.includes(applicant.namespace)) {
    const labels = namespaces.labelsOf(applicant.namespace)
    if (!labels || !matchesAny(rules.namespaceSelectors, labels)) {
      return {
        kind: 'namespaceNotAdmitted',
        namespace: applicant.namespace,
        namespaces: rules.namespaces,
        selectors: rules.namespaceSelectors,
        selectorsMatchAny: namespaces.anySelected(rules.namespaceSelectors),
      }
    }
  }
  if (rules.serviceSelectors.length > 0 && !matchesAny(rules.serviceSelectors, applicant.labels))
    return { kind: 'labelsNotSelected', selectors: rules.serviceSelectors }
  return undefined
}

/** Namespaces from a map of labels; whether a selector matches any of them is found once and remembered. */
export function namespacesFrom(labels: ReadonlyMap<string, Labels>): Namespaces {
  const answers = new WeakMap<readonly LabelSelector[], boolean>()
  return {
    labelsOf: namespace => labels.get(namespace),
    anySelected(selectors) {
      let answer = answers.get(selectors)
      if (answer === undefined) {
        answer = labels.values().some(one => matchesAny(selectors, one))
        answers.set(selectors, answer)
      }
      return answer
    },
  }
}
