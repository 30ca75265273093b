import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Service, ServiceEndpoints } from '../../kube/service.ts'
import { endpointsOn, labelled, node, pool, service } from '../test-values.ts'
import { type EndedService, formatSharedRoute, type SharedRoute } from './shared-routes.ts'
import {
  type AnnouncedService,
  bgpAdvertisement,
  bgpPeer,
  type RoutingWorld,
  routePlan,
  routingSurvey,
} from './test-routing.ts'

const tier = (name: string) => [labelled('tier', name)]
const gold = bgpAdvertisement('gold', { localPref: 200, serviceSelectors: tier('gold') })
const plain = bgpAdvertisement('plain', { localPref: 100, serviceSelectors: tier('plain') })
const everywhere = endpointsOn('z')

/** A Service of a tier, at one address unless told otherwise. */
function at(name: string, tier: string, more: Partial<Service> = {}, addresses = ['192.0.2.1']): Service {
  return service(name, addresses, { labels: { tier }, ...more })
}

function ended(one: Service, endpoints: ServiceEndpoints = everywhere): EndedService {
  return { service: one, endpoints }
}

/** By Service, what it shares, in words. */
function told(world: RoutingWorld, ...services: readonly (Service | EndedService)[]): Record<string, string[]> {
  const all = services.map(one => ('service' in one ? one : ended(one)))
  const find = routingSurvey(world).sharedRoutes(all)
  return Object.fromEntries(all.map(({ service }) => [service.name, find(service.key).map(formatSharedRoute)]))
}

const words = (prefixes: string, whom: string, what = 'localPref: 200 (gold) and 100 (plain); 200') =>
  `it shares ${prefixes} with ${whom}, and BGPAdvertisements give ${prefixes.includes(' and ') ? 'those routes' : 'that route'} ` +
  `different ${what} is used for all: give them the same ${what.split(':')[0]}, or let the same BGPAdvertisements speak for these Services`

describe('both Services are told, each of the other', () => {
  test('where they share an address', () => {
    expect(
      told(
        { advertisements: [plain, gold] },
        at('web', 'gold'),
        at('db', 'plain'),
        at('far', 'gold', {}, ['192.0.2.9']),
      ),
    ).toEqual({
      web: [words('192.0.2.1/32', 'Service shop/db')],
      db: [words('192.0.2.1/32', 'Service shop/web')],
      far: [],
    })
  })

  test('where they share an aggregate', () => {
    const wide = { aggregationLength: { IPv4: 24, IPv6: 128 } }
    const advertisements = [
      { ...plain, ...wide },
      { ...gold, ...wide },
    ]
    expect(told({ advertisements }, at('web', 'gold'), at('db', 'plain', {}, ['192.0.2.200']))).toEqual({
      web: [words('192.0.2.0/24', 'Service shop/db')],
      db: [words('192.0.2.0/24', 'Service shop/web')],
    })
  })

  test('in one sentence where they share two routes', () => {
    const both = ['192.0.2.1', '2001:db8::1']
    expect(
      told({ advertisements: [plain, gold] }, at('web', 'gold', {}, both), at('db', 'plain', {}, both)).web,
    ).toEqual([words('192.0.2.1/32 and 2001:db8::1/128', 'Service shop/db')])
  })

  test('of each field about which there is no agreement', () => {
    const advertisements = [plain, { ...gold, multiExitDisc: 7, asPathPrepend: 2 }]
    expect(told({ advertisements }, at('web', 'gold'), at('db', 'plain')).db).toEqual([
      words('192.0.2.1/32', 'Service shop/web', 'asPathPrepend: 2 (gold) and 0 (plain); 0'),
      words('192.0.2.1/32', 'Service shop/web'),
      words('192.0.2.1/32', 'Service shop/web', 'med: 7 (gold) and unset (plain); unset'),
    ])
  })

  test('and not of those that have the same advertisements, nor of more than a few', () => {
    const others = ['a', 'b', 'c', 'd'].map(name => at(name, 'plain'))
    const found = told({ advertisements: [plain, gold] }, at('web', 'gold'), at('api', 'gold'), ...others)
    expect(found['web']).toEqual([words('192.0.2.1/32', 'Services shop/a, shop/b, shop/c and others')])
    expect(found['api']).toEqual(found['web'])
    expect(found['a']).toEqual([words('192.0.2.1/32', 'Services shop/api, shop/web')])
  })

  test('where one of them has the advertisements of both', () => {
    const all = bgpAdvertisement('plain', { localPref: 100 })
    expect(told({ advertisements: [all, gold] }, at('web', 'gold'), at('db', 'other'))).toEqual({
      web: [words('192.0.2.1/32', 'Service shop/db')],
      db: [words('192.0.2.1/32', 'Service shop/web')],
    })
  })
})

