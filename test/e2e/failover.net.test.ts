import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { startController, startSpeaker } from '../lab/berth.ts'
import { startCapture } from '../lab/capture.ts'
import type { Endpoint } from '../lab/endpoints.ts'
import type { LabNode } from '../lab/node.ts'
import { keepForgetting, type Requests, startRequests, urlOf } from '../lab/probe.ts'
import { sysctl } from '../lab/segment.ts'
import { whyNoLab } from '../lab/tools.ts'
import { patience, type Scene, startScene } from './scene.ts'

const obstacle = await whyNoLab(console.warn)
if (obstacle !== undefined) console.warn(`Skipped, no lab on this machine: ${obstacle}`)

/** Three missing packets, 100 ms apart, and the segment's word are half a second; the rest is room for a busy machine. */
const detectionBoundMs = 3_000
/** A Lease's duration, a renewal period before it and some room for a busy machine. */
const leaseBoundMs = 20_000

describe.skipIf(obstacle !== undefined)('an address that is announced', () => {
  let scene: Scene
  let ipv4: string
  let ipv6: string
  const endpoints = new Map<string, Endpoint>()
  beforeAll(async () => {
    scene = await startScene({ nodes: 3 })
    ;[ipv4 = '', ipv6 = ''] = await scene.createService('web')
    for (const node of scene.lab.nodes) endpoints.set(node.name, await scene.lab.deployEndpoint('web', node, 8080))
    for (const address of [ipv4, ipv6]) {
      const requests = startRequests(scene.lab.client, urlOf(address))
      await requests.answered(50)
      await requests.stop()
    }
  })
  afterAll(() => scene?.[Symbol.asyncDispose]())
  beforeEach(() => scene.tellOnFailure())

  const speakerOn = async (node: LabNode): Promise<void> => {
    scene.speakers.set(node.name, await startSpeaker(scene.lab, node))
  }
  /** Waits until a node that came back is a member again, as its Lease shows. */
  const hasJoined = async (node: LabNode): Promise<void> => {
    const read = async (): Promise<string> => await readLease(scene, node.name)
    const before = await read().catch(() => '') // a speaker that left may have taken its Lease with it
    await vi.waitFor(async () => expect(await read()).not.toBe(before), patience)
  }
  /** Waits until requests are answered one after the other. */
  const allAnswered = async (): Promise<void> => {
    await vi.waitFor(async () => {
      const requests = startRequests(scene.lab.client, urlOf(ipv4), { timeoutMs: 500 })
      await requests.answered(50)
      expect((await requests.stop()).problems).toEqual({})
    }, patience)
  }
  // Made once more when they are reset: a connection that is open in the moment of a move comes to a node that does not know it.
  const requestsOf = (timeoutMs: number): Requests[] =>
    [ipv4, ipv6].map(address => startRequests(scene.lab.client, urlOf(address), { timeoutMs, askAgain: true }))

  it('is handed over by a speaker that stops, without one lost request', async () => {
    for (const address of [ipv4, ipv6]) {
      const owner = await scene.ownerOf(address)
      // Each request resolves the address anew: what the client remembers would hide that nobody answers for it.
      const remember = keepForgetting(scene.lab.client)
      const requests = requestsOf(5000)
      await Promise.all(requests.map(each => each.answered(25)))
      expect(await scene.speakers.get(owner.name)?.stop()).toBe(0)
      expect((await scene.ownerOf(address, { not: [owner.name] })).name).not.toBe(owner.name)
      await Promise.all(requests.map(each => each.answered(25)))
      for (const each of requests) {
        const { problems, slowestMs } = await each.stop()
        expect(problems).toEqual({})
        // An ARP request or a SYN that was lost is sent again after a second: none was.
        expect(slowestMs).toBeLessThan(1000)
      }
      await remember()
      await speakerOn(owner)
      await hasJoined(owner)
    }
    // For a moment both have answered, and neither took the other for somebody who should not.
    expect(await scene.lab.controlPlane.kubectl(['get', 'events', '-A', '-o', 'name', ...conflicts])).toBe('')
  })

  it('stays where it is when a speaker comes back', async () => {
    const before = await Promise.all([ipv4, ipv6].map(address => scene.ownerOf(address)))
    const other = scene.lab.nodes.find(node => !before.includes(node))
    if (other === undefined) throw new Error('every node owns an address')
    await scene.speakers.get(other.name)?.stop()
    await using capture = await startCapture(scene.lab.client)
    await speakerOn(other)
    await hasJoined(other)
    expect(await Promise.all([ipv4, ipv6].map(address => scene.ownerOf(address)))).toEqual(before)
    expect(capture.sightings.filter(({ sourceMac, gratuitous }) => gratuitous && sourceMac === other.mac)).toEqual([])
  })

  it('is taken over when the speaker is killed with -9', async () => {
    const owner = await scene.ownerOf(ipv4)
    const remember = keepForgetting(scene.lab.client)
    const requests = startRequests(scene.lab.client, urlOf(ipv4), { timeoutMs: 500 })
    await requests.answered(25)
    await scene.speakers.get(owner.name)?.kill()
    for (const address of [ipv4, ipv6]) {
      const next = await scene.ownerOf(address, { not: [owner.name], timeoutMs: leaseBoundMs })
      expect(next.name).not.toBe(owner.name)
    }
    await requests.answered(25)
    await remember()
    const { longestSilenceMs } = await requests.stop()
    tell('speaker killed', longestSilenceMs)
    expect(longestSilenceMs).toBeLessThan(detectionBoundMs)
    await speakerOn(owner)
    await hasJoined(owner)
  })

  it('is taken over when the owner’s cable to the segment is pulled', async () => {
    const owner = await scene.ownerOf(ipv4)
    const requests = startRequests(scene.lab.client, urlOf(ipv4), { timeoutMs: 500 })
    await requests.answered(25)
    await owner.cutSegment()
    await requests.answered(25)
    const { longestSilenceMs } = await requests.stop()
    tell('cable pulled', longestSilenceMs)
    expect(longestSilenceMs).toBeLessThan(5000)
    const next = await scene.ownerOf(ipv4, { not: [owner.name] })
    await owner.healSegment()
    await hasJoined(owner)
    expect(await scene.ownerOf(ipv4)).toBe(next)
  })

  it('is taken over when its node loses power', async () => {
    const owner = await scene.ownerOf(ipv4)
    const requests = startRequests(scene.lab.client, urlOf(ipv4), { timeoutMs: 500 })
    await requests.answered(25)
    await owner.powerOff()
    await endpoints.get(owner.name)?.setReady(false)
    await requests.answered(25)
    const { longestSilenceMs } = await requests.stop()
    tell('power lost', longestSilenceMs)
    expect(longestSilenceMs).toBeLessThan(detectionBoundMs)
    const next = await scene.ownerOf(ipv4, { not: [owner.name] })
    await vi.waitFor(async () => {
      const said = await scene.lab.controlPlane.kubectl(['get', 'events', '-A', '-o', 'jsonpath={.items[*].message}'])
      expect(said).toContain(`the speakers that watch ${owner.name} no longer heard it`)
    }, 10_000)
    await owner.powerOn()
    await speakerOn(owner)
    await hasJoined(owner)
    expect(await scene.ownerOf(ipv4)).toBe(next)
    // Its pod died with it: until every kube-proxy has heard, a connection may still be sent there and be refused.
    await allAnswered()
    // And for two minutes conntrack on the new owner knows each connection that was sent there and never answered: one from
    // the same port would follow it to a pod that is no more.
    await sysctl(scene.lab.client.namespace, { 'net.ipv4.ip_local_port_range': '20000 29999' })
  })

  it('goes on being answered while the API server is away for longer than a Lease lasts', async () => {
    const owner = await scene.ownerOf(ipv4)
    const requests = startRequests(scene.lab.client, urlOf(ipv4), { timeoutMs: 5000 })
    await requests.answered(25)
    scene.lab.apiRelay.pause()
    const awayUntilMs = performance.now() + 13_000
    await vi.waitFor(() => expect(performance.now()).toBeGreaterThan(awayUntilMs), { timeout: 20_000, interval: 200 })
    expect(await scene.answerers(ipv4)).toEqual([owner.name])
    scene.lab.apiRelay.resume()
    await hasJoined(owner)
    expect(await scene.answerers(ipv4)).toEqual([owner.name])
    await requests.answered(25)
    expect((await requests.stop()).problems).toEqual({})
  })

  it('has one answerer in the end when its owner alone cannot reach the API server', async () => {
    const owner = await scene.ownerOf(ipv4)
    await owner.cutManagement()
    // Both may answer for a moment: ownerOf waits until one does.
    const next = await scene.ownerOf(ipv4, { not: [owner.name], timeoutMs: leaseBoundMs })
    expect(next.name).not.toBe(owner.name)
    await owner.healManagement()
    await hasJoined(owner)
    expect(await scene.answerers(ipv4)).toEqual([next.name])
  })

  it('stays the Service’s when the controller is killed and started again', async () => {
    await scene.controller.kill()
    scene.controller = await startController(scene.lab)
    const [another = ''] = await scene.createService('another', { families: ['IPv4'] })
    expect(another).not.toBe(ipv4)
    expect(await scene.addressesOf('web')).toEqual([ipv4, ipv6])
  })
})

const conflicts = ['--field-selector', 'reason=AddressConflict'] as const

function tell(what: string, silenceMs: number): void {
  console.info(`${what}: ${(silenceMs / 1000).toFixed(2)} s without an answer`)
}

async function readLease(scene: Scene, node: string): Promise<string> {
  const args = ['-n', 'berth-system', 'get', 'lease', `speaker-${node}`, '-o', 'jsonpath={.spec.renewTime}']
  return await scene.lab.controlPlane.kubectl(args)
}
