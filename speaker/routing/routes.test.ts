import { describe, expect, test } from 'vitest'
import type { ServiceEndpoints } from '../../kube/service.ts'
import { excludeLabel } from '../advertisements.ts'
import { formatRefusal } from '../refusal.ts'
import { endpointsOn, labelled, node, pool, service } from '../test-values.ts'
import { linkBandwidthOf } from './link-bandwidth.ts'
import { bgpAdvertisement, bgpPeer, type RoutingWorld, routingSurvey } from './test-routing.ts'

const web = service('web', ['192.0.2.1'])
const dual = service('dual', ['192.0.2.1', '2001:db8::1'])
const anywhere = endpointsOn('z')
const rack = (name: string) => node(name, { rack: name })
const inRack = (name: string) => [labelled('rack', name)]

/** By node, its peers; or the refusal in words. */
function standing(world: RoutingWorld, subject = web, endpoints: ServiceEndpoints = anywhere): unknown {
  const outcome = routingSurvey(world).standingOf(subject, endpoints)
  if (!outcome) return undefined
  if (outcome.kind === 'refused') return `${outcome.refusal.kind}: ${formatRefusal(outcome.refusal)}`
  return Object.fromEntries(outcome.peersByNode)
}

/** `prefix peer` of all that a node says. */
function said(world: RoutingWorld, subject = web, endpoints: ServiceEndpoints = anywhere, at = 'a'): readonly string[] {
  return routingSurvey(world)
    .routesOf(subject, endpoints, at)
    .map(({ prefix, peer }) => `${prefix} ${peer}`)
}

describe('BGP has nothing to say', () => {
  test.each([
    { situation: 'of a Service without address', subject: service('web', []) },
    { situation: 'of a Service that is being deleted', subject: service('web', ['192.0.2.1'], { beingDeleted: true }) },
    { situation: 'of a Service of another type', subject: service('web', ['192.0.2.1'], { type: 'other' }) },
    { situation: 'of a hostname', subject: service('web', ['lb.example.org']) },
    { situation: 'of an address in no pool', subject: service('web', ['203.0.113.1']) },
  ])('$situation', ({ subject }) => {
    expect(standing({}, subject)).toBeUndefined()
    expect(said({}, subject)).toEqual([])
  })

  test.each([
    { situation: 'of another pool', options: { pools: { kind: 'named', pools: new Set(['wan']) } } },
    { situation: 'of Services with other labels', options: { serviceSelectors: [labelled('tier', 'gold')] } },
    { situation: 'of the other family', options: { addressFamilies: ['IPv6'] } },
  ] as const)('where the only advertisement speaks $situation', ({ options }) => {
    const world = { advertisements: [bgpAdvertisement('narrow', options)] }
    expect(standing(world)).toBeUndefined()
    expect(said(world)).toEqual([])
  })
})

describe('nobody announces it, and why', () => {
  test('without a usable endpoint anywhere', () => {
    expect(standing({}, web, endpointsOn())).toContain('NoUsableEndpoints: none of its endpoints is ready')
    expect(said({}, web, endpointsOn())).toEqual([])
  })

  test('without any BGPPeer', () => {
    expect(standing({ peers: [] })).toContain('NoPeer: there is no BGPPeer')
  })

  test('when every node says no, each in its own words, the rarest first', () => {
    const nodes = [
      node('a', { [excludeLabel]: '', rack: 'x' }),
      node('b', { rack: 'x' }, true),
      node('c'),
      node('d', { rack: 'x', room: 'far' }),
      node('e'),
    ]
    const advertisements = [bgpAdvertisement('rack', { nodeSelectors: [labelled('rack', 'x')] })]
    const peers = [bgpPeer('r1', { nodeSelectors: [labelled('room', 'near')] })]
    expect(standing({ nodes, advertisements, peers })).toBe(
      `NoEligibleNode: no node can announce it: a: excluded by its label ${excludeLabel}; ` +
        'b: its condition NetworkUnavailable is True; d: the nodeSelectors of every BGPPeer leave it out; ' +
        'c, e: not selected by the nodeSelectors of the BGPAdvertisement',
    )
    expect(nodes.flatMap(({ name }) => said({ nodes, advertisements, peers }, web, anywhere, name))).toEqual([])
  })

  test('when the advertisement names a peer that no node has', () => {
    const advertisements = [bgpAdvertisement('far', { peers: ['r2'] })]
    const peers = [bgpPeer('r1'), bgpPeer('r2', { nodeSelectors: [labelled('room', 'far')] })]
    expect(standing({ nodes: [node('a')], advertisements, peers })).toBe(
      'NoEligibleNode: no node can announce it: a: the nodeSelectors of BGPPeer r2 leave it out',
    )
  })

  test('when externalTrafficPolicy Local finds no endpoint on a node that might', () => {
    const local = service('web', ['192.0.2.1'], { externalTrafficPolicy: 'Local' })
    const outcome = standing({ nodes: [node('a')] }, local, { service: 'shop/web', usable: 1, usableByNode: new Map() })
    expect(outcome).toContain('a: no ready endpoint there, which externalTrafficPolicy Local wants')
  })

  test('when the sessions carry only the other family', () => {
    const peers = [bgpPeer('r1', { dualStackAddressFamily: false })]
    const six = service('six', ['2001:db8::1'])
    expect(standing({ nodes: [node('a')], peers }, six)).toBe(
      'NoEligibleNode: no node can announce it: a: its sessions with r1 carry no IPv6 routes (dualStackAddressFamily: true lets them)',
    )
    expect(said({ peers }, six)).toEqual([])
  })

  test('of several advertisements, the one that comes nearest tells', () => {
    const advertisements = [
      bgpAdvertisement('other', { nodeSelectors: [labelled('rack', 'y')] }),
      bgpAdvertisement('near', { peers: ['r2'] }),
    ]
    expect(standing({ nodes: [node('a')], advertisements })).toContain(
      'a: the nodeSelectors of BGPPeer r2 leave it out',
    )
  })
})