describe('nobody is told anything', () => {
  const [web, db] = [at('web', 'gold'), at('db', 'plain')]
  const local = { externalTrafficPolicy: 'Local' } as const
  test.each<{ situation: string; world?: RoutingWorld; services: readonly (Service | EndedService)[] }>([
    { situation: 'where the Services have other addresses', services: [web, at('db', 'plain', {}, ['192.0.2.2'])] },
    {
      situation: 'where both mean the same',
      world: { advertisements: [gold, { ...plain, localPref: 200 }] },
      services: [web, db],
    },
    {
      situation: 'where the prefixes have other lengths',
      world: { advertisements: [gold, { ...plain, aggregationLength: { IPv4: 24, IPv6: 128 } }] },
      services: [web, db],
    },
    {
      situation: 'where each tells another router',
      world: {
        advertisements: [
          { ...gold, peers: ['r1'] },
          { ...plain, peers: ['r2'] },
        ],
        peers: [bgpPeer('r1'), bgpPeer('r2')],
      },
      services: [web, db],
    },
    {
      situation: 'where each is told by other nodes',
      world: {
        nodes: [node('a', { rack: '1' }), node('b', { rack: '2' })],
        advertisements: [
          { ...gold, nodeSelectors: [labelled('rack', '1')] },
          { ...plain, nodeSelectors: [labelled('rack', '2')] },
        ],
      },
      services: [web, db],
    },
    { situation: 'where one has no endpoints', services: [web, ended(db, endpointsOn())] },
    {
      situation: 'where their own endpoints are on other nodes',
      services: [ended(at('web', 'gold', local), endpointsOn('a')), ended(at('db', 'plain', local), endpointsOn('b'))],
    },
    {
      situation: 'by this of what one Service’s own advertisements disagree about',
      world: { advertisements: [bgpAdvertisement('all', { localPref: 7 }), gold] },
      services: [web, at('api', 'gold')],
    },
    { situation: 'where one is being deleted', services: [web, at('db', 'plain', { beingDeleted: true })] },
  ])('$situation', ({ world = { advertisements: [gold, plain] }, services }) => {
    expect(Object.values(told(world, ...services)).flat()).toEqual([])
  })

  test('but where a node has endpoints of both, they are', () => {
    const found = told(
      { advertisements: [gold, plain] },
      ended(at('web', 'gold', local), endpointsOn('a', 'b')),
      ended(at('db', 'plain', local), endpointsOn('b', 'c')),
    )
    expect(found).toMatchObject({ web: [expect.any(String)], db: [expect.any(String)] })
  })
})

describe('as Services come and go', () => {
  const look = routingSurvey({ advertisements: [gold, plain] }).sharedRoutes
  const names = (shared: readonly SharedRoute[]): readonly string[] => shared.flatMap(({ others }) => others)

  test('what is not another is the same array, and what is, is another', () => {
    const [web, db, far, lone] = [
      at('web', 'gold'),
      at('db', 'plain'),
      at('far', 'gold', {}, ['192.0.2.9']),
      at('lone', 'plain', {}, ['192.0.2.7']),
    ]
    const first = look([web, db, far, lone].map(one => ended(one)))
    const before = [web, db, far].map(({ key }) => first(key))
    expect(names(before[0] ?? [])).toEqual(['shop/db'])
    // What it shares does not hang on what is written into its conditions.
    const echo = { ...db, resourceVersion: '2' }
    const second = look([web, echo, far, lone].map(one => ended(one)))
    expect([web, db, far].map(({ key }) => second(key))).toEqual(before)
    expect(second(web.key)).toBe(before[0])
    expect(second(far.key)).toBe(before[2])
    const third = look([web, echo, at('new', 'plain'), far].map(one => ended(one)))
    expect(names(third(web.key))).toEqual(['shop/db', 'shop/new'])
    const fourth = look([web, far].map(one => ended(one)))
    expect(fourth(web.key)).toEqual([])
    expect(fourth(db.key)).toEqual([])
  })

  test('a Service that gets another label or loses its endpoints is no party to it any more', () => {
    const [web, db] = [at('web', 'gold'), at('db', 'plain')]
    expect(look([ended(web), ended(db)])(web.key)).toHaveLength(1)
    expect(look([ended(web), ended({ ...db, labels: { tier: 'gold' } })])(web.key)).toEqual([])
    expect(look([ended(web), ended(db)])(web.key)).toHaveLength(1)
    expect(look([ended(web), ended(db, endpointsOn())])(web.key)).toEqual([])
  })
})

