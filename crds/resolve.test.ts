import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatRange, overlaps } from '../net/range.ts'
import { type FuzzedObject, fuzzedObject } from './arbitrary.ts'
import type { ConfigKind, ConfigProblem } from './config.ts'
import { parseConfig, parseIPAddressPool } from './parse.ts'
import { type ResolvedConfig, resolveConfig } from './resolve.ts'
import type { ConfigResources, Resource } from './resources.ts'

type KindedResource = Resource<object> & { readonly kind: ConfigKind }

/** Objects in the order of their creation, a second apart. */
function resolved(...objects: readonly (readonly [ConfigKind, string, object, object?])[]): ResolvedConfig {
  const resources = objects.map(([kind, name, spec, metadata], second) => ({
    kind,
    metadata: { name, namespace: 'berth-system', creationTimestamp: at(second), ...metadata },
    spec,
  }))
  return parseConfig(byKind(resources))
}

function at(second: number): string {
  return new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString()
}

function resourcesOf(fuzzed: readonly FuzzedObject[]): readonly KindedResource[] {
  return fuzzed.map(({ kind, spec, labels }, index) => ({
    kind,
    metadata: { name: `object-${index}`, creationTimestamp: at(index % 3), labels } as object,
    spec: spec as object,
  }))
}

function byKind(resources: readonly KindedResource[]): ConfigResources {
  const of = (kind: ConfigKind): readonly Resource<object>[] => resources.filter(resource => resource.kind === kind)
  return {
    ipAddressPools: of('IPAddressPool'),
    l2Advertisements: of('L2Advertisement'),
    bgpAdvertisements: of('BGPAdvertisement'),
    bgpPeers: of('BGPPeer'),
    bfdProfiles: of('BFDProfile'),
    communities: of('Community'),
  }
}

function only(problems: readonly ConfigProblem[]): ConfigProblem | undefined {
  expect(problems).toHaveLength(1)
  return problems[0]
}

function pool(name: string, ...addresses: string[]): ['IPAddressPool', string, object] {
  return ['IPAddressPool', name, { addresses }]
}

function withPriority(name: string, priority: number, network: number): [ConfigKind, string, object] {
  return ['IPAddressPool', name, { addresses: [`192.0.${network}.0/24`], serviceAllocation: { priority } }]
}

function rangesOf({ config }: ResolvedConfig, name: string): readonly string[] | undefined {
  return config.pools.find(candidate => candidate.name === name)?.ranges.map(formatRange)
}

const peer = { myASN: 64512, peerASN: 64512, peerAddress: '192.0.2.1' }

test('sound objects are all in use, and each has a verdict', () => {
  const result = resolved(
    pool('a', '192.0.2.0/24'),
    ['L2Advertisement', 'l2', { ipAddressPools: ['a'] }],
    ['BFDProfile', 'fast', { receiveInterval: 50 }],
    ['BGPPeer', 'router', { ...peer, bfdProfile: 'fast' }],
    ['Community', 'words', { communities: [{ name: 'no-export', value: '65535:65281' }] }],
    ['BGPAdvertisement', 'bgp', { peers: ['router'], communities: ['no-export', '1:2'] }],
  )
  expect(result.problems).toEqual([])
  expect(result.verdicts).toHaveLength(6)
  expect(result.verdicts.every(verdict => verdict.ready && verdict.reason === 'Accepted')).toBe(true)
  expect(result.config).toMatchObject({
    pools: [{ name: 'a' }],
    layer2Advertisements: [{ name: 'l2', pools: { kind: 'named', pools: new Set(['a']) } }],
    bfdProfiles: [{ name: 'fast', receiveIntervalMs: 50 }],
    bgpPeers: [{ name: 'router', bfdProfile: 'fast' }],
    bgpAdvertisements: [
      {
        name: 'bgp',
        pools: { kind: 'all' },
        communities: [
          { kind: 'standard', high: 65535, low: 65281 },
          { kind: 'standard', high: 1, low: 2 },
        ],
      },
    ],
  })
})

test('one object that cannot be read costs nobody else anything', () => {
  const result = resolved(pool('bad', 'nonsense'), pool('good', '192.0.2.0/24'))
  expect(only(result.problems)).toMatchObject({ kind: 'IPAddressPool', name: 'bad', reason: 'Invalid' })
  expect(result.config.pools.map(({ name }) => name)).toEqual(['good'])
})

