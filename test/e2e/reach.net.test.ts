import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { type ControlPlane, startControlPlane } from '../control-plane/control-plane.ts'
import { startCapture } from '../lab/capture.ts'
import { forgetNeighbours, neighbourOf, sendFrames, startRequests, talk, urlOf } from '../lab/probe.ts'
import { whyNoLab } from '../lab/tools.ts'
import { patience, type Scene, startScene } from './scene.ts'

const obstacle = await whyNoLab(console.warn)
if (obstacle !== undefined) console.warn(`Skipped, no lab on this machine: ${obstacle}`)

describe.skipIf(obstacle !== undefined)('a Service of type LoadBalancer', () => {
  let controlPlane: ControlPlane
  beforeAll(async () => {
    controlPlane = await startControlPlane({ progress: console.warn })
  })
  afterAll(() => controlPlane?.stop())

  for (const kubeProxyMode of ['nftables', 'iptables'] as const) {
    describe(`with kube-proxy in ${kubeProxyMode} mode`, () => {
      let scene: Scene
      beforeAll(async () => {
        scene = await startScene({ nodes: 3, kubeProxyMode, controlPlane })
      })
      afterAll(async () => {
        await controlPlane.kubectl(['delete', 'services', '--all', '--wait=false'])
        await scene?.[Symbol.asyncDispose]()
      })
      beforeEach(() => scene?.tellOnFailure())

      const families = {
        'IPv4 alone': ['IPv4'],
        'IPv6 alone': ['IPv6'],
        'both families': ['IPv4', 'IPv6'],
      } as const
      for (const [name, wanted] of Object.entries(families)) {
        it(`is reached from the segment with ${name}`, async () => {
          const service = name.toLowerCase().replaceAll(' ', '-')
          const addresses = await scene.createService(service, { families: wanted })
          expect(addresses.map(address => (address.includes(':') ? 'IPv6' : 'IPv4'))).toEqual(wanted)
          for (const node of scene.lab.nodes) await scene.lab.deployEndpoint(service, node, 8080)
          for (const address of addresses) {
            const owner = await scene.ownerOf(address)
            await reachesAllEndpoints(scene, address)
            // And so the client's kernel found the same node by itself, without arping's or ndisc6's help.
            expect(await neighbourOf(scene.lab.client, address)).toBe(owner.mac)
          }
        })
      }

      it('carries TCP, UDP and SCTP', async () => {
        const ports = [
          { name: 'echo', protocol: 'TCP', port: 7 },
          { name: 'dns', protocol: 'UDP', port: 53 },
          { name: 'm3ua', protocol: 'SCTP', port: 2905 },
        ]
        const addresses = await scene.createService('protocols', { ports })
        await scene.lab.deployEndpoint('protocols', scene.node('node-2'), 8080)
        for (const address of addresses) {
          for (const { protocol, port } of ports) {
            const spoken = protocol.toLowerCase() as 'tcp' | 'udp' | 'sctp'
            const ask = async (): Promise<string | undefined> =>
              await talk(scene.lab.client, spoken, address, port, spoken)
            await vi.waitFor(async () => expect(await ask()).toBe(`node-2 ${spoken}`), patience)
          }
        }
      })

      it('is made known to the whole segment at once, by one node', async () => {
        const capture = await startCapture(scene.lab.client)
        const [ipv4 = '', ipv6 = ''] = await scene.createService('known')
        await scene.lab.deployEndpoint('known', scene.node('node-1'), 8080)
        const { mac } = await scene.ownerOf(ipv4)
        const target = `2001:0db8:0000:0002:0000:0000:0000:0${ipv6.split('::')[1] ?? ''}`
        const aboutIt = { sourceMac: mac, gratuitous: true, tagged: false }
        const request = await capture.first(
          ({ kind, address, gratuitous }) => kind === 'arp-request' && gratuitous && address === ipv4,
        )
        expect(request).toMatchObject({ ...aboutIt, destinationMac: 'ff:ff:ff:ff:ff:ff' })
        const reply = await capture.first(
          ({ kind, address, gratuitous }) => kind === 'arp-reply' && gratuitous && address === ipv4,
        )
        expect(reply).toMatchObject({ ...aboutIt, destinationMac: 'ff:ff:ff:ff:ff:ff' })
        const advertisement = await capture.first(({ address, gratuitous }) => gratuitous && address === target)
        expect(advertisement).toMatchObject({ ...aboutIt, destinationMac: '33:33:00:00:00:01' })
        const all = (await capture.stop()).filter(
          ({ address, gratuitous }) => gratuitous && [ipv4, target].includes(address),
        )
        expect(new Set(all.map(({ sourceMac }) => sourceMac))).toEqual(new Set([mac]))
      })

      it('is not found by a request in another VLAN', async () => {
        const { client } = scene.lab
        const [ipv4 = ''] = await scene.createService('vlan', { families: ['IPv4'] })
        await scene.lab.deployEndpoint('vlan', scene.node('node-1'), 8080)
        const owner = await scene.ownerOf(ipv4)
        await using atNode = await startCapture(owner)
        await using atClient = await startCapture(client)
        const who = (sender: string): Buffer => arpRequest(client.mac, sender, ipv4)
        await sendFrames(client, tagged(who('192.0.2.77'), 20), who('192.0.2.78'))
        await atNode.first(sighting => sighting.tagged && sighting.target === ipv4)
        await atClient.first(({ kind, target }) => kind === 'arp-reply' && target === '192.0.2.78')
        // Had the tagged one been answered, it would have been before the other.
        expect(atClient.sightings.filter(({ target }) => target === '192.0.2.77')).toEqual([])
      })

      it('is not answered for any more once it is deleted', async () => {
        const [ipv4 = '', ipv6 = ''] = await scene.createService('gone')
        await scene.lab.deployEndpoint('gone', scene.node('node-1'), 8080)
        for (const address of [ipv4, ipv6]) await scene.ownerOf(address)
        await controlPlane.kubectl(['delete', 'service', 'gone'])
        for (const address of [ipv4, ipv6]) {
          await vi.waitFor(async () => expect(await scene.answerers(address)).toEqual([]), patience)
        }
      })
    })
  }
})

async function reachesAllEndpoints(scene: Scene, address: string): Promise<void> {
  await forgetNeighbours(scene.lab.client)
  const requests = startRequests(scene.lab.client, urlOf(address), { everyMs: 50 })
  const nodes = scene.lab.nodes.map(({ name }) => name)
  const answered = (): string[] => [...new Set(requests.done.flatMap(({ node }) => node ?? []))].sort()
  await vi.waitFor(() => expect(answered()).toEqual(nodes), patience)
  await requests.stop()
}

function arpRequest(mac: string, sender: string, target: string): Buffer {
  const octets = mac.replaceAll(':', '')
  const arp = `0001080006040001${octets}${ipv4Octets(sender)}000000000000${ipv4Octets(target)}`
  return Buffer.from(`ffffffffffff${octets}0806${arp}`, 'hex')
}

function ipv4Octets(text: string): string {
  return Buffer.from(text.split('.').map(Number)).toString('hex')
}

/** The frame with an 802.1Q tag. */
function tagged(frame: Buffer, vlan: number): Buffer {
  return Buffer.concat([frame.subarray(0, 12), Buffer.from([0x81, 0x00, vlan >> 8, vlan & 255]), frame.subarray(12)])
}
