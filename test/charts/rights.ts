/** A rule of a Role or ClusterRole. */
export interface Rule {
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  readonly verbs: readonly string[]
}

/** What the rules grant, one by one, as speaker/test-rights.ts names it: `patch berth.dev/bgppeers/status`. */
export function rightsOf(rules: readonly Rule[]): readonly string[] {
  const rights = rules.flatMap(({ apiGroups, resources, verbs }) =>
    apiGroups.flatMap(group =>
      resources.flatMap(resource => verbs.map(verb => `${verb} ${group === '' ? '' : `${group}/`}${resource}`)),
    ),
  )
  return [...new Set(rights)]
}
