import { beforeAll, expect, test } from 'vitest'
import { buildRawsock } from '../../speaker/rawsock/build.ts'
import { whyNoLab } from '../lab/tools.ts'
import { plug } from '../wire/hosts.ts'
import { address, peer, route } from './berth.ts'
import { berthState, besideEachRouter, counter, seen, testWhere } from './beside.ts'
import { type Chain, createChain } from './chain.ts'
import { until } from './until.ts'
import { moveIntoVrf } from './vrf.ts'

/* By which way Berth and the router reach one another: over a router in between, by one interface and no other. */

const v4 = '100.64.0.1/32'
const v6 = '2001:db8:9::1/128'

const noLab = await whyNoLab()
if (noLab === undefined) await buildRawsock()

await besideEachRouter(({ make, world, hosts, start }) => {
  let chain: Chain

  beforeAll(async () => {
    chain = await createChain(world())
    // A second cable, on which no router of the first one's network is to be seen.
    await plug(hosts(), 'eth1', '02:00:00:00:01:01', '02:00:00:00:01:02')
    await hosts().node.namespace.run(['ip', 'addr', 'add', '198.51.100.1/24', 'dev', 'eth1'])
    await hosts().client.namespace.run(['ip', 'addr', 'add', '198.51.100.2/24', 'dev', 'eth1'])
  })

  const far = { local: '203.0.113.2', remote: '192.0.2.1', multihop: true } as const
  const farAway = { address: address('203.0.113.2') }

  test('a router of another AS behind a router, and packets that go no further than the next', async () => {
    const { router, berth } = await start(far, chain)
    berth.configure([peer({ remote: farAway, ttl: 1 })], { router: [route(v4), route(v6)] })
    const expired = () => counter(chain.node, 'Icmp', 'InTimeExcds')
    await until('the router in between says that they ended there', expired, count => count > 0)
    expect(await router.isEstablished()).toBe(false)
    berth.configure([peer({ remote: farAway })], { router: [route(v4), route(v6)] })
    expect(await seen(router, 2)).toMatchObject([
      { prefix: v4, nextHop: '192.0.2.1', asPath: '64512' },
      { prefix: v6, nextHop: '2001:db8:0:2::1', asPath: '64512' },
    ])
    if (make.name !== 'FRR') return
    const kernel = () => chain.router.namespace.run(['ip', 'route', 'show', v4])
    await until('the kernel has it', kernel, text => text.includes('via 203.0.113.254 dev eth1'))
  })

  test('a router of our own AS behind a router', async () => {
    const { router, berth } = await start({ ...far, localAs: 64512 }, chain)
    berth.configure([peer({ remote: farAway, peerAs: 'internal' })], { router: [route(v4, { localPref: 250 })] })
    expect(await seen(router, 1)).toMatchObject([{ prefix: v4, nextHop: '192.0.2.1', asPath: '', localPref: 250 }])
  })

  test('a connection that is bound to an interface takes it, whatever the routes say', async () => {
    // The router knows us by the address that only the second cable has.
    const { router, berth } = await start({ remote: '198.51.100.1', passive: true })
    berth.configure([peer()], { router: [route(v4)] })
    await until(
      'the router does not know the first address',
      () => berthState(berth),
      ({ lastError }) => lastError !== undefined,
    )
    expect(await router.isEstablished()).toBe(false)
    berth.configure([peer({ device: 'eth1' })], { router: [route(v4)] })
    expect(await seen(router, 1)).toMatchObject([{ prefix: v4, nextHop: '198.51.100.1' }])
  })

  // GoBGP would try again only after ten seconds, and knows nothing of this.
  testWhere(make.name !== 'GoBGP', 'a router is heard on the interface that its peer is bound to alone', async () => {
    const { router, berth } = await start({ local: '198.51.100.2', remote: '198.51.100.1' })
    const waiting = peer({ remote: { address: address('198.51.100.2') }, direction: 'passive' })
    const refused = await counter(hosts().node, 'Tcp', 'OutRsts')
    berth.configure([{ ...waiting, device: 'eth0' }], { router: [route(v4)] })
    const refusals = () => counter(hosts().node, 'Tcp', 'OutRsts')
    await until('nobody listens on the other', refusals, count => count > refused)
    expect(await router.isEstablished()).toBe(false)
    berth.configure([{ ...waiting, device: 'eth1' }], { router: [route(v4)] })
    expect(await seen(router, 1)).toMatchObject([{ prefix: v4, nextHop: '198.51.100.1' }])
    expect((await berthState(berth)).session?.initiator).toBe('remote')
  })

  test('a router inside a VRF', async () => {
    const second = { interface: 'eth1', address: '198.51.100.1/24', network: '198.51.100.0/24' }
    await moveIntoVrf(hosts().node.namespace, 'red', second)
    const { router, berth } = await start({ local: '198.51.100.2', remote: '198.51.100.1', passive: true })
    const inside = peer({ remote: { address: address('198.51.100.2') } })
    berth.configure([inside], { router: [route(v4)] })
    await until(
      'outside of it there is no such network',
      () => berthState(berth),
      ({ lastError }) => lastError !== undefined,
    )
    berth.configure([{ ...inside, device: 'red' }], { router: [route(v4)] })
    expect(await seen(router, 1)).toMatchObject([{ prefix: v4, nextHop: '198.51.100.1' }])
  })
})