test('an object of another namespace is set aside and told where to go', () => {
  const resources = {
    ipAddressPools: [{ metadata: { name: 'a', namespace: 'default' }, spec: { addresses: ['::/64'] } }],
  }
  const { config, problems } = parseConfig(resources, { namespace: 'berth-system' })
  expect(config.pools).toEqual([])
  expect(only(problems)).toMatchObject({ reason: 'WrongNamespace', message: expect.stringContaining('"berth-system"') })
  expect(parseConfig(resources, { namespace: 'default' }).problems).toEqual([])
})

describe('pools', () => {
  test('are tried by priority, those without one last, then by name', () => {
    const { config } = resolved(
      pool('d', '192.0.1.0/24'),
      withPriority('z', 0, 2),
      withPriority('b', 20, 3),
      withPriority('c', 10, 4),
      withPriority('a', 20, 5),
    )
    expect(config.pools.map(({ name }) => name)).toEqual(['c', 'a', 'b', 'd', 'z'])
  })

  test('that overlap: the older keeps the addresses, the younger goes on with its others', () => {
    const result = resolved(
      pool('older', '192.0.2.64/26'),
      pool('younger', '192.0.2.0/25', '198.51.100.0/24', '2001:db8::/64'),
    )
    expect(rangesOf(result, 'older')).toEqual(['192.0.2.64/26'])
    expect(rangesOf(result, 'younger')).toEqual(['192.0.2.0/26', '198.51.100.0/24', '2001:db8::/64'])
    const problem = only(result.problems)
    expect(problem).toMatchObject({ name: 'younger', reason: 'OverlappingPool' })
    expect(problem?.message).toBe(
      '192.0.2.64/26 belongs to the older IPAddressPool "older". Write each address in one pool only. The rest of this pool is in use.',
    )
  })

  test('whose addresses all belong to an older one are set aside', () => {
    const result = resolved(pool('older', '192.0.2.0/24'), pool('younger', '192.0.2.7/32', '192.0.2.128/25'))
    expect(result.config.pools.map(({ name }) => name)).toEqual(['older'])
    expect(only(result.problems)?.message).toContain('Nothing is left of this pool.')
  })

  test('of one second: the name decides who is the older', () => {
    const result = resolved(
      ['IPAddressPool', 'b', { addresses: ['192.0.2.0/24'] }, { creationTimestamp: at(0) }],
      ['IPAddressPool', 'a', { addresses: ['192.0.2.0/24'] }, { creationTimestamp: at(0) }],
    )
    expect(only(result.problems)?.name).toBe('b')
  })
})

describe('an advertisement', () => {
  const pools = [
    ['IPAddressPool', 'a', { addresses: ['192.0.2.0/24'] }, { labels: { tier: 'gold' } }],
    ['IPAddressPool', 'b', { addresses: ['198.51.100.0/24'] }, { labels: { tier: 'tin' } }],
  ] as const

  test('speaks for the pools that it names and for those that it selects', () => {
    const spec = { ipAddressPools: ['b'], ipAddressPoolSelectors: [{ matchLabels: { tier: 'gold' } }] }
    const { config, problems } = resolved(...pools, ['L2Advertisement', 'l2', spec])
    expect(problems).toEqual([])
    expect(config.layer2Advertisements[0]?.pools).toEqual({ kind: 'named', pools: new Set(['b', 'a']) })
  })

  test('that names only unknown pools announces nothing', () => {
    const { config, problems } = resolved(...pools, ['L2Advertisement', 'l2', { ipAddressPools: ['c'] }])
    expect(config.layer2Advertisements).toEqual([])
    expect(only(problems)).toEqual({
      kind: 'L2Advertisement',
      name: 'l2',
      reason: 'UnknownPool',
      message: 'There is no IPAddressPool "c". Create it, or correct the reference. Announces nothing until then.',
    })
  })

  test('that names an unknown pool goes on with the others, and says so', () => {
    const { config, problems } = resolved(...pools, ['L2Advertisement', 'l2', { ipAddressPools: ['c', 'a'] }])
    expect(config.layer2Advertisements[0]?.pools).toEqual({ kind: 'named', pools: new Set(['a']) })
    expect(only(problems)?.message).toContain('Goes on with "a".')
  })

  test('whose selectors match no pool announces nothing, and never everything', () => {
    const spec = { ipAddressPoolSelectors: [{ matchLabels: { tier: 'silver' } }] }
    const { config, problems } = resolved(...pools, ['L2Advertisement', 'l2', spec])
    expect(config.layer2Advertisements).toEqual([])
    expect(only(problems)?.message).toContain('No IPAddressPool has labels that ipAddressPoolSelectors ask for.')
  })

  test('of a pool that is set aside is not at fault', () => {
    const { problems } = resolved(pool('broken', 'x'), ['L2Advertisement', 'l2', { ipAddressPools: ['broken'] }])
    expect(only(problems)?.kind).toBe('IPAddressPool')
  })
})

