import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { LabHost, LabNode } from '../lab/node.ts'
import { keepForgetting, startRequests, urlOf, whoHas } from '../lab/probe.ts'
import { type Cable, createSegment } from '../lab/segment.ts'
import { whyNoLab } from '../lab/tools.ts'
import { onSegment, patience, type Scene, startScene } from './scene.ts'

const obstacle = await whyNoLab(console.warn)
if (obstacle !== undefined) console.warn(`Skipped, no lab on this machine: ${obstacle}`)

/** A pool for each segment, announced there alone. */
const onBoth = [
  ...onSegment,
  {
    kind: 'IPAddressPool',
    name: 'storage',
    spec: { addresses: ['203.0.113.100-203.0.113.120', '2001:db8:0:3::100/120'], autoAssign: false },
  },
  { kind: 'L2Advertisement', name: 'storage', spec: { ipAddressPools: ['storage'], interfaces: ['eth2'] } },
]

interface Port {
  readonly node: LabNode
  readonly mac: string
  readonly cable: Cable
}

describe.skipIf(obstacle !== undefined)('nodes on two segments', () => {
  let scene: Scene
  let ports: readonly Port[]
  let client: LabHost
  let ours: readonly string[]
  let theirs: readonly string[]
  beforeAll(async () => {
    scene = await startScene({ nodes: 3 }, onBoth)
    const { world, nodes } = scene.lab
    const segment = await createSegment(world)
    const plug = async ({ namespace }: Pick<LabHost, 'namespace'>, number: number): Promise<Cable> =>
      await segment.attach(namespace, {
        port: `port-${number}`,
        interface: 'eth2',
        mac: macOf(number),
        addresses: [`203.0.113.${number}/24`, `2001:db8:0:3::${number}/64`],
      })
    ports = await Promise.all(
      nodes.map(async node => ({ node, mac: macOf(node.ordinal), cable: await plug(node, node.ordinal) })),
    )
    const namespace = await world.createNamespace()
    await plug({ namespace }, 10)
    const { exec, spawn } = namespace
    const [ipv4, ipv6] = ['203.0.113.10', '2001:db8:0:3::10']
    client = { name: 'storage-client', namespace, interface: 'eth2', mac: macOf(10), ipv4, ipv6, exec, spawn }
    ours = await scene.createService('web')
    theirs = await scene.createService('files', { annotations: { 'berth.dev/address-pool': 'storage' } })
    for (const name of ['web', 'files']) {
      for (const node of nodes) await scene.lab.deployEndpoint(name, node, 8080)
    }
  })
  afterAll(() => scene?.[Symbol.asyncDispose]())
  beforeEach(() => scene.tellOnFailure())

  /** Waits until one node alone answers on the second segment. */
  const portOf = async (address: string, not?: Port): Promise<Port> =>
    await vi.waitFor(async () => {
      const macs = await whoHas(client, address)
      const port = ports.find(({ mac }) => macs.includes(mac))
      if (macs.length !== 1 || !port || port === not) throw new Error(`${macs.join(' and ')} answer for ${address}`)
      return port
    }, patience)

  it('are asked on each for its own addresses, and answer there alone', async () => {
    for (const address of theirs) {
      await portOf(address)
      expect(await scene.answerers(address)).toEqual([])
    }
    for (const address of ours) {
      await scene.ownerOf(address)
      expect(await whoHas(client, address)).toEqual([])
    }
  })

  it('hand over what is on the segment that they lose, and keep what is on the other', async () => {
    for (const [index, address] of theirs.entries()) {
      const port = await portOf(address)
      const before = await Promise.all(ours.map(one => scene.ownerOf(one)))
      const remember = keepForgetting(scene.lab.client)
      const unconcerned = startRequests(scene.lab.client, urlOf(ours[index] ?? ''), { timeoutMs: 5_000 })
      const concerned = startRequests(client, urlOf(address), { timeoutMs: 500 })
      await Promise.all([unconcerned.answered(25), concerned.answered(25)])
      await port.cable.cut()
      await portOf(address, port)
      await Promise.all([unconcerned.answered(25), concerned.answered(25)])
      const { longestSilenceMs } = await concerned.stop()
      console.info(`cable to one of two segments pulled: ${Math.round(longestSilenceMs)} ms without an answer`)
      expect(longestSilenceMs).toBeLessThan(5_000)
      const { problems, slowestMs } = await unconcerned.stop()
      expect(problems).toEqual({})
      expect(slowestMs).toBeLessThan(1_000)
      await remember()
      expect(await Promise.all(ours.map(one => scene.ownerOf(one)))).toEqual(before)
      await port.cable.heal()
    }
  })
})

function macOf(number: number): string {
  return `02:00:00:00:20:${String(number).padStart(2, '0')}`
}
