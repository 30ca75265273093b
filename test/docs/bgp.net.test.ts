import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { buildRawsock } from '../../speaker/rawsock/build.ts'
import { bfdSessionOf, type NodePeer, peersOfNode } from '../../speaker/routing/peers.ts'
import { type BerthProcess, route, startBerth } from '../interop/berth.ts'
import { startBfdBerth } from '../interop/bfd-berth.ts'
import { bird, startBird } from '../interop/bird.ts'
import { frr } from '../interop/frr.ts'
import { type FrrDaemon, startFrr } from '../interop/frr-daemons.ts'
import { gobgp } from '../interop/gobgp.ts'
import { makeWorkplace, type RouterMake, whyNotInstalled } from '../interop/router.ts'
import { until } from '../interop/until.ts'
import { createWorld, kill, type World } from '../lab/namespace.ts'
import type { LabHost } from '../lab/node.ts'
import { createSegment } from '../lab/segment.ts'
import { whyNoLab } from '../lab/tools.ts'
import { manifests, resolved, snippet } from './snippets.ts'

/*
 * The routers' configurations of docs/bgp.md, run as they stand there, beside Berth with the manifests that stand there:
 * the router is 192.0.2.1, the node 192.0.2.11.
 */

const noLab = await whyNoLab()
if (noLab === undefined) await buildRawsock()

/** What a router knows of the node: whether the session stands, and its routes by prefix with their LOCAL_PREF. */
interface DocumentedRouter {
  isEstablished(): Promise<boolean>
  routes(): Promise<Readonly<Record<string, number | undefined>>>
}

const page = 'bgp.md'
let world: World
let router: LabHost
let node: LabHost
let berth: BerthProcess

beforeAll(async () => {
  if (noLab !== undefined) return
  world = await createWorld()
  const segment = await createSegment(world)
  const plugIn = async (name: string, number: number): Promise<LabHost> => {
    const namespace = await world.createNamespace()
    const [ipv4, ipv6] = [`192.0.2.${number}`, `2001:db8:0:2::${number}`]
    const mac = `02:00:00:00:00:${String(number).padStart(2, '0')}`
    const addresses = [`${ipv4}/24`, `${ipv6}/64`]
    await segment.attach(namespace, { port: name, interface: 'eth0', mac, addresses })
    return { name, namespace, interface: 'eth0', mac, ipv4, ipv6, exec: namespace.exec, spawn: namespace.spawn }
  }
  ;[router, node] = [await plugIn('router', 1), await plugIn('node', 11)]
})
afterAll(() => world?.end())
afterEach(async () => {
  await Promise.all([router, node].map(host => host?.namespace.killAll()))
})

/** Berth on the node with the peer of these manifests, which has a session there. */
async function startNode(name: string, prefixes: readonly string[]): Promise<NodePeer> {
  const { config } = resolved(manifests(page, name))
  const [peer] = peersOfNode(config, { name: 'node-1', labels: {}, internalIPs: [node.ipv4] }, new Map())
  if (!peer?.settings) throw new Error(`no session: ${peer?.problem}`)
  berth = await startBerth(node)
  const gone = { communities: [0xffff0000] }
  const routes = [...prefixes.map(prefix => route(prefix)), route('203.0.113.99/32', gone), route('198.51.100.1/32')]
  berth.configure([peer.settings], { [peer.name]: routes })
  return peer
}

async function startFrrRouter(name: string, daemons: readonly FrrDaemon[]): Promise<DocumentedRouter> {
  const running = await startFrr(router, daemons, snippet(page, name).split('\n'))
  onTestFinished(() => running.end('SIGKILL'))
  // A daemon starts in spite of a wrong line. Each reads all of them; what is under `bfd` is not bgpd's.
  const refused = running.said().matchAll(/BGP: .*No such command on config line \d+: *(.*)/g)
  const others = /^(bfd|profile .*|transmit-interval .*|receive-interval .*|detect-multiplier .*)$/
  expect(Array.from(refused, ([, line = '']) => line).filter(line => !others.test(line))).toEqual([])
  return {
    async isEstablished() {
      const all = (await running.json('show bgp neighbors json')) as Record<string, { bgpState?: string }>
      return Object.values(all).some(({ bgpState }) => bgpState === 'Established')
    },
    async routes() {
      const tables = await Promise.all(
        ['ipv4', 'ipv6'].map(family => running.json(`show bgp ${family} unicast json`) as Promise<FrrTable>),
      )
      const all = tables.flatMap(table => Object.entries(table.routes ?? {}))
      return Object.fromEntries(all.map(([prefix, [path]]) => [prefix, path?.locPrf]))
    },
  }
}

interface FrrTable {
  readonly routes?: Readonly<Record<string, readonly { readonly locPrf?: number }[]>>
}

