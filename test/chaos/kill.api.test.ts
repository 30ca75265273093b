import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type Cluster,
  type ControllerProcess,
  openCluster,
  servicesPath,
  startController,
  until,
} from '../../controller/test-cluster.ts'
import { fieldOf, listOf, textOf } from '../../kube/json.ts'
import { type ControlPlane, startControlPlane } from '../control-plane/control-plane.ts'
import { type FaultProxy, startFaultProxy } from '../fault-proxy.ts'
import { createRandom } from '../seeded-random.ts'

/*
 * The controller is killed (SIGKILL) twenty times at random moments while 2,000 Services come and half of them go again,
 * and all it knows of the API server comes through a proxy that cuts watches, refuses, delays and breaks answers off. A
 * witness with a connection of its own sees every status that ever stood in a Service. In the end and at every moment:
 * no address in two Services, none that moved, none forgotten.
 */

const services = 2_000
const kills = 20
const atWork = 'took over what is assigned'

/** What has ever stood in a Service's status, as the API server told it, one version after the other. */
interface Witness {
  readonly moves: string[]
  readonly doubles: string[]
  /** Present address by name of Service. */
  readonly held: Map<string, string>
  readonly seen: number
  stop(): Promise<void>
}

let controlPlane: ControlPlane
let proxy: FaultProxy
let cluster: Cluster

beforeAll(async () => {
  controlPlane = await startControlPlane()
  proxy = await startFaultProxy(controlPlane, { seed: 20_261_123 })
  cluster = await openCluster(controlPlane)
})

afterAll(async () => {
  cluster?.transport.close()
  await proxy?.[Symbol.asyncDispose]()
  await controlPlane?.stop()
})

async function startWitness(): Promise<Witness> {
  const held = new Map<string, string>()
  const holders = new Map<string, string>()
  const moves: string[] = []
  const doubles: string[] = []
  let seen = 0
  const list = await cluster.transport.request<unknown>({ method: 'GET', path: servicesPath })
  const resourceVersion = textOf(fieldOf(fieldOf(list, 'metadata'), 'resourceVersion')) ?? ''
  const stop = new AbortController()

  function look(type: string, object: unknown): void {
    seen++
    const name = textOf(fieldOf(fieldOf(object, 'metadata'), 'name')) ?? ''
    const ingress = listOf(fieldOf(fieldOf(fieldOf(object, 'status'), 'loadBalancer'), 'ingress'))
    const address = type === 'DELETED' ? undefined : textOf(fieldOf(ingress[0], 'ip'))
    const before = held.get(name)
    if (before !== undefined && before !== address) {
      if (type !== 'DELETED') moves.push(`${name}: ${before} became ${address ?? 'nothing'}`)
      held.delete(name)
      holders.delete(before)
    }
    if (address === undefined || before === address) return
    const other = holders.get(address)
    if (other !== undefined) doubles.push(`${address} in ${other} and ${name}`)
    held.set(name, address)
    holders.set(address, name)
  }

  const watching = (async () => {
    try {
      for await (const event of cluster.transport.watch(servicesPath, { resourceVersion }, stop.signal))
        look(event.type, event.object)
    } catch (error) {
      if (!stop.signal.aborted) throw error
    }
  })()
  return {
    moves,
    doubles,
    held,
    get seen() {
      return seen
    },
    async stop() {
      stop.abort()
      await watching
    },
  }
}

describe('a controller that is killed twenty times behind a rude network', () => {
  it('gives no address twice, moves none and forgets no Service', async () => {
    const random = createRandom(7)
    await cluster.pool('small', { addresses: ['192.0.2.0/25'], serviceAllocation: { priority: 1 } })
    await cluster.pool('large', { addresses: ['10.64.0.0/16'] })
    const witness = await startWitness()
    const kubeconfig = await proxy.kubeconfig()
    const start = (): ControllerProcess => startController(kubeconfig, ['--lease-duration', '2'])

    let killed = 0
    let adoptions = 0
    let controller = start()
    const end = new AbortController()
    /** Spreads the work over the time that the kills take. */
    const untilKills = async (count: number): Promise<void> => {
      if (killed >= count || end.signal.aborted) return
      await delay(20)
      return untilKills(count)
    }
    const faults = setInterval(() => {
      if (random.chance(0.3)) proxy.cutWatches()
      if (random.chance(0.1)) proxy.expireWatches()
      const mood = random()
      if (mood < 0.4) proxy.set({ truncateProbability: 0.05, delayMs: [0, 15] })
      else if (mood < 0.6) proxy.set({ status: { code: 500, probability: 0.2 } })
      else if (mood < 0.7) proxy.set({ status: { code: 429, probability: 0.1 }, truncateProbability: 0.02 })
      else proxy.set({})
    }, 250)

    // Half of the Services are deleted again some time after they came, so that addresses change hands throughout.
    const remaining = new Set<string>()
    const work = (async () => {
      let next = 0
      const worker = async (): Promise<void> => {
        while (next < services && !end.signal.aborted) {
          const index = next++
          const name = `web-${index}`
          await cluster.service(name)
          remaining.add(name)
          await delay(random() * 250)
          if (index % 2 === 0) continue
          const victim = `web-${random.integer(0, index - 1)}`
          if (remaining.delete(victim)) await cluster.remove(`${servicesPath}/${victim}`)
          await untilKills((index / services) * kills)
        }
      }
      await Promise.all(Array.from({ length: 6 }, worker))
    })()
    // Awaited below; a failure before that must not be the one that is told.
    work.catch(() => {})

    try {
      while (killed < kills) {
        // Most die in the middle of their first writes, some at ease, some before their first list or within it.
        if (random.chance(0.8)) await controller.logged(atWork, 30_000)
        await delay(random() * (random.chance(0.6) ? 120 : 1_000))
        const exit = await controller.end('SIGKILL')
        if (exit !== 'SIGKILL') throw new Error(`the controller ended by itself: ${controller.noise.join('\n')}`)
        if (controller.log.some(line => line.msg === atWork)) adoptions++
        killed++
        controller = start()
      }
      await work
      clearInterval(faults)
      proxy.set({})
      await until(
        async () => {
          const forgotten = [...remaining].filter(name => !witness.held.has(name))
          return forgotten.length === 0 || undefined
        },
        'every Service that is left has an address',
        60_000,
      )
      expect(witness.moves).toEqual([])
      expect(witness.doubles).toEqual([])
      expect(new Set(witness.held.keys())).toEqual(new Set(remaining))
      // Else nothing was tested: the kills must have met a controller at work, and the witness must have seen it.
      expect(adoptions).toBeGreaterThan(kills / 2)
      expect(witness.seen).toBeGreaterThan(services * 2)
      expect(await controller.end('SIGTERM')).toBe(0)
      expect(controller.noise).toEqual([])
    } finally {
      end.abort()
      clearInterval(faults)
      await controller.end('SIGKILL')
      await witness.stop()
    }
  }, 300_000)
})
