import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import type { LabNode } from '../lab/node.ts'
import { whyNoLab } from '../lab/tools.ts'
import { onSegment, patience, type Scene, startScene } from './scene.ts'

const obstacle = await whyNoLab(console.warn)
if (obstacle !== undefined) console.warn(`Skipped, no lab on this machine: ${obstacle}`)

const metricsPort = 7473

describe.skipIf(obstacle !== undefined)('an address that somebody else has too', () => {
  let scene: Scene
  beforeAll(async () => {
    scene = await startScene({ nodes: 3 }, onSegment, { flags: ['--port', String(metricsPort)] })
  })
  afterAll(() => scene?.[Symbol.asyncDispose]())
  beforeEach(() => scene.tellOnFailure())

  const serve = async (name: string): Promise<readonly string[]> => {
    const addresses = await scene.createService(name)
    await scene.lab.deployEndpoint(name, scene.node('node-1'), 8080)
    return addresses
  }
  const describeService = async (name: string): Promise<string> =>
    await scene.lab.controlPlane.kubectl(['describe', 'service', name])
  const messageOf = async (name: string): Promise<string> => {
    const jsonpath = 'jsonpath={.status.conditions[?(@.type=="berth.dev/Announced")].message}'
    return await scene.lab.controlPlane.kubectl(['get', 'service', name, '-o', jsonpath])
  }
  const conflictsOn = async (node: LabNode): Promise<number> => {
    const text = await node.namespace.run(['curl', '-s', `http://127.0.0.1:${metricsPort}/metrics`])
    return Number(text.match(/^berth_layer2_conflicts_total (\d+)$/m)?.[1])
  }
  /** A machine of nobody's with these addresses, whose kernel answers for them. */
  const addStranger = async (name: string, addresses: readonly string[]) => {
    const namespace = await scene.lab.world.createNamespace()
    onTestFinished(() => namespace.end())
    const mac = '02:00:00:00:00:66'
    await scene.lab.segment.attach(namespace, {
      port: name,
      interface: 'eth0',
      mac,
      addresses: addresses.map(address => (address.includes(':') ? `${address}/64` : `${address}/24`)),
    })
    return { mac, namespace }
  }

  it('is the owner’s, who says so, where the kernel of another node has it from kube-proxy in IPVS mode', async () => {
    const [ipv4 = ''] = await serve('ipvs')
    const owner = await scene.ownerOf(ipv4)
    const other = scene.lab.nodes.find(node => node !== owner)
    if (!other) throw new Error('there is one node only')
    const before = await conflictsOn(owner)
    // As kube-proxy makes it without strictARP: the kernel answers on any interface for an address of any other.
    await other.namespace.run(['ip', 'link', 'add', 'kube-ipvs0', 'type', 'veth', 'peer', 'name', 'ipvs-peer'])
    onTestFinished(async () => void (await other.namespace.exec(['ip', 'link', 'del', 'kube-ipvs0'])))
    await other.namespace.run(['ip', 'addr', 'add', `${ipv4}/32`, 'dev', 'kube-ipvs0'])
    await vi.waitFor(async () => {
      expect(await scene.answerers(ipv4)).toEqual([owner.name, other.name].sort())
      expect(await conflictsOn(owner)).toBeGreaterThan(before)
    }, patience)
    await vi.waitFor(async () => expect(await messageOf('ipvs')).toContain(other.name), patience)
    await vi.waitFor(async () => {
      expect(await describeService('ipvs')).toMatch(/Warning +AddressConflict .*strictARP: true/)
    }, patience)
    expect(await scene.answerers(ipv4)).toContain(owner.name)
  })

  it('is the Service’s, who says so, where a machine of nobody’s comes with it', async () => {
    const both = await serve('stranger')
    const owner = await scene.ownerOf(both[0] ?? '')
    const before = await conflictsOn(owner)
    const { mac, namespace } = await addStranger('stranger', both)
    for (const address of both) {
      await vi.waitFor(async () => expect(await scene.answerers(address)).toEqual([mac, owner.name]), patience)
    }
    await vi.waitFor(async () => {
      const message = await messageOf('stranger')
      for (const address of both) expect(message).toContain(`answers for ${address} too`)
      expect(message).toContain(mac)
    }, patience)
    expect(await conflictsOn(owner)).toBeGreaterThan(before)
    const advice = new RegExp(`Warning +AddressConflict .*${mac}.*take the address away from it`)
    expect(await describeService('stranger')).toMatch(advice)
    await namespace.end()
    // The kernel takes its interfaces away some time after the namespace has gone.
    expect(await scene.ownerOf(both[0] ?? '')).toBe(owner)
  })

  it('is not announced where it was another’s first, and is when that one has gone', async () => {
    const addresses = ['192.0.2.180', '2001:db8:0:2::1f0']
    const { mac, namespace } = await addStranger('first', addresses)
    await scene.createService('late', { annotations: { 'berth.dev/loadBalancerIPs': addresses.join(',') } })
    await scene.lab.deployEndpoint('late', scene.node('node-1'), 8080)
    await vi.waitFor(async () => expect(await messageOf('late')).toContain('it is in use'), patience)
    expect(await scene.answerers(addresses[0] ?? '')).toEqual([mac])
    await namespace.end()
    for (const address of addresses) await scene.ownerOf(address)
    await vi.waitFor(async () => expect(await messageOf('late')).toMatch(/^layer 2: announcing/), patience)
  })
})