/** Two advertisements of which the younger differs in localPref, and in whatever else is given. */
function conflicting(other: object): ResolvedConfig {
  return resolved(
    pool('a', '192.0.2.0/24'),
    pool('b', '198.51.100.0/24'),
    ['BGPPeer', 'one', peer],
    ['BGPPeer', 'two', { ...peer, peerAddress: '192.0.2.2' }],
    ['BGPAdvertisement', 'older', { ipAddressPools: ['a'], peers: ['one'], localPref: 100 }],
    ['BGPAdvertisement', 'younger', { localPref: 200, ...other }],
  )
}

function fromZone(zone: string, localPref: number): object {
  return { localPref, nodeSelectors: [{ matchLabels: { zone } }] }
}

/** Two advertisements with a localPref each, the first from the nodes of zone a. */
function twoZones(zone: string): ResolvedConfig {
  return resolved(
    pool('a', '192.0.2.0/24'),
    ['BGPAdvertisement', 'one', fromZone('a', 1)],
    ['BGPAdvertisement', 'two', fromZone(zone, 2)],
  )
}

describe('a BGPAdvertisement', () => {
  test('with an unknown alias announces nothing, since a route without its community could leak', () => {
    const { config, problems } = resolved(['BGPAdvertisement', 'bgp', { communities: ['no-export', '1:1'] }])
    expect(config.bgpAdvertisements).toEqual([])
    expect(only(problems)).toMatchObject({
      reason: 'UnknownCommunity',
      message: expect.stringContaining('No Community gives the alias "no-export".'),
    })
  })

  test('with an unknown peer goes on with the others', () => {
    const { config, problems } = resolved(
      ['BGPPeer', 'one', peer],
      ['BGPAdvertisement', 'bgp', { peers: ['one', 'two'] }],
    )
    expect(config.bgpAdvertisements[0]?.peers).toEqual(['one', 'two'])
    expect(only(problems)).toMatchObject({
      reason: 'UnknownPeer',
      message: 'There is no BGPPeer "two". Create it, or correct peers. The other peers are announced to.',
    })
  })

  test('with unknown peers only announces to nobody, and never to all', () => {
    const { config, problems } = resolved(['BGPPeer', 'one', peer], ['BGPAdvertisement', 'bgp', { peers: ['two'] }])
    expect(config.bgpAdvertisements).toEqual([])
    expect(only(problems)?.reason).toBe('UnknownPeer')
  })

  test('is not judged by its peers where peers are not watched', () => {
    const advertisement = { metadata: { name: 'bgp' }, spec: { peers: ['two'] } }
    expect(parseConfig({ bgpAdvertisements: [advertisement] }).problems).toEqual([])
  })

  test('that would announce more than a pool has leaves that pool out', () => {
    const { config, problems } = resolved(
      pool('wide', '10.0.0.0/16'),
      pool('narrow', '192.0.2.0/26', '192.0.2.64/28', '2001:db8::/64'),
      ['BGPAdvertisement', 'bgp', { aggregationLength: 24 }],
    )
    expect(config.bgpAdvertisements[0]?.pools).toEqual({ kind: 'named', pools: new Set(['wide']) })
    expect(only(problems)).toMatchObject({
      kind: 'BGPAdvertisement',
      reason: 'AggregationTooShort',
      message:
        'With aggregationLength 24 more would be announced than 192.0.2.0/26 of IPAddressPool "narrow"; write 28 or more. The other pools are announced.',
    })
  })

  test('aggregates a range by the largest network in it', () => {
    const range = pool('range', '192.0.2.1-192.0.2.10')
    const problemsWith = (aggregationLength: number): readonly ConfigProblem[] =>
      resolved(range, ['BGPAdvertisement', 'bgp', { aggregationLength }]).problems
    expect(problemsWith(30)).toEqual([])
    expect(only(problemsWith(29))?.message).toContain('write 30 or more')
  })

  test('aggregates IPv6 on its own', () => {
    const dual = pool('dual', '192.0.2.0/24', '2001:db8::/64')
    expect(resolved(dual, ['BGPAdvertisement', 'bgp', { aggregationLengthV6: 64 }]).problems).toEqual([])
    const { problems } = resolved(dual, ['BGPAdvertisement', 'bgp', { aggregationLengthV6: 63 }])
    expect(only(problems)?.message).toContain('With aggregationLengthV6 63 more would be announced than 2001:db8::/64')
  })

  test('that gives a route another localPref than an older one leaves that pool out', () => {
    const { config, problems } = conflicting({})
    expect(config.bgpAdvertisements.map(({ pools }) => pools)).toEqual([
      { kind: 'named', pools: new Set(['a']) },
      { kind: 'named', pools: new Set(['b']) },
    ])
    expect(only(problems)).toMatchObject({ name: 'younger', reason: 'ConflictingLocalPref' })
  })

  test.each([
    {
      field: 'med',
      older: { med: 10 },
      younger: {},
      reason: 'ConflictingMED',
      words: 'with med 10, this one with unset',
    },
    {
      field: 'asPathPrepend',
      older: {},
      younger: { asPathPrepend: 2 },
      reason: 'ConflictingASPathPrepend',
      words: 'with asPathPrepend 0, this one with 2',
    },
  ])(
    'that gives a route another $field than an older one leaves that pool out',
    ({ older, younger, reason, words }) => {
      const { config, problems } = resolved(
        pool('a', '192.0.2.0/24'),
        ['BGPAdvertisement', 'older', older],
        ['BGPAdvertisement', 'younger', younger],
      )
      expect(config.bgpAdvertisements.map(({ name }) => name)).toEqual(['older'])
      expect(only(problems)).toMatchObject({ name: 'younger', reason, message: expect.stringContaining(words) })
    },
  )

  test.each([
    { older: { localPref: 100 }, younger: {} },
    { older: {}, younger: { med: 0 } },
    { older: { asPathPrepend: 0 }, younger: {} },
  ])('that says outright ($older, $younger) what unset means is no conflict', ({ older, younger }) => {
    const advertisements = [
      ['BGPAdvertisement', 'older', older],
      ['BGPAdvertisement', 'younger', younger],
    ] as const
    expect(resolved(pool('a', '192.0.2.0/24'), ...advertisements).problems).toEqual([])
  })

  test('is told of each pool with the first attribute that differs', () => {
    const { problems } = resolved(
      pool('a', '192.0.2.0/24'),
      pool('b', '198.51.100.0/24'),
      ['BGPAdvertisement', 'for-a', { ipAddressPools: ['a'], med: 1 }],
      ['BGPAdvertisement', 'for-b', { ipAddressPools: ['b'], asPathPrepend: 1 }],
      ['BGPAdvertisement', 'younger', {}],
    )
    expect(only(problems)?.message).toMatch(
      /^The older BGPAdvertisement "for-a" announces .* with med 1, .*; the older BGPAdvertisement "for-b" announces .* with asPathPrepend 1, .* Announces nothing until then\.$/,
    )
  })

  test('of one family meets none of the other', () => {
    const dual = pool('dual', '192.0.2.0/24', '2001:db8::/64')
    const families = (older: string[], younger: string[]): readonly ConfigProblem[] =>
      resolved(
        dual,
        ['BGPAdvertisement', 'older', { addressFamilies: older, localPref: 1 }],
        ['BGPAdvertisement', 'younger', { addressFamilies: younger, localPref: 2 }],
      ).problems
    expect(families(['IPv4'], ['IPv6'])).toEqual([])
    expect(only(families(['IPv4'], ['IPv6', 'IPv4']))?.reason).toBe('ConflictingLocalPref')
  })

  test('of one family may aggregate the other as it likes', () => {
    const dual = pool('dual', '192.0.2.0/24', '2001:db8::/64')
    const spec = { aggregationLength: 16, addressFamilies: ['IPv6'] }
    expect(resolved(dual, ['BGPAdvertisement', 'bgp', spec]).problems).toEqual([])
  })

  test('of a family that its pools have not says so', () => {
    const pools = [pool('a', '192.0.2.0/24'), pool('b', '198.51.100.0/24')] as const
    const sixOnly = { addressFamilies: ['IPv6'] }
    expect(only(resolved(...pools, ['BGPAdvertisement', 'bgp', sixOnly]).problems)).toMatchObject({
      reason: 'NoAddressOfFamily',
      message: expect.stringContaining('No IPv6 address is in IPAddressPool "a", "b"'),
    })
    expect(resolved(...pools, pool('c', '2001:db8::/64'), ['BGPAdvertisement', 'bgp', sixOnly]).problems).toEqual([])
    expect(resolved(['BGPAdvertisement', 'bgp', sixOnly]).problems).toEqual([])
  })

  test.each([
    { difference: 'the same localPref', other: { localPref: 100 } },
    { difference: 'other peers', other: { peers: ['two'] } },
    { difference: 'other pools', other: { ipAddressPools: ['b'] } },
    { difference: 'another aggregation', other: { aggregationLength: 24 } },
    { difference: 'a choice of Services', other: { serviceSelectors: [{ matchLabels: { a: 'b' } }] } },
  ])('with $difference is no conflict', ({ other }) => {
    expect(conflicting(other).problems).toEqual([])
  })

  test('that meets an older one with a choice of Services is left to the Services', () => {
    const choosy = { serviceSelectors: [{ matchLabels: { a: 'b' } }], localPref: 100 }
    const { problems } = resolved(
      pool('a', '192.0.2.0/24'),
      ['BGPAdvertisement', 'older', choosy],
      ['BGPAdvertisement', 'younger', { localPref: 200 }],
    )
    expect(problems).toEqual([])
  })

  test('whose nodes may or may not be those of another is left to the nodes', () => {
    expect(twoZones('b').problems).toEqual([])
    expect(only(twoZones('a').problems)?.reason).toBe('ConflictingLocalPref')
  })
})

