import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatRange } from '../net/range.ts'
import { fuzzedObject } from './arbitrary.ts'
import type { ConfigKind } from './config.ts'
import {
  parseBFDProfile,
  parseBGPAdvertisement,
  parseBGPPeer,
  parseCommunityResource,
  parseIPAddressPool,
  parseL2Advertisement,
} from './parse.ts'
import type { ParsedResource } from './parsed.ts'
import { ruleExamples } from './rule-examples.ts'

const parsers: Readonly<Record<ConfigKind, (object: unknown) => ParsedResource<unknown> | undefined>> = {
  IPAddressPool: parseIPAddressPool,
  L2Advertisement: parseL2Advertisement,
  BGPAdvertisement: parseBGPAdvertisement,
  BGPPeer: parseBGPPeer,
  BFDProfile: parseBFDProfile,
  Community: parseCommunityResource,
}

function object(spec: unknown, metadata: object = {}): object {
  return { metadata: { name: 'first', namespace: 'berth-system', ...metadata }, spec }
}

/** What came of an object. */
function outcome(parsed: ParsedResource<unknown> | undefined): string {
  if (parsed?.value === undefined) return parsed?.problem?.reason === 'Invalid' ? 'set aside' : 'lost'
  return parsed.problem ? 'used in part' : 'used'
}

test.each(ruleExamples)('what the API server says is said here too: $kind, $rule', example => {
  const { kind, good, kept, bad, parsed } = example
  expect(outcome(parsers[kind](object(good)))).toBe(kept ?? 'used')
  expect(outcome(parsers[kind](object(bad)))).toBe(parsed ?? 'set aside')
})

test('an object without a name is nobody', () => {
  expect(parseIPAddressPool({ spec: { addresses: ['192.0.2.0/24'] } })).toBeUndefined()
  expect(parseIPAddressPool(null)).toBeUndefined()
})

test('an object keeps what is needed to write its conditions', () => {
  const condition = {
    type: 'Ready',
    status: 'True',
    reason: 'Accepted',
    message: 'In use as written.',
    observedGeneration: 3,
    lastTransitionTime: '2026-01-02T03:04:05Z',
  }
  const metadata = {
    uid: 'abc',
    resourceVersion: '77',
    generation: 4,
    creationTimestamp: '2026-01-02T03:04:05Z',
    labels: { zone: 'a' },
  }
  const pool = { ...object({ addresses: ['192.0.2.0/24'] }, metadata), status: { conditions: [condition] } }
  expect(parseIPAddressPool(pool)).toMatchObject({
    kind: 'IPAddressPool',
    key: 'berth-system/first',
    namespace: 'berth-system',
    name: 'first',
    uid: 'abc',
    resourceVersion: '77',
    generation: 4,
    creationTimestampMs: Date.UTC(2026, 0, 2, 3, 4, 5),
    labels: { zone: 'a' },
    conditions: [condition],
  })
})

describe('IPAddressPool', () => {
  test('a pool with nothing but addresses is for every Service', () => {
    const parsed = parseIPAddressPool(object({ addresses: ['192.0.2.10/24', '2001:db8::1 - 2001:db8::5'] }))
    expect(parsed?.value?.ranges.map(formatRange)).toEqual(['192.0.2.0/24', '2001:db8::1-2001:db8::5'])
    expect(parsed?.value).toMatchObject({
      autoAssign: true,
      avoidBuggyIPs: false,
      avoidConflicts: false,
      serviceAllocation: undefined,
    })
  })

  test('a status that makes no sense costs no pool: what can be read of it is', () => {
    const good = { address: '2001:DB8::1', macAddress: '02:00:00:00:00:66', lastSeen: '2026-01-02T03:04:05Z' }
    const odd = [{ ...good, address: 'x' }, { ...good, macAddress: 7 }, { ...good, lastSeen: '' }, null, 'x']
    const status = { conflicts: [...odd, good] }
    const parsed = parseIPAddressPool({ ...object({ addresses: ['2001:db8::/64'] }), status })
    const seenAtMs = Date.UTC(2026, 0, 2, 3, 4, 5)
    expect(parsed?.conflicts).toMatchObject([{ mac: good.macAddress, interface: '', seenAtMs }])
    expect(parsed?.value).toBeDefined()
    expect(parseIPAddressPool({ ...object({ addresses: ['192.0.2.0/24'] }), status: 'x' })?.conflicts).toEqual([])
  })

  test('an allocation that names nobody has a priority only', () => {
    const parsed = parseIPAddressPool(object({ addresses: ['192.0.2.0/24'], serviceAllocation: {} }))
    expect(parsed?.value?.serviceAllocation).toEqual({
      priority: 0,
      namespaces: [],
      namespaceSelectors: [],
      serviceSelectors: [],
    })
  })

  test('entries that overlap count once, where they stand first, and the pool says so', () => {
    const addresses = ['192.0.2.0-192.0.2.10', '192.0.2.5-192.0.2.20', '192.0.2.0/24']
    const parsed = parseIPAddressPool(object({ addresses }))
    expect(parsed?.value?.ranges.map(formatRange)).toEqual([
      '192.0.2.0-192.0.2.10',
      '192.0.2.11-192.0.2.20',
      '192.0.2.21-192.0.2.255',
    ])
    expect(parsed?.problem?.reason).toBe('OverlappingPool')
    expect(parsed?.problem?.message).toContain(
      'spec.addresses[1] has 192.0.2.5-192.0.2.10 as spec.addresses[0] has; spec.addresses[2] has 192.0.2.0-192.0.2.10',
    )
  })

  test('one entry that cannot be read sets the pool aside and is named', () => {
    const parsed = parseIPAddressPool(object({ addresses: ['192.0.2.0/24', '192.0.2.300/24'] }))
    expect(parsed).toMatchObject({
      value: undefined,
      problem: { reason: 'Invalid', message: expect.stringContaining('spec.addresses[1]: "192.0.2.300/24"') },
    })
  })
})

