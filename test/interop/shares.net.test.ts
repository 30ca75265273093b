import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { createWorld, type World } from '../lab/namespace.ts'
import type { LabHost } from '../lab/node.ts'
import { whyNoLab } from '../lab/tools.ts'
import { address, peer, route, startBerth } from './berth.ts'
import { frr } from './frr.ts'
import { whyNotInstalled } from './router.ts'
import { createStar } from './star.ts'
import { until } from './until.ts'

/* Three nodes announce one address to one router: what its kernel makes of the bandwidths that they tell. */

const obstacle = (await whyNoLab()) ?? (await whyNotInstalled(frr))
if (obstacle !== undefined) console.warn(`skipped: shares of several nodes: ${obstacle}`)

const prefix = '203.0.113.1/32'

describe.skipIf(obstacle !== undefined)('one address on three nodes, and a router of FRR', () => {
  let world: World
  let centre: LabHost
  let nodes: readonly LabHost[]

  beforeAll(async () => {
    world = await createWorld()
    ;({ centre, around: nodes } = await createStar(world, 3))
  })
  afterAll(() => world.end())

  /** The parts of a hundred that the kernel of the router gives to each node, in their order; 0 where it has none. */
  async function shares(): Promise<readonly number[]> {
    const [found] = JSON.parse(await centre.namespace.run(['ip', '-j', 'route', 'show', prefix])) as KernelRoute[]
    const hops = found?.nexthops ?? (found?.gateway === undefined ? [] : [{ gateway: found.gateway, weight: 1 }])
    const total = hops.reduce((sum, { weight }) => sum + weight, 0)
    return nodes.map(({ ipv4 }) => {
      const { weight = 0 } = hops.find(({ gateway }) => gateway === ipv4) ?? {}
      return total === 0 ? 0 : Math.round((100 * weight) / total)
    })
  }

  test('each node gets its share, it changes with what the nodes tell, and a node that is gone gets none', async () => {
    const [first, ...others] = nodes.map(({ ipv4 }) => ipv4)
    const starting = frr.start(centre, {
      localAs: 64513,
      peerAs: 64512,
      local: '10.0.1.1',
      remote: first ?? '',
      alsoRemotes: others,
      holdTimeSeconds: 9,
      families: ['IPv4'],
    })
    const [router, ...berths] = await Promise.all([starting, ...nodes.map(startBerth)])
    onTestFinished(async () => void (await Promise.all([router.kill(), ...berths.map(berth => berth.kill())])))
    const tell = (...bandwidths: readonly (number | undefined)[]): void => {
      for (const [index, berth] of berths.entries()) {
        const settings = peer({ bgpIdentifier: index + 1, remote: { address: address(`10.0.${index + 1}.1`) } })
        berth.configure([settings], { router: [route(prefix, { linkBandwidth: bandwidths[index] })] })
      }
    }
    /** Rounding to whole weights may cost a part or two. */
    const near = (wanted: readonly number[]) => (found: readonly number[]) =>
      found.every((part, index) => Math.abs(part - (wanted[index] ?? 0)) <= 2)
    tell(1e8, 2e8, 3e8)
    await until('one to two to three', shares, near([17, 33, 50]))
    tell(1e8, 1e8, 3e8)
    await until('one to one to three', shares, near([20, 20, 60]))
    tell(1e8, undefined, 3e8)
    await until('equal, since one does not say', shares, near([33, 33, 33]))
    tell(1e8, 1e8, 2e8)
    await until('one to one to two', shares, near([25, 25, 50]))
    await berths[1]?.stop({ kind: 'shutdown', communication: '' })
    await until('what is left', shares, near([33, 0, 67]))
    expect((await router.routes()).map(({ nextHop }) => nextHop).sort()).toEqual(['10.0.1.2', '10.0.3.2'])
  })
})

interface KernelRoute {
  readonly gateway?: string
  readonly nexthops?: readonly { readonly gateway: string; readonly weight: number }[]
}
