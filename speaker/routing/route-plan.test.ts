import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { BGPAdvertisement } from '../../crds/config.ts'
import { formatAddress } from '../../net/address.ts'
import { wellKnownCommunities } from '../bgp/community.ts'
import { endpointsOn, labelled, node, service } from '../test-values.ts'
import { formatConflict } from './route-conflicts.ts'
import {
  type AnnouncedService,
  bgpAdvertisement,
  bgpPeer,
  prefixesOf,
  routePlan,
  routingSurvey,
} from './test-routing.ts'

const anywhere = endpointsOn('z')
const web = { service: service('web', ['192.0.2.1']), endpoints: anywhere }
const mail = { service: service('mail', ['192.0.2.2']), endpoints: anywhere }
const twoPeers = [bgpPeer('r1'), bgpPeer('r2')]

describe('what the peers are told', () => {
  test('is nothing, said to each of them, where nothing is to be announced', () => {
    expect(prefixesOf(routePlan(routingSurvey({ peers: twoPeers }), []))).toEqual({ r1: [], r2: [] })
    expect(prefixesOf(routePlan(routingSurvey({ peers: [] }), [web]))).toEqual({})
  })

  test('is all of it, to each its own', () => {
    const advertisements = [
      bgpAdvertisement('all', { peers: ['r1'] }),
      bgpAdvertisement('web', { serviceSelectors: [labelled('app', 'web')] }),
    ]
    const labelledWeb = { ...web, service: { ...web.service, labels: { app: 'web' } } }
    const plan = routePlan(routingSurvey({ advertisements, peers: twoPeers }), [mail, labelledWeb])
    expect(prefixesOf(plan)).toEqual({ r1: ['192.0.2.1/32', '192.0.2.2/32'], r2: ['192.0.2.1/32'] })
    expect(new Map(plan.peersByService)).toEqual(
      new Map([
        ['shop/mail', ['r1']],
        ['shop/web', ['r1', 'r2']],
      ]),
    )
  })

  test('is one route where Services share an address, with what either of them asks for', () => {
    const advertisements = [
      bgpAdvertisement('gold', {
        serviceSelectors: [labelled('tier', 'gold')],
        communities: [{ kind: 'standard', high: 0, low: 2 }],
        weightByEndpoints: true,
      }),
      bgpAdvertisement('all', { communities: [{ kind: 'standard', high: 0, low: 1 }] }),
    ]
    const gold = {
      service: service('gold', ['192.0.2.1'], { labels: { tier: 'gold' } }),
      endpoints: endpointsOn('a', 'b'),
    }
    const lead = { service: service('lead', ['192.0.2.1']), endpoints: endpointsOn('a', 'c') }
    const plan = routePlan(routingSurvey({ advertisements, peers: twoPeers }), [gold, lead])
    expect(plan.routesByPeer.get('r1')).toMatchObject([{ communities: [1, 2], linkBandwidth: 250_000 }])
    expect(plan.routesByPeer.get('r2')?.[0]).toBe(plan.routesByPeer.get('r1')?.[0])
    expect(plan.conflicts).toEqual([])
  })

  test('has shares for an aggregate by the endpoints of all its Services', () => {
    const advertisements = [
      bgpAdvertisement('all', { aggregationLength: { IPv4: 24, IPv6: 64 }, weightByEndpoints: true }),
    ]
    const services = [1, 2, 3].map(n => ({ service: service(`s${n}`, [`192.0.2.${n}`]), endpoints: endpointsOn('a') }))
    expect(routePlan(routingSurvey({ advertisements }), services).routesByPeer.get('r1')).toMatchObject([
      { prefix: { length: 24 }, linkBandwidth: 375_000 },
    ])
  })

  test('is the same with a request to look elsewhere, when the node is about to leave', () => {
    const survey = routingSurvey({
      advertisements: [
        bgpAdvertisement('all', { localPref: 200, communities: [{ kind: 'standard', high: 1, low: 1 }] }),
      ],
    })
    const before = routePlan(survey, [web, mail])
    const leaving = routePlan(survey, [web, mail], { leaving: true, before })
    expect(leaving.routesByPeer.get('r1')).toMatchObject(
      [1, 2].map(() => ({ localPref: 0, communities: [65537, wellKnownCommunities.gracefulShutdown] })),
    )
    expect(prefixesOf(leaving)).toEqual(prefixesOf(before))
    const still = routePlan(survey, [web], { leaving: true, before: leaving })
    expect(still.routesByPeer.get('r1')?.[0]).toBe(leaving.routesByPeer.get('r1')?.[0])
  })
})

