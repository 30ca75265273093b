import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { type Program, startSpeaker } from '../lab/berth.ts'
import type { LabNode } from '../lab/node.ts'
import { whyNoLab } from '../lab/tools.ts'
import { answerersOf, doubledMs, longestGapMs, startWatch, type WatchedAddress } from '../lab/watch.ts'
import { patience, type Scene, startScene } from './scene.ts'

const obstacle = await whyNoLab(console.warn)
if (obstacle !== undefined) console.warn(`Skipped, no lab on this machine: ${obstacle}`)

/** Three missing packets, 100 ms apart, and the segment's word are half a second; the rest is room for a busy machine. */
const takeOverBoundMs = 1_500
/** Without the API server and without most of the others a node stops answering after two seconds. */
const cutOffBoundMs = 3_500

describe.skipIf(obstacle !== undefined)('an address of both families', () => {
  let scene: Scene
  let both: readonly string[]
  beforeAll(async () => {
    scene = await startScene({ nodes: 3 })
    both = await scene.createService('web')
    await scene.lab.deployEndpoint('web', scene.node('node-1'), 8080)
    for (const address of both) await scene.ownerOf(address)
  })
  afterAll(() => scene?.[Symbol.asyncDispose]())
  beforeEach(() => scene.tellOnFailure())

  const owner = async (): Promise<LabNode> => await scene.ownerOf(both[0] ?? '')
  const speakerOn = (node: LabNode): Program => {
    const speaker = scene.speakers.get(node.name)
    if (!speaker) throw new Error(`no speaker on ${node.name}`)
    return speaker
  }
  /** Starts the speaker of a node again and waits until it counts as a member everywhere. */
  const restart = async (node: LabNode): Promise<void> => {
    const speaker = await startSpeaker(scene.lab, node)
    scene.speakers.set(node.name, speaker)
    await isMember(node)
  }
  const isMember = async (node: LabNode): Promise<void> => {
    const jsonpath = '-o=jsonpath={.spec.holderIdentity} {.spec.renewTime}'
    const lease = async () =>
      await scene.lab.controlPlane
        .kubectl(['-n', 'berth-system', 'get', 'lease', `speaker-${node.name}`, jsonpath])
        .catch(() => '')
    const before = await lease()
    await vi.waitFor(async () => expect(await lease()).not.toBe(before), patience)
  }
  const takenOver = async (from: LabNode): Promise<LabNode> => {
    for (const address of both) await scene.ownerOf(address, { not: [from.name] })
    return await owner()
  }

  it('is taken over when its node loses power', async () => {
    const node = await owner()
    const watch = await startWatch(scene.lab.client, both)
    await node.powerOff()
    await takenOver(node)
    const watched = await watch.stop()
    for (const one of watched) {
      expect(answerersOf(one.answers)).toHaveLength(2)
      expect(gapOf(one)).toBeLessThan(takeOverBoundMs)
      expect(doubledMs(one.answers)).toBe(0)
    }
    await node.powerOn()
    await restart(node)
  })

  it('is taken over from a speaker that hangs, which answers nothing when it goes on', async () => {
    const node = await owner()
    const watch = await startWatch(scene.lab.client, both)
    speakerOn(node).freeze()
    await takenOver(node)
    const thawedAtMs = now()
    speakerOn(node).thaw()
    await isMember(node)
    const watched = await watch.stop()
    for (const one of watched) {
      expect(gapOf(one)).toBeLessThan(takeOverBoundMs)
      // What was asked while it hung lay in its socket all the time.
      expect(one.answers.filter(([atMs, mac]) => atMs > thawedAtMs && mac === node.mac)).toEqual([])
      expect(one.announcements.filter(([atMs, mac]) => atMs > thawedAtMs && mac === node.mac)).toEqual([])
    }
  })

  it('is taken over although the API server is away, and nobody argues when it is back', async () => {
    const node = await owner()
    scene.lab.apiRelay.pause()
    const watch = await startWatch(scene.lab.client, both)
    await node.powerOff()
    const next = await takenOver(node)
    const watched = await watch.stop()
    for (const one of watched) {
      expect(gapOf(one)).toBeLessThan(takeOverBoundMs)
      expect(answerersOf(one.answers)).toEqual([node.mac, next.mac])
    }
    const after = await startWatch(scene.lab.client, both)
    scene.lab.apiRelay.resume()
    await node.powerOn()
    await restart(node)
    await vi.waitFor(async () => expect(await recordedOwner(scene)).toBe(next.name), patience)
    for (const one of await after.stop()) {
      expect(answerersOf(one.answers)).toEqual([next.mac])
      expect(doubledMs(one.answers)).toBe(0)
    }
  })

  it('is not answered for by a node that hears neither the API server nor the others', async () => {
    const node = await owner()
    const watch = await startWatch(scene.lab.client, both)
    const cutAtMs = now()
    // On the segment it goes on hearing the client, but no other node.
    await node.cutManagement()
    await silencePeers(scene, node)
    await takenOver(node)
    const watched = await watch.stop()
    for (const one of watched) {
      const last = one.answers.findLast(([, mac]) => mac === node.mac)?.[0] ?? 0
      expect(last - cutAtMs).toBeLessThan(cutOffBoundMs)
    }
    await hearPeers(node)
    await node.healManagement()
    await isMember(node)
    for (const address of both) await scene.ownerOf(address)
  })
})

const now = (): number => performance.timeOrigin + performance.now()

function gapOf({ answers }: WatchedAddress): number {
  const times = answers.map(([atMs]) => atMs)
  return longestGapMs(times, times[0] ?? 0, times.at(-1) ?? 0)
}

async function recordedOwner(scene: Scene): Promise<string> {
  const jsonpath = 'jsonpath={.items[*].status.node}'
  return await scene.lab.controlPlane.kubectl(['get', 'servicel2statuses', '-A', '-o', jsonpath])
}

/** Drops what the other nodes say to it; ARP and Neighbor Discovery go on. */
async function silencePeers(scene: Scene, node: LabNode): Promise<void> {
  const others = scene.lab.nodes.filter(other => other !== node)
  const input = `table inet cut {
    chain input {
      type filter hook input priority -500
      ip saddr { ${others.map(other => other.ipv4).join(', ')} } drop
      ip6 saddr { ${others.map(other => other.ipv6).join(', ')} } meta l4proto udp drop
    }
  }`
  await node.namespace.run(['nft', '-f', '-'], { input })
}

async function hearPeers(node: LabNode): Promise<void> {
  await node.namespace.run(['nft', 'delete', 'table', 'inet', 'cut'])
}
