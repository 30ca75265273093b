import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatAddress } from '../net/address.ts'
import { parseNamespace } from './namespace.ts'
import { parseNode } from './node.ts'
import {
  differsInConditionsOnly,
  type EndpointSliceFacts,
  endpointsOf,
  parseEndpointSlice,
  parseService,
  type Service,
} from './service.ts'

const metadata = { name: 'web', namespace: 'default', uid: 'u-1', resourceVersion: '42' }

function service(over: { metadata?: object; spec?: object; status?: object } = {}): Service {
  const parsed = parseService({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { ...metadata, ...over.metadata },
    spec: { type: 'LoadBalancer', ...over.spec },
    status: over.status ?? {},
  })
  if (parsed === undefined) throw new Error('not parsed')
  return parsed
}

const annotated = (annotations: Record<string, string>, spec: object = {}): Service['request'] =>
  service({ metadata: { annotations }, spec }).request

const asked = (request: Service['request']): string[] => request.addresses.map(formatAddress)

describe('a Service as the API server gives it', () => {
  it('is read whole', () => {
    const parsed = service({
      metadata: {
        creationTimestamp: '2026-11-23T02:00:00Z',
        labels: { app: 'web' },
        annotations: { 'metallb.io/ip-allocated-from-pool': 'front' },
      },
      spec: {
        loadBalancerClass: 'berth.dev/main',
        clusterIPs: ['10.96.0.7', 'fd00:10:96::7'],
        ipFamilyPolicy: 'PreferDualStack',
        externalTrafficPolicy: 'Local',
        ports: [{ port: 80 }, { port: 53, protocol: 'UDP' }, { port: 5060, protocol: 'SCTP' }],
        selector: { tier: 'front', app: 'web' },
      },
      status: {
        loadBalancer: {
          ingress: [{ ip: '192.0.2.7', ipMode: 'VIP' }, { hostname: 'web.example' }, { ip: 'junk' }, {}],
        },
        conditions: [
          { type: 'berth.dev/Allocated', status: 'True', reason: 'Assigned', message: 'm', observedGeneration: 3 },
          { type: 'someone.else/Ready', status: 'True', reason: 'X', message: '' },
          { type: 'berth.dev/Announced', status: 'Maybe' },
        ],
      },
    })
    expect(parsed).toMatchObject({
      key: 'default/web',
      uid: 'u-1',
      resourceVersion: '42',
      creationTimestampMs: Date.UTC(2026, 10, 23, 2),
      beingDeleted: false,
      type: 'LoadBalancer',
      loadBalancerClass: 'berth.dev/main',
      clusterIPFamilies: ['IPv4', 'IPv6'],
      ipFamilyPolicy: 'PreferDualStack',
      externalTrafficPolicy: 'Local',
      podSelector: 'app=web,tier=front',
      allocatedFromPool: 'front',
    })
    expect(parsed.ports).toEqual([
      { protocol: 'TCP', port: 80 },
      { protocol: 'UDP', port: 53 },
      { protocol: 'SCTP', port: 5060 },
    ])
    expect(parsed.ingress).toEqual([
      { kind: 'address', address: { family: 'IPv4', value: 0xc0000207n } },
      { kind: 'foreign', text: 'web.example' },
      { kind: 'foreign', text: 'junk' },
      { kind: 'foreign', text: '' },
    ])
    expect(parsed.conditions.map(condition => condition.type)).toEqual(['berth.dev/Allocated'])
  })

  it.each([
    ['None', []],
    ['', []],
    ['10.96.0.1', ['IPv4']],
    ['fd00::1', ['IPv6']],
  ])('with the one cluster IP "%s" has the families %j', (clusterIP, families) => {
    expect(service({ spec: { clusterIP } }).clusterIPFamilies).toEqual(families)
  })

  it('that is being deleted, or of another type, says so', () => {
    expect(service({ metadata: { deletionTimestamp: '2026-11-23T02:00:00Z' } }).beingDeleted).toBe(true)
    expect(service({ spec: { type: 'ClusterIP' } }).type).toBe('other')
  })
})

describe('two versions of a Service', () => {
  const object = (labels: object, conditions: readonly object[], resourceVersion: string) =>
    parseService({
      metadata: { namespace: 'default', name: 'web', uid: 'u', resourceVersion, labels },
      spec: { type: 'LoadBalancer' },
      status: { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] }, conditions },
    })
  const announced = { type: 'berth.dev/Announced', status: 'True', reason: 'Announced', message: 'from node a' }

  it.each([
    ['a condition', {}, [announced], true],
    ['a label', { app: 'web' }, [], false],
    ['a condition and a label', { app: 'web' }, [announced], false],
  ])('that differ in %s', (_, labels, conditions, only) => {
    const [one, other] = [object({}, [], '1'), object(labels, conditions, '2')]
    if (!one || !other) throw new Error('no Services')
    expect(differsInConditionsOnly(one, other)).toBe(only)
  })
})

