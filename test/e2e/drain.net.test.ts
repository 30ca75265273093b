import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { LabNode } from '../lab/node.ts'
import { keepForgetting, startRequests, urlOf } from '../lab/probe.ts'
import { whyNoLab } from '../lab/tools.ts'
import { onSegment, patience, type Scene, startScene } from './scene.ts'

const obstacle = await whyNoLab(console.warn)
if (obstacle !== undefined) console.warn(`Skipped, no lab on this machine: ${obstacle}`)

const healthzPort = 10256

describe.skipIf(obstacle !== undefined)('the addresses of a node that had better not have any', () => {
  let scene: Scene
  let both: readonly string[]
  beforeAll(async () => {
    const flags = ['--drain', 'cordon', '--kube-proxy-healthz', `http://127.0.0.1:${healthzPort}/healthz`]
    scene = await startScene({ nodes: 3 }, onSegment, { flags })
    both = await scene.createService('web')
    for (const node of scene.lab.nodes) await scene.lab.deployEndpoint('web', node, 8080)
  })
  afterAll(() => scene?.[Symbol.asyncDispose]())
  beforeEach(() => scene.tellOnFailure())

  /** Both addresses are with one node at first, and then with others, while a client resolves them anew for each request. */
  const movesWithoutLoss = async (leave: (owner: LabNode) => Promise<void>): Promise<LabNode> => {
    const owner = await scene.ownerOf(both[0] ?? '')
    const remember = keepForgetting(scene.lab.client)
    const requests = both.map(address =>
      startRequests(scene.lab.client, urlOf(address), { timeoutMs: 5_000, askAgain: true }),
    )
    await Promise.all(requests.map(each => each.answered(25)))
    await leave(owner)
    for (const address of both) await scene.ownerOf(address, { not: [owner.name] })
    await Promise.all(requests.map(each => each.answered(25)))
    for (const each of requests) {
      const { problems, slowestMs } = await each.stop()
      expect(problems).toEqual({})
      // An ARP request or a SYN that was lost is sent again after a second: none was.
      expect(slowestMs).toBeLessThan(1_000)
    }
    await remember()
    return owner
  }

  it('go to others when it is cordoned, without one lost request, and stay there when it is not any more', async () => {
    const owner = await movesWithoutLoss(async ({ name }) => {
      await scene.lab.controlPlane.kubectl(['cordon', name])
    })
    const after = await Promise.all(both.map(address => scene.ownerOf(address)))
    await scene.lab.controlPlane.kubectl(['uncordon', owner.name])
    // By the next Lease it is known to be able again.
    const renewTime = ['-o', 'jsonpath={.spec.renewTime}']
    const lease = ['-n', 'berth-system', 'get', 'lease', `speaker-${owner.name}`, ...renewTime]
    const renewed = async (): Promise<string> => await scene.lab.controlPlane.kubectl(lease)
    const before = await renewed()
    await vi.waitFor(async () => expect(await renewed()).not.toBe(before), patience)
    expect(await Promise.all(both.map(address => scene.ownerOf(address)))).toEqual(after)
  })

  it('go to others when its kube-proxy does not say any more that it is well', async () => {
    let proxy = 0
    const owner = await movesWithoutLoss(async node => {
      proxy = await listenerOn(node, healthzPort)
      process.kill(proxy, 'SIGSTOP')
    })
    process.kill(proxy, 'SIGCONT')
    await vi.waitFor(async () => {
      const { code } = await owner.exec(['curl', '-fsS', '-m', '1', `http://127.0.0.1:${healthzPort}/healthz`])
      expect(code).toBe(0)
    }, patience)
  })
})

/** The process that listens there on a port. */
async function listenerOn({ namespace }: LabNode, port: number): Promise<number> {
  const listening = await namespace.run(['ss', '-Hltnp', `sport = :${port}`])
  const pid = Number(/pid=(\d+)/.exec(listening)?.[1])
  if (!(pid > 1)) throw new Error(`nobody listens on port ${port}: ${listening}`)
  return pid
}
