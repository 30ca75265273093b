import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { BfdSessionSettings } from '../../speaker/bfd/messages.ts'
import { diagnostics } from '../../speaker/bfd/packet.ts'
import { buildRawsock } from '../../speaker/rawsock/build.ts'
import { createWorld, type World } from '../lab/namespace.ts'
import type { LabHost } from '../lab/node.ts'
import { whyNoLab } from '../lab/tools.ts'
import { createTwoHosts, type TwoHosts } from '../wire/hosts.ts'
import { type BfdBerth, bfdSession, startBfdBerth } from './bfd-berth.ts'
import { machineMs } from './bfd-process.ts'
import {
  type BfdRouter,
  type BfdRouterMake,
  birdBfd,
  frrBfd,
  type RouterBfdSession,
  type SeenBfdSession,
} from './bfd-routers.ts'
import { type Chain, createChain } from './chain.ts'
import { whyNotInstalled } from './router.ts'
import { until } from './until.ts'

/*
 * Berth's BFD beside that of FRR and BIRD, and what those say of it. Each test is two machines and a cable: Berth on
 * 192.0.2.1, the router on 192.0.2.2; or three in a row where the path has several hops.
 */

const noLab = await whyNoLab()
if (noLab === undefined) await buildRawsock()

const timers = { transmitIntervalMs: 50, receiveIntervalMs: 50, detectMultiplier: 3 }
const v4: RouterBfdSession = { remote: '192.0.2.1', local: '192.0.2.2', ...timers }
const v6: RouterBfdSession = { remote: '2001:db8:0:2::1', local: '2001:db8:0:2::2', ...timers }
const linkLocal: RouterBfdSession = { remote: 'fe80::ff:fe00:1', local: 'fe80::ff:fe00:2', ...timers }

const isUp = ({ state }: { state: string }): boolean => state === 'Up'
const isDown = ({ state }: { state: string }): boolean => state === 'Down'

for (const { make, start } of [frrBfd, birdBfd]) {
  const obstacle = noLab ?? (await whyNotInstalled(make))
  if (obstacle !== undefined) console.warn(`skipped: BFD beside ${make.name}: ${obstacle}`)
  // Side by side, since most of the time each waits for some timer.
  describe.skipIf(obstacle !== undefined)(`BFD beside ${make.name}`, { concurrent: true }, () => {
    describe('on a cable', { concurrent: false }, () => {
      besides(make.name, start)
    })
  })
}