test('a Service that goes leaves its aggregate where another gives it, and nothing where none does', () => {
  const survey = routingSurvey({
    advertisements: [bgpAdvertisement('all', { aggregationLength: { IPv4: 31, IPv6: 64 } })],
  })
  const other = { service: service('other', ['192.0.2.3']), endpoints: anywhere }
  const before = routePlan(survey, [web, mail, other])
  expect(prefixesOf(before)).toEqual({ r1: ['192.0.2.0/31', '192.0.2.2/31'] })
  expect(prefixesOf(routePlan(survey, [mail, web], { before }))).toEqual({ r1: ['192.0.2.0/31', '192.0.2.2/31'] })
  expect(prefixesOf(routePlan(survey, [mail, other], { before }))).toEqual({ r1: ['192.0.2.2/31'] })
})

describe('what cannot be done as asked is told, and done as well as can be', () => {
  const advertisements = [
    bgpAdvertisement('gold', { localPref: 200, serviceSelectors: [labelled('tier', 'gold')] }),
    bgpAdvertisement('all', { localPref: 100 }),
  ]
  const gold = { service: service('gold', ['192.0.2.1'], { labels: { tier: 'gold' } }), endpoints: anywhere }
  const survey = routingSurvey({ advertisements, peers: twoPeers })

  test('within one Service', () => {
    const plan = routePlan(survey, [gold, mail])
    expect(plan.routesByPeer.get('r1')?.map(route => route.localPref)).toEqual([200, 100])
    expect(plan.conflicts).toEqual([
      {
        prefix: '192.0.2.1/32',
        peers: ['r1', 'r2'],
        services: ['shop/gold'],
        field: 'localPref',
        granted: 200,
        wishes: [
          { advertisement: 'all', value: 100 },
          { advertisement: 'gold', value: 200 },
        ],
      },
    ])
    expect(plan.conflicts.map(formatConflict)).toEqual([
      '192.0.2.1/32 of shop/gold to r1, r2: BGPAdvertisements give it different localPref: 100 (all) and 200 (gold); 200 is used',
    ])
  })

  test('between Services that share an address, and no longer when one of them goes', () => {
    const only = routingSurvey({
      advertisements: [
        advertisements[0] ?? bgpAdvertisement('gold'),
        bgpAdvertisement('lead', { serviceSelectors: [labelled('tier', 'lead')], peers: ['r1'] }),
      ],
      peers: twoPeers,
    })
    const lead = { service: service('lead', ['192.0.2.1'], { labels: { tier: 'lead' } }), endpoints: anywhere }
    const both = routePlan(only, [lead, gold])
    expect(both.conflicts).toMatchObject([{ peers: ['r1'], services: ['shop/gold', 'shop/lead'], granted: 200 }])
    expect(routePlan(only, [gold], { before: both }).conflicts).toEqual([])
  })

  test('and is the same object for as long as it is so', () => {
    const before = routePlan(survey, [gold])
    const after = routePlan(survey, [mail, { ...gold, endpoints: endpointsOn('b') }], { before })
    expect(after.conflicts).toHaveLength(1)
    expect(after.conflicts[0]).toBe(before.conflicts[0])
  })
})

