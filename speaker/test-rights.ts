/** All that a speaker may do, as the objects that grant it to a user. */
export function speakerRights(user: string, namespace: string): object {
  const rule = (group: string, resources: readonly string[], verbs: readonly string[]) => ({
    apiGroups: [group],
    resources,
    verbs,
  })
  const recordVerbs = ['get', 'list', 'watch', 'create', 'patch', 'delete']
  const everywhere = [
    rule('', ['services', 'nodes'], ['list', 'watch']),
    rule('', ['services/status'], ['patch']),
    rule('discovery.k8s.io', ['endpointslices'], ['list', 'watch']),
    rule('events.k8s.io', ['events'], ['create', 'patch']),
    rule('berth.dev', ['servicel2statuses', 'servicebgpstatuses'], recordVerbs),
    rule('berth.dev', ['servicel2statuses/status', 'servicebgpstatuses/status'], ['patch']),
  ]
  const inItsNamespace = [
    rule('berth.dev', ['ipaddresspools', 'l2advertisements', 'bgpadvertisements'], ['list', 'watch']),
    rule('berth.dev', ['bgppeers', 'bfdprofiles', 'communities'], ['list', 'watch']),
    rule('berth.dev', ['bgpsessionstatuses'], recordVerbs),
    rule('berth.dev', ['bgpsessionstatuses/status'], ['patch']),
    rule('', ['secrets'], ['list', 'watch']),
    rule('coordination.k8s.io', ['leases'], ['get', 'list', 'watch', 'create', 'patch']),
  ]
  const apiVersion = 'rbac.authorization.k8s.io/v1'
  const subjects = [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: user }]
  const roleRef = (kind: string) => ({ apiGroup: 'rbac.authorization.k8s.io', kind, name: user })
  const items = [
    { apiVersion, kind: 'ClusterRole', metadata: { name: user }, rules: everywhere },
    { apiVersion, kind: 'ClusterRoleBinding', metadata: { name: user }, subjects, roleRef: roleRef('ClusterRole') },
    { apiVersion, kind: 'Role', metadata: { name: user, namespace }, rules: inItsNamespace },
    { apiVersion, kind: 'RoleBinding', metadata: { name: user, namespace }, subjects, roleRef: roleRef('Role') },
  ]
  return { apiVersion: 'v1', kind: 'List', items }
}
