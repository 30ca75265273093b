import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { LabNode } from '../lab/node.ts'
import { keepForgetting, startRequests, urlOf } from '../lab/probe.ts'
import { whyNoLab } from '../lab/tools.ts'
import { onSegment, patience, type Scene, startScene } from './scene.ts'

const obstacle = await whyNoLab(console.warn)
if (obstacle !== undefined) console.warn(`Skipped, no lab on this machine: ${obstacle}`)

const metricsPort = 7473

/*
 * Two installations with a control plane, a key and a controller each, which know nothing of each other: on one segment, and by
 * somebody's mistake with the same pool.
 */
describe.skipIf(obstacle !== undefined)('an address that a cluster next door hands out too', () => {
  let ours: Scene
  let theirs: Scene
  beforeAll(async () => {
    const flags = ['--port', String(metricsPort)]
    ours = await startScene({ nodes: 2 }, onSegment, { flags })
    theirs = await startScene({ nodes: 1, beside: ours.lab }, onSegment, { flags })
  })
  afterAll(async () => {
    await theirs?.[Symbol.asyncDispose]()
    await ours?.[Symbol.asyncDispose]()
  })
  beforeEach(() => {
    ours.tellOnFailure()
    theirs.tellOnFailure()
  })

  const serve = async (scene: Scene, name: string): Promise<readonly string[]> => {
    const addresses = await scene.createService(name)
    await scene.lab.deployEndpoint(name, scene.lab.nodes[0] ?? fail('no node'), 8080)
    return addresses
  }
  const conditionOf = async (scene: Scene, name: string): Promise<string> => {
    const path = '{.status.conditions[?(@.type=="berth.dev/Announced")]'
    const jsonpath = `jsonpath=${path}.reason}: ${path}.message}`
    return await scene.lab.controlPlane.kubectl(['get', 'service', name, '-o', jsonpath])
  }
  const describeService = async (scene: Scene, name: string): Promise<string> =>
    await scene.lab.controlPlane.kubectl(['describe', 'service', name])
  const conflictsOn = async (node: LabNode): Promise<number> => {
    const text = await node.namespace.run(['curl', '-s', `http://127.0.0.1:${metricsPort}/metrics`])
    return Number(text.match(/^berth_layer2_conflicts_total (\d+)$/m)?.[1])
  }
  /** Asks both families of the Service all the time, each request resolving the address anew. */
  const askAll = (addresses: readonly string[]) => {
    const stopForgetting = keepForgetting(ours.lab.client)
    const requests = addresses.map(address => startRequests(ours.lab.client, urlOf(address), { timeoutMs: 5_000 }))
    return {
      answered: async (count: number) => await Promise.all(requests.map(each => each.answered(count))),
      async stop() {
        const reports = await Promise.all(requests.map(each => each.stop()))
        await stopForgetting()
        return reports
      },
    }
  }

  it('is not announced by the one that comes later, which says so; clients of the first notice nothing', async () => {
    const [neighbour] = theirs.lab.nodes
    if (!neighbour) throw new Error('next door there is no node')
    const both = await serve(ours, 'web')
    for (const address of both) await ours.ownerOf(address)
    const owner = await ours.ownerOf(both[0] ?? '')
    const before = await conflictsOn(neighbour)
    const clients = askAll(both)
    await clients.answered(25)

    expect(await serve(theirs, 'web')).toEqual(both)
    const servedAtMs = performance.now()
    await vi.waitFor(async () => expect(await conflictsOn(neighbour)).toBeGreaterThan(before), quick)
    const seenMs = performance.now() - servedAtMs
    await vi.waitFor(async () => expect(await conditionOf(theirs, 'web')).toMatch(/^AddressInUse: /), quick)
    console.info(`seen ${Math.round(seenMs)} ms after its endpoint was there, told after ${sinceMs(servedAtMs)} ms`)
    const condition = await conditionOf(theirs, 'web')
    for (const address of both) expect(condition).toContain(`answers for ${address} too`)
    expect(condition).toContain(owner.mac)
    await vi.waitFor(async () => {
      const events = await describeService(theirs, 'web')
      expect(events).toMatch(new RegExp(`Warning +NotAnnounced .*${owner.mac}.*take the address away from it`))
    }, patience)

    await clients.answered(50)
    for (const { problems, nodes, slowestMs } of await clients.stop()) {
      expect(problems).toEqual({})
      expect(Object.keys(nodes)).toEqual(['node-1'])
      // A request that was lost would have been made again after a second.
      expect(slowestMs).toBeLessThan(1_000)
    }
    for (const address of both) expect(await ours.answerers(address)).toEqual([(await ours.ownerOf(address)).name])
    expect(await conditionOf(ours, 'web')).toMatch(/^Announced: layer 2: announcing/)
  })

  it('is announced by both where a torn segment hid one from the other, and both say so when it is whole', async () => {
    const [neighbour] = theirs.lab.nodes
    if (!neighbour) throw new Error('next door there is no node')
    const both = await serve(ours, 'torn')
    const owner = await ours.ownerOf(both[0] ?? '')
    await neighbour.cutSegment('silent')
    expect(await serve(theirs, 'torn')).toEqual(both)
    await vi.waitFor(async () => expect(await conditionOf(theirs, 'torn')).toMatch(/^Announced: /), patience)
    const [before, beforeThere] = [await conflictsOn(owner), await conflictsOn(neighbour)]

    await neighbour.healSegment()
    const healedAtMs = performance.now()
    // It is found where a client asks; and nobody asks for what nobody uses.
    await vi.waitFor(async () => {
      expect(await ours.answerers(both[0] ?? '')).toEqual([owner.name, neighbour.mac].sort())
    }, patience)
    await vi.waitFor(async () => {
      expect(await conflictsOn(owner)).toBeGreaterThan(before)
      expect(await conflictsOn(neighbour)).toBeGreaterThan(beforeThere)
    }, patience)
    console.info(`both had seen it ${sinceMs(healedAtMs)} ms after the segment was whole again`)
    for (const [scene, other] of [
      [ours, neighbour],
      [theirs, owner],
    ] as const) {
      await vi.waitFor(async () => {
        const advice = new RegExp(`Warning +AddressConflict .*${other.mac}.*take the address away from it`)
        expect(await describeService(scene, 'torn')).toMatch(advice)
      }, patience)
      // Neither is the other's to yield to: both go on, and people have to decide.
      expect(await conditionOf(scene, 'torn')).toMatch(/^Announced: /)
    }
  })
})

/** What should take a second may take some more on a busy machine. */
const quick = { timeout: 5_000, interval: 50 } as const

function sinceMs(atMs: number): number {
  return Math.round(performance.now() - atMs)
}

function fail(problem: string): never {
  throw new Error(problem)
}