test('labels and expressions of a selector become requirements', () => {
  const nodeSelectors = [
    { matchLabels: { zone: 'a' }, matchExpressions: [{ key: 'rack', operator: 'NotIn', values: ['1', ''] }] },
    { matchExpressions: [{ key: 'zone', operator: 'In', values: ['a'] }] },
    { matchLabels: { zone: 'a' } },
  ]
  expect(parseL2Advertisement(object({ nodeSelectors }))?.value?.nodeSelectors).toEqual([
    {
      requirements: [
        { operator: 'In', key: 'zone', values: ['a'] },
        { operator: 'NotIn', key: 'rack', values: ['1', ''] },
      ],
    },
    { requirements: [{ operator: 'In', key: 'zone', values: ['a'] }] },
  ])
})

test('an L2Advertisement without a spec speaks for all', () => {
  expect(parseL2Advertisement({ metadata: { name: 'all' } })?.value).toEqual({
    name: 'all',
    pools: { names: [], selectors: [] },
    nodeSelectors: [],
    interfaces: [],
    serviceSelectors: [],
    preferredNodeSelectors: [],
    loadSharing: 'none',
  })
})

test('an L2Advertisement whose addresses several nodes share; how else, it does not say', () => {
  const parse = (loadSharing: string) => parseL2Advertisement({ metadata: { name: 'all' }, spec: { loadSharing } })
  expect(parse('perClient')?.value).toMatchObject({ loadSharing: 'perClient' })
  expect(parse('perPacket')).toMatchObject({
    value: undefined,
    problem: { message: expect.stringContaining('"perPacket" is neither none nor perClient') },
  })
})

describe('BGPPeer', () => {
  const peer = { myASN: 64512, peerASN: 64513, peerAddress: '192.0.2.1' }

  test.each([
    { given: {}, holdTimeSeconds: undefined, keepaliveTimeSeconds: undefined },
    { given: { holdTime: '10s' }, holdTimeSeconds: 10, keepaliveTimeSeconds: 3 },
    { given: { holdTime: '0s' }, holdTimeSeconds: 0, keepaliveTimeSeconds: 0 },
    { given: { keepaliveTime: '5s' }, holdTimeSeconds: 15, keepaliveTimeSeconds: 5 },
    { given: { holdTime: '1.5m', keepaliveTime: '1m' }, holdTimeSeconds: 90, keepaliveTimeSeconds: 60 },
  ])('timers $given follow each other', ({ given, ...seconds }) => {
    expect(parseBGPPeer(object({ ...peer, ...given }))?.value).toMatchObject(seconds)
  })

  test('an unnumbered session with a learnt ASN', () => {
    const spec = { myASN: 64512, dynamicASN: 'external', interface: 'eth1', peerPort: 1179 }
    expect(parseBGPPeer(object(spec))?.value).toMatchObject({
      peerASN: 'external',
      peerAddress: { kind: 'interface', interface: 'eth1' },
      peerPort: 1179,
    })
  })

  test('waits for a router next to it, where that is asked for', () => {
    expect(parseBGPPeer(object(peer))?.value).toMatchObject({ ttlSecurity: false, passive: false })
    expect(parseBGPPeer(object({ ...peer, ttlSecurity: true, passive: true }))?.value).toMatchObject({
      ttlSecurity: true,
      passive: true,
    })
  })

  test('is in use with a Secret of its own namespace, and says so where another one is named', () => {
    const named = (namespace: string) => parseBGPPeer(object({ ...peer, passwordSecret: { name: 'md5', namespace } }))
    expect(named('berth-system')).toMatchObject({ problem: undefined })
    expect(named('metallb-system')).toMatchObject({
      value: { passwordSecretName: 'md5' },
      problem: {
        reason: 'WrongNamespace',
        message:
          'spec.passwordSecret.namespace: Secrets of namespace "metallb-system" are not read; the Secret is looked for in "berth-system". Create it there, and remove this field.',
      },
    })
  })

  test('empty text counts as not given, as manifests from templates have it', () => {
    const spec = { ...peer, sourceAddress: '', bfdProfile: '', vrf: '', password: '', passwordSecret: { name: 'md5' } }
    expect(parseBGPPeer(object(spec))?.value).toMatchObject({
      sourceAddress: undefined,
      bfdProfile: undefined,
      vrf: undefined,
      password: undefined,
      passwordSecretName: 'md5',
      peerPort: 179,
    })
  })
})

