import { expect, test } from 'vitest'
import { peerSettings } from '../../speaker/bgp/from-config.ts'
import type { ConfiguredPeer } from '../../speaker/bgp/settings.ts'
import type { PeerStatus } from '../../speaker/bgp/status.ts'
import { bgpAdvertisement, bgpPeer, routePlan, routingSurvey } from '../../speaker/routing/test-routing.ts'
import { endpointsOn, pool, service } from '../../speaker/test-values.ts'
import type { LabHost } from '../lab/node.ts'
import { address, peer, route, startBerth } from './berth.ts'
import { berthState, besideEachRouter, seen, testWhere } from './beside.ts'
import type { RouterMake } from './router.ts'
import { until } from './until.ts'

/* What routers that others wrote know of Berth's routes, by their own account. */

const v4 = '203.0.113.1/32'
const v6 = '2001:db8:9::1/128'

/** The router, to which Berth of AS 64512 says that it is of another. */
function speakingAs(localASN: number): ConfiguredPeer {
  const peerAddress = { kind: 'address', address: '192.0.2.2' } as const
  const terms = { password: undefined, bgpIdentifier: 0xc0000201 }
  const settings = peerSettings(bgpPeer('router', { peerAddress, connectTimeSeconds: 2, localASN }), terms)
  if ('problem' in settings) throw new Error(settings.problem)
  return settings
}

/** 12,500,000 octets a second by the word of this AS, as each make prints them; GoBGP leaves the AS out. */
const bandwidthWords = (as: number): Readonly<Record<RouterMake['name'], RegExp>> => ({
  FRR: new RegExp(`LB:${as}:12500000`),
  BIRD: new RegExp(`0x4004:${as}:1262402592`),
  GoBGP: /12500000|1\.25e\+07/,
})

/** 65535:0 by the name that each make prints. */
function gracefulShutdown(make: RouterMake): string {
  return make.name === 'FRR' ? 'graceful-shutdown' : '65535:0'
}

async function icmp6Counter(host: LabHost, name: string): Promise<number> {
  const counters = await host.namespace.run(['cat', '/proc/net/snmp6'])
  return Number(new RegExp(`^Icmp6${name}\\s+(\\d+)`, 'm').exec(counters)?.[1] ?? 0)
}

