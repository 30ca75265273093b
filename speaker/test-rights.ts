import type { ApiRequest, Transport } from '../kube/transport.ts'

/*
 * What a speaker may do, and what it does: the tests show that each right is needed and that no other is.
 */

interface Rule {
  readonly group: string
  readonly resources: readonly string[]
  readonly verbs: readonly string[]
}

const read = ['list', 'watch']
const records = ['get', 'list', 'watch', 'create', 'delete']

/** In every namespace, and of the cluster. */
const everywhere: readonly Rule[] = [
  { group: '', resources: ['services', 'nodes'], verbs: read },
  { group: '', resources: ['services/status'], verbs: ['patch'] },
  { group: 'discovery.k8s.io', resources: ['endpointslices'], verbs: read },
  { group: 'events.k8s.io', resources: ['events'], verbs: ['create', 'patch'] },
  // A ServiceL2Status goes from node to node with its Service; a ServiceBGPStatus stays with its node.
  { group: 'berth.dev', resources: ['servicel2statuses'], verbs: [...records, 'patch'] },
  { group: 'berth.dev', resources: ['servicebgpstatuses'], verbs: records },
  { group: 'berth.dev', resources: ['servicel2statuses/status', 'servicebgpstatuses/status'], verbs: ['patch'] },
]

/** In Berth's own namespace. */
const inItsNamespace: readonly Rule[] = [
  { group: 'berth.dev', resources: ['ipaddresspools', 'l2advertisements', 'bgpadvertisements'], verbs: read },
  { group: 'berth.dev', resources: ['bgppeers', 'bfdprofiles', 'communities'], verbs: read },
  { group: 'berth.dev', resources: ['bgpsessionstatuses'], verbs: [...records, 'patch'] },
  { group: 'berth.dev', resources: ['bgpsessionstatuses/status'], verbs: ['patch'] },
  { group: '', resources: ['secrets'], verbs: read },
  { group: 'coordination.k8s.io', resources: ['leases'], verbs: ['get', 'list', 'watch', 'create', 'patch'] },
]

/** All that a speaker may do, as the objects that grant it to a user. */
export function speakerRights(user: string, namespace: string): object {
  const apiVersion = 'rbac.authorization.k8s.io/v1'
  const rulesOf = (rules: readonly Rule[]) => rules.map(({ group, ...rest }) => ({ apiGroups: [group], ...rest }))
  const subjects = [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: user }]
  const roleRef = (kind: string) => ({ apiGroup: 'rbac.authorization.k8s.io', kind, name: user })
  const items = [
    { apiVersion, kind: 'ClusterRole', metadata: { name: user }, rules: rulesOf(everywhere) },
    { apiVersion, kind: 'ClusterRoleBinding', metadata: { name: user }, subjects, roleRef: roleRef('ClusterRole') },
    { apiVersion, kind: 'Role', metadata: { name: user, namespace }, rules: rulesOf(inItsNamespace) },
    { apiVersion, kind: 'RoleBinding', metadata: { name: user, namespace }, subjects, roleRef: roleRef('Role') },
  ]
  return { apiVersion: 'v1', kind: 'List', items }
}

/** The same, one by one: `watch secrets`, `patch berth.dev/bgpsessionstatuses/status`. */
export function grantedRights(): readonly string[] {
  return [...everywhere, ...inItsNamespace].flatMap(({ group, resources, verbs }) =>
    resources.flatMap(resource => verbs.map(verb => formatRight(verb, group, resource))),
  )
}

/** The transport, and the rights that its requests have needed so far. */
export function watchRights(
  inner: Transport,
  before?: (request: ApiRequest) => Promise<void>,
): Transport & { readonly used: ReadonlySet<string> } {
  const used = new Set<string>()
  return {
    used,
    async request(request) {
      used.add(rightFor(request.method, request.path))
      // What is applied is made where it is missing, which needs the right to do so.
      if (request.contentType?.includes('apply-patch')) used.add(rightFor('POST', request.path))
      await before?.(request)
      return await inner.request(request)
    },
    async *watch(path, query, signal, onOpen) {
      used.add(rightFor('WATCH', path))
      yield* inner.watch(path, query, signal, onOpen)
    },
    close: () => inner.close(),
    get openSockets() {
      return inner.openSockets
    },
  }
}

/** `/apis/GROUP/VERSION[/namespaces/NAMESPACE]/RESOURCE[/NAME[/SUBRESOURCE]]`, or `/api/v1/…`. */
function rightFor(method: string, path: string): string {
  const parts = path.split('/').slice(1)
  const group = parts[0] === 'api' ? '' : (parts[1] ?? '')
  const rest = parts.slice(parts[0] === 'api' ? 2 : 3)
  const [resource = '', name, subresource] = rest[0] === 'namespaces' && rest.length > 2 ? rest.slice(2) : rest
  const about = subresource === undefined ? resource : `${resource}/${subresource}`
  switch (method) {
    case 'GET':
      return formatRight(name === undefined ? 'list' : 'get', group, about)
    case 'POST':
      return formatRight('create', group, about)
    case 'PUT':
      return formatRight('update', group, about)
    default:
      return formatRight(method.toLowerCase(), group, about)
  }
}

function formatRight(verb: string, group: string, resource: string): string {
  return `${verb} ${group === '' ? '' : `${group}/`}${resource}`
}