test('a BFDProfile without fields has the defaults that the schema writes', () => {
  expect(parseBFDProfile(object({}))?.value).toEqual({
    name: 'first',
    receiveIntervalMs: 300,
    transmitIntervalMs: 300,
    detectMultiplier: 3,
    echoIntervalMs: 50,
    echoMode: false,
    passiveMode: false,
    minimumTtl: 254,
  })
})

test('a BFDProfile with echo mode is in use without it, and says so', () => {
  const parsed = parseBFDProfile(object({ echoMode: true, transmitInterval: 50 }))
  expect(parsed?.value?.transmitIntervalMs).toBe(50)
  expect(parsed?.problem).toEqual({
    reason: 'EchoModeUnsupported',
    message: expect.stringContaining('the profile is in use without it. Remove echoMode'),
  })
})

test('a BFDProfile with an echo interval of its own is in use, and says that it has no effect', () => {
  const parsed = parseBFDProfile(object({ echoInterval: 70, transmitInterval: 80 }))
  expect(parsed?.value?.transmitIntervalMs).toBe(80)
  expect(parsed?.problem).toEqual({
    reason: 'EchoModeUnsupported',
    message: expect.stringContaining('echoInterval has no effect; everything else of the profile is in use. Remove'),
  })
  // What the schema writes where nobody has written anything.
  expect(parseBFDProfile(object({ echoInterval: 50 }))?.problem).toBeUndefined()
  const both = parseBFDProfile(object({ echoInterval: 70, echoMode: true }))?.problem?.message
  expect(both).toContain('Remove echoMode')
})

describe('a BGPAdvertisement', () => {
  test('without fields announces both families as they are', () => {
    expect(parseBGPAdvertisement(object({}))?.value).toEqual({
      name: 'first',
      pools: { names: [], selectors: [] },
      aggregationLength: { IPv4: 32, IPv6: 128 },
      localPref: undefined,
      multiExitDisc: undefined,
      asPathPrepend: 0,
      weightByEndpoints: false,
      addressFamilies: ['IPv4', 'IPv6'],
      communities: [],
      nodeSelectors: [],
      serviceSelectors: [],
      peers: [],
    })
  })

  test('says what else routes carry', () => {
    const spec = { med: 0, asPathPrepend: 3, weightByEndpoints: true, localPref: 200, addressFamilies: ['IPv6'] }
    expect(parseBGPAdvertisement(object(spec))?.value).toMatchObject({
      multiExitDisc: 0,
      asPathPrepend: 3,
      weightByEndpoints: true,
      localPref: 200,
      addressFamilies: ['IPv6'],
    })
  })

  test.each([[[]], [['IPv6', 'IPv4']]])('with the families %o announces both, in one order', addressFamilies => {
    expect(parseBGPAdvertisement(object({ addressFamilies }))?.value?.addressFamilies).toEqual(['IPv4', 'IPv6'])
  })
})

test('communities are values or aliases', () => {
  const communities = ['65000:1', 'large:4294967295:0:7', 'no-export']
  expect(parseBGPAdvertisement(object({ communities }))?.value?.communities).toEqual([
    { kind: 'value', community: { kind: 'standard', high: 65000, low: 1 } },
    { kind: 'value', community: { kind: 'large', globalAdministrator: 4294967295, data1: 0, data2: 7 } },
    { kind: 'alias', name: 'no-export' },
  ])
})

describe('no object is an exception', () => {
  test('nor is anything that JSON can say', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), fc.jsonValue(), (spec, status, metadata) => {
        for (const parse of Object.values(parsers)) {
          parse(spec)
          parse({ metadata, spec, status })
          expect(parse({ metadata: { name: 'odd', labels: metadata }, spec, status })).toBeDefined()
        }
      }),
    )
  })

  test('nor an object that is nearly right', () => {
    fc.assert(
      fc.property(fuzzedObject, ({ kind, spec, labels }) => {
        const parsed = parsers[kind](object(spec, { labels }))
        expect(parsed?.value ?? parsed?.problem).toBeDefined()
      }),
      { numRuns: 1000 },
    )
  })
})
