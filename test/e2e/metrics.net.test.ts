import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { rows } from '../charts/monitoring/dashboard-panels.ts'
import { type Exposition, parseExposition } from '../charts/monitoring/exposition.ts'
import { documentedMetrics, namedIn, targetLabels } from '../charts/monitoring/promql.ts'
import { rulesOf, shippedRules } from '../charts/monitoring/rules.ts'
import { freePort } from '../control-plane/free-port.ts'
import { startController } from '../lab/berth.ts'
import { nodesAs, routerAs, startLabRouter, whyNoRouter } from '../lab/router.ts'
import { type ConfigurationObject, onSegment, patience, type Scene, startScene } from './scene.ts'

/*
 * What alerts and dashboard ask for, on the pages of programs that run: a controller, two speakers, a router with BGP and
 * BFD, addresses of every kind, and a station that has one of them too.
 */

const obstacle = await whyNoRouter(console.warn)
if (obstacle !== undefined) console.warn(`Skipped, no router in a lab on this machine: ${obstacle}`)

const speakerPort = 7473

const configuration: readonly ConfigurationObject[] = [
  ...onSegment,
  { kind: 'IPAddressPool', name: 'shared', spec: { addresses: ['192.0.2.200-192.0.2.209'], autoAssign: false } },
  { kind: 'L2Advertisement', name: 'shared', spec: { ipAddressPools: ['shared'], loadSharing: 'perClient' } },
  { kind: 'IPAddressPool', name: 'routed', spec: { addresses: ['203.0.113.0/25'], autoAssign: false } },
  { kind: 'BGPAdvertisement', name: 'routed', spec: { ipAddressPools: ['routed'] } },
  { kind: 'BFDProfile', name: 'ordinary', spec: {} },
  {
    kind: 'BGPPeer',
    name: 'router',
    spec: {
      myASN: nodesAs,
      peerASN: routerAs,
      peerAddress: '192.0.2.1',
      dualStackAddressFamily: true,
      bfdProfile: 'ordinary',
      connectTime: '1s',
    },
  },
]

/** They have a value once something has gone wrong that is not to be had for the asking; that they are announced is seen. */
const onlyInTrouble: readonly string[] = [
  'berth_layer2_dropped_total',
  'berth_bfd_discarded_total',
  'berth_bfd_unmatched_total',
]

const expressions = [
  ...rulesOf(shippedRules()).map(({ expr }) => expr),
  ...rows.flatMap(({ panels }) => panels.flatMap(({ queries }) => queries.map(({ expr }) => expr))),
]
const selectors = expressions.flatMap(expression => namedIn(expression).selectors)
const documented = documentedMetrics()

describe.skipIf(obstacle !== undefined)('/metrics of programs that run', () => {
  let scene: Scene
  let controllerPort: number
  beforeAll(async () => {
    scene = await startScene({ nodes: 2 }, configuration, { flags: ['--port', String(speakerPort)] })
    await startLabRouter(scene.lab, { bfd: { intervalMs: 50, detectMultiplier: 3 } })
    controllerPort = await freePort()
    await scene.controller.stop()
    scene.controller = await startController(scene.lab, { flags: ['--port', String(controllerPort)] })
  })
  afterAll(() => scene?.[Symbol.asyncDispose]())
  beforeEach(() => scene.tellOnFailure())

  const pages = async (): Promise<readonly Exposition[]> => {
    const controller = await (await fetch(`http://127.0.0.1:${controllerPort}/metrics`)).text()
    const running = scene.lab.nodes.filter(({ name }) => scene.speakers.get(name)?.running)
    const speakers = running.map(({ namespace }) =>
      namespace.run(['curl', '-s', `http://127.0.0.1:${speakerPort}/metrics`]),
    )
    return [controller, ...(await Promise.all(speakers))].map(parseExposition)
  }
  const serve = async (name: string, pool: string): Promise<string> => {
    const annotations = { 'berth.dev/address-pool': pool }
    const [address = ''] = await scene.createService(name, { families: ['IPv4'], annotations })
    await scene.lab.deployEndpoint(name, scene.node('node-1'), 8080)
    return address
  }

  it('have every metric that alerts and dashboard ask for, with the labels of docs/metrics.md', async () => {
    const address = await serve('alone', 'segment')
    await serve('together', 'shared')
    await serve('routed', 'routed')
    await scene.createService('without-pods', { families: ['IPv4'] })
    const owner = await scene.ownerOf(address)
    const stranger = await scene.lab.world.createNamespace()
    onTestFinished(() => stranger.end())
    const mac = '02:00:00:00:00:66'
    const port = { port: 'stranger', interface: 'eth0', mac, addresses: [`${address}/24`] }
    await scene.lab.segment.attach(stranger, port)
    await stranger.exec(['arping', '-c', '1', '-U', '-I', 'eth0', address])

    const wanted = new Set(selectors.map(({ metric }) => metric).filter(metric => !onlyInTrouble.includes(metric)))
    await vi.waitFor(async () => {
      const there = new Set((await pages()).flatMap(({ samples }) => samples.map(({ metric }) => metric)))
      expect([...wanted].filter(metric => !there.has(metric))).toEqual([])
      await scene.answerers(address)
    }, patience)

    const all = await pages()
    const types = new Set(all.flatMap(page => [...page.types.keys()]))
    expect(onlyInTrouble.filter(metric => !types.has(metric))).toEqual([])
    const samples = all.flatMap(page => page.samples)
    const strange = samples.filter(({ metric, labels }) => {
      const shown = Object.keys(labels).toSorted().join()
      return metric.startsWith('berth_') && shown !== documented.get(metric)?.toSorted().join()
    })
    expect(strange).toEqual([])
    const selected = selectors.flatMap(({ metric, labels }) => labels.map(label => ({ metric, label })))
    const own = selected.filter(({ label }) => !(targetLabels as readonly string[]).includes(label))
    expect(own.length).toBeGreaterThan(20)
    expect(own.filter(({ metric, label }) => !documented.get(metric)?.includes(label))).toEqual([])
    expect(samples).toContainEqual({
      metric: 'berth_layer2_rival',
      labels: { ip: address, interface: 'eth0', mac, rival_node: '' },
      value: 1,
    })
    expect(samples).toContainEqual({
      metric: 'berth_speaker_announced',
      labels: { service: 'default/alone', protocol: 'layer2', node: owner.name, ip: address },
      value: 1,
    })
    expect(samples.filter(({ metric }) => metric === 'berth_layer2_sharing_nodes').map(({ value }) => value)).toEqual([
      2, 2,
    ])
    expect(samples.filter(({ metric }) => metric === 'berth_bgp_session_up').map(({ value }) => value)).toEqual([1, 1])
    expect(samples.filter(({ metric }) => metric === 'berth_bfd_session_up').map(({ value }) => value)).toEqual([1, 1])
  })

  it('count a speaker as gone until its node is removed', async () => {
    const gone = async (): Promise<number | undefined> => {
      const [, first] = await pages()
      const found = first?.samples.find(
        one => one.metric === 'berth_speaker_members' && one.labels['liveness'] === 'gone',
      )
      return found?.value
    }
    expect(await gone()).toBe(0)
    await scene.speakers.get('node-2')?.kill()
    await vi.waitFor(async () => expect(await gone()).toBe(1), patience)
    await scene.lab.controlPlane.kubectl(['delete', 'node', 'node-2'])
    await vi.waitFor(async () => expect(await gone()).toBe(0), patience)
  })
})