describe('a BGPPeer', () => {
  test('without its BFD profile keeps its session and goes without BFD', () => {
    const { config, problems } = resolved(['BGPPeer', 'router', { ...peer, bfdProfile: 'fast' }])
    expect(config.bgpPeers).toMatchObject([{ name: 'router', bfdProfile: undefined }])
    expect(only(problems)).toMatchObject({ name: 'router', reason: 'UnknownBFDProfile' })
  })

  test('for a session that an older one has on the same nodes is set aside', () => {
    const { config, problems } = resolved(['BGPPeer', 'b', peer], ['BGPPeer', 'a', { ...peer, myASN: 1 }])
    expect(config.bgpPeers.map(({ name }) => name)).toEqual(['b'])
    expect(only(problems)).toMatchObject({ name: 'a', reason: 'DuplicatePeer' })
  })

  test.each([
    { peerPort: 1179 },
    { vrf: 'red' },
    { peerAddress: '192.0.2.2' },
    { sourceAddress: '192.0.2.9' },
    { nodeSelectors: [{ matchLabels: { zone: 'b' } }] },
  ])('with %o has a session of its own', difference => {
    const first = { ...peer, nodeSelectors: [{ matchLabels: { zone: 'a' } }] }
    const { problems } = resolved(['BGPPeer', 'one', first], ['BGPPeer', 'two', { ...first, ...difference }])
    expect(problems).toEqual([])
  })
})