function besides(name: string, startRouter: BfdRouterMake['start']): void {
  let world: World
  let hosts: TwoHosts
  let chain: Chain
  // Vitest’s own onTestFinished does not know whose it is where tests run side by side.
  const routers: BfdRouter[] = []

  beforeAll(async () => {
    world = await createWorld()
    hosts = await createTwoHosts(world)
    // A cable that is cut and mended is not to take addresses along.
    await hosts.client.namespace.run(['sysctl', '-q', 'net.ipv6.conf.eth0.keep_addr_on_down=1'])
    chain = await createChain(world)
  })
  afterAll(() => world.end())
  afterEach(async () => {
    const berths = [hosts.node, chain.node].map(({ namespace }) => namespace.killAll())
    await Promise.all([...berths, ...routers.splice(0).map(router => router.kill())])
  })

  async function startOnly(host: LabHost, sessions: readonly RouterBfdSession[]): Promise<BfdRouter> {
    const router = await startRouter(host, sessions)
    routers.push(router)
    return router
  }

  async function start(sessions: readonly RouterBfdSession[], ...berth: readonly BfdSessionSettings[]) {
    const [router, bfd] = await Promise.all([startOnly(hosts.client, sessions), startBfdBerth(hosts.node)])
    bfd.setSessions(...berth)
    return { router, bfd }
  }

  /** The router says what `accept` takes of the session. */
  function sees(router: BfdRouter, what: string, accept: (seen: SeenBfdSession) => boolean, remote?: string) {
    return until(
      `${name} says: ${what}`,
      () => router.seen(remote),
      seen => seen !== undefined && accept(seen),
    )
  }

  test('both families and link-local addresses, each a session of its own', async () => {
    const { router, bfd } = await start(
      [v4, v6, linkLocal],
      bfdSession({ name: 'v4' }),
      bfdSession({ name: 'v6', remote: v6.local }),
      bfdSession({ name: 'link-local', remote: linkLocal.local, device: 'eth0' }),
    )
    for (const one of ['v4', 'v6', 'link-local']) {
      const { status } = await bfd.until(`${one} is Up`, isUp, one)
      expect(status).toMatchObject({ diagnostic: 0, remote: { state: expect.stringMatching(/Init|Up/) } })
    }
    for (const { remote } of [v4, v6, linkLocal]) await sees(router, 'Up', ({ isUp }) => isUp, remote)
    const settled = await bfd.until('50 ms × 3', ({ detectionTimeMs }) => detectionTimeMs === 150, 'v4')
    expect(settled.status.transmitIntervalMs).toBe(50)
    expect(bfd.problems).toEqual([])
    expect((await bfd.counters()).discarded).toEqual({})
  })

  test('several hops, in both families, from no farther than allowed', async () => {
    const sessions: readonly RouterBfdSession[] = [
      { ...v4, local: '203.0.113.2', multihop: true },
      { ...v6, local: '2001:db8:0:3::2', multihop: true },
    ]
    const [router, bfd] = await Promise.all([startOnly(chain.router, sessions), startBfdBerth(chain.node)])
    // FRR starts from 255, BIRD from the kernel's 64; there is one router between.
    const minimumTtl = name === 'FRR' ? 254 : 63
    const far = { hops: 'multiple', minimumTtl } as const
    const wanted = [
      bfdSession({ ...far, name: 'v4', remote: '203.0.113.2', local: '192.0.2.1' }),
      bfdSession({ ...far, name: 'v6', remote: '2001:db8:0:3::2' }),
    ]
    bfd.setSessions(...wanted)
    for (const { name } of wanted) await bfd.until(`${name} is Up`, isUp, name)
    for (const { remote } of sessions) await sees(router, 'Up', ({ isUp }) => isUp, remote)
    // One hop less than there is: nothing is heard any more.
    bfd.setSessions(...wanted.map(one => ({ ...one, minimumTtl: minimumTtl + 1 })))
    for (const { name } of wanted) {
      const { status } = await bfd.until(`${name} is Down`, isDown, name)
      expect(status.diagnostic).toBe(diagnostics.controlDetectionTimeExpired)
    }
    expect((await bfd.counters()).discarded['ttl']).toBeGreaterThan(2)
  })

  test('a dead link is noticed within the detection time, by both', async () => {
    const { router, bfd } = await start([v4], bfdSession())
    await bfd.until('50 ms × 3', ({ state, detectionTimeMs }) => state === 'Up' && detectionTimeMs === 150)
    await sees(router, 'Up', ({ isUp }) => isUp)
    const cutMs = machineMs()
    await hosts.client.namespace.run(['ip', 'link', 'set', 'eth0', 'down'])
    const { status, atMs } = await bfd.until('Down', isDown)
    await hosts.client.namespace.run(['ip', 'link', 'set', 'eth0', 'up'])
    expect(status.diagnostic).toBe(diagnostics.controlDetectionTimeExpired)
    // Of 150 ms; the time that `ip` itself takes is in it, and the last packet may be one interval old.
    const ratio = (atMs - cutMs) / 150
    expect(ratio).toBeGreaterThan(0.6)
    expect(ratio).toBeLessThan(3)
    await bfd.until('Up again', isUp)
    await sees(router, 'Up again', ({ isUp }) => isUp)
  })

  test('a router that hangs is noticed, and welcome when it goes on', async () => {
    const { router, bfd } = await start([v4], bfdSession())
    await bfd.until('50 ms × 3', ({ detectionTimeMs }) => detectionTimeMs === 150)
    const frozenMs = machineMs()
    router.freeze()
    const { atMs } = await bfd.until('Down', isDown)
    expect((atMs - frozenMs) / 150).toBeLessThan(3)
    router.thaw()
    await bfd.until('Up again', isUp)
  })

  test('the router notices that Berth hangs, and takes it back', async () => {
    const { router, bfd } = await start([v4], bfdSession())
    await bfd.until('Up', isUp)
    await sees(router, 'Up', ({ isUp }) => isUp)
    bfd.freeze()
    await sees(router, 'Down', ({ isUp }) => !isUp)
    bfd.thaw()
    await bfd.until('the router has been Down', status => status.state !== 'Up')
    await bfd.until('Up again', isUp)
    await sees(router, 'Up again', ({ isUp }) => isUp)
  })

  test('a stop is told at once, and as a stop', async () => {
    // So slow that silence would not be noticed for half a minute.
    const slow = { transmitIntervalMs: 1000, receiveIntervalMs: 1000, detectMultiplier: 30 }
    const { router, bfd } = await start([{ ...v4, ...slow }], bfdSession(slow))
    await bfd.until('Up', isUp)
    await sees(router, 'Up', ({ isUp }) => isUp)
    const startMs = machineMs()
    await bfd.stop()
    const seen = await sees(router, 'Down', ({ isUp }) => !isUp)
    expect(seen?.remoteDiagnostic).toBe(name === 'FRR' ? 'administratively down' : undefined)
    const last = bfd.told.at(-1)
    expect(last?.status).toMatchObject({ state: 'AdminDown', diagnostic: 7 })
    expect((last?.atMs ?? 0) - startMs).toBeLessThan(500)
  })

  test('a session that is not wanted any more leaves the others alone', async () => {
    const { router, bfd } = await start(
      [v4, v6],
      bfdSession({ name: 'v4' }),
      bfdSession({ name: 'v6', remote: v6.local }),
    )
    for (const one of ['v4', 'v6']) await bfd.until(`${one} is Up`, isUp, one)
    for (const { remote } of [v4, v6]) await sees(router, 'Up', ({ isUp }) => isUp, remote)
    bfd.setSessions(bfdSession({ name: 'v4' }))
    await bfd.until('AdminDown', ({ state }) => state === 'AdminDown', 'v6')
    await sees(router, 'Down', ({ isUp }) => !isUp, v6.remote)
    const { sessions } = await bfd.counters()
    expect(sessions.map(({ name, ups, downs }) => [name, ups, downs])).toEqual([['v4', 1, 0]])
  })

  test('timers change while the session stays Up, from either side', async () => {
    const { router, bfd } = await start([v4], bfdSession())
    await bfd.until('50 ms × 3', ({ detectionTimeMs }) => detectionTimeMs === 150)
    // Slower only after the router's Final, faster at once; the router must follow both.
    for (const ours of [300, 40, 600]) {
      bfd.setSessions(bfdSession({ transmitIntervalMs: ours, receiveIntervalMs: ours, detectMultiplier: 4 }))
      const agreed = Math.max(ours, 50)
      await bfd.until(`${ours} ms`, ({ transmitIntervalMs }) => transmitIntervalMs === agreed)
      await bfd.until(`detection`, ({ detectionTimeMs }) => detectionTimeMs === 3 * agreed)
      await sees(router, `${ours} ms × 4`, seen => tells(seen, { intervalMs: ours, agreedMs: agreed }))
    }
    for (const theirs of [700, 30, 200]) {
      await router.change([{ ...v4, transmitIntervalMs: theirs, receiveIntervalMs: theirs, detectMultiplier: 5 }])
      const agreed = Math.max(theirs, 600)
      await bfd.until(
        `the router’s ${theirs} ms × 5`,
        status => status.detectionTimeMs === 5 * agreed && status.transmitIntervalMs === agreed,
      )
    }
    expect((await bfd.counters()).sessions[0]).toMatchObject({ ups: 1, downs: 0 })
  })

  test('one that is passive waits for the other, whichever it is', async () => {
    const { router, bfd } = await start([{ ...v4, passive: true }], bfdSession())
    await bfd.until('Up', isUp)
    bfd.setSessions()
    await bfd.until('AdminDown', ({ state }) => state === 'AdminDown')
    await router.change([v4])
    bfd.setSessions(bfdSession({ name: 'waits', passiveMode: true }))
    await bfd.until('Up', isUp, 'waits')
  })

  test('a router that is killed and started again comes Up again', async () => {
    const { router, bfd } = await start([v4], bfdSession())
    await bfd.until('Up', isUp)
    await router.kill()
    await bfd.until('Down', isDown)
    const again = await startOnly(hosts.client, [v4])
    await bfd.until('Up again', isUp)
    await sees(again, 'Up', ({ isUp }) => isUp)
  })

  test('Berth that is killed and started again comes Up again', async () => {
    const { router, bfd } = await start([v4], bfdSession())
    await bfd.until('Up', isUp)
    await bfd.kill()
    const again = await startBfdBerth(hosts.node)
    again.setSessions(bfdSession())
    await again.until('Up', isUp)
    await sees(router, 'Up', ({ isUp }) => isUp)
  })
}