describe('what has not changed is the same object', () => {
  const services = Array.from({ length: 5_000 }, (_, index) => ({
    service: service(`s${index}`, [`10.0.${index >> 8}.${index & 255}`]),
    endpoints: anywhere,
  }))
  const world = { pools: [bigPool()], peers: [...twoPeers, bgpPeer('r3')] }
  const survey = routingSurvey(world)
  const first = routePlan(survey, services)

  test('all of it, where nothing has', () => {
    expect(first.routesByPeer.get('r3')).toHaveLength(5_000)
    expect(routePlan(survey, services, { before: first })).toBe(first)
    expect(routePlan(survey, [...services].reverse(), { before: first })).toBe(first)
  })

  test('each array, where nodes and configuration were looked at anew and came out alike', () => {
    const again = routePlan(routingSurvey(world), services, { before: first })
    for (const [peer, routes] of first.routesByPeer) expect(again.routesByPeer.get(peer)).toBe(routes)
    expect(again.peersByService).toBe(first.peersByService)
  })

  test('each route but one, where one of five thousand Services has', () => {
    const gone = services.filter((_, index) => index !== 777)
    const after = routePlan(survey, gone, { before: first })
    for (const [peer, routes] of first.routesByPeer) {
      const kept = new Set(after.routesByPeer.get(peer))
      expect(routes.filter(route => !kept.has(route)).map(({ prefix }) => formatAddress(prefix.address))).toEqual([
        '10.0.3.9',
      ])
      expect(kept.size).toBe(4_999)
    }
    const back = routePlan(survey, services, { before: after })
    expect(back.routesByPeer.get('r1')?.every((route, index) => route === first.routesByPeer.get('r1')?.[index])).toBe(
      true,
    )
  })

  test('each route of which nothing else is said, where configuration changed what is said of others', () => {
    const other = (localPref: number) =>
      routingSurvey({
        advertisements: [
          bgpAdvertisement('all'),
          bgpAdvertisement('gold', { localPref, serviceSelectors: [labelled('tier', 'gold')] }),
        ],
      })
    const gold = { service: service('gold', ['192.0.2.3'], { labels: { tier: 'gold' } }), endpoints: anywhere }
    const before = routePlan(other(200), [web, gold])
    const after = routePlan(other(300), [web, gold], { before })
    expect(after.routesByPeer.get('r1')).not.toBe(before.routesByPeer.get('r1'))
    expect(after.routesByPeer.get('r1')?.[0]).toBe(before.routesByPeer.get('r1')?.[0])
    expect(after.routesByPeer.get('r1')?.[1]).toMatchObject({ localPref: 300 })
  })

  test.each<Partial<BGPAdvertisement>>([
    { localPref: 200 },
    { multiExitDisc: 7 },
    { asPathPrepend: 2 },
    { weightByEndpoints: true },
    { communities: [{ kind: 'standard', high: 1, low: 2 }] },
    { communities: [{ kind: 'large', globalAdministrator: 1, data1: 2, data2: 3 }] },
  ])('but not a route of which something else is said: %j', change => {
    const before = routePlan(routingSurvey(), [web])
    const after = routePlan(routingSurvey({ advertisements: [bgpAdvertisement('all', change)] }), [web], { before })
    expect(after.routesByPeer.get('r1')).not.toEqual(before.routesByPeer.get('r1'))
    const back = routePlan(routingSurvey(), [web], { before: after })
    expect(back.routesByPeer.get('r1')).toEqual(before.routesByPeer.get('r1'))
  })

  test('the array of each peer that hears nothing of the change', () => {
    const apart = routingSurvey({
      peers: twoPeers,
      advertisements: [
        bgpAdvertisement('all', { peers: ['r1'] }),
        bgpAdvertisement('gold', { serviceSelectors: [labelled('tier', 'gold')] }),
      ],
    })
    const gold = { service: service('gold', ['192.0.2.3'], { labels: { tier: 'gold' } }), endpoints: anywhere }
    const before = routePlan(apart, [web, gold])
    const after = routePlan(apart, [web, gold, mail], { before })
    expect(after.routesByPeer.get('r2')).toBe(before.routesByPeer.get('r2'))
    expect(after.routesByPeer.get('r1')).toHaveLength(3)
    expect(after.peersByService.get('shop/web')).toBe(before.peersByService.get('shop/web'))
  })
})

function bigPool() {
  const range = { family: 'IPv4', first: 0x0a000000n, last: 0x0affffffn } as const
  return {
    name: 'big',
    ranges: [range],
    labels: {},
    autoAssign: true,
    avoidBuggyIPs: false,
    avoidConflicts: false,
    serviceAllocation: undefined,
  }
}

// Small worlds in which everything meets everything: few addresses, nodes, peers and labels.
const selectors = fc.constantFrom([], [labelled('x', '1')], [labelled('x', '2')])
const advertisementLists = fc.uniqueArray(
  fc.record({
    name: fc.constantFrom('p', 'q', 's'),
    aggregationLength: fc.constantFrom({ IPv4: 32, IPv6: 128 }, { IPv4: 30, IPv6: 64 }),
    localPref: fc.constantFrom(undefined, 50, 200),
    multiExitDisc: fc.constantFrom(undefined, 5),
    asPathPrepend: fc.constantFrom(0, 2),
    weightByEndpoints: fc.boolean(),
    addressFamilies: fc.constantFrom<readonly ('IPv4' | 'IPv6')[]>(['IPv4', 'IPv6'], ['IPv4'], ['IPv6']),
    communities: fc.subarray([
      { kind: 'standard', high: 1, low: 1 } as const,
      { kind: 'large', globalAdministrator: 1, data1: 1, data2: 1 } as const,
    ]),
    nodeSelectors: selectors,
    serviceSelectors: selectors,
    peers: fc.subarray(['r1', 'r2']),
  }),
  { selector: ({ name }) => name },
)
const peerLists = fc.uniqueArray(
  fc.record({
    name: fc.constantFrom('r1', 'r2', 'r3'),
    nodeSelectors: selectors,
    dualStackAddressFamily: fc.boolean(),
  }),
  { selector: ({ name }) => name },
)
const worlds = fc.record({
  advertisements: advertisementLists.map(list => list.map(one => bgpAdvertisement(one.name, one))),
  peers: peerLists.map(list => list.map(one => bgpPeer(one.name, one))),
  nodes: fc.constant([node('a', { x: '1' }), node('b', { x: '2' }), node('c', { x: '1' }, true)]),
})
const serviceLists = fc.uniqueArray(
  fc
    .record({
      name: fc.constantFrom('s1', 's2', 's3', 's4', 's5'),
      addresses: fc.subarray(['192.0.2.1', '192.0.2.2', '192.0.2.6', '2001:db8::1']),
      labels: fc.constantFrom({}, { x: '1' }, { x: '2' }),
      externalTrafficPolicy: fc.constantFrom<'Cluster' | 'Local'>('Cluster', 'Local'),
      on: fc.array(fc.constantFrom('a', 'b', 'c', 'z'), { maxLength: 3 }),
    })
    .map(({ name, addresses, on, ...more }): AnnouncedService => {
      const usableByNode = new Map<string, number>()
      for (const one of on) usableByNode.set(one, (usableByNode.get(one) ?? 0) + 1)
      return {
        service: service(name, addresses, more),
        endpoints: { service: `shop/${name}`, usableByNode, usable: on.length },
      }
    }),
  { selector: one => one.service.name },
)

