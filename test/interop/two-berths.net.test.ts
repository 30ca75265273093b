import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { ConfiguredPeer, PeerSettings } from '../../speaker/bgp/settings.ts'
import type { PeerStatus } from '../../speaker/bgp/status.ts'
import { buildRawsock } from '../../speaker/rawsock/build.ts'
import { createWorld, type World } from '../lab/namespace.ts'
import { whyNoLab } from '../lab/tools.ts'
import { createTwoHosts, plug, type TwoHosts } from '../wire/hosts.ts'
import { address, type BerthProcess, peer, route, startBerth } from './berth.ts'
import { berthState, counter } from './beside.ts'
import { type Chain, createChain } from './chain.ts'
import { until } from './until.ts'

/* Berth's BGP at both ends of a cable: what no router is needed for, and either end can be looked into. */

const obstacle = await whyNoLab()
if (obstacle !== undefined) console.warn(`skipped: Berth beside Berth: ${obstacle}`)

describe.skipIf(obstacle !== undefined)('two Berths on a cable', () => {
  let world: World
  let hosts: TwoHosts
  let node: BerthProcess
  let router: BerthProcess
  let chain: Chain
  beforeAll(async () => {
    await buildRawsock()
    world = await createWorld()
    hosts = await createTwoHosts(world)
    chain = await createChain(world)
  })
  afterAll(() => world?.end())
  afterEach(async () => {
    const all = [hosts.node, hosts.client, chain.node, chain.middle, chain.router]
    await Promise.all(all.map(({ namespace }) => namespace.killAll()))
  })

  async function start(): Promise<void> {
    ;[node, router] = await Promise.all([startBerth(hosts.node), startBerth(hosts.client)])
  }

  const own = (more: Partial<PeerSettings> = {}): PeerSettings => peer({ connectRetryTimeSeconds: 1, ...more })
  const others = (more: Partial<PeerSettings> = {}): PeerSettings =>
    own({ localAs: 64513, peerAs: 64512, bgpIdentifier: 0xc0000202, ...more })
  const onEth0 = (settings: PeerSettings): ConfiguredPeer => ({
    ...settings,
    peerAs: 'external',
    direction: 'both',
    extendedNextHop: true,
    remote: { interface: 'eth0' },
  })
  const established = (berth: BerthProcess, what: string, isRight: (status: PeerStatus) => boolean = () => true) =>
    until(
      what,
      () => berthState(berth),
      status => status.state === 'Established' && isRight(status),
      30_000,
    )
  const overIPv6 = {
    node: { remote: { address: address('2001:db8:0:2::2') } },
    router: { remote: { address: address('2001:db8:0:2::1') }, direction: 'passive' },
  } as const

  test('TCP-MD5 over IPv6 with a wrong key and the right one', async () => {
    await start()
    router.configure([others({ ...overIPv6.router, password: 'right' })])
    node.configure([own({ ...overIPv6.node, password: 'wrong' })])
    const failures = () => counter(hosts.client, 'TcpExt', 'TCPMD5Failure')
    await until('segments are dropped', failures, count => count > 0)
    expect((await berthState(router)).state).toBe('Active')
    node.configure([own({ ...overIPv6.node, password: 'right' })])
    await established(router, 'the session stands')
  })

  test('GTSM over IPv6 on both sides, and packets that came too far', async () => {
    await start()
    const guarded = { ttl: 255, minimumTtl: 255 }
    router.configure([others({ ...overIPv6.router, ...guarded })])
    node.configure([own({ ...overIPv6.node, ttl: 64 })])
    const dropped = () => counter(hosts.client, 'TcpExt', 'TCPMinTTLDrop')
    await until('packets are dropped', dropped, count => count > 0)
    expect((await berthState(router)).state).toBe('Active')
    node.configure([own({ ...overIPv6.node, ...guarded })])
    await established(router, 'the session stands')
  })

  test.each([
    { over: 'IPv4', node: '192.0.2.1', near: '192.0.2.254', far: '203.0.113.2' },
    { over: 'IPv6', node: '2001:db8:0:2::1', near: '2001:db8:0:2::254', far: '2001:db8:0:3::2' },
  ])(
    'GTSM over $over where peers dial: who is behind a router gets no connection, who is next to us does',
    async at => {
      const [waiting, near, far] = await Promise.all([chain.node, chain.middle, chain.router].map(startBerth))
      const waitsFor = (name: string, remote: string, guard: Partial<PeerSettings>): PeerSettings =>
        own({ name, remote: { address: address(remote) }, direction: 'passive', ttl: 255, ...guard })
      const dials = others({ remote: { address: address(at.node) }, ttl: 255 })
      const both = (guard: Partial<PeerSettings>) =>
        waiting?.configure([waitsFor('near', at.near, guard), waitsFor('far', at.far, guard)])
      if (!waiting || !near || !far) throw new Error('three were started')
      both({})
      far.configure([dials])
      await established(far, 'it is within reach')
      const dropped = () => counter(chain.node, 'TcpExt', 'TCPMinTTLDrop')
      const before = await dropped()
      both({ minimumTtl: 255 })
      near.configure([dials])
      await established(near, 'who is next to us has a session')
      await until('packets are dropped', dropped, count => count > before)
      await until(
        'who is behind a router gets no answer',
        () => berthState(far),
        ({ lastError }) => lastError?.text === 'no answer within 1 s',
      )
      expect((await waiting.state()).map(({ name, state }) => [name, state])).toEqual([
        ['near', 'Established'],
        ['far', 'Active'],
      ])
    },
  )

  test('a node that gets its IPv6 address after the session stands announces its IPv6 routes then', async () => {
    const withAddress = (verb: string) =>
      hosts.node.namespace.run(['ip', 'addr', verb, `${hosts.node.ipv6}/64`, 'dev', 'eth0'])
    await withAddress('del')
    await start()
    router.configure([others({ direction: 'passive', remote: { address: address('192.0.2.1') } })])
    node.configure([own()], { router: [route('203.0.113.1/32'), route('2001:db8:9::1/128')] })
    const received = (IPv6: number) => (status: PeerStatus) =>
      status.session?.prefixesReceived.IPv4 === 1 && status.session.prefixesReceived.IPv6 === IPv6
    await established(router, 'IPv4 is announced', received(0))
    expect((await berthState(node)).session?.withoutNextHop).toEqual(['IPv6'])
    await withAddress('add')
    node.refreshNextHops()
    await established(router, 'IPv6 is announced', received(1))
    expect((await berthState(node)).establishedCount).toBe(1)
  })

  test('an interface that is deleted and made again has its unnumbered session again', async () => {
    await start()
    node.configure([onEth0(own())])
    router.configure([onEth0(others())])
    const { remote } = await established(node, 'the session stands')
    await hosts.node.namespace.run(['ip', 'link', 'del', 'eth0'])
    await plug(hosts, 'eth0', '02:00:00:00:01:01', '02:00:00:00:01:02')
    await established(node, 'it stands again', status => status.remote !== remote)
  })
})
