import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Capture, startCapture } from './capture.ts'
import { createWorld, type World } from './namespace.ts'
import { createClient, type LabHost } from './node.ts'
import { whoHas } from './probe.ts'
import { createSegment } from './segment.ts'
import { whyNoLab } from './tools.ts'

const obstacle = await whyNoLab(console.warn)
if (obstacle !== undefined) console.warn(`Skipped, no lab on this machine: ${obstacle}`)

describe.skipIf(obstacle !== undefined)('a capture', () => {
  let world: World
  let client: LabHost
  let capture: Capture
  beforeAll(async () => {
    world = await createWorld()
    const segment = await createSegment(world, ['192.0.2.1/24', '2001:db8:0:2::1/64'])
    client = await createClient(await world.createNamespace(), segment)
    capture = await startCapture(client)
  })
  afterAll(() => world?.end())

  it('sees an ARP request and its reply', async () => {
    const [mac] = await whoHas(client, '192.0.2.1')
    const request = await capture.first(({ kind }) => kind === 'arp-request')
    expect(request).toMatchObject({ sourceMac: client.mac, address: client.ipv4, gratuitous: false, tagged: false })
    const reply = await capture.first(({ kind }) => kind === 'arp-reply')
    expect(reply).toMatchObject({ sourceMac: mac, destinationMac: client.mac, address: '192.0.2.1', gratuitous: false })
    expect(Math.abs(reply.atMs - Date.now())).toBeLessThan(5000)
  })

  it('tells a gratuitous request from one that asks', async () => {
    await client.exec(['arping', '-c', '1', '-w', '1', '-U', '-I', client.interface, client.ipv4])
    const sighting = await capture.first(({ gratuitous }) => gratuitous)
    expect(sighting).toMatchObject({ kind: 'arp-request', sourceMac: client.mac, address: client.ipv4 })
  })

  it('sees a Neighbor Solicitation and its advertisement, which is not gratuitous', async () => {
    const [mac] = await whoHas(client, '2001:db8:0:2::1')
    const target = '2001:0db8:0000:0002:0000:0000:0000:0001'
    const solicitation = await capture.first(
      ({ kind, address }) => kind === 'neighbor-solicitation' && address === target,
    )
    expect(solicitation).toMatchObject({ sourceMac: client.mac, destinationMac: '33:33:ff:00:00:01' })
    const answer = await capture.first(({ kind }) => kind === 'neighbor-advertisement')
    expect(answer).toMatchObject({ sourceMac: mac, address: target, gratuitous: false })
  })
})