describe('OK, it is announced', () => {
  test('by every node to every peer, where nothing says otherwise', () => {
    const peers = [bgpPeer('r2'), bgpPeer('r1')]
    expect(standing({ peers })).toEqual({ a: ['r1', 'r2'], b: ['r1', 'r2'], c: ['r1', 'r2'] })
    expect(said({ peers })).toEqual(['192.0.2.1/32 r1', '192.0.2.1/32 r2'])
  })

  test('by the nodes that the advertisement selects, to the peers that it names and the node has', () => {
    const world = {
      nodes: [rack('a'), rack('b'), rack('c')],
      advertisements: [
        bgpAdvertisement('one', { nodeSelectors: inRack('a'), peers: ['r1', 'r2'] }),
        bgpAdvertisement('two', { nodeSelectors: inRack('b'), peers: ['r2'] }),
      ],
      peers: [bgpPeer('r1'), bgpPeer('r2', { nodeSelectors: [...inRack('b'), ...inRack('c')] }), bgpPeer('r3')],
    }
    expect(standing(world)).toEqual({ a: ['r1'], b: ['r2'] })
    expect(said(world)).toEqual(['192.0.2.1/32 r1'])
    expect(said(world, web, anywhere, 'b')).toEqual(['192.0.2.1/32 r2'])
    expect(said(world, web, anywhere, 'c')).toEqual([])
    expect(routingSurvey(world).peersOf('a')).toEqual(['r1', 'r3'])
  })

  test('under externalTrafficPolicy Local, where an endpoint is', () => {
    const local = service('web', ['192.0.2.1'], { externalTrafficPolicy: 'Local' })
    expect(standing({}, local, endpointsOn('b', 'z'))).toEqual({ b: ['r1'] })
    expect(said({}, local, endpointsOn('b', 'z'))).toEqual([])
    expect(said({}, local, endpointsOn('b', 'z'), 'b')).toEqual(['192.0.2.1/32 r1'])
    const both = routingSurvey().standingOf(local, endpointsOn('c', 'a'))
    expect(both?.kind === 'announced' && [...both.peersByNode.keys()]).toEqual(['a', 'c'])
  })

  test('each family to the peers whose sessions carry it', () => {
    const peers = [
      bgpPeer('four', { dualStackAddressFamily: false }),
      bgpPeer('six', { dualStackAddressFamily: false, peerAddress: { kind: 'address', address: '2001:db8:f::1' } }),
      bgpPeer('wire', { dualStackAddressFamily: false, peerAddress: { kind: 'interface', interface: 'eth1' } }),
    ]
    expect(said({ peers }, dual)).toEqual([
      '192.0.2.1/32 four',
      '192.0.2.1/32 wire',
      '2001:db8::1/128 six',
      '2001:db8::1/128 wire',
    ])
    expect(standing({ peers }, dual)).toMatchObject({ a: ['four', 'six', 'wire'] })
  })

  test('only the addresses that an advertisement speaks for', () => {
    const survey = routingSurvey({ advertisements: [bgpAdvertisement('six', { addressFamilies: ['IPv6'] })] })
    expect(survey.standingOf(dual, anywhere)).toMatchObject({ kind: 'announced', addresses: ['2001:db8::1'] })
    expect(survey.routesOf(dual, anywhere, 'a').map(({ prefix }) => prefix)).toEqual(['2001:db8::1/128'])
  })

  test('whatever class it has', () => {
    expect(said({}, service('web', ['192.0.2.1'], { loadBalancerClass: 'example.com/other' }))).toHaveLength(1)
  })

  test('under the pool that the advertisement names', () => {
    const world = {
      pools: [pool('lan', '192.0.2.0/25'), pool('wan', '192.0.2.128/25')],
      advertisements: [bgpAdvertisement('wan', { pools: { kind: 'named', pools: new Set(['wan']) } })],
    }
    expect(said(world)).toEqual([])
    expect(said(world, service('web', ['192.0.2.200']))).toEqual(['192.0.2.200/32 r1'])
  })
})

