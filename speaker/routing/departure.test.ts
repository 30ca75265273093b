import { describe, expect, test } from 'vitest'
import type { BGPAdvertisement, BGPPeer } from '../../crds/config.ts'
import { excludeLabel, type NodeFacts } from '../advertisements.ts'
import { formatPrefix } from '../bgp/route.ts'
import { endpointsOn, labelled, node, pool, service } from '../test-values.ts'
import {
  type Departures,
  depart,
  nextDepartureMs,
  nothingDeparts,
  partingWorld,
  type Saying,
  sayingOf,
} from './departure.ts'
import type { RoutePlan } from './route-plan.ts'
import { type AnnouncedService, bgpAdvertisement, bgpPeer, routePlan, routingSurvey } from './test-routing.ts'

const gracefulShutdown = 0xffff0000
const dwellMs = 2_000
const inRack = (name: string) => ({ nodeSelectors: [labelled('rack', name)] })

interface World {
  readonly at: NodeFacts
  readonly bgpAdvertisements?: readonly BGPAdvertisement[]
  readonly bgpPeers?: readonly BGPPeer[]
}

const one = node('a', { rack: '1' })
const excluded = node('a', { rack: '1', [excludeLabel]: '' })
const usual: World = { at: one }

function rulesOf({ bgpAdvertisements = [bgpAdvertisement('all')], bgpPeers = [bgpPeer('r1')] }: World) {
  return { bgpAdvertisements, bgpPeers }
}

/** What departs after these worlds, each at its time. */
function after(...worlds: readonly (readonly [nowMs: number, world: World])[]): Departures {
  return worlds.reduce(
    (before, [nowMs, world]) => depart(before, rulesOf(world), world.at, { nowMs, dwellMs }),
    nothingDeparts,
  )
}

/** `all until 2000`, of advertisements and peers. */
function departing({ advertisements, peers }: Departures): readonly string[] {
  return [...advertisements, ...peers].map(([name, untilMs]) => `${name} until ${untilMs}`)
}

describe('a node departs, for the dwell,', () => {
  test.each<{ situation: string; before?: World; now: World; expected: readonly string[] }>([
    { situation: 'when it is excluded by label', now: { at: excluded }, expected: ['all until 7000'] },
    {
      situation: 'when its own labels are not chosen any more',
      before: { ...usual, bgpAdvertisements: [bgpAdvertisement('rack', inRack('1')), bgpAdvertisement('all')] },
      now: {
        at: node('a', { rack: '2' }),
        bgpAdvertisements: [bgpAdvertisement('rack', inRack('1')), bgpAdvertisement('all')],
      },
      expected: ['rack until 7000'],
    },
    {
      situation: 'when the nodeSelectors are edited',
      now: { ...usual, bgpAdvertisements: [bgpAdvertisement('all', inRack('2'))] },
      expected: ['all until 7000'],
    },
    {
      situation: 'when the nodeSelectors of a BGPPeer leave it out',
      now: { ...usual, bgpPeers: [bgpPeer('r1', inRack('2'))] },
      expected: ['r1 until 7000'],
    },
  ])('$situation', ({ before = usual, now, expected }) => {
    const departures = after([1_000, before], [5_000, now])
    expect(departing(departures)).toEqual(expected)
    expect(nextDepartureMs(departures)).toBe(7_000)
    // Whatever else happens meanwhile, and not a moment longer.
    expect(departing(depart(departures, rulesOf(now), now.at, { nowMs: 6_999, dwellMs }))).toEqual(expected)
    const later = depart(departures, rulesOf(now), now.at, { nowMs: 7_000, dwellMs })
    expect(nextDepartureMs(later)).toBeUndefined()
  })
})

describe('nothing departs', () => {
  test.each<{ situation: string; worlds: readonly World[] }>([
    { situation: 'when a node is seen for the first time, excluded or not', worlds: [{ at: excluded }] },
    { situation: 'as long as nothing changes', worlds: [usual, usual] },
    { situation: 'when the node is chosen again', worlds: [usual, { at: excluded }, usual] },
    { situation: 'when the advertisement is deleted', worlds: [usual, { ...usual, bgpAdvertisements: [] }] },
    { situation: 'when the peer is deleted', worlds: [usual, { ...usual, bgpPeers: [] }] },
    { situation: 'when its network becomes unavailable', worlds: [usual, { at: node('a', { rack: '1' }, true) }] },
    {
      situation: 'where another BGPPeer has the session with that router now',
      worlds: [usual, { ...usual, bgpPeers: [bgpPeer('r1', inRack('2')), bgpPeer('r2', inRack('1'))] }],
    },
  ])('$situation', ({ worlds }) => {
    expect(departing(after(...worlds.map((world, index): [number, World] => [index, world])))).toEqual([])
  })

  test('and nothing waits where there is no dwell', () => {
    const before = after([0, usual])
    expect(departing(depart(before, rulesOf(usual), excluded, { nowMs: 1, dwellMs: 0 }))).toEqual([])
  })
})

test('what departs while another thing departs has its own time', () => {
  const bgpAdvertisements = [bgpAdvertisement('rack', inRack('1')), bgpAdvertisement('all')]
  const departures = after(
    [0, { ...usual, bgpAdvertisements }],
    [1_000, { at: node('a'), bgpAdvertisements }],
    [1_500, { at: node('a', { [excludeLabel]: '' }), bgpAdvertisements }],
  )
  expect(departing(departures).toSorted()).toEqual(['all until 3500', 'rack until 3000'])
})

