import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { answererFor } from '../../speaker/layer2/load-sharing.ts'
import { addClient } from '../lab/clients.ts'
import type { LabHost } from '../lab/node.ts'
import { neighbourOf, type Requests, startRequests, urlOf } from '../lab/probe.ts'
import { whyNoLab } from '../lab/tools.ts'
import { onSegment, patience, type Scene, startScene } from './scene.ts'

const obstacle = await whyNoLab(console.warn)
if (obstacle !== undefined) console.warn(`Skipped, no lab on this machine: ${obstacle}`)

const clientCount = 16
/** Three missing packets, 100 ms apart, and a word to each client are half a second; the rest is a busy machine's. */
const takeOverBoundMs = 3_000

const shared = onSegment.map(one =>
  one.kind === 'L2Advertisement' ? { ...one, spec: { ...one.spec, loadSharing: 'perClient' } } : one,
)

describe.skipIf(obstacle !== undefined)('an address that three nodes share', () => {
  let scene: Scene
  let both: readonly string[]
  let clients: readonly LabHost[]
  beforeAll(async () => {
    scene = await startScene({ nodes: 3 }, shared)
    both = await scene.createService('web')
    // Where nobody loses power: what dies with a node here is its part of the clients, and not what they came for.
    await scene.lab.deployEndpoint('web', scene.node('node-1'), 8080)
    clients = await Promise.all(Array.from({ length: clientCount }, (_, index) => addClient(scene.lab, index)))
  })
  afterAll(() => scene?.[Symbol.asyncDispose]())
  beforeEach(() => scene.tellOnFailure())

  /** The node that a client's kernel has the address at. */
  const nodeOf = async (client: LabHost, address: string): Promise<string | undefined> => {
    const mac = await neighbourOf(client, address)
    return scene.lab.nodes.find(node => node.mac === mac)?.name
  }
  const nodesOf = async (address: string): Promise<readonly (string | undefined)[]> =>
    await Promise.all(clients.map(client => nodeOf(client, address)))

  it('serves each client by one node, all of them evenly; when one dies its clients go on, and the others notice nothing', async () => {
    const names = scene.lab.nodes.map(({ name }) => name)
    await vi.waitFor(async () => expect(await sharersOf(scene)).toEqual(names), patience)
    // Half of them use IPv4, half of them IPv6.
    const used = clients.map((_, index) => both[index % 2] ?? '')
    const requests = clients.map((client, index) => startRequests(client, urlOf(used[index] ?? ''), gently))
    await Promise.all(requests.map(each => each.answered(20)))

    for (const address of both) {
      for (const client of clients) await client.namespace.run(['bash', '-c', `echo > /dev/udp/${address}/9`])
      const expected = clients.map(({ mac }) => answererFor(mac, address, names))
      await vi.waitFor(async () => expect(await nodesOf(address)).toEqual(expected), patience)
      const shares = names.map(name => expected.filter(node => node === name).length)
      console.info(`${address}: ${shares.join(', ')} clients`)
      expect(Math.min(...shares)).toBeGreaterThanOrEqual(2)
      expect(Math.max(...shares)).toBeLessThanOrEqual(clientCount / 2)
    }
    const before = await Promise.all(clients.map((client, index) => nodeOf(client, used[index] ?? '')))
    const mostClients = (name: string): number => before.filter(node => node === name).length
    const dead = scene.node(mostClients('node-2') > mostClients('node-3') ? 'node-2' : 'node-3')
    const isOrphan = (index: number): boolean => before[index] === dead.name

    await dead.powerOff()
    await Promise.all(requests.map(each => each.answered(40)))
    const reports = await Promise.all(requests.map(async (each: Requests) => await each.stop()))
    const after = await Promise.all(clients.map((client, index) => nodeOf(client, used[index] ?? '')))
    const rest = names.filter(name => name !== dead.name)
    expect(after).toEqual(clients.map(({ mac }, index) => answererFor(mac, used[index] ?? '', rest)))

    const orphans = reports.filter((_, index) => isOrphan(index))
    expect(orphans.length).toBeGreaterThanOrEqual(2)
    const silences = orphans.map(({ longestSilenceMs }) => Math.round(longestSilenceMs)).sort((one, two) => one - two)
    console.info(`${dead.name} died with ${orphans.length} clients: ${silences.join(', ')} ms without an answer`)
    for (const silence of silences) expect(silence).toBeLessThan(takeOverBoundMs)
    for (const { problems, slowestMs } of reports.filter((_, index) => !isOrphan(index))) {
      expect(problems).toEqual({})
      // A packet that was lost is sent again after a second: none was.
      expect(slowestMs).toBeLessThan(1_000)
    }
    await vi.waitFor(async () => expect(await sharersOf(scene)).toEqual(rest), patience)
  })
})

/** Sixteen processes ask, and the machine may have two cores. */
const gently = { everyMs: 50, timeoutMs: 1_500 } as const

/** By the Service's record. */
async function sharersOf({ lab }: Scene): Promise<readonly string[]> {
  const jsonpath = 'jsonpath={.items[0].status.sharers[*]}'
  return (await lab.controlPlane.kubectl(['get', 'servicel2statuses', '-o', jsonpath])).split(' ').sort()
}
