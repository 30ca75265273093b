import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { createWorld, type World } from '../lab/namespace.ts'
import type { LabHost } from '../lab/node.ts'
import { whyNoLab } from '../lab/tools.ts'
import { address, peer, route, startBerth } from './berth.ts'
import { bird } from './bird.ts'
import { frr } from './frr.ts'
import { gobgp } from './gobgp.ts'
import { type Router, whyNotInstalled } from './router.ts'
import { createStar } from './star.ts'
import { until } from './until.ts'

/* One Berth with a router of each make around it, each on a cable of its own: 10.0.k.1 is Berth, 10.0.k.2 the router. */

const makes = [frr, bird, gobgp]
const obstacles = [await whyNoLab(), ...(await Promise.all(makes.map(make => whyNotInstalled(make))))]
const obstacle = obstacles.find(reason => reason !== undefined)
if (obstacle !== undefined) console.warn(`skipped: Berth among several routers: ${obstacle}`)

describe.skipIf(obstacle !== undefined)('Berth among several routers', () => {
  let world: World
  let node: LabHost
  let around: readonly LabHost[]

  beforeAll(async () => {
    world = await createWorld()
    ;({ centre: node, around } = await createStar(world, makes.length))
  })
  afterAll(() => world.end())
  afterEach(() => node.namespace.killAll())

  /** The make of this number (from 1), as a router of that AS, and Berth of this one. */
  async function startRouter(ordinal: number, localAs: number, peerAs: number): Promise<Router> {
    const [make, host] = [makes[ordinal - 1], around[ordinal - 1]]
    if (!make || !host) throw new Error(`no router ${ordinal}`)
    const router = await make.start(host, {
      localAs,
      peerAs,
      local: host.ipv4,
      remote: `10.0.${ordinal}.1`,
      holdTimeSeconds: 9,
      families: ['IPv4'],
    })
    onTestFinished(() => router.kill())
    return router
  }

  const peerOf = (ordinal: number, localAs: number, peerAs: number) =>
    peer({ name: `router-${ordinal}`, localAs, peerAs, remote: { address: address(`10.0.${ordinal}.2`) } })

  test('three makes, two AS numbers of our own, each hears its own routes, and one that ends disturbs no other', async () => {
    const ases = [
      [64513, 64512],
      [64514, 64512],
      [64600, 64600],
    ] as const
    const routers = await Promise.all(ases.map(([theirs, ours], index) => startRouter(index + 1, theirs, ours)))
    const berth = await startBerth(node)
    const peers = ases.map(([theirs, ours], index) => peerOf(index + 1, ours, theirs))
    const routes = Object.fromEntries(peers.map(({ name }, index) => [name, [route(`203.0.113.${index}/32`)]]))
    berth.configure(peers, routes)
    const known = async () => await Promise.all(routers.map(router => router.routes()))
    const all = await until('each has a route', known, tables => tables.every(table => table.length === 1))
    expect(all.flat().map(({ prefix, asPath }) => [prefix, asPath])).toEqual([
      ['203.0.113.0/32', '64512'],
      ['203.0.113.1/32', '64512'],
      ['203.0.113.2/32', ''],
    ])
    await routers[1]?.stop()
    const states = await until(
      'Berth notices',
      async () => await berth.state(),
      peerStates => peerStates[1]?.state !== 'Established',
    )
    expect(states.map(({ state, establishedCount }) => [state === 'Established', establishedCount])).toEqual([
      [true, 1],
      [false, 1],
      [true, 1],
    ])
    berth.configure(peers.slice(0, 2), routes)
    await until(
      'GoBGP is told',
      async () => await routers[2]?.isEstablished(),
      established => established === false,
    )
    expect((await berth.state())[0]).toMatchObject({ state: 'Established', establishedCount: 1 })
  })

  test('routers of each make, all restarted twenty times, are there again after each', async () => {
    const berth = await startBerth(node)
    const peers = makes.map((_, index) => ({ ...peerOf(index + 1, 64512, 64513 + index), direction: 'both' as const }))
    const routes = peers.map(({ name }, index) => [name, [route(`203.0.113.${index}/32`)]] as const)
    berth.configure(peers, Object.fromEntries(routes))
    const restarts = makes.map(async ({ name }, index) => {
      let slowestMs = 0
      for (let restart = 1; restart <= 20; restart++) {
        const router = await startRouter(index + 1, 64513 + index, 64512)
        const startMs = performance.now()
        const known = async () => ((await router.isEstablished()) ? await router.routes() : [])
        const [only] = await until(`${name}, restart ${restart}`, known, table => table.length === 1, 30_000)
        expect(only?.prefix).toBe(`203.0.113.${index}/32`)
        slowestMs = Math.max(slowestMs, performance.now() - startMs)
        await (restart % 2 === 0 ? router.kill() : router.stop())
      }
      return { name, slowestMs }
    })
    const slowest = await Promise.all(restarts)
    // The longest pause is the connect time, 2 s; what is more is the router's.
    expect(slowest.filter(({ slowestMs }) => slowestMs > 6_000)).toEqual([])
    for (const { establishedCount } of await berth.state()) expect(establishedCount).toBeGreaterThanOrEqual(20)
  }, 240_000)
})