describe('meanwhile', () => {
  const web = { service: service('web', ['192.0.2.1']), endpoints: endpointsOn('a') }
  const mail = { service: service('mail', ['192.0.2.2']), endpoints: endpointsOn('a') }
  const far = bgpPeer('r2', { ...inRack('1'), peerAddress: { kind: 'address', address: '198.51.100.2' } })

  function planOf(
    rules: ReturnType<typeof rulesOf>,
    at: NodeFacts,
    services: readonly AnnouncedService[],
    leaving: boolean,
  ): RoutePlan {
    const { bgpAdvertisements: advertisements, bgpPeers: peers } = rules
    const survey = routingSurvey({ nodes: [at], pools: [pool('lan', '192.0.2.0/24')], advertisements, peers })
    return routePlan(survey, services, { leaving })
  }

  /** What is said in one world after what was said in another. */
  function said(
    [before, now]: readonly [World, World],
    [first, second]: readonly [readonly AnnouncedService[], readonly AnnouncedService[]],
  ): Saying {
    const departures = after([0, before], [1, now])
    const { config, node: as } = partingWorld(departures, rulesOf(now), now.at)
    const last = sayingOf(planOf(rulesOf(before), before.at, first, false), undefined, undefined)
    const plan = planOf(rulesOf(now), now.at, second, false)
    return sayingOf(plan, planOf(config, as, second, true), last)
  }

  /** `192.0.2.1/32`, with a `!` where it is said for the last time. */
  function heard({ routesByPeer }: Saying, peer = 'r1'): readonly string[] | undefined {
    return routesByPeer
      .get(peer)
      ?.map(({ prefix, communities }) => formatPrefix(prefix) + (communities.includes(gracefulShutdown) ? '!' : ''))
  }

  test('all is said for the last time', () => {
    expect(
      heard(
        said(
          [usual, { at: excluded }],
          [
            [web, mail],
            [web, mail],
          ],
        ),
      ),
    ).toEqual(['192.0.2.1/32!', '192.0.2.2/32!'])
  })

  test('a Service that goes or loses its endpoint is withdrawn at once', () => {
    expect(heard(said([usual, { at: excluded }], [[web, mail], [mail]]))).toEqual(['192.0.2.2/32!'])
    const local = { ...mail, service: { ...mail.service, externalTrafficPolicy: 'Local' as const } }
    const elsewhere = { ...local, endpoints: endpointsOn('b') }
    expect(
      heard(
        said(
          [usual, { at: excluded }],
          [
            [web, local],
            [web, local],
          ],
        ),
      ),
    ).toEqual(['192.0.2.1/32!', '192.0.2.2/32!'])
    expect(
      heard(
        said(
          [usual, { at: excluded }],
          [
            [web, local],
            [web, elsewhere],
          ],
        ),
      ),
    ).toEqual(['192.0.2.1/32!'])
  })

  test('everything is withdrawn at once where the network of the node is gone too', () => {
    const gone = node('a', { rack: '1', [excludeLabel]: '' }, true)
    expect(heard(said([usual, { at: gone }], [[web], [web]]))).toEqual([])
  })

  test('nothing is said that was not said before', () => {
    expect(heard(said([usual, { at: excluded }], [[web], [web, mail]]))).toEqual(['192.0.2.1/32!'])
    // An advertisement that comes while the node is excluded, and a router that never heard of any.
    const more = {
      at: excluded,
      bgpAdvertisements: [bgpAdvertisement('all', { peers: ['r1'] }), bgpAdvertisement('new')],
    }
    const before = { at: one, bgpAdvertisements: [bgpAdvertisement('all', { peers: ['r1'] })] }
    const peers = { bgpPeers: [bgpPeer('r1'), far] }
    const saying = said(
      [
        { ...before, ...peers },
        { ...more, ...peers },
      ],
      [[web], [web]],
    )
    expect([heard(saying), heard(saying, 'r2')]).toEqual([['192.0.2.1/32!'], []])
  })

  test('what another advertisement still says is said as ever', () => {
    const both = [bgpAdvertisement('all', { peers: ['r1'] }), bgpAdvertisement('rack', inRack('1'))]
    const peers = [bgpPeer('r1'), { ...far, nodeSelectors: [] }]
    const worlds = [
      { at: one, bgpAdvertisements: both, bgpPeers: peers },
      { at: node('a'), bgpAdvertisements: both, bgpPeers: peers },
    ] as const
    const saying = said(worlds, [[web], [web]])
    expect(heard(saying)).toEqual(['192.0.2.1/32'])
    expect(heard(saying, 'r2')).toEqual(['192.0.2.1/32!'])
  })

  test('a router that is left is told so, and the others are told nothing', () => {
    const bgpPeers = [bgpPeer('r1'), far]
    const saying = said(
      [
        { at: one, bgpPeers },
        { at: node('a'), bgpPeers },
      ],
      [[web], [web]],
    )
    expect(heard(saying)).toEqual(['192.0.2.1/32'])
    expect(heard(saying, 'r2')).toEqual(['192.0.2.1/32!'])
  })
})
