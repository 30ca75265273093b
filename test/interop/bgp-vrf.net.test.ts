import { beforeAll, expect, test } from 'vitest'
import { buildRawsock } from '../../speaker/rawsock/build.ts'
import { whyNoLab } from '../lab/tools.ts'
import { plug } from '../wire/hosts.ts'
import { address, peer, route } from './berth.ts'
import { berthState, besideEachRouter, counter, deafen, seen, testWhere } from './beside.ts'
import { bfdSession } from './bfd-berth.ts'
import { bird } from './bird.ts'
import { frr } from './frr.ts'
import { until } from './until.ts'
import { moveIntoVrf } from './vrf.ts'

/* A router that this node reaches only inside a VRF, by a second cable: 198.51.100.1 is Berth, 198.51.100.2 the router. */

const v4 = '203.0.113.1/32'
const v6 = '2001:db8:9::1/128'
const router = { local: '198.51.100.2', remote: '198.51.100.1' } as const
const inside = { remote: { address: address('198.51.100.2') }, device: 'red' } as const

if ((await whyNoLab()) === undefined) await buildRawsock()

await besideEachRouter(
  ({ make, hosts, start }) => {
    /** Where neighbours on the link are met. */
    let link: string

    beforeAll(async () => {
      await plug(hosts(), 'eth1', '02:00:00:00:01:01', '02:00:00:00:01:02')
      await hosts().node.namespace.run(['ip', 'addr', 'add', '198.51.100.1/24', 'dev', 'eth1'])
      await hosts().client.namespace.run(['ip', 'addr', 'add', '198.51.100.2/24', 'dev', 'eth1'])
      const member = { interface: 'eth1', address: '198.51.100.1/24', network: '198.51.100.0/24' }
      link = await moveIntoVrf(hosts().node.namespace, 'red', member)
      await hosts().node.namespace.run(['sysctl', '-q', `net.ipv6.conf.${link}.accept_ra=0`])
    })

    test('a router that dials us there is heard there, and not where there is no such network', async () => {
      const { router: dialling, berth } = await start(router)
      berth.configure([peer({ ...inside, direction: 'passive' })], { router: [route(v4)] })
      expect(await seen(dialling, 1)).toMatchObject([{ prefix: v4, nextHop: '198.51.100.1', asPath: '64512' }])
      const { session } = await berthState(berth)
      expect(session).toMatchObject({ initiator: 'remote', localAddress: '198.51.100.1' })
      berth.configure([peer({ ...inside, device: 'eth0', direction: 'passive' })], { router: [route(v4)] })
      await seen(dialling, 0)
      const refusals = () => counter(hosts().node, 'Tcp', 'OutRsts')
      const refused = await refusals()
      await until('nobody listens there any more', refusals, count => count > refused)
      expect(await dialling.isEstablished()).toBe(false)
    })

    test('BFD watches it there, and ends the session when the router falls silent', async () => {
      const { router: watched, berth } = await start({ ...router, bfd: { intervalMs: 50, multiplier: 3 } })
      berth.configure([peer(inside)], { router: [route(v4)] })
      berth.watch(bfdSession({ remote: '198.51.100.2', local: '198.51.100.1', device: 'red' }))
      await seen(watched, 1)
      const isUp = () =>
        until(
          'BFD is Up, 50 ms × 3',
          () => berth.bfd(),
          ([only]) => only?.state === 'Up' && only.detectionTimeMs === 150,
        )
      await isUp()
      expect(await watched.bfdIsUp()).toBe(true)
      await deafen(hosts().node, true)
      try {
        const { lastError } = await until(
          'Berth notices',
          () => berthState(berth),
          ({ state }) => state !== 'Established',
        )
        expect(lastError).toMatchObject({ from: 'local', text: 'Cease: BFD Down' })
        await seen(watched, 0)
      } finally {
        await deafen(hosts().node, false)
      }
      await seen(watched, 1)
      await isUp()
    })

    testWhere(make.name === 'FRR', 'a router at the other end of an interface that is in the VRF', async () => {
      const { router: unnumbered, berth } = await start({ remote: 'eth1', unnumbered: true, extendedNextHop: true })
      const onLink = { ...peer({ extendedNextHop: true, device: 'red' }), remote: { interface: link } }
      berth.configure([onLink], { router: [route(v4), route(v6)] })
      const linkLocal = 'fe80::ff:fe00:101'
      // The interface has an address of IPv4 and none of IPv6.
      expect(await seen(unnumbered, 2)).toMatchObject([
        { prefix: v6, nextHop: linkLocal },
        { prefix: v4, nextHop: '198.51.100.1' },
      ])
      expect(await berthState(berth)).toMatchObject({ remote: `fe80::ff:fe00:102%${link}` })
    })
  },
  [frr, bird],
)
