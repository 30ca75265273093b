import { describe, expect, test } from 'vitest'
import type { ServiceEndpoints } from '../kube/service.ts'
import { excludeLabel, type ServiceAdvertisement } from './advertisements.ts'
import { formatRefusal } from './refusal.ts'
import { bgpAdvertisement } from './routing/test-routing.ts'
import { advertisement, endpointsOn, eth, labelled, member, node, pool, service, survey } from './test-values.ts'

const web = service('web', ['192.0.2.1'])
const anywhere = endpointsOn('z')

/** Node → interfaces and preference, for the first address; or the refusal in words. */
function outcome(result: ServiceAdvertisement | undefined): unknown {
  if (!result) return undefined
  if (result.kind === 'refused') return `${result.refusal.kind}: ${formatRefusal(result.refusal)}`
  return Object.fromEntries(result.offers[0]?.reach.nodes ?? [])
}

function of(options: Parameters<typeof survey>[0], subject = web, endpoints: ServiceEndpoints = anywhere): unknown {
  return outcome(survey(options).advertisementsFor(subject, endpoints))
}

const everywhere = { interfaces: 'all', preference: 0 }

describe('no address is announced', () => {
  test.each([
    { situation: 'that the Service does not have', subject: service('web', []) },
    { situation: 'of a Service that is being deleted', subject: service('web', ['192.0.2.1'], { beingDeleted: true }) },
    { situation: 'of a Service of another type', subject: service('web', ['192.0.2.1'], { type: 'other' }) },
    { situation: 'that is a hostname', subject: service('web', ['lb.example.org']) },
  ])('$situation', ({ subject }) => {
    expect(of({}, subject)).toBeUndefined()
  })

  test('that is in no pool', () => {
    expect(of({}, service('web', ['198.51.100.1']))).toBe('NoAdvertisement: 198.51.100.1 is in no IPAddressPool')
  })

  test('whose pool no advertisement names', () => {
    const advertisements = [advertisement('other', { pools: { kind: 'named', pools: new Set(['other']) } })]
    expect(of({ advertisements })).toContain(
      'NoAdvertisement: 192.0.2.1 is not announced: no L2Advertisement or BGPAdvertisement names its pool lan',
    )
  })

  test('of a Service that the advertisements pass by', () => {
    const advertisements = [advertisement('gold', { serviceSelectors: [labelled('tier', 'gold')] })]
    expect(of({ advertisements })).toBe(
      "NoAdvertisement: 192.0.2.1 is not announced: the serviceSelectors of L2Advertisement gold do not match the Service's labels",
    )
  })

  test('of a Service that advertisements of another pool pass by, which are not named', () => {
    const elsewhere = {
      pools: { kind: 'named', pools: new Set(['other']) },
      serviceSelectors: [labelled('tier', 'gold')],
    } as const
    const advertisements = [advertisement('elsewhere', elsewhere)]
    expect(of({ advertisements, bgpAdvertisements: [bgpAdvertisement('there', elsewhere)] })).toContain(
      'no L2Advertisement or BGPAdvertisement names its pool lan',
    )
  })

  test('that BGPAdvertisements pass by too, each for its own reason', () => {
    const bgpAdvertisements = [
      bgpAdvertisement('gold', { serviceSelectors: [labelled('tier', 'gold')] }),
      bgpAdvertisement('six', { addressFamilies: ['IPv6'] }),
      bgpAdvertisement('elsewhere', { pools: { kind: 'named', pools: new Set(['other']) } }),
    ]
    expect(of({ advertisements: [], bgpAdvertisements })).toBe(
      "NoAdvertisement: 192.0.2.1 is not announced: the serviceSelectors of BGPAdvertisement gold do not match the Service's labels, " +
        'the addressFamilies of BGPAdvertisement six leave its family out',
    )
  })

  test('without a usable endpoint anywhere', () => {
    expect(of({}, web, endpointsOn())).toContain('NoUsableEndpoints: none of its endpoints is ready')
  })

  test('when every node says no, each in its own words, the rarest first', () => {
    const nodes = [
      node('a', { [excludeLabel]: '' }),
      node('b', {}, true),
      node('c'),
      node('d'),
      node('e'),
      node('f'),
      node('g', { rack: '2' }),
      node('h'),
      node('i'),
      node('j'),
    ]
    const members = [
      member('a'),
      member('b'),
      member('d', { liveness: 'gone' }),
      member('e', { liveness: 'leaving' }),
      member('f', { interfaces: [eth('eth1')] }),
      member('g'),
      member('h', { interfaces: [eth('eth0', { carrier: false })] }),
      member('j', { liveness: 'gone', unheard: true }),
    ]
    const rack1 = { requirements: [{ operator: 'NotIn', key: 'rack', values: ['2'] }] } as const
    const advertisements = [advertisement('rack', { nodeSelectors: [rack1], interfaces: ['eth0'] })]
    expect(of({ nodes, members, advertisements })).toBe(
      'NoEligibleNode: no node can announce it: ' +
        `a: excluded by its label ${excludeLabel}; ` +
        'b: its condition NetworkUnavailable is True; ' +
        'd: its speaker does not renew its Lease; ' +
        'e: its speaker is stopping; ' +
        'f: has none of the interfaces eth0; ' +
        'g: not selected by the nodeSelectors of the L2Advertisement; ' +
        'h: no carrier on eth0; ' +
        'j: the speakers that watch it no longer hear it; ' +
        'c, i: no speaker runs there',
    )
  })

  test('many nodes that say the same are counted, not listed', () => {
    const nodes = Array.from({ length: 9 }, (_, index) => node(`n${index}`))
    expect(of({ nodes, members: [] })).toBe(
      'NoEligibleNode: no node can announce it: n0, n1, n2 and 6 more: no speaker runs there',
    )
  })

  test('with externalTrafficPolicy Local where only nodes without a speaker have endpoints', () => {
    const local = service('web', ['192.0.2.1'], { externalTrafficPolicy: 'Local' })
    expect(of({}, local, endpointsOn('z'))).toContain(
      'a, b, c: no ready endpoint there, which externalTrafficPolicy Local wants',
    )
  })

  test('with externalTrafficPolicy Local by endpoints that name no node', () => {
    const local = service('web', ['192.0.2.1'], { externalTrafficPolicy: 'Local' })
    const nowhere = { service: 'shop/web', usableByNode: new Map(), usable: 2 } as const
    expect(of({}, local, nowhere)).toContain('NoEligibleNode')
  })
})