describe('a route', () => {
  test('is the aggregate, per family', () => {
    const advertisements = [bgpAdvertisement('all', { aggregationLength: { IPv4: 26, IPv6: 64 } })]
    expect(said({ advertisements }, service('web', ['192.0.2.77', '2001:db8::77']))).toEqual([
      '192.0.2.64/26 r1',
      '2001:db8::/64 r1',
    ])
  })

  test('is one for two addresses of one aggregate', () => {
    const advertisements = [bgpAdvertisement('all', { aggregationLength: { IPv4: 24, IPv6: 64 } })]
    expect(said({ advertisements }, service('web', ['192.0.2.1', '192.0.2.2']))).toEqual(['192.0.2.0/24 r1'])
  })

  test('is one where advertisements meet, and two where they aggregate differently', () => {
    const advertisements = [
      bgpAdvertisement('fine', { localPref: 150 }),
      bgpAdvertisement('also', { communities: [{ kind: 'standard', high: 1, low: 2 }] }),
      bgpAdvertisement('coarse', { aggregationLength: { IPv4: 24, IPv6: 64 } }),
    ]
    expect(routingSurvey({ advertisements }).routesOf(web, anywhere, 'a')).toMatchObject([
      {
        prefix: '192.0.2.1/32',
        advertisements: ['also', 'fine'],
        route: { localPref: 150, communities: [65538] },
      },
      { prefix: '192.0.2.0/24', advertisements: ['coarse'], route: { localPref: undefined, communities: [] } },
    ])
  })

  test('meets others for each peer alone', () => {
    const advertisements = [
      bgpAdvertisement('all', { localPref: 50 }),
      bgpAdvertisement('r2', { localPref: 200, peers: ['r2'] }),
    ]
    const survey = routingSurvey({ advertisements, peers: [bgpPeer('r1'), bgpPeer('r2')] })
    const routes = survey.routesOf(web, anywhere, 'a')
    expect(routes.map(({ peer, route }) => [peer, route.localPref])).toEqual([
      ['r1', 50],
      ['r2', 200],
    ])
    expect(survey.standingOf(web, anywhere)).toMatchObject({ disagreements: [{ field: 'localPref', granted: 200 }] })
  })

  test('has a share by the endpoints on the node, where that is asked for', () => {
    const advertisements = [bgpAdvertisement('all', { weightByEndpoints: true })]
    const endpoints = {
      service: 'shop/web',
      usable: 4,
      usableByNode: new Map([
        ['a', 3],
        ['b', 1],
      ]),
    } as const
    const survey = routingSurvey({ advertisements })
    const shares = ['a', 'b', 'c'].map(at => survey.routesOf(web, endpoints, at)[0]?.route.linkBandwidth ?? 0)
    expect(shares).toEqual([375_000, 125_000, 12_500])
    expect(routingSurvey().routesOf(web, endpoints, 'a')[0]?.route.linkBandwidth).toBeUndefined()
  })
})

test('shares are in proportion, never nothing, and fit into 32 bits of octets', () => {
  expect(linkBandwidthOf(6)).toBe(2 * linkBandwidthOf(3))
  expect(linkBandwidthOf(0)).toBeGreaterThan(0)
  expect(linkBandwidthOf(0)).toBeLessThan(linkBandwidthOf(1))
  expect(linkBandwidthOf(34_359)).toBeLessThan(2 ** 32)
})

test('an answer is remembered as long as the Service and its endpoints are the same objects', () => {
  const survey = routingSurvey()
  expect(survey.routesOf(web, anywhere, 'a')).toBe(survey.routesOf(web, anywhere, 'a'))
  expect(survey.standingOf(web, anywhere)).toBe(survey.standingOf(web, anywhere))
  const other = endpointsOn('z')
  expect(survey.routesOf(web, other, 'a')).not.toBe(survey.routesOf(web, anywhere, 'a'))
  expect(survey.standingOf(web, endpointsOn())).toMatchObject({ kind: 'refused' })
  expect(survey.standingOf(web, anywhere)).toMatchObject({ kind: 'announced' })
})
