import { afterEach, expect, test } from 'vitest'
import { peer, route, startBerth } from './berth.ts'
import { berthState, besideEachRouter, seen } from './beside.ts'
import { until } from './until.ts'

/* How sessions end, on purpose and otherwise, and come back: what routers that others wrote make of it. */

const v4 = '203.0.113.1/32'
const v6 = '2001:db8:9::1/128'

/** What each make says of a NOTIFICATION 4/0. */
const holdTimerExpired = {
  FRR: { sent: /NOTIFICATION: sent to \S+ \S+ 4\/0/, received: /NOTIFICATION: received from \S+ \S+ 4\/0/ },
  BIRD: { sent: /Error: Hold timer expired/, received: /Received: Hold timer expired/ },
  GoBGP: { sent: /sent notification" Code=4/, received: /received notification" Code=4/ },
} as const

await besideEachRouter(({ make, hosts, start, startRouter }) => {
  /** From now on these packets do not get to Berth, and all others do. */
  const lose = async (packets?: string): Promise<void> => {
    const rules = packets && `table inet lost { chain in { type filter hook input priority 0; ${packets} drop; }; }`
    const input = `table inet lost; delete table inet lost; ${rules ?? ''}`
    await hosts().node.namespace.run(['nft', '-f', '-'], { input })
  }
  afterEach(() => lose())

  test('a stop says Cease with the operator’s words, and the routes are gone', async () => {
    const { router, berth } = await start()
    berth.configure([peer()], { router: [route(v4)] })
    await seen(router, 1)
    await berth.stop({ kind: 'shutdown', communication: 'back at five' })
    await seen(router, 0)
    expect(await router.neighbour()).toMatch(/back at five/)
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
    expect(await router.neighbour()).toMatch(holdTimerExpired[make.name].sent)
    berth.thaw()
    await seen(router, 1)
    expect((await berthState(berth)).lastErrorReceived).toMatchObject({ text: 'Hold Timer Expired' })
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

  // One that hangs hears nothing of it: when it goes on its own hold time is over as well.
  test('a router whose words do not arrive any more is told why it is given up', async () => {
    const { router, berth } = await start({ holdTimeSeconds: 3 })
    berth.configure([peer({ holdTimeSeconds: 3 })], { router: [route(v4)] })
    await seen(router, 1)
    // What TCP says for itself comes through, so that ours arrive and are known to.
    await lose('tcp sport 179 meta length > 66')
    const { lastError } = await until(
      'Berth gives up',
      () => berthState(berth),
      ({ state }) => state !== 'Established',
    )
    expect(lastError).toMatchObject({ from: 'local', text: 'Hold Timer Expired' })
    const said = () => router.neighbour()
    await until('the router is told', said, words => holdTimerExpired[make.name].received.test(words))
    expect(await router.neighbour()).not.toMatch(holdTimerExpired[make.name].sent)
    await seen(router, 0)
    await lose()
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
    const router = await startRouter()
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
    const again = await startBerth(hosts().node)
    // Its Services are not listed yet: the session stands, and the router waits for what it will say.
    again.configure([settings])
    await until(
      'the session stands again',
      () => router.isEstablished(),
      established => established,
    )
    expect((await router.routes()).length).toBe(3)
    again.configure([settings], { router: [route(v4), route(v6)] })
    const fresh = await until(
      'what is left is fresh',
      () => router.routes(),
      routes => routes.length === 2 && routes.every(({ stale }) => !stale),
    )
    expect(fresh.map(({ prefix }) => prefix).sort()).toEqual([v6, v4])
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
    const again = await startBerth(hosts().node)
    again.configure([settings], { router: [route(v4)] })
    await until(
      'it is fresh again',
      () => router.routes(),
      ([only]) => only?.stale === false,
    )
    await again.stop({ kind: 'shutdown', communication: 'for good' })
    await seen(router, 0)
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
})