/** What of a plan peers and people see. */
function seen({ routesByPeer, peersByService, conflicts }: ReturnType<typeof routePlan>) {
  return { routesByPeer, peersByService: Object.fromEntries(peersByService), conflicts }
}

describe('in any small world', () => {
  test('the order of Services, advertisements and peers does not matter', () => {
    fc.assert(
      fc.property(worlds, serviceLists, (world, services) => {
        const turned = {
          ...world,
          advertisements: [...world.advertisements].reverse(),
          peers: [...world.peers].reverse(),
        }
        const plan = seen(routePlan(routingSurvey(world), services))
        expect(seen(routePlan(routingSurvey(turned), [...services].reverse()))).toEqual(plan)
      }),
    )
  })

  test('a plan made from another is the plan made from nothing, and the same objects where alike', () => {
    fc.assert(
      fc.property(
        worlds,
        worlds,
        serviceLists,
        serviceLists,
        fc.boolean(),
        (world, next, services, others, leaving) => {
          const before = routePlan(routingSurvey(world), services)
          const survey = routingSurvey(next)
          const fresh = routePlan(survey, others, { leaving })
          const after = routePlan(survey, others, { leaving, before })
          expect(seen(after)).toEqual(seen(fresh))
          expect(routePlan(survey, others, { leaving, before: after })).toBe(after)
          const copies = [...before.routesByPeer].filter(([peer, routes]) => {
            const now = after.routesByPeer.get(peer)
            return now !== routes && JSON.stringify(now, bigints) === JSON.stringify(routes, bigints)
          })
          expect(copies).toEqual([])
        },
      ),
    )
  })

  test('a plan made by looking at the Services that changed is the one made by looking at all', () => {
    fc.assert(
      fc.property(worlds, serviceLists, serviceLists, fc.nat(3), (world, services, others, kept) => {
        const survey = routingSurvey(world)
        const before = routePlan(survey, services)
        const same = services.filter((_, index) => index < kept)
        const keys = new Set(same.map(({ service }) => service.key))
        const changed = others.filter(({ service }) => !keys.has(service.key))
        const touched = [...services, ...others].map(({ service }) => service.key).filter(key => !keys.has(key))
        const after = routePlan(survey, changed, { before, only: new Set(touched) })
        expect(seen(after)).toEqual(seen(routePlan(survey, [...same, ...changed])))
        expect(routePlan(survey, [...same, ...changed], { before: after })).toBe(after)
      }),
    )
  })

  test('each node announces what the whole cluster believes it announces', () => {
    fc.assert(
      fc.property(worlds, serviceLists, (world, services) => {
        const survey = routingSurvey(world)
        for (const { service, endpoints } of services) {
          const standing = survey.standingOf(service, endpoints)
          const believed = standing?.kind === 'announced' ? standing.peersByNode : new Map<string, readonly string[]>()
          const real = world.nodes.flatMap(({ name }) => {
            const peers = routePlan(survey, services, { node: name }).peersByService.get(service.key)
            return peers ? [[name, peers] as const] : []
          })
          expect(new Map(real)).toEqual(believed)
        }
      }),
    )
  })

  test('a Service that goes takes along exactly the prefixes that no other gives', () => {
    fc.assert(
      fc.property(worlds, serviceLists, (world, services) => {
        const survey = routingSurvey(world)
        const [gone, ...rest] = services
        if (!gone) return
        const left = prefixesOf(routePlan(survey, rest, { before: routePlan(survey, services) }))
        for (const [peer, prefixes] of Object.entries(left)) {
          const given = rest.flatMap(({ service, endpoints }) =>
            survey.routesOf(service, endpoints, 'a').flatMap(route => (route.peer === peer ? [route.prefix] : [])),
          )
          expect(prefixes).toEqual([...new Set(given)].sort())
        }
      }),
    )
  })
})

function bigints(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value
}
