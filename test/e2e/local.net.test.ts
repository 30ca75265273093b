import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import type { Endpoint } from '../lab/endpoints.ts'
import { startRequests, urlOf } from '../lab/probe.ts'
import { whyNoLab } from '../lab/tools.ts'
import { patience, type Scene, startScene } from './scene.ts'

const obstacle = await whyNoLab(console.warn)
if (obstacle !== undefined) console.warn(`Skipped, no lab on this machine: ${obstacle}`)

describe.skipIf(obstacle !== undefined)('a Service with externalTrafficPolicy Local', () => {
  let scene: Scene
  beforeAll(async () => {
    scene = await startScene({ nodes: 3 })
  })
  afterAll(() => scene?.[Symbol.asyncDispose]())
  beforeEach(() => scene.tellOnFailure())

  const create = (name: string): Promise<readonly string[]> =>
    scene.createService(name, { externalTrafficPolicy: 'Local' })
  const deploy = async (service: string, node: string): Promise<Endpoint> => {
    const endpoint = await scene.lab.deployEndpoint(service, scene.node(node), 8080)
    onTestFinished(() => endpoint.remove())
    return endpoint
  }
  const isAnnouncedBy = async (addresses: readonly string[], node: string): Promise<void> => {
    for (const address of addresses) {
      await vi.waitFor(async () => expect(await scene.answerers(address)).toEqual([node]), patience)
    }
  }

  it('is announced by nobody while it has no ready endpoint', async () => {
    const addresses = await create('empty')
    // A later Service that is announced: by then the speakers have seen the first.
    const [later = ''] = await scene.createService('later', { families: ['IPv4'] })
    await deploy('later', 'node-1')
    await scene.ownerOf(later)
    for (const address of addresses) expect(await scene.answerers(address)).toEqual([])
  })

  it('is announced by the node with the endpoint, which sees the address of the client', async () => {
    const addresses = await create('source')
    await deploy('source', 'node-2')
    await isAnnouncedBy(addresses, 'node-2')
    const { client } = scene.lab
    for (const address of addresses) {
      const ask = async (): Promise<string> => (await client.exec(['curl', '-s', '-m', '1', urlOf(address)])).stdout
      const source = address.includes(':') ? client.ipv6 : client.ipv4
      await vi.waitFor(async () => expect((await ask()).trim()).toBe(`node-2 says hello to ${source}`), patience)
    }
  })

  it('follows its endpoints from node to node, and stays while one is terminating but serving', async () => {
    const addresses = await create('moving')
    const two = await deploy('moving', 'node-2')
    await isAnnouncedBy(addresses, 'node-2')
    const three = await deploy('moving', 'node-3')
    await two.setReady(false)
    await isAnnouncedBy(addresses, 'node-3')
    await three.terminate()
    // Still node-3's: it serves, and nobody else does.
    const requests = startRequests(scene.lab.client, urlOf(addresses[0] ?? ''))
    await requests.answered(25)
    expect((await requests.stop()).nodes).toHaveProperty('node-3')
    await isAnnouncedBy(addresses, 'node-3')
    await two.setReady(true)
    await three.setReady(false)
    await isAnnouncedBy(addresses, 'node-2')
  })

  it('moves to the node with the endpoint when its policy becomes Local', async () => {
    const addresses = await scene.createService('policy')
    const first = await deploy('policy', 'node-1')
    const owner = await scene.ownerOf(addresses[0] ?? '')
    const [other] = scene.lab.nodes.filter(node => node !== owner)
    await deploy('policy', other?.name ?? '')
    await first.setReady(false)
    await isAnnouncedBy(addresses, owner.name)
    const spec = JSON.stringify({ spec: { externalTrafficPolicy: 'Local' } })
    await scene.lab.controlPlane.kubectl(['patch', 'service', 'policy', '--type=merge', '-p', spec])
    await isAnnouncedBy(addresses, other?.name ?? '')
  })
})
