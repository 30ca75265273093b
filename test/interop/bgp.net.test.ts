import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { PeerStatus } from '../../speaker/bgp/status.ts'
import { protocolTcp, socketDomains, streamSocket } from '../../speaker/bgp/tcp-options.ts'
import { buildRawsock } from '../../speaker/rawsock/build.ts'
import { openRawSocket } from '../../speaker/rawsock/rawsock.ts'
import { createWorld, type World } from '../lab/namespace.ts'
import type { LabHost } from '../lab/node.ts'
import { whyNoLab } from '../lab/tools.ts'
import { createTwoHosts, type TwoHosts } from '../wire/hosts.ts'
import { address, type BerthProcess, peer, route, startBerth } from './berth.ts'
import { bird } from './bird.ts'
import { frr } from './frr.ts'
import { gobgp } from './gobgp.ts'
import { type Router, type RouterMake, type RouterSettings, type SeenRoute, whyNotInstalled } from './router.ts'
import { until } from './until.ts'

/*
 * Berth beside routers that others wrote, and what those say of it. Each test is two machines and a cable: Berth's BGP
 * on 192.0.2.1, the router on 192.0.2.2.
 */

const noLab = await whyNoLab()
const noOptions = noLab === undefined ? await buildRawsock().then(whyNoOptions) : noLab
if (noOptions !== undefined) console.warn(`skipped: TCP-MD5 and GTSM: ${noOptions}`)

const routerSettings: RouterSettings = {
  localAs: 64513,
  peerAs: 64512,
  local: '192.0.2.2',
  remote: '192.0.2.1',
  holdTimeSeconds: 9,
  families: ['IPv4', 'IPv6'],
}

const v4 = '203.0.113.1/32'
const v6 = '2001:db8:9::1/128'

for (const make of [frr, bird, gobgp]) {
  const obstacle = noLab ?? (await whyNotInstalled(make))
  if (obstacle !== undefined) console.warn(`skipped: Berth beside ${make.name}: ${obstacle}`)
  describe.skipIf(obstacle !== undefined)(`Berth beside ${make.name}`, () => {
    besides(make)
  })
}