describe('a request for addresses', () => {
  it('is empty where nothing is asked', () => {
    expect(annotated({})).toEqual({ addresses: [], pool: undefined, sharingKey: undefined, problem: undefined })
    expect(annotated({ 'berth.dev/address-pool': ' ', 'berth.dev/loadBalancerIPs': '' }).problem).toBeUndefined()
  })

  it('takes berth.dev before metallb.io before metallb.universe.tf', () => {
    const old = { 'metallb.universe.tf/address-pool': 'oldest' }
    expect(annotated(old).pool).toBe('oldest')
    expect(annotated({ ...old, 'metallb.io/address-pool': 'old' }).pool).toBe('old')
    expect(annotated({ ...old, 'metallb.io/address-pool': 'old', 'berth.dev/address-pool': 'new' }).pool).toBe('new')
  })

  it('may name one address of each family, and a sharing key', () => {
    const request = annotated({
      'metallb.io/loadBalancerIPs': '192.0.2.10, 2001:db8::10',
      'metallb.universe.tf/allow-shared-ip': 'dns',
    })
    expect(asked(request)).toEqual(['192.0.2.10', '2001:db8::10'])
    expect(request.sharingKey).toBe('dns')
  })

  it('may come from spec.loadBalancerIP, alone or saying the same', () => {
    expect(asked(annotated({}, { loadBalancerIP: '192.0.2.9' }))).toEqual(['192.0.2.9'])
    const both = annotated({ 'berth.dev/loadBalancerIPs': '192.0.2.9,2001:db8::9' }, { loadBalancerIP: '192.0.2.9' })
    expect(asked(both)).toEqual(['192.0.2.9', '2001:db8::9'])
    expect(both.problem).toBeUndefined()
  })

  it.each([
    [
      'a name',
      { 'berth.dev/loadBalancerIPs': 'web.example' },
      {},
      /annotation berth\.dev\/loadBalancerIPs: "web\.example" is not an IP address; write one IPv4/,
    ],
    [
      'a trailing comma',
      { 'metallb.io/loadBalancerIPs': '192.0.2.1,' },
      {},
      /metallb\.io\/loadBalancerIPs: "" is not an IP address/,
    ],
    [
      'two of one family',
      { 'berth.dev/loadBalancerIPs': '192.0.2.1,192.0.2.2' },
      {},
      /two IPv4 addresses, 192\.0\.2\.1 and 192\.0\.2\.2/,
    ],
    [
      'a prefix',
      {},
      { loadBalancerIP: '192.0.2.0/24' },
      /spec\.loadBalancerIP: "192\.0\.2\.0\/24" is not an IP address/,
    ],
    [
      'two places that differ',
      { 'berth.dev/loadBalancerIPs': '192.0.2.1' },
      { loadBalancerIP: '192.0.2.2' },
      /spec\.loadBalancerIP asks for 192\.0\.2\.2 but the annotation berth\.dev\/loadBalancerIPs for 192\.0\.2\.1; remove one/,
    ],
  ])('that is %s is a problem in words', (_name, annotations, spec, expected) => {
    const request = annotated(annotations, spec)
    expect(request.problem).toMatch(expected)
    expect(request.addresses).toEqual([])
  })

  it('shortens what it quotes of junk', () => {
    expect(annotated({ 'berth.dev/loadBalancerIPs': 'x'.repeat(10_000) }).problem?.length).toBeLessThan(400)
  })
})

const slice = (name: string, endpoints: readonly object[], owner = 'web'): EndpointSliceFacts => {
  const labels = { 'kubernetes.io/service-name': owner }
  const facts = parseEndpointSlice({ metadata: { ...metadata, name, labels }, endpoints })
  if (facts === undefined) throw new Error('not parsed')
  return facts
}
const endpoint = (address: string, nodeName: string | undefined, conditions?: object, uid?: string): object => ({
  addresses: [address],
  ...(nodeName && { nodeName }),
  ...(conditions && { conditions }),
  ...(uid && { targetRef: { kind: 'Pod', uid } }),
})

