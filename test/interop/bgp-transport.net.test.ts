import { expect, test } from 'vitest'
import { buildRawsock } from '../../speaker/rawsock/build.ts'
import { whyNoLab } from '../lab/tools.ts'
import { peer, route } from './berth.ts'
import { berthState, besideEachRouter, counter, seen } from './beside.ts'
import { until } from './until.ts'

/* What guards a connection beneath BGP, TCP-MD5 and GTSM, beside routers that others wrote. */

const v4 = '203.0.113.1/32'

const obstacle = await whyNoLab()
if (obstacle === undefined) await buildRawsock()

await besideEachRouter(({ make, hosts, start, startRouter }) => {
  test.skipIf(obstacle !== undefined)(
    'TCP-MD5 with the right key, a wrong one, and one that changes while it runs',
    async () => {
      const { router, berth } = await start({ password: 'right' })
      berth.configure([peer({ password: 'wrong' })], { router: [route(v4)] })
      // A wrong key is silence: only the kernel of the other side knows.
      await until(
        'the router drops segments',
        () => counter(hosts().client, 'TcpExt', 'TCPMD5Failure'),
        count => count > 0,
      )
      expect((await berthState(berth)).state).toBe('Connect')
      berth.configure([peer({ password: 'right' })], { router: [route(v4)] })
      await seen(router, 1)
      berth.configure([peer()], { router: [route(v4)] })
      await until(
        'the router drops segments',
        () => counter(hosts().client, 'TcpExt', 'TCPMD5NotFound'),
        count => count > 0,
      )
      expect(await router.isEstablished()).toBe(false)
      berth.configure([peer({ password: 'right', device: 'eth0' })], { router: [route(v4)] })
      await seen(router, 1)
    },
  )

  test.skipIf(obstacle !== undefined)(
    'TCP-MD5 on a connection that the router dials, with a key that changes',
    async () => {
      const { router, berth } = await start({ password: 'right' })
      berth.configure([peer({ direction: 'passive', password: 'wrong' })], { router: [route(v4)] })
      await until(
        'Berth drops segments',
        () => counter(hosts().node, 'TcpExt', 'TCPMD5Failure'),
        count => count > 0,
      )
      expect((await berthState(berth)).state).toBe('Active')
      berth.configure([peer({ direction: 'passive', password: 'right' })], { router: [route(v4)] })
      await seen(router, 1)
      expect((await berthState(berth)).session?.initiator).toBe('remote')
    },
  )

  test.skipIf(obstacle !== undefined)('GTSM on both sides, and each side alone drops what came too far', async () => {
    const { router, berth } = await start({ ttlSecurity: true })
    berth.configure([peer({ ttl: 255, minimumTtl: 255 })], { router: [route(v4)] })
    await seen(router, 1)
    // Which packets of connections that it accepts GoBGP drops differs from run to run; the others drop them all.
    if (make.name !== 'GoBGP') {
      berth.configure([peer({ ttl: 64 })], { router: [route(v4)] })
      const dropped = () => counter(hosts().client, 'TcpExt', 'TCPMinTTLDrop')
      await until('the router drops packets', dropped, count => count > 0)
      await seen(router, 0)
      berth.configure([peer({ ttl: 255, minimumTtl: 255 })], { router: [route(v4)] })
    }
    await router.kill()
    await startRouter()
    await until(
      'Berth drops packets',
      () => counter(hosts().node, 'TcpExt', 'TCPMinTTLDrop'),
      count => count > 0,
    )
    expect((await berthState(berth)).state).not.toBe('Established')
  })
})
