import fc from 'fast-check'
import { applyStep, type ObjectName, type Step } from '../../cli/change.ts'

/*
 * Random changes of a cluster for tests of the command line: pools, Services and namespaces so few and small that everything
 * gets in everything else's way.
 */

export const namespace = 'berth-system'

/** Names of pools. */
export const names = ['a', 'b', 'c', 'd'] as const
const addresses = fc.subarray(
  [
    '192.0.2.0/30',
    '192.0.2.2-192.0.2.5',
    '192.0.2.4/30',
    '192.0.2.8/31',
    '192.0.2.255/32',
    '2001:db8::/127',
    '2001:db8::2-2001:db8::3',
  ],
  { minLength: 1, maxLength: 4 },
)
/** Labels of Services. */
export const labels = fc.constantFrom<Record<string, string>>({}, { app: 'web' }, { app: 'api' })
/** Selectors of Services. */
export const selectors = fc.constantFrom([{ matchLabels: { app: 'web' } }], [{ matchLabels: { app: 'none' } }])
const allocation = fc.record(
  {
    priority: fc.constantFrom(5, 10),
    namespaces: fc.subarray(['shop', 'bank'], { minLength: 1 }),
    namespaceSelectors: fc.constantFrom([{ matchLabels: { team: 'a' } }], [{ matchLabels: { team: 'none' } }]),
    serviceSelectors: selectors,
  },
  { requiredKeys: [] },
)
const poolSpec = fc.record({
  addresses,
  autoAssign: fc.constantFrom(true, true, true, false),
  avoidBuggyIPs: fc.constantFrom(false, false, true),
  // One in two: where fc.option says freq: 1 it makes nothing but nil.
  serviceAllocation: fc.option(allocation, { nil: undefined, freq: 2 }),
})
/** Version and kind of an object of Berth's. */
export const berthKind = (kind: string) => ({ apiVersion: 'berth.dev/v1beta1', kind })
export const pool = fc
  .tuple(fc.constantFrom(...names), poolSpec)
  .map(([name, spec]) => ({ ...berthKind('IPAddressPool'), metadata: { name, namespace }, spec }))
const advertisement = fc
  .tuple(fc.constantFrom('x', 'y'), fc.subarray([...names, 'nowhere']))
  .map(([name, ipAddressPools]) => ({
    ...berthKind('L2Advertisement'),
    metadata: { name, namespace },
    spec: { ipAddressPools },
  }))
const annotations = fc.record(
  {
    'berth.dev/address-pool': fc.constantFrom(...names, 'nowhere', ''),
    'berth.dev/loadBalancerIPs': fc.constantFrom('192.0.2.1', '192.0.2.4', '192.0.2.8', '2001:db8::1', 'nonsense', ''),
    'berth.dev/allow-shared-ip': fc.constantFrom('k', 'l', ''),
  },
  { requiredKeys: [] },
)
const families = fc.constantFrom(
  { ipFamilyPolicy: 'SingleStack', ipFamilies: ['IPv4'] },
  { ipFamilyPolicy: 'SingleStack', ipFamilies: ['IPv4'] },
  { ipFamilyPolicy: 'SingleStack', ipFamilies: ['IPv6'] },
  { ipFamilyPolicy: 'PreferDualStack' },
  { ipFamilyPolicy: 'RequireDualStack', ipFamilies: ['IPv6', 'IPv4'] },
)
/** Where Services are, and what they are called. */
export const place = fc.record({
  namespace: fc.constantFrom('default', 'shop', 'bank'),
  name: fc.constantFrom('s0', 's1', 's2', 's3', 's4'),
})
export const service = fc
  .record({
    place,
    labels,
    annotations: fc.oneof({ weight: 2, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: annotations }),
    families,
    port: fc.constantFrom(80, 80, 81),
  })
  .map(({ place, labels, annotations, families, port }) => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { ...place, labels, annotations },
    spec: {
      type: 'LoadBalancer',
      allocateLoadBalancerNodePorts: false,
      selector: { app: place.name },
      ports: [{ port, protocol: 'TCP' }],
      ...families,
    },
  }))
/** What a Service asks for, and its labels. */
export const wish = fc.tuple(place, annotations, labels).map(([place, annotations, labels]) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { ...place, annotations, labels },
}))
/** The policy alone: the first family of a Service cannot be changed. */
const policy = fc
  .tuple(place, fc.constantFrom('SingleStack', 'PreferDualStack', 'RequireDualStack'))
  .map(([place, ipFamilyPolicy]) => ({ apiVersion: 'v1', kind: 'Service', metadata: place, spec: { ipFamilyPolicy } }))
const team = fc
  .tuple(fc.constantFrom('default', 'shop', 'bank'), fc.constantFrom('a', 'b', 'none'))
  .map(([name, team]) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: { team } } }))

export const apply = (object: fc.Arbitrary<object>): fc.Arbitrary<Step> => object.map(made => stepOf(made))
export const remove = (name: fc.Arbitrary<ObjectName>): fc.Arbitrary<Step> =>
  name.map(name => ({ kind: 'remove', name }))
/** What may be removed. */
export const removals = {
  pool: fc.constantFrom(...names).map((name): ObjectName => ({ kind: 'IPAddressPool', namespace, name })),
  service: place.map((place): ObjectName => ({ kind: 'Service', ...place })),
}
/** What goes on in the cluster between two changes. */
const occurrence = fc.oneof(
  { weight: 8, arbitrary: apply(service) },
  { weight: 2, arbitrary: remove(removals.service) },
  { weight: 2, arbitrary: apply(pool) },
)
/** What an admin or an app team wants to change. */
const wanted = fc.oneof(
  { weight: 9, arbitrary: apply(pool) },
  { weight: 3, arbitrary: remove(removals.pool) },
  { weight: 2, arbitrary: apply(advertisement) },
  { weight: 2, arbitrary: apply(wish) },
  { weight: 1, arbitrary: apply(service) },
  { weight: 2, arbitrary: apply(policy) },
  { weight: 1, arbitrary: remove(removals.service) },
  { weight: 1, arbitrary: apply(team) },
)
const turn: fc.Arbitrary<Turn> = fc.record({
  occurrences: fc.array(occurrence, { maxLength: 4 }),
  change: fc.array(wanted, { minLength: 1, maxLength: 3 }),
})

/** What happens in a cluster, and then is wanted of it. */
export interface Turn {
  readonly occurrences: readonly Step[]
  readonly change: readonly Step[]
}

/** So many turns of pools, Services and namespaces, the same for the same seed. */
export function turns(seed: number, count: number): readonly Turn[] {
  return fc.sample(turn, { seed, numRuns: count })
}

function stepOf(object: object): Step {
  const step = applyStep(object, { namespace })
  if (!step) throw new Error(`no step: ${JSON.stringify(object)}`)
  return step
}