describe('a BGPPeer whose router dials', () => {
  const { peerASN: _, ...learnt } = { ...peer, dynamicASN: 'external' }

  test.each([
    { other: 'passive', spec: { ...peer, passive: true } },
    { other: 'of any AS', spec: { ...learnt, peerPort: 1179 } },
  ])('cannot be told from another that is waited for, $other', ({ spec }) => {
    const { problems } = resolved(['BGPPeer', 'one', { ...peer, passive: true }], ['BGPPeer', 'two', spec])
    expect(only(problems)).toMatchObject({
      name: 'two',
      reason: 'DuplicatePeer',
      message: expect.stringContaining('has the session that is waited for with 192.0.2.1 on the same nodes'),
    })
  })

  test.each([
    { difference: 'is dialled', spec: peer },
    { difference: 'has another address', spec: { ...peer, passive: true, peerAddress: '192.0.2.2' } },
    { difference: 'is for another address of ours', spec: { ...peer, passive: true, sourceAddress: '192.0.2.9' } },
  ])('stands beside one that $difference', ({ spec }) => {
    const { problems } = resolved(['BGPPeer', 'one', { ...peer, passive: true }], ['BGPPeer', 'two', spec])
    expect(problems).toEqual([])
  })
})

describe('ttlSecurity of a BGPPeer whose router dials', () => {
  const guarded = { ...peer, ttlSecurity: true, passive: true }
  const beside = (spec: object): readonly ConfigProblem[] =>
    resolved(['BGPPeer', 'guarded', guarded], ['BGPPeer', 'other', { ...peer, peerAddress: '192.0.2.2', ...spec }])
      .problems

  test('is not kept where another is waited for without it, and says so', () => {
    expect(only(beside({ passive: true }))).toMatchObject({
      name: 'guarded',
      reason: 'UnguardedPort',
      message: expect.stringContaining('BGPPeer "other" is waited for on the same port without ttlSecurity'),
    })
  })

  test.each([
    { difference: 'has it too', spec: { passive: true, ttlSecurity: true } },
    { difference: 'is dialled', spec: {} },
    { difference: 'is in a VRF', spec: { passive: true, vrf: 'red' } },
    { difference: 'is of the other family', spec: { passive: true, peerAddress: '2001:db8::2' } },
  ])('is kept where another $difference', ({ spec }) => {
    expect(beside(spec)).toEqual([])
  })

  test('is kept where another is on other nodes', () => {
    const inZone = (zone: string): object => ({ nodeSelectors: [{ matchLabels: { zone } }] })
    const { problems } = resolved(
      ['BGPPeer', 'guarded', { ...guarded, ...inZone('a') }],
      ['BGPPeer', 'other', { ...peer, peerAddress: '192.0.2.2', passive: true, ...inZone('b') }],
    )
    expect(problems).toEqual([])
  })
})