test('where no advertisements could disagree no Service is even looked at', () => {
  const look = routingSurvey({
    advertisements: [gold, { ...plain, aggregationLength: { IPv4: 24, IPv6: 64 } }],
  }).sharedRoutes
  function* services(): Generator<EndedService> {
    yield ended(at('web', 'gold'))
    throw new Error('looked at')
  }
  expect(look(services())('shop/web')).toEqual([])
})

test('whatever Services come and go, all is as if seen for the first time, and as the routers of the nodes are told', () => {
  const nodes = ['a', 'b']
  const world: RoutingWorld = {
    nodes: nodes.map(name => node(name, { rack: name })),
    pools: [pool('lan', '192.0.2.0/24')],
    peers: [bgpPeer('r1'), bgpPeer('r2', { nodeSelectors: [labelled('rack', 'b')] })],
    advertisements: [
      { ...gold, peers: ['r2'] },
      plain,
      bgpAdvertisement('wide', { aggregationLength: { IPv4: 24, IPv6: 128 }, serviceSelectors: tier('gold') }),
      bgpAdvertisement('broad', {
        aggregationLength: { IPv4: 24, IPv6: 128 },
        multiExitDisc: 5,
        nodeSelectors: [labelled('rack', 'a')],
      }),
    ],
  }
  const some = fc.record({
    name: fc.constantFrom('v', 'w', 'x', 'y'),
    tier: fc.constantFrom('gold', 'plain', 'other'),
    address: fc.constantFrom('192.0.2.1', '192.0.2.2'),
    policy: fc.constantFrom('Local' as const, 'Cluster' as const),
    on: fc.subarray(nodes),
  })
  const rounds = fc.array(fc.uniqueArray(some, { selector: ({ name }) => name }), { minLength: 1, maxLength: 5 })
  fc.assert(
    fc.property(rounds, lists => {
      const survey = routingSurvey(world)
      for (const list of lists) {
        const services = list.map(({ name, tier, address, policy, on }): AnnouncedService & EndedService => ({
          service: at(name, tier, { externalTrafficPolicy: policy }, [address]),
          endpoints: endpointsOn(...on),
        }))
        const find = survey.sharedRoutes(services)
        const anew = routingSurvey(world).sharedRoutes(services)
        const said = new Set<string>()
        for (const { service } of services) {
          expect(find(service.key)).toEqual(anew(service.key))
          const { disagreements } = standingOf(survey, services, service)
          for (const one of find(service.key)) {
            for (const prefix of one.prefixes) said.add(`${prefix} ${one.disagreement.field} ${service.key}`)
          }
          for (const { field } of disagreements) said.add(`own ${field} ${service.key}`)
        }
        for (const name of nodes) {
          for (const { prefix, field, services: parties } of routePlan(survey, services, { node: name }).conflicts) {
            for (const key of parties) {
              expect(said.has(`${prefix} ${field} ${key}`) || said.has(`own ${field} ${key}`)).toBe(true)
            }
          }
        }
      }
    }),
  )
})

function standingOf(survey: ReturnType<typeof routingSurvey>, services: readonly EndedService[], service: Service) {
  const endpoints = services.find(one => one.service === service)?.endpoints ?? everywhere
  const standing = survey.standingOf(service, endpoints)
  return standing?.kind === 'announced' ? standing : { disagreements: [] }
}
