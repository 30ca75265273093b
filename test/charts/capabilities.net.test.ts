import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { patience, type Scene, startScene } from '../e2e/scene.ts'
import { whyNoLab } from '../lab/tools.ts'

/*
 * The speaker as the chart runs it: root, with the chart's capabilities and no others, and no way to gain any. Whatever
 * starts containers cuts the bounding set just so.
 */

const obstacle = await whyNoLab(console.warn)
if (obstacle !== undefined) console.warn(`Skipped, no lab on this machine: ${obstacle}`)

const chartCapabilities = ['net_raw', 'sys_nice']
const slowly = 'BFD runs at ordinary priority'
const deaf = 'cannot listen for BGP peers'

describe.skipIf(obstacle !== undefined)('a speaker', () => {
  let scene: Scene
  let address: string
  let command: readonly string[]

  beforeAll(async () => {
    scene = await startScene({ nodes: 2 })
    const dials = { myASN: 64512, peerASN: 64513, peerAddress: '192.0.2.250', passive: true }
    const peer = { apiVersion: 'berth.dev/v1beta1', kind: 'BGPPeer', metadata: { name: 'dials' }, spec: dials }
    await scene.lab.controlPlane.kubectl(['apply', '-n', 'berth-system', '-f', '-'], { input: JSON.stringify(peer) })
    // Only the node of the endpoint may announce it; the other one's speaker is there to be looked after.
    const local = { families: ['IPv4'], externalTrafficPolicy: 'Local' } as const
    address = (await scene.createService('web', local))[0] ?? ''
    await scene.lab.deployEndpoint('web', scene.node('node-1'), 8080)
    await vi.waitFor(answers, patience)
    const usual = scene.speakers.get('node-1')
    command = [process.execPath, ...(usual?.commandLine.split(' ').slice(1) ?? [])]
    await usual?.kill()
    await vi.waitUntil(async () => (await scene.answerers(address)).length === 0, patience)
  })
  afterAll(() => scene?.[Symbol.asyncDispose]())

  /** Runs one until it does what is awaited, and returns its log. */
  async function runWith(capabilities: readonly string[], until: (log: string) => Promise<void>): Promise<string> {
    const set = ['-all', ...capabilities.map(name => `+${name}`)].join(',')
    const cut = ['setpriv', `--bounding-set=${set}`, `--inh-caps=-all`, '--no-new-privs']
    const child = scene.node('node-1').spawn([...cut, ...command], { stdio: ['ignore', 'pipe', 'pipe'] })
    const exited = new Promise(resolve => child.once('exit', resolve))
    let log = ''
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', chunk => (log += String(chunk)))
    try {
      await vi.waitFor(async () => await until(log), patience)
    } catch (error) {
      throw new Error(`its log:\n${log.slice(-3_000)}`, { cause: error })
    } finally {
      child.kill('SIGTERM')
      await exited
    }
    return log
  }
  const answers = async (): Promise<void> => expect(await scene.answerers(address)).toEqual(['node-1'])

  test('with the capabilities of the chart answers, and lacks only port 179', async () => {
    const log = await runWith(chartCapabilities, async soFar => {
      await answers()
      expect(soFar).toContain(deaf)
    })
    expect(log).not.toContain(slowly)
  })

  test('with NET_BIND_SERVICE besides can be dialled by routers', async () => {
    const log = await runWith([...chartCapabilities, 'net_bind_service'], async () => {
      await answers()
      const listening = scene
        .node('node-1')
        .spawn(['ss', '-Hltn', 'sport = :179'], { stdio: ['ignore', 'pipe', 'pipe'] })
      expect(listening.stdout && (await text(listening.stdout))).toContain(':179')
    })
    expect(log).not.toContain(deaf)
  })

  test('without NET_RAW does not answer', async () => {
    const log = await runWith(['sys_nice'], async soFar => expect(soFar).toMatch(/EPERM|not permitted/))
    expect(log).toMatch(/EPERM|not permitted/)
    expect(await scene.answerers(address)).toEqual([])
  })

  test('without SYS_NICE answers, and says that a busy node may be late', async () => {
    await runWith(['net_raw'], async soFar => {
      await answers()
      expect(soFar).toContain(slowly)
    })
  })
})