async function startBirdRouter(name: string): Promise<DocumentedRouter> {
  const running = await startBird(router, snippet(page, name).split('\n'))
  onTestFinished(() => running.end('SIGKILL'))
  return {
    isEstablished: async () => /^node\d+ .*Established/m.test(await running.ask('show protocols')),
    async routes() {
      const text = await running.ask('show route all')
      const blocks = text.split(/^(?=[0-9a-f][0-9a-f.:]*\/\d+\s)/m).slice(1)
      const localPref = (block: string): number | undefined => Number(/BGP\.local_pref: (\d+)/.exec(block)?.[1])
      return Object.fromEntries(blocks.map(block => [block.split(/\s/)[0] ?? '', localPref(block)]))
    },
  }
}

async function startGobgpRouter(name: string): Promise<DocumentedRouter> {
  const place = await makeWorkplace('gobgp')
  const daemon = place.spawn(router, ['gobgpd', '-f', await place.write('gobgpd.toml', snippet(page, name)), '-p'])
  onTestFinished(async () => {
    await kill(daemon)
    await place.remove()
  })
  const ask = async (...command: string[]): Promise<string> => (await router.exec(['gobgp', ...command])).stdout
  await until(
    'gobgpd answers',
    () => ask('global'),
    text => text.includes('64513'),
  )
  return {
    isEstablished: async () => /ESTABLISHED/i.test(await ask('neighbor', node.ipv4)),
    async routes() {
      const tables = await Promise.all(['ipv4', 'ipv6'].map(family => ask('global', 'rib', '-a', family, '-j')))
      const all = tables
        .filter(table => table.startsWith('{'))
        .flatMap(table => Object.entries(JSON.parse(table) as GobgpTable))
      return Object.fromEntries(
        all.map(([prefix, [path]]) => [prefix, path?.attrs.find(({ type }) => type === localPrefType)?.value]),
      )
    },
  }
}

/** LOCAL_PREF, RFC 4271 §5.1.5. */
const localPrefType = 5

type GobgpTable = Readonly<
  Record<string, readonly { readonly attrs: readonly { readonly type: number; readonly value?: number }[] }[]>
>

async function stands(documented: DocumentedRouter, prefixes: readonly string[]): Promise<void> {
  await until('the session stands', () => documented.isEstablished(), Boolean, 30_000)
  const wanted = [...prefixes, '203.0.113.99/32'].sort()
  await until(
    'the routes of the Services, and no others',
    async () => Object.keys(await documented.routes()).sort(),
    routes => routes.join() === wanted.join(),
    20_000,
  )
}

/** What the peer of the page asks for, beside what the router could not be reached without. */
async function hasAll(peer: NodePeer): Promise<void> {
  const [status] = await berth.state()
  expect(status?.session?.negotiated).toMatchObject({ holdTimeSeconds: 9, gracefulRestart: expect.anything() })
  const session = bfdSessionOf(peer, { local: node.ipv4, remote: router.ipv4 }, [])
  if (!session) throw new Error('the peer has no BFD session')
  const bfd = await startBfdBerth(node)
  bfd.setSessions(session)
  await bfd.until('Up', ({ state, detectionTimeMs }) => state === 'Up' && detectionTimeMs === 150, peer.name)
}

const v4 = '203.0.113.10/32'
const v6 = '2001:db8:0:113::10/128'

/** Prints why where the make cannot be had. */
async function beside(make: RouterMake, define: () => void): Promise<void> {
  const obstacle = noLab ?? (await whyNotInstalled(make))
  if (obstacle !== undefined) console.warn(`skipped: docs/${page} beside ${make.name}: ${obstacle}`)
  describe.skipIf(obstacle !== undefined)(`docs/${page} beside ${make.name}`, () => {
    define()
  })
}

await beside(frr, () => {
  test('the first session', async () => {
    const documented = await startFrrRouter('frr-first', ['bgpd'])
    await startNode('first-session', [v4])
    await stands(documented, [v4])
  })

  test('everything', async () => {
    const documented = await startFrrRouter('frr', ['bgpd', 'bfdd'])
    const peer = await startNode('everything', [v4, v6])
    await stands(documented, [v4, v6])
    expect(await documented.routes()).toMatchObject({ '203.0.113.99/32': 0 })
    await hasAll(peer)
  })

  test('an unnumbered session', async () => {
    const documented = await startFrrRouter('frr-unnumbered', ['bgpd'])
    await startNode('unnumbered', [v4, v6])
    await stands(documented, [v4, v6])
  })
})

await beside(bird, () => {
  test('everything', async () => {
    const documented = await startBirdRouter('bird')
    const peer = await startNode('everything', [v4, v6])
    await stands(documented, [v4, v6])
    expect(await documented.routes()).toMatchObject({ [v4]: 100, '203.0.113.99/32': 0 })
    await hasAll(peer)
  })
})

await beside(gobgp, () => {
  test('everything', async () => {
    const documented = await startGobgpRouter('gobgp')
    await startNode('everything', [v4, v6])
    await stands(documented, [v4, v6])
    expect(await documented.routes()).toMatchObject({ '203.0.113.99/32': 1 })
  })
})
