import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, onTestFailed, vi } from 'vitest'
import { snippet } from '../docs/snippets.ts'
import type { LabNode } from '../lab/node.ts'
import { whyNoRouter } from '../lab/router.ts'
import { type Swept, startSweep } from '../lab/sweep.ts'
import { type MigrationScene, startMigrationScene } from './migrate-scene.ts'

/*
 * docs/migration.md, command by command: two hundred Services that the real MetalLB serves move to Berth and back, while
 * every address is asked for all the time.
 */

const obstacle = await whyNoRouter(console.warn)
if (obstacle !== undefined) console.warn(`skipped: the migration from MetalLB: ${obstacle}`)

const patience = { timeout: 90_000, interval: 500 }
/** How often each address is asked for; a single answer that is lost on a busy machine is no outage. */
const everyMs = 400
const boundMs = 1_000

describe.skipIf(obstacle !== undefined)('two hundred Services that MetalLB serves', () => {
  let scene: MigrationScene
  let before: Readonly<Record<string, readonly string[]>>

  beforeAll(async () => {
    scene = await startMigrationScene()
    await vi.waitFor(async () => {
      before = await scene.addresses()
      const missing = scene.cases.filter(one => before[one.name]?.length !== one.families.length)
      if (missing.length > 0) throw new Error(`MetalLB gives no address to ${missing.map(({ name }) => name).join()}`)
    }, patience)
    await metallbAnnounces()
    await sessionsStand()
  })
  afterAll(() => scene?.[Symbol.asyncDispose]())

  const run = async (name: string): Promise<string> => await scene.shell(snippet('migration.md', name))
  const plan = async (direction: string): Promise<Plan> =>
    JSON.parse(await scene.shell(`kubectl berth migrate ${direction} -o json`)) as Plan
  const metallbAnnounces = async (): Promise<void> => {
    const wanted = scene.cases.filter(({ by }) => by === 'layer2').length
    await vi.waitFor(async () => {
      expect(await scene.list('/apis/metallb.io/v1beta1/servicel2statuses')).toHaveLength(wanted)
    }, patience)
  }
  const sessionsStand = async (): Promise<void> => {
    await vi.waitFor(async () => {
      const sessions = Object.values(await scene.router.sessions())
      expect(sessions).toEqual(['Established', 'Established', 'Established'])
    }, patience)
  }
  /** The speakers that run have read their configuration. The lab calls a pod ready as soon as it runs. */
  const metallbIsReady = async (): Promise<void> => {
    await vi.waitFor(async () => {
      const logs = (await scene.kubelets.logs(1_000)).split('\n\n')
      for (const name of metallbSpeakers())
        expect(logs.find(text => text.includes(`pod-${name}.log`))).toContain('config reloaded')
    }, patience)
  }
  /** All sessions stand, and that of the node is not Berth's. */
  const metallbHasSession = async (node: LabNode): Promise<void> => {
    await vi.waitFor(async () => {
      const sessions = await scene.list('/apis/berth.dev/v1beta1/namespaces/berth-system/bgpsessionstatuses')
      expect(sessions.map(one => (one as Session).status.node)).not.toContain(node.name)
    }, patience)
    await sessionsStand()
  }
  const metallbSpeakers = (): readonly string[] => scene.kubelets.running.filter(name => name.startsWith('speaker-'))

  /** Asks for everything while something happens. */
  async function watched(what: () => Promise<void>): Promise<{ readonly layer2: Swept; readonly bgp: Swept }> {
    const { lab, router } = scene
    onTestFailed(async () => console.warn(await scene.kubelets.logs()))
    const onSegment = startSweep(lab.client, await scene.targets('layer2'), everyMs)
    const beyond = startSweep(router.client, await scene.targets('bgp'), everyMs)
    await delay(3_000)
    await what()
    await delay(3_000)
    return { layer2: await onSegment(), bgp: await beyond() }
  }

  function report(title: string, { layer2, bgp }: { readonly layer2: Swept; readonly bgp: Swept }): void {
    for (const [way, { reports, kept }] of [
      ['layer 2', layer2],
      ['BGP', bgp],
    ] as const) {
      const longest = reports.toSorted((one, other) => other.outageMs - one.outageMs).slice(0, 3)
      const broken = kept.filter(one => one.broken !== undefined)
      const [lost, asked] = [reports.map(one => one.lost).reduce(add, 0), reports.map(one => one.asked).reduce(add, 0)]
      console.warn(
        `${title}, ${way}: ${reports.length} addresses and ports, each asked every ${everyMs} ms; ${lost} of ${asked} ` +
          `questions lost, longest outage ${longest[0]?.outageMs.toFixed(0)} ms; ${broken.length} of ${kept.length} ` +
          `connections broken\n${JSON.stringify(longest)} ${JSON.stringify(broken.slice(0, 3))}`,
      )
    }
  }

  it('move to Berth', { timeout: 300_000 }, async () => {
    await run('install')
    await vi.waitFor(async () => expect((await plan('from-metallb')).steps[0]?.done).toBe(true), patience)
    expect(await run('plan')).toContain('200 Services with an address: each would keep what it has')
    const { steps } = await plan('from-metallb')
    const printed = steps.flatMap(({ commands }) => commands).join('\n')
    for (const name of ['install', 'hold', 'apply', 'controllers', 'layer2', 'leave'])
      expect(printed).toContain(snippet('migration.md', name).trim())

    const seen = await watched(async () => {
      const speakers = metallbSpeakers()
      await run('hold')
      expect(await run('apply')).toContain('For 190 of 190 Services at layer 2 Berth goes on at the node')
      await vi.waitFor(async () => {
        expect((await plan('from-metallb')).layer2).toMatchObject({ wanted: 190, announced: 190 })
      }, patience)
      await run('controllers')
      await vi.waitFor(async () => expect((await plan('from-metallb')).steps[3]?.done).toBe(true), patience)
      // The label and the new template have restarted nobody.
      expect(metallbSpeakers()).toEqual(speakers)
      await run('layer2')
      for (const node of scene.lab.nodes) {
        await scene.shell(snippet('migration.md', 'leave').replace('node-1', node.name))
        await vi.waitFor(async () => {
          const sessions = await scene.list('/apis/berth.dev/v1beta1/namespaces/berth-system/bgpsessionstatuses')
          const own = sessions.find(one => (one as Session).status.node === node.name) as Session | undefined
          expect(own?.status.state).toBe('Established')
        }, patience)
      }
      expect(metallbSpeakers()).toEqual([])
    })
    report('to Berth', seen)
    expect(await scene.addresses()).toEqual(before)
    expect(seen.layer2.reports.filter(({ outageMs }) => outageMs > boundMs)).toEqual([])
    expect(seen.bgp.reports.filter(({ outageMs }) => outageMs > boundMs)).toEqual([])
    expect(seen.layer2.kept.filter(({ broken }) => broken !== undefined)).toEqual([])
    expect(seen.layer2.kept.length).toBeGreaterThan(10)
    const done = (await plan('from-metallb')).steps.map(step => step.done)
    expect(done).toEqual([true, true, true, true, true, true, false])
  })

  it('and back to MetalLB', { timeout: 300_000 }, async () => {
    expect(await run('back-plan')).toContain('200 Services with an address: each would keep what it has')
    const { steps } = await plan('to-metallb')
    const printed = steps.flatMap(({ commands }) => commands).join('\n')
    for (const name of ['back-controllers', 'back-hold', 'back-speakers', 'back-layer2', 'back-uninstall']) {
      expect(printed).toContain(snippet('migration.md', name).trim())
    }
    const seen = await watched(async () => {
      await run('back-controllers')
      await run('back-hold')
      await vi.waitFor(() => expect(metallbSpeakers()).toHaveLength(scene.lab.nodes.length), patience)
      await metallbIsReady()
      for (const node of scene.lab.nodes) {
        await scene.shell(snippet('migration.md', 'back-speakers').replaceAll('node-1', node.name))
        await metallbHasSession(node)
      }
      await run('back-layer2')
      await metallbAnnounces()
      await run('back-uninstall')
      await vi.waitFor(
        () => expect(scene.kubelets.running.filter(name => name.startsWith('berth-'))).toEqual([]),
        patience,
      )
    })
    report('back to MetalLB', seen)
    expect(await scene.addresses()).toEqual(before)
    expect(seen.layer2.reports.filter(({ outageMs }) => outageMs > boundMs)).toEqual([])
    expect(seen.bgp.reports.filter(({ outageMs }) => outageMs > boundMs)).toEqual([])
  })
})

const add = (one: number, other: number): number => one + other

interface Plan {
  readonly layer2: { readonly wanted: number; readonly announced: number }
  readonly steps: readonly { readonly done: boolean; readonly commands: readonly string[] }[]
}

interface Session {
  readonly status: { readonly node?: string; readonly state?: string }
}
