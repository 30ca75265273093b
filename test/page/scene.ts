import { randomUUID } from 'node:crypto'
import type { Cluster } from '../../controller/test-cluster.ts'
import { resourcePath } from '../../crds/resources.ts'
import { type Address, formatAddress, parseAddress } from '../../net/address.ts'
import { condition, named, node, record, session, slice, speakerLease } from '../cli/world.ts'
import type { ControlPlane } from '../control-plane/control-plane.ts'
import { storeObjects } from './etcd.ts'

/*
 * A large cluster as objects of a real API server, without the programs that would have written them: a /16 that is 40 %
 * full and a /64 with some addresses in use, the Services that have them in six namespaces, nodes, speakers, sessions, records
 * and Events; some of it in trouble.
 */

/** How much of it there is. */
export interface SceneSize {
  readonly services: number
}

/** As many as fill two fifths of the /16, which the page's thread has room for (page/watcher.ts). */
export const usualServices = 27_000

const firstAddress = 10n << 24n
const firstOfIPv6 = parseAddress('2001:db8:0:2::')?.value ?? 0n
const nodes = ['rack-a-01', 'rack-a-02', 'rack-b-01', 'rack-b-02', 'rack-c-01']
const namespaces = ['shop', 'billing', 'search', 'media', 'data', 'edge']
const names = ['web', 'api', 'cart', 'auth', 'feed', 'grpc', 'mail', 'login', 'queue', 'stream']
const atOnce = 24

/** What a Service of the scene is called. */
export function nameOf(index: number): { readonly namespace: string; readonly name: string } {
  const namespace = namespaces[index % namespaces.length] ?? 'shop'
  return { namespace, name: `${names[index % names.length]}-${index}` }
}

/** The address of a Service of the scene: one in 50 is of IPv6; of each /24 a fifth is free at least. */
export function addressOf(index: number): Address {
  if (index % 50 === 3) return { family: 'IPv6', value: firstOfIPv6 + BigInt(index) }
  const block = BigInt(Math.floor(index / 200))
  return { family: 'IPv4', value: firstAddress + block * 256n + BigInt(index % 200) + 1n }
}

/** Whether somebody else answers for the address of this Service: one in 2,000. */
export function isInConflict(index: number): boolean {
  return index % 2_000 === 13
}

export async function buildScene(controlPlane: ControlPlane, cluster: Cluster, { services }: SceneSize): Promise<void> {
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
  const made = Array.from({ length: services }, (_, index) => serviceOf(index, now))
  await storeObjects(
    controlPlane,
    made.flatMap((service, index) => {
      const { namespace, name } = service.metadata
      const address = clusterAddressOf(index, service)
      const key = `ipaddresses/${address.metadata.name}`
      return [
        { key, object: address },
        { key: `services/specs/${namespace}/${name}`, object: service },
      ]
    }),
  )
  await inParallel(Math.min(services, 300), index => buildRecord(index, made[index]?.metadata.uid, create, writeStatus))
  await inParallel(60, async index => {
    const { namespace, name } = nameOf(index)
    await create(`/api/v1/namespaces/${namespace}/events`, event(index, namespace, name, now))
  })
}

/** As the API server keeps it. */
function serviceOf(index: number, now: string) {
  const { namespace, name } = nameOf(index)
  const { family } = addressOf(index)
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace, uid: randomUUID(), creationTimestamp: `${now.slice(0, 19)}Z` },
    spec: {
      type: 'LoadBalancer',
      allocateLoadBalancerNodePorts: false,
      externalTrafficPolicy: 'Cluster',
      internalTrafficPolicy: 'Cluster',
      clusterIP: clusterIPOf(index),
      clusterIPs: [clusterIPOf(index)],
      ipFamilies: [family],
      ipFamilyPolicy: 'SingleStack',
      ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }],
      sessionAffinity: 'None',
    },
    status: statusOf(index, now),
  }
}

/** Of the API server's ranges for Services (control-plane/flags.ts). */
function clusterIPOf(index: number): string {
  const { family } = addressOf(index)
  const { value: first = 0n } = parseAddress(family === 'IPv4' ? '10.97.0.0' : 'fd00:10:96::1:0') ?? {}
  return formatAddress({ family, value: first + BigInt(index) })
}

/** The object by which the API server knows that a cluster IP is given; it would make those that are missing, one by one. */
function clusterAddressOf(index: number, { metadata }: ReturnType<typeof serviceOf>) {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'IPAddress',
    metadata: {
      name: clusterIPOf(index),
      uid: randomUUID(),
      creationTimestamp: metadata.creationTimestamp,
      labels: {
        'ipaddress.kubernetes.io/ip-family': addressOf(index).family,
        'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io',
      },
    },
    spec: { parentRef: { resource: 'services', namespace: metadata.namespace, name: metadata.name } },
  }
}

/** One in 250 waits, one in 400 is not announced, one in 2,000 meets a stranger. */
function statusOf(index: number, now: string): object {
  const address = formatAddress(addressOf(index))
  if (index % 250 === 7) {
    const message = 'pool "small" is full: all 60 IPv4 addresses are in use.'
    const waiting = condition('berth.dev/Allocated', 'False', 'PoolsExhausted', message)
    return { loadBalancer: {}, conditions: [dated(waiting, now)] }
  }
  const announced =
    index % 400 === 11
      ? condition('berth.dev/Announced', 'False', 'NoUsableEndpoints', 'none of its endpoints is ready')
      : isInConflict(index)
        ? condition('berth.dev/Announced', 'False', 'AddressInUse', `${address} is in use by 52:54:00:12:34:56 on eth0`)
        : condition(
            'berth.dev/Announced',
            'True',
            'Announced',
            `layer 2: announcing ${address} from node ${ownerOf(index)}`,
          )
  const pool = addressOf(index).family === 'IPv4' ? 'public' : 'public-v6'
  const allocated = condition('berth.dev/Allocated', 'True', 'Allocated', `${address} from pool "${pool}".`)
  return {
    loadBalancer: { ingress: [{ ip: address, ipMode: 'VIP' }] },
    conditions: [dated(allocated, now), dated(announced, now)],
  }
}

function ownerOf(index: number): string {
  return nodes[index % 3] ?? ''
}

/** Who announces it, and for some where it has endpoints: two or three writes each, so as many as the views need. */
async function buildRecord(
  index: number,
  uid = '',
  create: (path: string, body: object) => Promise<object>,
  writeStatus: (path: string, status: object) => Promise<unknown>,
): Promise<void> {
  if (index % 250 === 7) return
  const { namespace, name } = nameOf(index)
  const address = formatAddress(addressOf(index))
  if (index < 40) {
    const endpoints = slice(name, 'rack-a-01', 'rack-b-01') as { metadata: object }
    const body = { ...endpoints, addressType: 'IPv4', metadata: { ...endpoints.metadata, namespace, name } }
    await create(`/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`, body)
  }
  const claim = index % 30 === 0 ? { because: 'ownerGone', from: 'rack-b-02' } : {}
  const { metadata, status } = record(name, ownerOf(index), address, claim) as { metadata: object; status: object }
  const path = resourcePath('ServiceL2Status', namespace)
  const recordName = `${name}-${uid.slice(0, 8)}`
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