describe('endpoints', () => {
  it('count where they are ready, unset means ready, and terminating ones while they serve', () => {
    const facts = slice('web-1', [
      endpoint('10.0.0.1', 'n1', { ready: true }),
      endpoint('10.0.0.2', 'n1'),
      endpoint('10.0.0.3', 'n2', { ready: false, serving: true, terminating: true }),
      endpoint('10.0.0.4', 'n3', { ready: false, serving: false }),
      endpoint('10.0.0.5', 'n3', { ready: false }),
      endpoint('10.0.0.6', undefined, { ready: true }),
    ])
    const endpoints = endpointsOf({ key: 'default/web' }, [facts])
    expect([...endpoints.usableByNode]).toEqual([
      ['n1', 2],
      ['n2', 1],
    ])
    expect(endpoints.usable).toBe(4)
  })

  it('count once where a Pod stands in a slice of each family or in two slices', () => {
    const slices = [
      slice('web-4', [endpoint('10.0.0.1', 'n1', {}, 'pod-1'), endpoint('10.0.0.9', 'n2')]),
      slice('web-6', [endpoint('fd00::1', 'n1', {}, 'pod-1')]),
      slice('web-again', [endpoint('10.0.0.9', 'n2')]),
    ]
    const endpoints = endpointsOf({ key: 'default/web' }, slices)
    expect(Object.fromEntries(endpoints.usableByNode)).toEqual({ n1: 1, n2: 1 })
    expect(endpoints.usable).toBe(2)
  })

  it('of another Service do not count', () => {
    expect(endpointsOf({ key: 'default/web' }, [slice('x', [endpoint('10.0.0.1', 'n1')], 'other')]).usable).toBe(0)
  })
})

describe('a Node', () => {
  it('is read whole', () => {
    const node = parseNode({
      metadata: {
        name: 'n1',
        uid: 'u',
        resourceVersion: '1',
        labels: { 'node.kubernetes.io/exclude-from-external-load-balancers': '' },
      },
      spec: {
        unschedulable: true,
        taints: [
          { key: 'a', value: 'b', effect: 'NoSchedule' },
          { key: 'c', effect: 'NoExecute' },
        ],
      },
      status: {
        addresses: [
          { type: 'InternalIP', address: '192.0.2.1' },
          { type: 'Hostname', address: 'n1' },
          { type: 'InternalIP', address: '2001:db8::1' },
        ],
        conditions: [
          { type: 'Ready', status: 'True' },
          { type: 'NetworkUnavailable', status: 'False' },
        ],
      },
    })
    expect(node).toMatchObject({
      key: 'n1',
      internalIPs: ['192.0.2.1', '2001:db8::1'],
      excluded: true,
      networkUnavailable: false,
      ready: true,
      unschedulable: true,
      taints: ['a=b:NoSchedule', 'c:NoExecute'],
    })
  })
})

describe('any JSON', () => {
  // Near misses find more than noise: known fields with values of any kind.
  const junk = fc.jsonValue({ maxDepth: 3 })
  const near = (fields: readonly string[], inner: fc.Arbitrary<unknown> = junk): fc.Arbitrary<unknown> =>
    fc.oneof(
      junk,
      fc.dictionary(fc.constantFrom(...fields), inner),
      fc.array(fc.dictionary(fc.constantFrom(...fields), inner), { maxLength: 3 }),
    )
  const annotationNames = [
    'berth.dev/loadBalancerIPs',
    'metallb.io/address-pool',
    'metallb.universe.tf/allow-shared-ip',
    '__proto__',
  ]
  const anyObject = fc.oneof(
    junk,
    fc.record({
      metadata: fc.record({
        name: fc.oneof(fc.constant('n'), junk),
        namespace: fc.oneof(fc.constant('ns'), junk),
        labels: near(['kubernetes.io/service-name', 'hasOwnProperty', '__proto__'], fc.oneof(fc.string(), junk)),
        annotations: near(annotationNames, fc.oneof(fc.string(), fc.ipV4(), fc.ipV6(), junk)),
        creationTimestamp: fc.oneof(fc.string(), junk),
      }),
      spec: near(
        ['type', 'clusterIPs', 'clusterIP', 'ports', 'selector', 'loadBalancerIP', 'taints'],
        near(['port', 'protocol', 'key']),
      ),
      status: near(['loadBalancer', 'conditions'], near(['ingress', 'type', 'status'], near(['ip', 'hostname']))),
      endpoints: near(['addresses', 'conditions', 'nodeName', 'targetRef']),
    }),
  )

  it('is parsed without an exception, and one parse is like the next', () => {
    fc.assert(
      fc.property(anyObject, object => {
        const parsers = [parseService, parseEndpointSlice, parseNode, parseNamespace]
        const before = JSON.stringify(object)
        for (const parse of parsers) expect(parse(object)).toEqual(parse(object))
        expect(JSON.stringify(object)).toBe(before)
      }),
    )
  })
})