await besideEachRouter(({ make, hosts, start }) => {
  test('both families over one session, with everything that can be said of a route', async () => {
    const { router, berth } = await start()
    const communities = [(64512 << 16) + 100, 0xffff0000]
    const largeCommunities = [{ globalAdministrator: 4200000000, data1: 1, data2: 2 }]
    const said = { communities, largeCommunities, multiExitDisc: 7, prepend: 2 }
    berth.configure([peer()], { router: [route(v4, said), route(v6, said), route('203.0.113.128/25')] })
    const routes = await seen(router, 3)
    const common = {
      asPath: '64512 64512 64512',
      multiExitDisc: 7,
      communities: ['64512:100', gracefulShutdown(make)],
      largeCommunities: ['4200000000:1:2'],
      stale: false,
    }
    expect(routes).toMatchObject([
      { prefix: '2001:db8:9::1/128', nextHop: '2001:db8:0:2::1', ...common },
      { prefix: '203.0.113.1/32', nextHop: '192.0.2.1', ...common },
      { prefix: '203.0.113.128/25', nextHop: '192.0.2.1', asPath: '64512', communities: [] },
    ])
  })

  test('Services whose addresses are put together are one route, for as long as one of them is there', async () => {
    const survey = routingSurvey({
      pools: [pool('lan', '203.0.113.0/24', '2001:db8:9::/60')],
      advertisements: [
        bgpAdvertisement('all', {
          aggregationLength: { IPv4: 26, IPv6: 61 },
          multiExitDisc: 5,
          asPathPrepend: 1,
          communities: [{ kind: 'standard', high: 64512, low: 7 }],
        }),
      ],
      peers: [bgpPeer('router')],
    })
    const web = { service: service('web', ['203.0.113.65', '2001:db8:9:1::1']), endpoints: endpointsOn('a') }
    const mail = { service: service('mail', ['203.0.113.100', '2001:db8:9:2::1']), endpoints: endpointsOn('b') }
    const told = (...services: readonly (typeof web)[]) => ({
      router: routePlan(survey, services).routesByPeer.get('router') ?? [],
    })
    const { router, berth } = await start()
    berth.configure([peer()], told(web, mail))
    const common = { asPath: '64512 64512', multiExitDisc: 5, communities: ['64512:7'] }
    const both = [
      { prefix: '2001:db8:9::/61', nextHop: '2001:db8:0:2::1', ...common },
      { prefix: '203.0.113.64/26', nextHop: '192.0.2.1', ...common },
    ]
    expect(await seen(router, 2)).toMatchObject(both)
    const before = await berthState(berth)
    berth.configure([peer()], told(mail))
    berth.configure([peer()], told(mail, web))
    expect(await router.routes()).toHaveLength(2)
    expect((await berthState(berth)).messages.sent.update).toBe(before.messages.sent.update)
    berth.configure([peer()], told())
    await seen(router, 0)
  })

  test('a peer of our own AS hears LOCAL_PREF and an empty path', async () => {
    const { router, berth } = await start({ localAs: 64512 })
    berth.configure([peer({ peerAs: 64512 })], { router: [route(v4, { localPref: 250, prepend: 3 }), route(v6)] })
    expect(await seen(router, 2)).toMatchObject([
      { prefix: v6, asPath: '', localPref: 100 },
      { prefix: v4, asPath: '', localPref: 250 },
    ])
  })

  test('an AS number for this router alone is the only one of ours that it sees', async () => {
    const { router, berth } = await start({ peerAs: 64700 })
    const routes = [route(v4, { prepend: 1, linkBandwidth: 12_500_000 }), route(v6)]
    berth.configure([speakingAs(64700)], { router: routes })
    const [second, first] = await seen(router, 2)
    expect(first).toMatchObject({ prefix: v4, asPath: '64700 64700' })
    expect(second).toMatchObject({ prefix: v6, asPath: '64700' })
    expect(first?.extendedCommunities.join()).toMatch(bandwidthWords(64700)[make.name])
    expect(await router.neighbour()).not.toContain('64512')
  })

  test('an AS number for this router alone that is the router’s own makes the session iBGP', async () => {
    const { router, berth } = await start({ peerAs: 64513 })
    berth.configure([speakingAs(64513)], { router: [route(v4, { prepend: 1, localPref: 250 }), route(v6)] })
    expect(await seen(router, 2)).toMatchObject([
      { prefix: v6, asPath: '', localPref: 100 },
      { prefix: v4, asPath: '', localPref: 250 },
    ])
    expect((await berthState(berth)).session?.negotiated.internal).toBe(true)
  })

  test('AS numbers of four octets on both sides', async () => {
    const { router, berth } = await start({ localAs: 4200000002, peerAs: 4200000001 })
    berth.configure([peer({ localAs: 4200000001, peerAs: 4200000002 })], { router: [route(v4)] })
    expect(await seen(router, 1)).toMatchObject([{ prefix: v4, asPath: '4200000001' }])
  })

  test('an AS number that is only known to be another’s', async () => {
    const { router, berth } = await start()
    berth.configure([peer({ peerAs: 'external' })], { router: [route(v4)] })
    await seen(router, 1)
    expect((await berth.state())[0]?.session?.negotiated).toMatchObject({ peerAs: 64513, internal: false })
  })

  test('an AS number that is only known to be our own, and one that only must not be', async () => {
    const { router, berth } = await start({ localAs: 64512 })
    berth.configure([peer({ peerAs: 'external' })], { router: [route(v4)] })
    const refused = { from: 'local', text: 'OPEN Message Error: Bad Peer AS' }
    const { lastError } = await until(
      'the refusal',
      () => berthState(berth),
      status => status.lastError !== undefined,
    )
    expect(lastError).toMatchObject(refused)
    berth.configure([peer({ peerAs: 'internal' })], { router: [route(v4)] })
    expect(await seen(router, 1)).toMatchObject([{ prefix: v4, asPath: '', localPref: 100 }])
    expect((await berthState(berth)).session?.negotiated).toMatchObject({ peerAs: 64512, internal: true })
  })

  test('both families over a connection of IPv6', async () => {
    const { router, berth } = await start({ local: '2001:db8:0:2::2', remote: '2001:db8:0:2::1' })
    berth.configure([peer({ remote: { address: address('2001:db8:0:2::2') } })], { router: [route(v4), route(v6)] })
    expect(await seen(router, 2)).toMatchObject([
      { prefix: v6, nextHop: '2001:db8:0:2::1' },
      { prefix: v4, nextHop: '192.0.2.1' },
    ])
  })

  test('link bandwidth, for unequal shares', async () => {
    const { router, berth } = await start()
    berth.configure([peer()], { router: [route(v4, { linkBandwidth: 12_500_000 })] })
    const [only] = await seen(router, 1)
    expect(only?.extendedCommunities.join()).toMatch(bandwidthWords(64512)[make.name])
  })

  /** The node without these addresses, while `run` lasts. */
  async function without(addresses: readonly string[], run: () => Promise<void>): Promise<void> {
    const change = async (verb: string): Promise<void> => {
      for (const one of addresses) await hosts().node.namespace.run(['ip', 'addr', verb, one, 'dev', 'eth0'])
    }
    await change('del')
    try {
      await run()
    } finally {
      await change('add')
    }
  }

  // Asked of FRR, since its zebra shows what the kernel makes of such a route.
  testWhere(make.name === 'FRR', 'IPv4 routes by an IPv6 next hop, where this node has no IPv4 address', async () => {
    await without(['192.0.2.1/24'], async () => {
      const { router, berth } = await start({
        local: '2001:db8:0:2::2',
        remote: '2001:db8:0:2::1',
        extendedNextHop: true,
      })
      const remote = { address: address('2001:db8:0:2::2') }
      berth.configure([peer({ remote, extendedNextHop: true })], { router: [route(v4)] })
      expect(await seen(router, 1)).toMatchObject([{ prefix: v4, nextHop: '2001:db8:0:2::1' }])
      const kernel = () => hosts().client.namespace.run(['ip', 'route', 'show', v4])
      expect(await until('the kernel has it', kernel, text => text.includes('proto'))).toContain(
        'via inet6 2001:db8:0:2::1',
      )
    })
  })

  testWhere(make.name === 'FRR', 'a router at the other end of an interface, and no address anywhere', async () => {
    await without(['192.0.2.1/24', '2001:db8:0:2::1/64'], async () => {
      const { router, berth } = await start({ remote: 'eth0', unnumbered: true })
      berth.configure([{ ...peer({ extendedNextHop: true }), remote: { interface: 'eth0' } }], {
        router: [route(v4), route(v6)],
      })
      const linkLocal = 'fe80::ff:fe00:1'
      expect(await seen(router, 2)).toMatchObject([
        { prefix: v6, nextHop: linkLocal },
        { prefix: v4, nextHop: linkLocal },
      ])
      const kernel = () => hosts().client.namespace.run(['ip', 'route', 'show', v4])
      await until('the kernel has it', kernel, text => text.includes(`via inet6 ${linkLocal} dev eth0`))
    })
  })

  testWhere(make.name === 'FRR', 'a Berth that starts anew asks who is there, and need not wait for it', async () => {
    const { router, berth } = await start({ remote: 'eth0', unnumbered: true })
    const unnumbered = { ...peer({ extendedNextHop: true }), remote: { interface: 'eth0' } }
    berth.configure([unnumbered], { router: [route(v4)] })
    await seen(router, 1)
    // FRR says that it is there every second at first, and then every ten: until that has begun the test shows nothing.
    let heard = { count: -1, atMs: 0 }
    const silenceMs = async (): Promise<number> => {
      const count = await icmp6Counter(hosts().node, 'InRouterAdvertisements')
      if (count !== heard.count) heard = { count, atMs: performance.now() }
      return performance.now() - heard.atMs
    }
    await until('FRR is silent', silenceMs, ms => ms > 1_500)
    await berth.kill()
    await seen(router, 0)
    const again = await startBerth(hosts().node)
    const asked = await icmp6Counter(hosts().client, 'InRouterSolicits')
    const startMs = performance.now()
    again.configure([unnumbered], { router: [route(v4)] })
    await seen(router, 1)
    expect(performance.now() - startMs).toBeLessThan(5_000)
    expect(await icmp6Counter(hosts().client, 'InRouterSolicits')).toBeGreaterThan(asked)
  })

  test('one family only, where the router has no more', async () => {
    const { router, berth } = await start({ families: ['IPv4'] })
    berth.configure([peer()], { router: [route(v4), route(v6)] })
    expect(await seen(router, 1)).toMatchObject([{ prefix: v4 }])
    expect((await berth.state())[0]?.session?.negotiated.families).toEqual(['IPv4'])
  })

  test('a router that only waits, from an address of our choice', async () => {
    const { router, berth } = await start({ passive: true })
    berth.configure([peer({ sourceAddress: address('192.0.2.1') })], { router: [route(v4)] })
    await seen(router, 1)
    expect((await berth.state())[0]?.session).toMatchObject({ initiator: 'local', localAddress: '192.0.2.1' })
  })

  test('a peer that we wait for dials us', async () => {
    const { router, berth } = await start()
    berth.configure([peer({ direction: 'passive' })], { router: [route(v4)] })
    await seen(router, 1)
    expect((await berth.state())[0]?.session?.initiator).toBe('remote')
  })

  test('both dial, and there is one session', async () => {
    const { router, berth } = await start()
    berth.configure([peer({ direction: 'both' })], { router: [route(v4)] })
    await seen(router, 1)
    expect((await berth.state())[0]?.state).toBe('Established')
  })

  test('what changes is said, what does not is not', async () => {
    const { router, berth } = await start()
    const others = Array.from({ length: 30 }, (_, index) => route(`198.51.100.${index}/32`))
    berth.configure([peer()], { router: [...others, route(v4), route(v6)] })
    await seen(router, 32)
    const before = await berthState(berth)
    berth.configure([peer()], { router: [...others, route(v6, { multiExitDisc: 9 })] })
    const routes = await until(
      'the change',
      () => router.routes(),
      list => list.length === 31 && list.some(one => one.multiExitDisc === 9),
    )
    expect(routes.map(({ prefix }) => prefix)).not.toContain(v4)
    const after = await berthState(berth)
    expect(after.messages.sent.update - before.messages.sent.update).toBe(2)
    expect(after.establishedCount).toBe(1)
  })

  // GoBGP keeps what it has heard and never asks.
  testWhere(make.name !== 'GoBGP', 'a router that asks again is told again', async () => {
    const { router, berth } = await start()
    berth.configure([peer()], { router: [route(v4), route(v6)] })
    await seen(router, 2)
    const before = await berthState(berth)
    await router.refresh()
    const asked = (status: PeerStatus) => status.messages.received.routeRefresh - before.messages.received.routeRefresh
    const answered = (status: PeerStatus) => status.messages.sent.update - before.messages.sent.update
    await until(
      'the answer',
      () => berthState(berth),
      status => asked(status) === 2 && answered(status) === 2,
    )
    expect((await seen(router, 2)).length).toBe(2)
  })

  test('5,000 routes go in few messages and all arrive', async () => {
    const { router, berth } = await start()
    const many = Array.from({ length: 5000 }, (_, index) => route(`10.0.${index >> 8}.${index & 255}/32`))
    berth.configure([peer()], { router: many })
    expect((await seen(router, 5000)).length).toBe(5000)
    expect((await berthState(berth)).messages.sent.update).toBeLessThanOrEqual(9)
  })

  test('the router’s own routes are counted, and go no further', async () => {
    const { router, berth } = await start()
    berth.configure([peer()], { router: [] })
    await until(
      'the session stands',
      () => router.isEstablished(),
      established => established,
    )
    await router.announce()
    const all = (status: PeerStatus) => {
      const { IPv4 = 0, IPv6 = 0 } = status.session?.prefixesReceived ?? {}
      return IPv4 > 0 && IPv6 > 0
    }
    const { session } = await until('Berth has read them', () => berthState(berth), all)
    expect(session?.updatesWithErrors).toBe(0)
    const tables = await Promise.all(['-4', '-6'].map(family => hosts().node.namespace.run(['ip', family, 'route'])))
    expect(tables.join()).not.toMatch(/198\.51\.100|2001:db8:51/)
  })
})
