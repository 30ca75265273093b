import type { Transport } from '../kube/transport.ts'
import { createRandom, type Random } from '../test/seeded-random.ts'

/* Services that nobody would write, as far as the API server lets them through. */

const texts = [
  '',
  ' ',
  'a',
  '192.0.2.1',
  '10.64.0.7',
  '10.64.0.7,10.64.0.8',
  '2001:db8::7',
  '10.64.0.9,2001:db8::9',
  '::ffff:10.64.0.1',
  '010.64.0.1',
  '10.64.0.0/24',
  ',',
  '💥'.repeat(50),
  'x'.repeat(5_000),
  '__proto__',
  'constructor',
  '\u0000',
  '"',
  '{}',
  'a,b,c',
]
const prefixes = ['berth.dev', 'metallb.io', 'metallb.universe.tf']
const annotationNames = ['address-pool', 'loadBalancerIPs', 'allow-shared-ip', 'ip-allocated-from-pool']
const types = ['LoadBalancer', 'LoadBalancer', 'LoadBalancer', 'LoadBalancer', 'ClusterIP', 'NodePort', 'ExternalName']

/** Creates as many odd Services as the API server lets through of so many; the seed makes a failure come again. */
export async function createOddServices(
  transport: Transport,
  path: string,
  count: number,
  seed = 20_261_123,
): Promise<readonly string[]> {
  const random = createRandom(seed)
  const accepted: string[] = []
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < count) {
      const name = `odd-${next++}`
      try {
        await transport.request({ method: 'POST', path, body: oddService(name, random) })
        accepted.push(name)
      } catch {
        // The API server would not have it: nothing to test then.
      }
    }
  }
  await Promise.all(Array.from({ length: 8 }, worker))
  return accepted
}

function oddService(name: string, random: Random): object {
  const type = random.pick(types)
  return {
    metadata: {
      name,
      annotations: oddAnnotations(random),
      labels: random.chance(1 / 3) ? { constructor: 'x', toString: 'y' } : {},
    },
    spec: {
      type,
      ...(type === 'ExternalName' && { externalName: 'x.example' }),
      ...(type === 'LoadBalancer' && { allocateLoadBalancerNodePorts: false }),
      ports: oddPorts(random),
      ...random.pick<object>([{}, { selector: {} }, { selector: { app: 'x' } }]),
      ...random.pick<object>([{}, {}, { loadBalancerIP: random.pick(texts) }]),
      ...random.pick<object>([{}, {}, {}, { loadBalancerClass: random.pick(['x.example/y', 'z']) }]),
      ...random.pick<object>([
        {},
        { ipFamilyPolicy: random.pick(['SingleStack', 'PreferDualStack', 'RequireDualStack']) },
      ]),
      ...random.pick<object>([{}, {}, { ipFamilies: random.pick([['IPv6'], ['IPv4'], ['IPv6', 'IPv4']]) }]),
      ...random.pick<object>([{}, {}, {}, { clusterIP: 'None' }]),
      ...random.pick<object>([{}, {}, { sessionAffinity: 'ClientIP' }]),
      ...random.pick<object>([{}, {}, { externalIPs: ['203.0.113.7'] }]),
    },
  }
}

function oddAnnotations(random: Random): Readonly<Record<string, string>> {
  const all = prefixes.flatMap(prefix => annotationNames.map(name => `${prefix}/${name}`))
  return Object.fromEntries(all.filter(() => random.chance(0.2)).map(name => [name, random.pick(texts)]))
}

function oddPorts(random: Random): readonly object[] {
  return Array.from({ length: random.integer(1, 3) }, (_, index) => ({
    name: `p${index}`,
    port: random.pick([1, 80, 443, 65_535, random.integer(1, 65_535)]),
    protocol: random.pick(['TCP', 'UDP', 'SCTP']),
  }))
}