describe('an address is announced', () => {
  test('by every node, on all interfaces, unless something is said to the contrary', () => {
    expect(of({})).toEqual({ a: everywhere, b: everywhere, c: everywhere })
  })

  test('by the nodes with endpoints, where the policy is Local', () => {
    const local = service('web', ['192.0.2.1'], { externalTrafficPolicy: 'Local' })
    expect(of({}, local, endpointsOn('b', 'z'))).toEqual({ b: everywhere })
  })

  test('on the interfaces of all advertisements that select the node', () => {
    const members = [
      member('a', { interfaces: [eth('eth0'), eth('eth1')] }),
      member('b', { interfaces: [eth('eth1')] }),
    ]
    const nodes = [node('a', { role: 'edge' }), node('b')]
    const advertisements = [
      advertisement('one', { interfaces: ['eth0'], nodeSelectors: [labelled('role', 'edge')] }),
      advertisement('two', { interfaces: ['eth1'] }),
    ]
    expect(of({ nodes, members, advertisements })).toEqual({
      a: { interfaces: ['eth0', 'eth1'], preference: 0 },
      b: { interfaces: ['eth1'], preference: 0 },
    })
  })

  test('on all interfaces, where one advertisement says all and another names some', () => {
    const advertisements = [advertisement('one', { interfaces: ['eth7'] }), advertisement('two')]
    expect(of({ nodes: [node('a')], advertisements })).toEqual({ a: everywhere })
  })

  test('with the sum of the weights that match as preference', () => {
    const preferredNodeSelectors = [
      { weight: 10, preference: labelled('role', 'edge') },
      { weight: 5, preference: labelled('rack', '1') },
    ]
    const nodes = [node('a', { role: 'edge', rack: '1' }), node('b', { rack: '1' }), node('c')]
    expect(of({ nodes, advertisements: [advertisement('all', { preferredNodeSelectors })] })).toEqual({
      a: { interfaces: 'all', preference: 15 },
      b: { interfaces: 'all', preference: 5 },
      c: { interfaces: 'all', preference: 0 },
    })
  })

  test("by the nodes that stand in its network, where some do and others don't", () => {
    const inside = (name: string, ...subnets: string[]) => member(name, { interfaces: [eth('eth0', { subnets })] })
    const members = [inside('a', '192.0.2.0/24'), inside('b', '198.51.100.0/24'), inside('c', '192.0.2.0/24')]
    expect(of({ members })).toEqual({ a: everywhere, c: everywhere })
    const elsewhere = [inside('a', '10.0.0.0/24'), inside('b', '198.51.100.0/24'), inside('c')]
    expect(of({ members: elsewhere })).toEqual({ a: everywhere, b: everywhere, c: everywhere })
  })

  test('but not by a node whose interface in that network is not selected, or has no carrier', () => {
    const members = [
      member('a', { interfaces: [eth('eth0', { subnets: ['192.0.2.0/24'] })] }),
      member('b', { interfaces: [eth('eth0'), eth('eth1', { subnets: ['192.0.2.0/24'] })] }),
      member('c', { interfaces: [eth('eth0', { subnets: ['192.0.2.0/24'], carrier: false }), eth('eth1')] }),
    ]
    const advertisements = [advertisement('eth0', { interfaces: ['eth0'] })]
    expect(of({ members, advertisements })).toEqual({ a: { interfaces: ['eth0'], preference: 0 } })
  })

  test('of a dual-stack Service even where the other one has no advertisement', () => {
    const pools = [pool('four', '192.0.2.0/24'), pool('six', '2001:db8::/64')]
    const advertisements = [advertisement('four', { pools: { kind: 'named', pools: new Set(['four']) } })]
    const result = survey({ pools, advertisements }).advertisementsFor(
      service('web', ['192.0.2.1', '2001:db8::1']),
      anywhere,
    )
    expect(result?.kind === 'offered' && result.offers.map(offer => offer.text)).toEqual(['192.0.2.1'])
  })

  test('in pools of many ranges, each found by its bounds', () => {
    const pools = [pool('one', '192.0.2.10-192.0.2.19', '192.0.2.40-192.0.2.49'), pool('two', '192.0.2.20-192.0.2.29')]
    const advertisements = [advertisement('one', { pools: { kind: 'named', pools: new Set(['one']) } })]
    const isAnnounced = (last: number) =>
      survey({ pools, advertisements }).advertisementsFor(service('web', [`192.0.2.${last}`]), anywhere)?.kind ===
      'offered'
    expect([9, 10, 19, 20, 29, 30, 39, 40, 49, 50].filter(isAnnounced)).toEqual([10, 19, 40, 49])
  })
})