test('a BFD profile with echo mode is in use all the same', () => {
  const { config, problems } = resolved(
    ['BFDProfile', 'echo', { echoMode: true }],
    ['BGPPeer', 'router', { ...peer, bfdProfile: 'echo' }],
  )
  expect(config.bgpPeers[0]?.bfdProfile).toBe('echo')
  expect(only(problems)).toMatchObject({ kind: 'BFDProfile', name: 'echo', reason: 'EchoModeUnsupported' })
})

test('an alias keeps the value that the oldest Community gives it', () => {
  const { config, problems } = resolved(
    ['Community', 'b', { communities: [{ name: 'mine', value: '1:1' }] }],
    [
      'Community',
      'a',
      {
        communities: [
          { name: 'mine', value: '2:2' },
          { name: 'yours', value: '3:3' },
        ],
      },
    ],
    ['BGPAdvertisement', 'bgp', { communities: ['mine', 'yours'] }],
  )
  expect(config.bgpAdvertisements[0]?.communities).toMatchObject([{ high: 1 }, { high: 3 }])
  expect(only(problems)).toMatchObject({ name: 'a', reason: 'DuplicateCommunity' })
})

test('what other stations have of the pools is told beside them, also where the pools can be gone through once only', () => {
  const conflict = { address: '192.0.2.7', macAddress: '02:00:00:00:00:66', lastSeen: at(0) }
  const parsed = parseIPAddressPool({
    metadata: { name: 'a', namespace: 'berth-system' },
    spec: { addresses: ['192.0.2.0/24'] },
    status: { conflicts: [conflict] },
  })
  const store = new Map(parsed ? [[parsed.key, parsed]] : [])
  const { config, conflicts } = resolveConfig({ ipAddressPools: store.values() })
  expect(config.pools).toHaveLength(1)
  expect(conflicts.map(({ mac }) => mac)).toEqual([conflict.macAddress])
})

describe('any objects together', () => {
  const objects = fc.array(fuzzedObject, { maxLength: 12 })

  test('get a verdict each, never an exception, and no address is in two pools', () => {
    fc.assert(
      fc.property(objects, fuzzed => {
        const { config, verdicts } = parseConfig(byKind(resourcesOf(fuzzed)))
        expect(verdicts).toHaveLength(fuzzed.length)
        const ranges = config.pools.flatMap(({ ranges }) => ranges)
        for (const [index, range] of ranges.entries()) {
          expect(ranges.slice(index + 1).filter(other => overlaps(range, other))).toEqual([])
        }
      }),
    )
  })

  test('mean the same in whatever order they arrive', () => {
    fc.assert(
      fc.property(objects, fc.infiniteStream(fc.nat()), (fuzzed, order) => {
        const inOrder = resourcesOf(fuzzed)
        const keys = new Map(inOrder.map(resource => [resource, order.next().value ?? 0]))
        const shuffled = inOrder.toSorted((one, other) => (keys.get(one) ?? 0) - (keys.get(other) ?? 0))
        const [one, other] = [parseConfig(byKind(inOrder)), parseConfig(byKind(shuffled))]
        expect(other.config).toEqual(one.config)
        expect(new Set(other.verdicts.map(text))).toEqual(new Set(one.verdicts.map(text)))
      }),
    )
  })
})

function text(verdict: object): string {
  return JSON.stringify(verdict)
}
