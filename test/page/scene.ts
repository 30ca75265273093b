import type { Cluster } from '../../controller/test-cluster.ts'
import { resourcePath } from '../../crds/resources.ts'
import { type Address, formatAddress } from '../../net/address.ts'
import { condition, named, node, record, session, slice, speakerLease } from '../cli/world.ts'

/*
 * A large cluster as objects of a real API server, without the programs that would have written them: a /16 that is 40 %
 * full and 5,000 Services in each of five namespaces and a bit, nodes, speakers, sessions, records and Events; some of it
 * in trouble.
 */

/** How much of it there is. */
export interface SceneSize {
  readonly services: number
}

export const firstAddress = 10n << 24n
const nodes = ['rack-a-01', 'rack-a-02', 'rack-b-01', 'rack-b-02', 'rack-c-01']
const namespaces = ['shop', 'billing', 'search', 'media', 'data', 'edge']
const names = ['web', 'api', 'cart', 'auth', 'feed', 'grpc', 'mail', 'login', 'queue', 'stream']
const atOnce = 24

/** What a Service of the scene is called. */
export function nameOf(index: number): { readonly namespace: string; readonly name: string } {
  const namespace = namespaces[index % namespaces.length] ?? 'shop'
  return { namespace, name: `${names[index % names.length]}-${index}` }
}

/** The address of a Service of the scene: four tenths of each /24 of the upper half are free of them. */
export function addressOf(index: number): Address {
  const block = BigInt(Math.floor(index / 200))
  return { family: 'IPv4', value: firstAddress + block * 256n + BigInt(index % 200) + 1n }
}

export async function buildScene(cluster: Cluster, { services }: SceneSize): Promise<void> {
  const now = new Date().toISOString()
  const create = (path: string, body: object): Promise<object> =>
    cluster.transport.request<object>({ method: 'POST', path, body })
  const writeStatus = (path: string, status: object): Promise<unknown> =>
    cluster.transport.request({
      method: 'PATCH',
      path: `${path}/status`,
      contentType: 'application/merge-patch+json',
      body: { status },
    })
  for (const namespace of namespaces) await create('/api/v1/namespaces', named(namespace))
  await cluster.pool('public', { addresses: ['10.0.0.0/16'] })
  await cluster.pool('public-v6', { addresses: ['2001:db8:0:2::/64'] })
  await cluster.pool('small', { addresses: ['192.0.2.0/26', '198.51.100.250-198.51.101.4'], avoidBuggyIPs: true })
  await cluster.pool('twice', { addresses: ['10.0.9.0/24'] })
  const kind = { apiVersion: 'berth.dev/v1beta1', kind: 'L2Advertisement' }
  await create(resourcePath('L2Advertisement', 'berth-system'), { ...kind, metadata: { name: 'all' }, spec: {} })
  for (const [index, name] of nodes.entries()) {
    await create('/api/v1/nodes', node(name))
    await writeStatus(`/api/v1/nodes/${name}`, { conditions: [{ type: 'Ready', status: 'True' }] })
    if (index === 4) continue
    const renewed = index === 3 ? new Date(Date.now() - 600_000) : new Date(Date.now() + 3_600_000)
    const interfaces = [{ name: 'eth0', mac: `02:00:00:00:00:0${index}`, carrier: true, subnets: ['10.0.0.0/16'] }]
    const lease = speakerLease(name, { interfaces }, renewed.toISOString().replace('Z', '000Z'))
    await create('/apis/coordination.k8s.io/v1/namespaces/berth-system/leases', lease)
  }
  await create(resourcePath('BGPPeer', 'berth-system'), {
    apiVersion: 'berth.dev/v1beta1',
    kind: 'BGPPeer',
    metadata: { name: 'tor-a' },
    spec: { myASN: 64512, peerASN: 64513, peerAddress: '10.255.0.1' },
  })
  for (const [index, name] of nodes.slice(0, 4).entries()) {
    const up = index < 3
    const made = session(name, 'tor-a', {
      remote: '10.255.0.1',
      since: new Date(Date.now() - 86_400_000).toISOString(),
      state: up ? 'Established' : 'Active',
      bfdState: up ? 'Up' : 'Down',
      ...(up ? {} : { lastError: 'connection refused', problem: 'connection refused by 10.255.0.1' }),
    }) as { metadata: object; status: object }
    const body = { ...made, apiVersion: 'berth.dev/v1beta1', kind: 'BGPSessionStatus' }
    const path = resourcePath('BGPSessionStatus', 'berth-system')
    await create(path, body)
    await writeStatus(`${path}/${name}.tor-a`, made.status)
  }
  await inParallel(services, index => buildService(index, now, create, writeStatus))
  await inParallel(60, async index => {
    const { namespace, name } = nameOf(index)
    await create(`/api/v1/namespaces/${namespace}/events`, event(index, namespace, name, now))
  })
}