/** Whether what the router says is what Berth has told it; BIRD says the time that it waits, FRR the parts of it. */
function tells(seen: SeenBfdSession, { intervalMs, agreedMs }: { intervalMs: number; agreedMs: number }): boolean {
  if (seen.detectionTimeMs !== undefined) return seen.isUp && Math.abs(seen.detectionTimeMs - 4 * agreedMs) < 1
  return (
    seen.isUp &&
    seen.remoteTransmitIntervalMs === intervalMs &&
    seen.remoteReceiveIntervalMs === intervalMs &&
    seen.remoteDetectMultiplier === 4
  )
}

const noBird = noLab ?? (await whyNotInstalled(birdBfd.make))
describe.skipIf(noBird !== undefined)('signed sessions beside BIRD', () => {
  let world: World
  let hosts: TwoHosts
  beforeAll(async () => {
    world = await createWorld()
    hosts = await createTwoHosts(world)
  })
  afterAll(() => world.end())
  afterEach(() => hosts.node.namespace.killAll())

  const secret = new TextEncoder().encode('a secret of both')
  const kinds = [
    ['keyedMd5', 'keyed md5'],
    ['meticulousKeyedMd5', 'meticulous keyed md5'],
    ['keyedSha1', 'keyed sha1'],
    ['meticulousKeyedSha1', 'meticulous keyed sha1'],
  ] as const
  test.each(kinds)('%s', async (kind, words) => {
    const authentication = { kind: words, password: 'a secret of both', keyId: 7 }
    const router = await birdBfd.start(hosts.client, [{ ...v4, authentication }])
    onTestFinished(() => router.kill())
    const bfd: BfdBerth = await startBfdBerth(hosts.node)
    bfd.setSessions(bfdSession({ authentication: { kind, keys: [{ keyId: 7, secret }] } }))
    await bfd.until('Up', isUp)
    const { packetsReceived = 0 } = (await bfd.counters()).sessions[0] ?? {}
    await until(
      'packets are taken one after the other',
      async () => (await bfd.counters()).sessions[0],
      counters => (counters?.packetsReceived ?? 0) > packetsReceived + 20,
    )
    expect((await bfd.counters()).sessions[0]).toMatchObject({ ups: 1, downs: 0, discarded: {} })
    expect((await router.seen())?.isUp).toBe(true)
  })
})
