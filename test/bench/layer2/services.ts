import { until } from '../../interop/until.ts'
import type { Lab } from '../../lab/lab.ts'
import { batch, sysctl } from '../../lab/segment.ts'
import { type BenchApi, inParallel } from '../api.ts'

/** Services whose addresses are given by hand: announcing is measured, not assigning. */
const count = 25
const path = '/api/v1/namespaces/default/services'
const records = '/apis/berth.dev/v1beta1/servicel2statuses'
const slices = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices'

/** What the addresses are of; those of the segment's nodes lie outside. */
export const pools = ['192.0.2.100-192.0.2.124', '2001:db8:0:2::100-2001:db8:0:2::1fff'] as const

/** Both addresses of the dual-stack Services, fifty together. */
export const addresses: readonly string[] = Array.from({ length: count }, (_, index) => both(index)).flat()

/** Of one Service, by its number. */
export function both(index: number): readonly [string, string] {
  return [`192.0.2.${100 + index}`, `2001:db8:0:2::${(0x100 + index).toString(16)}`]
}

/** Creates the dual-stack Services, each with an address in both families and a ready endpoint on no node in particular. */
export async function createServices(api: BenchApi): Promise<void> {
  await inParallel(count, 8, async index => {
    await create(api, `dual-${index}`, ['IPv4', 'IPv6'], both(index))
  })
}

/** So many more with an IPv6 address each. */
export async function createMore(api: BenchApi, more: number): Promise<void> {
  await inParallel(more, 16, async index => {
    await create(api, `more-${index}`, ['IPv6'], [`2001:db8:0:2::${(0x1000 + index).toString(16)}`])
  })
}

/** Deletes them all, and waits until nothing is written down of them any more. */
export async function removeServices(api: BenchApi, more: number): Promise<void> {
  const names = [
    ...Array.from({ length: count }, (_, index) => `dual-${index}`),
    ...Array.from({ length: more }, (_, index) => `more-${index}`),
  ]
  await inParallel(names.length, 16, async index => {
    await expectStatus(api.call('DELETE', `${path}/${names[index]}`), 200)
  })
  await until(
    'the records of deleted Services are gone',
    async () => (JSON.parse((await api.call('GET', `${records}?limit=1`)).text) as { items: unknown[] }).items,
    items => items.length === 0,
    60_000,
  )
}

async function create(
  api: BenchApi,
  name: string,
  ipFamilies: readonly ('IPv4' | 'IPv6')[],
  ips: readonly string[],
): Promise<void> {
  const ipFamilyPolicy = ipFamilies.length > 1 ? 'RequireDualStack' : 'SingleStack'
  const spec = {
    type: 'LoadBalancer',
    allocateLoadBalancerNodePorts: false,
    ipFamilyPolicy,
    ipFamilies,
    ports: [{ port: 80 }],
  }
  await expectStatus(api.call('POST', path, { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec }), 201)
  for (const family of ipFamilies) {
    const slice = {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: `${name}-${family.toLowerCase()}`, labels: { 'kubernetes.io/service-name': name } },
      addressType: family,
      endpoints: [
        { addresses: [family === 'IPv4' ? '10.244.1.10' : 'fd00:10:244:1::10'], conditions: { ready: true } },
      ],
      ports: [{ port: 8080, protocol: 'TCP' }],
    }
    await expectStatus(api.call('POST', slices, slice), 201)
  }
  const status = { loadBalancer: { ingress: ips.map(ip => ({ ip, ipMode: 'VIP' })) } }
  await expectStatus(api.call('PATCH', `${path}/${name}/status`, { status }, 'application/merge-patch+json'), 200)
}

async function expectStatus(answer: ReturnType<BenchApi['call']>, wanted: number): Promise<void> {
  const { status, text } = await answer
  if (status !== wanted)
    throw new Error(`the API server refuses what the benchmark needs: ${status} ${text.slice(0, 200)}`)
}

/**
 * Lets the kernel of every node answer pings to the addresses, in place of kube-proxy and pods. It does so for packets that
 * reach it, and never says on the segment that it has them: that is the speakers'.
 */
export async function answerPings(lab: Lab): Promise<void> {
  for (const { namespace } of lab.nodes) {
    // kube-proxy is the same beside everybody, and on a small machine a large part of what is measured.
    await namespace.killAll()
    await sysctl(namespace, { 'net.ipv4.conf.all.arp_ignore': 1 })
    await batch(namespace, ['route add local 192.0.2.96/27 dev lo', 'route add local 2001:db8:0:2::100/120 dev lo'])
  }
}