async function buildService(
  index: number,
  now: string,
  create: (path: string, body: object) => Promise<object>,
  writeStatus: (path: string, status: object) => Promise<unknown>,
): Promise<void> {
  const { namespace, name } = nameOf(index)
  const spec = { type: 'LoadBalancer', allocateLoadBalancerNodePorts: false, ports: [{ port: 80 }] }
  const made = (await create(`/api/v1/namespaces/${namespace}/services`, { metadata: { name }, spec })) as {
    metadata: { uid: string }
  }
  const address = formatAddress(addressOf(index))
  // One in 250 waits, one in 400 is not announced, one in 2,000 meets a stranger.
  if (index % 250 === 7) {
    const message = 'pool "small" is full: all 60 IPv4 addresses are in use.'
    return void (await writeStatus(`/api/v1/namespaces/${namespace}/services/${name}`, {
      conditions: [dated(condition('berth.dev/Allocated', 'False', 'PoolsExhausted', message), now)],
    }))
  }
  const owner = nodes[index % 3] ?? ''
  const announced =
    index % 400 === 11
      ? condition('berth.dev/Announced', 'False', 'NoUsableEndpoints', 'none of its endpoints is ready')
      : index % 2_000 === 13
        ? condition('berth.dev/Announced', 'False', 'AddressInUse', `${address} is in use by 52:54:00:12:34:56 on eth0`)
        : condition('berth.dev/Announced', 'True', 'Announced', `layer 2: announcing ${address} from node ${owner}`)
  const allocated = condition('berth.dev/Allocated', 'True', 'Allocated', `${address} from pool "public".`)
  await writeStatus(`/api/v1/namespaces/${namespace}/services/${name}`, {
    loadBalancer: { ingress: [{ ip: address }] },
    conditions: [dated(allocated, now), dated(announced, now)],
  })
  // Records cost two writes each; as many as the views need.
  if (index >= 300) return
  if (index < 40) {
    const endpoints = slice(name, 'rack-a-01', 'rack-b-01') as { metadata: object }
    const body = { ...endpoints, addressType: 'IPv4', metadata: { ...endpoints.metadata, namespace, name } }
    await create(`/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`, body)
  }
  const claim = index % 30 === 0 ? { because: 'ownerGone', from: 'rack-b-02' } : {}
  const { metadata, status } = record(name, owner, address, claim) as { metadata: object; status: object }
  const path = resourcePath('ServiceL2Status', namespace)
  const recordName = `${name}-${made.metadata.uid.slice(0, 8)}`
  await create(path, {
    apiVersion: 'berth.dev/v1beta1',
    kind: 'ServiceL2Status',
    metadata: { ...metadata, namespace, name: recordName },
  })
  await writeStatus(`${path}/${recordName}`, { ...status, since: new Date(Date.now() - index * 1_000).toISOString() })
}

function dated(one: object, now: string): object {
  return { ...one, lastTransitionTime: now }
}

function event(index: number, namespace: string, name: string, now: string): object {
  const warning = index % 3 === 0
  return {
    metadata: { name: `${name}.${index}`, namespace },
    involvedObject: { apiVersion: 'v1', kind: 'Service', namespace, name },
    type: warning ? 'Warning' : 'Normal',
    reason: warning ? 'NotAnnounced' : 'IPAllocated',
    message: warning
      ? 'none of its endpoints is ready'
      : `assigned ${formatAddress(addressOf(index))} from pool "public"`,
    eventTime: new Date(Date.parse(now) - index * 7_000).toISOString().replace('Z', '000Z'),
    action: 'Test',
    reportingComponent: index % 2 ? 'berth-controller' : 'berth-speaker',
    reportingInstance: index % 2 ? 'controller-0' : 'rack-a-01',
  }
}

async function inParallel(many: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    for (let index = next++; index < many; index = next++) await work(index)
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}