describe('a node that is drained, or whose kube-proxy is not healthy', () => {
  const drained = { reluctance: { kind: 'drained', by: 'cordon' } } as const
  const unhealthy = { reluctance: { kind: 'proxyUnhealthy' } } as const

  /** The nodes that may announce, those that are preferred first. */
  function order(members: Parameters<typeof survey>[0]['members'], more: Parameters<typeof survey>[0] = {}): string {
    const result = survey({ members: members ?? [], ...more }).advertisementsFor(web, anywhere)
    const nodes = result?.kind === 'offered' ? [...(result.offers[0]?.reach.nodes ?? [])] : []
    const byPreference = Map.groupBy(nodes, ([, { preference }]) => preference)
    return [...byPreference]
      .sort(([one], [other]) => other - one)
      .map(([, list]) => list.map(([name]) => name).join())
      .join(' > ')
  }

  test('comes after all others, whatever the weights say', () => {
    const preferredNodeSelectors = [{ weight: 100, preference: labelled('role', 'edge') }]
    const more = {
      nodes: [node('a', { role: 'edge' }), node('b'), node('c', { role: 'edge' })],
      advertisements: [advertisement('all', { preferredNodeSelectors })],
    }
    expect(order([member('a', drained), member('b'), member('c')], more)).toBe('c > b > a')
    expect(order([member('a', drained), member('b'), member('c', unhealthy)], more)).toBe('b > a > c')
  })

  test('announces what no other can: all being drained, nothing changes', () => {
    expect(order([member('a', drained), member('b', drained), member('c', drained)])).toBe('a,b,c')
    expect(order([member('a', unhealthy)], { nodes: [node('a')] })).toBe('a')
  })
})

test('Services with the same advertisements share one reach, whatever their addresses', () => {
  const shared = survey({})
  const reachOf = (address: string) => {
    const result = shared.advertisementsFor(service(address, [address]), anywhere)
    return result?.kind === 'offered' ? result.offers[0]?.reach : undefined
  }
  expect(reachOf('192.0.2.1')).toBe(reachOf('192.0.2.99'))
  expect(reachOf('192.0.2.1')).toBeDefined()
})

test('an address that no L2Advertisement speaks for is left out, and told of', () => {
  const lan = { pools: { kind: 'named', pools: new Set(['lan']) } } as const
  const result = survey({
    pools: [pool('lan', '192.0.2.0/24'), pool('six', '2001:db8::/64')],
    advertisements: [advertisement('lan', lan)],
  }).advertisementsFor(service('web', ['192.0.2.1', '2001:db8::1']), anywhere)
  expect(result).toMatchObject({
    kind: 'offered',
    offers: [{ text: '192.0.2.1' }],
    unadvertised: [{ address: '2001:db8::1', pool: 'six', passedBy: [] }],
  })
})
