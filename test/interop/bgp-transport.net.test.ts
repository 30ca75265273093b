import { expect, test } from 'vitest'
import type { PeerSettings } from '../../speaker/bgp/settings.ts'
import type { PeerStatus } from '../../speaker/bgp/status.ts'
import { buildRawsock } from '../../speaker/rawsock/build.ts'
import { sessionVerdict } from '../../speaker/routing/session-words.ts'
import { whyNoLab } from '../lab/tools.ts'
import { peer, route } from './berth.ts'
import { berthState, besideEachRouter, counter, seen } from './beside.ts'
import { until } from './until.ts'

/* What guards a connection beneath BGP, TCP-MD5 and GTSM, beside routers that others wrote. */

const v4 = '203.0.113.1/32'

/** What people read of the session. */
function messageOf(settings: PeerSettings, status: PeerStatus): string {
  const peerView = { name: settings.name, settings, problem: undefined, profile: undefined }
  return sessionVerdict({ peer: peerView, status, bfd: undefined }).message
}

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

  // GoBGP would have to be started anew.
  for (const direction of make.name === 'GoBGP' ? [] : (['active', 'passive'] as const)) {
    test.skipIf(obstacle !== undefined)(
      `TCP-MD5 with a key that the router’s operator changes first, where ours is the ${direction} side`,
      async () => {
        const { router, berth } = await start({ password: 'old' })
        const before = peer({ direction, password: 'old' })
        berth.configure([before], { router: [route(v4)] })
        await seen(router, 1)
        await router.setPassword('new')
        await seen(router, 0)
        const drops = direction === 'active' ? hosts().client : hosts().node
        const failures = () => counter(drops, 'TcpExt', 'TCPMD5Failure')
        const failed = await failures()
        await until('segments are dropped', failures, count => count > failed)
        const why = direction === 'active' ? /^no answer within 2 s; is the password the same on both sides/ : /Cease/
        const message = async () => messageOf(before, await berthState(berth))
        await until('the state says why', message, text => why.test(text))
        berth.configure([peer({ direction, password: 'new' })], { router: [route(v4)] })
        await seen(router, 1)
        expect(messageOf(before, await berthState(berth))).toBe('session with 192.0.2.2 (AS 64513) is established')
      },
    )
  }

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