function besides(make: RouterMake): void {
  let world: World
  let hosts: TwoHosts

  beforeAll(async () => {
    world = await createWorld()
    hosts = await createTwoHosts(world)
    // As on a node that forwards packets: its kernel makes no addresses of the Router Advertisements that FRR sends.
    await hosts.node.namespace.run(['sysctl', '-q', 'net.ipv6.conf.eth0.accept_ra=0'])
  })
  afterAll(() => world.end())
  afterEach(() => hosts.node.namespace.killAll())

  /** A router and Berth, each with the ordinary settings but for these; both end with the test. */
  async function start(settings: Partial<RouterSettings> = {}): Promise<{ router: Router; berth: BerthProcess }> {
    const router = await make.start(hosts.client, { ...routerSettings, ...settings })
    onTestFinished(() => router.kill())
    return { router, berth: await startBerth(hosts.node) }
  }

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

  test('a peer of our own AS hears LOCAL_PREF and an empty path', async () => {
    const { router, berth } = await start({ localAs: 64512 })
    berth.configure([peer({ peerAs: 64512 })], { router: [route(v4, { localPref: 250, prepend: 3 }), route(v6)] })
    expect(await seen(router, 2)).toMatchObject([
      { prefix: v6, asPath: '', localPref: 100 },
      { prefix: v4, asPath: '', localPref: 250 },
    ])
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
    expect(only?.extendedCommunities.join()).toMatch(bandwidthWords[make.name])
  })

  // Asked of FRR, since its zebra shows what the kernel makes of such a route.
  test.runIf(make.name === 'FRR')('IPv4 routes by an IPv6 next hop, where this node has no IPv4 address', async () => {
    const node = hosts.node.namespace
    await node.run(['ip', 'addr', 'del', '192.0.2.1/24', 'dev', 'eth0'])
    onTestFinished(async () => void (await node.run(['ip', 'addr', 'add', '192.0.2.1/24', 'dev', 'eth0'])))
    const { router, berth } = await start({
      local: '2001:db8:0:2::2',
      remote: '2001:db8:0:2::1',
      extendedNextHop: true,
    })
    const remote = { address: address('2001:db8:0:2::2') }
    berth.configure([peer({ remote, extendedNextHop: true })], { router: [route(v4)] })
    expect(await seen(router, 1)).toMatchObject([{ prefix: v4, nextHop: '2001:db8:0:2::1' }])
    const kernel = () => hosts.client.namespace.run(['ip', 'route', 'show', v4])
    expect(await until('the kernel has it', kernel, text => text.includes('proto'))).toContain(
      'via inet6 2001:db8:0:2::1',
    )
  })

  test.runIf(make.name === 'FRR')('a router at the other end of an interface, and no address anywhere', async () => {
    const node = hosts.node.namespace
    const addresses = ['192.0.2.1/24', '2001:db8:0:2::1/64']
    for (const one of addresses) await node.run(['ip', 'addr', 'del', one, 'dev', 'eth0'])
    onTestFinished(async () => {
      for (const one of addresses) await node.run(['ip', 'addr', 'add', one, 'dev', 'eth0'])
    })
    const { router, berth } = await start({ remote: 'eth0', unnumbered: true })
    berth.configure([{ ...peer({ extendedNextHop: true }), remote: { interface: 'eth0' } }], {
      router: [route(v4), route(v6)],
    })
    const linkLocal = 'fe80::ff:fe00:1'
    expect(await seen(router, 2)).toMatchObject([
      { prefix: v6, nextHop: linkLocal },
      { prefix: v4, nextHop: linkLocal },
    ])
    const kernel = () => hosts.client.namespace.run(['ip', 'route', 'show', v4])
    await until('the kernel has it', kernel, text => text.includes(`via inet6 ${linkLocal} dev eth0`))
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
  test.skipIf(make.name === 'GoBGP')('a router that asks again is told again', async () => {
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
    const tables = await Promise.all(['-4', '-6'].map(family => hosts.node.namespace.run(['ip', family, 'route'])))
    expect(tables.join()).not.toMatch(/198\.51\.100|2001:db8:51/)
  })

  test('a stop says Cease with the operator’s words, and the routes are gone', async () => {
    const { router, berth } = await start()
    berth.configure([peer()], { router: [route(v4)] })
    await seen(router, 1)
    await berth.stop({ kind: 'shutdown', communication: 'back at five' })
    await seen(router, 0)
    const words = await router.neighbour()
    // FRR 8.4 keeps our words for its log.
    expect(words).toMatch(make.name === 'FRR' ? /Administrative Shutdown/ : /back at five/)
  })

  test('a Berth that hangs loses its routes when the hold time is over, and comes back', async () => {
    const { router, berth } = await start({ holdTimeSeconds: 3 })
    berth.configure([peer({ holdTimeSeconds: 3 })], { router: [route(v4)] })
    await seen(router, 1)
    berth.freeze()
    await until(
      'the hold time is over',
      () => router.isEstablished(),
      established => !established,
    )
    await seen(router, 0)
    berth.thaw()
    await seen(router, 1)
    expect((await berthState(berth)).lastError).toMatchObject({
      text: expect.stringMatching(/Hold Timer Expired|closed|broke|RESET/i),
    })
  })

  test('a router that hangs is given up when the hold time is over', async () => {
    const { router, berth } = await start({ holdTimeSeconds: 3 })
    berth.configure([peer({ holdTimeSeconds: 3 })], { router: [route(v4)] })
    await seen(router, 1)
    const startMs = performance.now()
    router.freeze()
    const status = await until(
      'Berth gives up',
      () => berthState(berth),
      ({ state }) => state !== 'Established',
    )
    expect(status.lastError).toMatchObject({ from: 'local', text: 'Hold Timer Expired' })
    expect(performance.now() - startMs).toBeLessThan(5000)
    router.thaw()
    await until(
      'it is back',
      () => berthState(berth),
      ({ state }) => state === 'Established',
    )
    await seen(router, 1)
  })

  test('a router that restarts is found again within seconds', async () => {
    const first = await start()
    first.berth.configure([peer()], { router: [route(v4)] })
    await seen(first.router, 1)
    await first.router.stop()
    await until(
      'Berth notices',
      () => berthState(first.berth),
      ({ state }) => state !== 'Established',
    )
    const router = await make.start(hosts.client, routerSettings)
    onTestFinished(() => router.kill())
    await seen(router, 1)
    expect((await berthState(first.berth)).establishedCount).toBe(2)
  })

  test('a Berth that crashes and comes back loses nothing, and what went meanwhile is swept', async () => {
    const { router, berth } = await start({ gracefulRestart: true })
    const settings = peer({ gracefulRestart: { restartTimeSeconds: 30 } })
    berth.configure([settings], { router: [route(v4), route(v6), route('203.0.113.2/32')] })
    await seen(router, 3)
    await berth.kill()
    await until(
      'the router notices',
      () => router.isEstablished(),
      established => !established,
    )
    expect(await seen(router, 3)).toMatchObject([{ stale: true }, { stale: true }, { stale: true }])
    const again = await startBerth(hosts.node)
    // Its Services are not listed yet: the session stands, and the router waits for what it will say.
    again.configure([settings])
    await until(
      'the session stands again',
      () => router.isEstablished(),
      established => established,
    )
    expect((await router.routes()).length).toBe(3)
    again.configure([settings], { router: [route(v4), route(v6)] })
    expect(await seen(router, 2)).toMatchObject([
      { prefix: v6, stale: false },
      { prefix: v4, stale: false },
    ])
  })

  test('a restart that is announced keeps the routes, a stop takes them along', async () => {
    const { router, berth } = await start({ gracefulRestart: true })
    const settings = peer({ gracefulRestart: { restartTimeSeconds: 30 } })
    berth.configure([settings], { router: [route(v4)] })
    await seen(router, 1)
    await berth.stop({ kind: 'restart', communication: 'a new version' })
    await until(
      'the router notices',
      () => router.isEstablished(),
      established => !established,
    )
    expect(await seen(router, 1)).toMatchObject([{ prefix: v4, stale: true }])
    const again = await startBerth(hosts.node)
    again.configure([settings], { router: [route(v4)] })
    await until(
      'it is fresh again',
      () => router.routes(),
      ([only]) => only?.stale === false,
    )
    await again.stop({ kind: 'shutdown', communication: 'for good' })
    await seen(router, 0)
  })

  test.skipIf(noOptions !== undefined)(
    'TCP-MD5 with the right key, a wrong one, and one that changes while it runs',
    async () => {
      const { router, berth } = await start({ password: 'right' })
      berth.configure([peer({ password: 'wrong' })], { router: [route(v4)] })
      // A wrong key is silence: only the kernel of the other side knows.
      await until(
        'the router drops segments',
        () => counter(hosts.client, 'TCPMD5Failure'),
        count => count > 0,
      )
      expect((await berthState(berth)).state).toBe('Connect')
      berth.configure([peer({ password: 'right' })], { router: [route(v4)] })
      await seen(router, 1)
      berth.configure([peer()], { router: [route(v4)] })
      await until(
        'the router drops segments',
        () => counter(hosts.client, 'TCPMD5NotFound'),
        count => count > 0,
      )
      expect(await router.isEstablished()).toBe(false)
      berth.configure([peer({ password: 'right', device: 'eth0' })], { router: [route(v4)] })
      await seen(router, 1)
    },
  )

  test.skipIf(noOptions !== undefined)(
    'TCP-MD5 on a connection that the router dials, with a key that changes',
    async () => {
      const { router, berth } = await start({ password: 'right' })
      berth.configure([peer({ direction: 'passive', password: 'wrong' })], { router: [route(v4)] })
      await until(
        'Berth drops segments',
        () => counter(hosts.node, 'TCPMD5Failure'),
        count => count > 0,
      )
      expect((await berthState(berth)).state).toBe('Active')
      berth.configure([peer({ direction: 'passive', password: 'right' })], { router: [route(v4)] })
      await seen(router, 1)
      expect((await berthState(berth)).session?.initiator).toBe('remote')
    },
  )

  test.skipIf(noOptions !== undefined)('GTSM on both sides, and each side alone drops what came too far', async () => {
    const { router, berth } = await start({ ttlSecurity: true })
    berth.configure([peer({ ttl: 255, minimumTtl: 255 })], { router: [route(v4)] })
    await seen(router, 1)
    // Which packets of connections that it accepts GoBGP drops differs from run to run; the others drop them all.
    if (make.name !== 'GoBGP') {
      berth.configure([peer({ ttl: 64 })], { router: [route(v4)] })
      const dropped = () => counter(hosts.client, 'TCPMinTTLDrop')
      await until('the router drops packets', dropped, count => count > 0)
      await seen(router, 0)
      berth.configure([peer({ ttl: 255, minimumTtl: 255 })], { router: [route(v4)] })
    }
    await router.kill()
    const other = await make.start(hosts.client, routerSettings)
    onTestFinished(() => other.kill())
    await until(
      'Berth drops packets',
      () => counter(hosts.node, 'TCPMinTTLDrop'),
      count => count > 0,
    )
    expect((await berthState(berth)).state).not.toBe('Established')
  })

  test('a wrong AS number is refused in words that say so', async () => {
    const { berth } = await start()
    berth.configure([peer({ peerAs: 64999 })], { router: [] })
    const { lastError } = await until(
      'the refusal',
      () => berthState(berth),
      status => status.lastError !== undefined,
    )
    expect(lastError).toMatchObject({ text: 'OPEN Message Error: Bad Peer AS' })
  })
}

/** 12,500,000 octets a second, as each make prints them. */
const bandwidthWords = {
  FRR: /LB:64512:12500000/,
  BIRD: /0x4004:64512:1262402592/,
  GoBGP: /12500000|1\.25e\+07/,
} as const

/** One of the kernel's counters of a host (TcpExt). */
async function counter(host: LabHost, name: string): Promise<number> {
  const lines = (await host.namespace.run(['cat', '/proc/net/netstat']))
    .split('\n')
    .filter(line => line.startsWith('TcpExt:'))
  const [names = [], values = []] = lines.map(line => line.split(' '))
  return Number(values[names.indexOf(name)] ?? 0)
}

/** Why options that Node does not know cannot be set here. */
function whyNoOptions(): string | undefined {
  const raw = openRawSocket(socketDomains.IPv4, streamSocket, protocolTcp)
  const able = 'duplicate' in raw
  raw.close()
  return able ? undefined : 'the socket addon cannot hand a socket over to Node'
}

/** The routes that the router has, when there are so many; sorted by prefix. */
async function seen(router: Router, count: number): Promise<readonly SeenRoute[]> {
  const routes = await until(
    `${count} routes`,
    () => router.routes(),
    list => list.length === count,
    30_000,
  )
  return [...routes].sort((one, other) => (one.prefix < other.prefix ? -1 : 1))
}

async function berthState(berth: BerthProcess): Promise<PeerStatus> {
  const [status] = await berth.state()
  if (!status) throw new Error('no peer')
  return status
}

/** 65535:0 by the name that each make prints. */
function gracefulShutdown(make: RouterMake): string {
  return make.name === 'FRR' ? 'graceful-shutdown' : '65535:0'
}
