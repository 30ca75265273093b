import { pino } from 'pino'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { BFDProfile, BGPPeer, Config } from '../../crds/config.ts'
import type { KubeNode } from '../../kube/node.ts'
import type { Service, ServiceEndpoints } from '../../kube/service.ts'
import { createStore } from '../../kube/store.ts'
import { excludeLabel } from '../advertisements.ts'
import type { BfdSessionSettings } from '../bfd/messages.ts'
import { formatNotification } from '../bgp/notification.ts'
import { formatPrefix, type Route } from '../bgp/route.ts'
import type { ConfiguredPeer } from '../bgp/settings.ts'
import type { Bgp, BgpOptions, Farewell } from '../bgp/speaker.ts'
import type { PeerStatus } from '../bgp/status.ts'
import { endpointsOn, labelled, pool, service } from '../test-values.ts'
import type { Password } from './peers.ts'
import { createRouter, type Router, type RouterOptions } from './router.ts'
import { bgpAdvertisement, bgpPeer } from './test-routing.ts'
import { bfd, established, negotiated, status } from './test-sessions.ts'

const gracefulShutdown = 0xffff0000
const gracefulRestart = {
  kind: 'gracefulRestart',
  restarting: false,
  notification: true,
  restartTimeSeconds: 120,
  families: [],
} as const
const soon = { interval: 1 } as const

const profile: BFDProfile = {
  name: 'fast',
  receiveIntervalMs: 50,
  transmitIntervalMs: 50,
  detectMultiplier: 3,
  echoIntervalMs: 50,
  echoMode: false,
  passiveMode: false,
  minimumTtl: 254,
}

const ownNode: KubeNode = {
  key: 'a',
  name: 'a',
  uid: 'a-uid',
  resourceVersion: '1',
  labels: {},
  internalIPs: ['192.0.2.10'],
  excluded: false,
  networkUnavailable: false,
  ready: true,
  unschedulable: false,
  taints: [],
}

/** BGP that does nothing but remember what it was told, and says of its sessions what the test wants. */
interface Told {
  readonly options: BgpOptions
  configured: number
  peers: readonly ConfiguredPeer[]
  routes: ReadonlyMap<string, readonly Route[]>
  readonly statuses: Map<string, PeerStatus>
  nextHopsRefreshed: number
  readonly resets: string[]
  readonly farewells: Farewell[]
}

interface Scene {
  readonly router: Router
  /** Of each BGP that was opened. */
  readonly opened: readonly Told[]
  /** What was wanted of the wire thread, the last last. */
  readonly bfdSessions: readonly (readonly BfdSessionSettings[])[]
  readonly followed: readonly ReadonlySet<string>[]
  known: 'nothing' | 'peers' | 'everything'
  config: Config
  endpoints: ServiceEndpoints
  readonly passwords: Map<string, Password>
  readonly services: { put(service: Service): void }
  /** The node is taken out of use. */
  cordon(): void
  relabel(labels: KubeNode['labels']): void
}

function setUp(peers: readonly BGPPeer[], more: Partial<RouterOptions> = {}): Scene {
  const nodes = createStore<KubeNode>()
  nodes.observe({ ...ownNode, value: ownNode })
  const services = createStore<Service>()
  const opened: Told[] = []
  const bfdSessions: (readonly BfdSessionSettings[])[] = []
  const followed: ReadonlySet<string>[] = []
  let version = 10
  const scene: Omit<Scene, 'router'> = {
    opened,
    bfdSessions,
    followed,
    known: 'everything',
    config: {
      pools: [pool('lan', '203.0.113.0/24')],
      layer2Advertisements: [],
      bgpAdvertisements: [bgpAdvertisement('all')],
      bgpPeers: peers,
      bfdProfiles: [profile],
    },
    endpoints: endpointsOn('a'),
    passwords: new Map(),
    services: {
      put: one => services.observe({ ...one, resourceVersion: `${++version}`, value: one }),
    },
    cordon: () => nodes.observe({ ...ownNode, resourceVersion: '2', value: { ...ownNode, unschedulable: true } }),
    relabel: labels => nodes.observe({ ...ownNode, resourceVersion: `${++version}`, value: { ...ownNode, labels } }),
  }
  const router = createRouter({
    node: 'a',
    sources: { services, nodes, config: () => scene.config },
    endpoints: { of: () => scene.endpoints },
    passwords: { follow: names => followed.push(names), known: () => scene.passwords, stop: async () => {} },
    known: () => scene.known,
    openBgp: async options => openTold(options, opened),
    setBfdSessions: sessions => bfdSessions.push(sessions),
    interfaces: () => [],
    dwellMs: 0,
    isDrained: () => false,
    onChange: () => {},
    log: pino({ level: 'silent' }),
    ...more,
  })
  onTestFinished(() => router.stop())
  scene.services.put(service('web', ['203.0.113.1']))
  return Object.assign(scene, { router })
}

async function openTold(options: BgpOptions, opened: Told[]): Promise<Bgp> {
  const told: Told = {
    options,
    configured: 0,
    peers: [],
    routes: new Map(),
    statuses: new Map(),
    nextHopsRefreshed: 0,
    resets: [],
    farewells: [],
  }
  opened.push(told)
  return {
    configure(peers, routes) {
      told.configured += 1
      told.peers = peers
      told.routes = routes
    },
    refreshNextHops: () => void (told.nextHopsRefreshed += 1),
    reset: (peer, reason) => void told.resets.push(`${peer}: ${formatNotification(reason)}`),
    state: () => told.peers.map(({ name }) => told.statuses.get(name) ?? status({ name })),
    async stop(farewell) {
      told.farewells.push(farewell)
    },
  }
}

/** The BGP that was opened, once it has been told of so many peers. */
async function bgpWith({ opened }: Scene, peers: number): Promise<Told> {
  return await vi.waitFor(() => {
    expect(opened).toHaveLength(1)
    const [told] = opened
    if (told?.peers.length !== peers) throw new Error('not configured yet')
    return told
  }, soon)
}

/** The peer's session comes up, or changes. */
function stand(told: Told, name: string, more: Parameters<typeof established>[1] = {}): void {
  told.statuses.set(name, established({ name, remote: '198.51.100.1' }, more))
  told.options.onChange?.(name)
}

function prefixes({ routes }: Told, peer: string): readonly string[] | undefined {
  return routes.get(peer)?.map(({ prefix }) => formatPrefix(prefix))
}

describe('a node without a peer', () => {
  test('opens nothing, whatever there is to announce', async () => {
    const scene = setUp([
      bgpPeer('elsewhere', { nodeSelectors: [{ requirements: [{ operator: 'Exists', key: 'edge' }] }] }),
    ])
    scene.router.wake('configuration')
    await vi.waitFor(() => expect(scene.router.state.runs).toBe(1), soon)
    expect(scene.opened).toEqual([])
    expect(scene.bfdSessions).toEqual([])
    expect(scene.router.view().peers).toEqual([])
    await scene.router.leave()
    expect(scene.opened).toEqual([])
  })
})

describe('what is told to BGP', () => {
  test('before the peers are known nothing, before the Services are known no routes and not even that there are none', async () => {
    const scene = setUp([bgpPeer('r1')])
    scene.known = 'nothing'
    scene.router.wake('configuration')
    await new Promise(resolve => setTimeout(resolve, 20))
    expect(scene.router.state.runs).toBe(0)
    scene.known = 'peers'
    scene.router.wake('configuration')
    const told = await bgpWith(scene, 1)
    expect(told.routes).toEqual(new Map())
    expect(scene.router.view().plan).toBeUndefined()
    scene.known = 'everything'
    scene.router.wake('configuration')
    await vi.waitFor(() => expect(prefixes(told, 'r1')).toEqual(['203.0.113.1/32']), soon)
  })

  test('changes that come together are told together, and soon', async () => {
    const scene = setUp([bgpPeer('r1')])
    scene.router.wake('configuration')
    const told = await bgpWith(scene, 1)
    const { configured } = told
    for (let index = 2; index <= 50; index++) {
      const added = service(`web-${index}`, [`203.0.113.${index}`])
      scene.services.put(added)
      scene.router.wake({ service: added.key })
    }
    const wokenAtMs = performance.now()
    await vi.waitFor(() => expect(prefixes(told, 'r1')).toHaveLength(50), soon)
    expect(performance.now() - wokenAtMs).toBeLessThan(100)
    expect(told.configured).toBe(configured + 1)
  })

  test('an advertisement that is deleted takes its routes along', async () => {
    const scene = setUp([bgpPeer('r1')])
    scene.router.wake('configuration')
    const told = await bgpWith(scene, 1)
    await vi.waitFor(() => expect(prefixes(told, 'r1')).toHaveLength(1), soon)
    scene.config = { ...scene.config, bgpAdvertisements: [] }
    scene.router.wake('configuration')
    await vi.waitFor(() => expect(prefixes(told, 'r1')).toEqual([]), soon)
  })

  test('a Service without endpoints is withdrawn, and a peer that cannot have a session is left out', async () => {
    const scene = setUp([bgpPeer('r1'), bgpPeer('r2', { passwordSecretName: 'tor' })])
    scene.router.wake('configuration')
    const told = await bgpWith(scene, 1)
    expect(scene.followed.at(-1)).toEqual(new Set(['tor']))
    expect(scene.router.view().peers.map(({ peer }) => [peer.name, peer.problem])).toEqual([
      ['r1', undefined],
      ['r2', 'the Secret "tor" has not been read yet'],
    ])
    scene.endpoints = endpointsOn()
    scene.router.wake({ service: service('web', []).key })
    await vi.waitFor(() => expect(prefixes(told, 'r1')).toEqual([]), soon)
    scene.passwords.set('tor', { text: 'secret' })
    scene.router.wake()
    await bgpWith(scene, 2)
    expect(told.peers.map(({ password }) => password)).toEqual([undefined, 'secret'])
  })
})

test('sessions look at their next hops again when this node’s addresses have changed, and only then', async () => {
  const scene = setUp([bgpPeer('r1')])
  scene.router.wake('interfaces')
  scene.router.wake('configuration')
  const told = await bgpWith(scene, 1)
  expect(told.nextHopsRefreshed).toBe(0)
  const { configured } = told
  scene.router.wake('interfaces')
  await vi.waitFor(() => expect(told.configured).toBeGreaterThan(configured), soon)
  expect(told.nextHopsRefreshed).toBe(1)
})

describe('BFD', () => {
  const watched = bgpPeer('r1', { bfdProfile: 'fast' })

  async function standing(): Promise<{ scene: Scene; told: Told }> {
    const scene = setUp([watched, bgpPeer('r2')])
    scene.router.wake('configuration')
    const told = await bgpWith(scene, 2)
    expect(scene.bfdSessions).toEqual([])
    stand(told, 'r1')
    scene.router.takeBfd(bfd({ name: 'r1' }))
    return { scene, told }
  }

  test('begins once BGP stands, goes on when it falls, and ends with the profile', async () => {
    const { scene, told } = await standing()
    expect(scene.bfdSessions).toMatchObject([[{ name: 'r1', local: '192.0.2.10', remote: '198.51.100.1' }]])
    told.statuses.delete('r1')
    told.options.onChange?.('r1')
    expect(scene.bfdSessions).toHaveLength(1)
    expect(scene.router.view().peers[0]?.bfd?.state).toBe('Up')
    scene.config = { ...scene.config, bgpPeers: [bgpPeer('r1'), bgpPeer('r2')] }
    scene.router.wake('configuration')
    await vi.waitFor(() => expect(scene.bfdSessions.at(-1)).toEqual([]), soon)
    expect(scene.router.view().peers[0]?.bfd).toBeUndefined()
  })

  test('waits until BGP stands again where the router has moved, and shows nothing of before', async () => {
    const { scene, told } = await standing()
    const moved = bgpPeer('r1', { bfdProfile: 'fast', peerAddress: { kind: 'address', address: '198.51.100.9' } })
    told.statuses.delete('r1')
    scene.config = { ...scene.config, bgpPeers: [moved] }
    scene.router.wake('configuration')
    await vi.waitFor(() => expect(scene.bfdSessions.at(-1)).toEqual([]), soon)
    stand(told, 'r1')
    expect(scene.bfdSessions.at(-1)).toHaveLength(1)
    expect(scene.router.view().peers[0]?.bfd).toBeUndefined()
  })

  test('takes the peer’s session down with it when it falls, and no other', async () => {
    const { scene, told } = await standing()
    scene.router.takeBfd(bfd({ name: 'r1', state: 'Down', diagnostic: 1, remote: undefined }))
    expect(told.resets).toEqual(['r1: Cease: BFD Down'])
    scene.router.takeBfd(bfd({ name: 'r1', state: 'Down', diagnostic: 3 }))
    expect(told.resets).toHaveLength(1)
  })

  test.each([
    [
      'the router’s administrator has switched it off',
      bfd({ state: 'Down', diagnostic: 3, remote: { state: 'AdminDown', diagnostic: 7, discriminator: 7 } }),
    ],
    ['we do not want it as it was', bfd({ state: 'AdminDown', diagnostic: 7 })],
    ['only its timers changed', bfd({ transmitIntervalMs: 100 })],
  ])('leaves the session alone where %s', async (_, after) => {
    const { scene, told } = await standing()
    scene.router.takeBfd({ ...after, name: 'r1' })
    expect(told.resets).toEqual([])
  })

  test('that never was up does not keep BGP from standing', async () => {
    const { scene, told } = await standing()
    scene.router.takeBfd(bfd({ name: 'r1', state: 'AdminDown' }))
    scene.router.takeBfd(bfd({ name: 'r1', state: 'Down', remote: undefined }))
    scene.router.takeBfd(bfd({ name: 'r1', state: 'Init' }))
    scene.router.takeBfd(bfd({ name: 'r1', state: 'Down', remote: undefined }))
    expect(told.resets).toEqual([])
  })

  test('is one session for two peers of one way, and both fall with it', async () => {
    const scene = setUp([watched, bgpPeer('r2', { bfdProfile: 'fast', peerPort: 1179 })])
    scene.router.wake('configuration')
    const told = await bgpWith(scene, 2)
    stand(told, 'r1')
    stand(told, 'r2')
    expect(scene.bfdSessions.at(-1)).toHaveLength(1)
    scene.router.takeBfd(bfd({ name: 'r1' }))
    expect(scene.router.view().peers.map(one => one.bfd?.state)).toEqual(['Up', 'Up'])
    scene.router.takeBfd(bfd({ name: 'r1', state: 'Down', remote: undefined }))
    expect(told.resets).toHaveLength(2)
  })
})

describe('a node that is taken out of use', () => {
  const last = (told: Told, peer: string) => told.routes.get(peer)?.map(({ communities }) => communities.join())

  async function standing(more: Partial<RouterOptions> = {}): Promise<{ scene: Scene; told: Told }> {
    const peers = [bgpPeer('r1'), bgpPeer('r2', { nodeSelectors: [labelled('rack', '1')], peerPort: 1179, vrf: 'red' })]
    const scene = setUp(peers, { dwellMs: 100, ...more })
    scene.relabel({ rack: '1' })
    scene.router.wake('configuration')
    const told = await bgpWith(scene, 2)
    await vi.waitFor(() => expect([last(told, 'r1'), last(told, 'r2')]).toEqual([[''], ['']]), soon)
    return { scene, told }
  }

  test('warns its routers, and withdraws after the dwell; its sessions stay', async () => {
    const { scene, told } = await standing()
    const beganMs = performance.now()
    scene.relabel({ rack: '1', [excludeLabel]: '' })
    scene.router.wake('configuration')
    await vi.waitFor(() => expect(last(told, 'r1')).toEqual([`${gracefulShutdown}`]), soon)
    expect(scene.router.view().plan?.peersByService.size).toBe(0)
    await vi.waitFor(() => expect(prefixes(told, 'r1')).toEqual([]), soon)
    expect(performance.now() - beganMs).toBeGreaterThanOrEqual(99)
    expect(told.peers.map(({ name }) => name)).toEqual(['r1', 'r2'])
  })

  test('and takes it back when it is put into use again', async () => {
    const { scene, told } = await standing({ dwellMs: 60_000 })
    scene.relabel({ rack: '1', [excludeLabel]: '' })
    scene.router.wake('configuration')
    await vi.waitFor(() => expect(last(told, 'r1')).toEqual([`${gracefulShutdown}`]), soon)
    scene.relabel({ rack: '1' })
    scene.router.wake('configuration')
    await vi.waitFor(() => expect(last(told, 'r1')).toEqual(['']), soon)
  })

  test('withdraws at once what has no endpoint any more', async () => {
    const { scene, told } = await standing({ dwellMs: 60_000 })
    scene.services.put(service('mail', ['203.0.113.2']))
    scene.router.wake('configuration')
    await vi.waitFor(() => expect(prefixes(told, 'r1')).toHaveLength(2), soon)
    scene.relabel({ rack: '1', [excludeLabel]: '' })
    scene.router.wake('configuration')
    await vi.waitFor(() => expect(last(told, 'r1')).toEqual([`${gracefulShutdown}`, `${gracefulShutdown}`]), soon)
    scene.endpoints = endpointsOn()
    scene.router.wake({ service: 'shop/mail' })
    await vi.waitFor(() => expect(prefixes(told, 'r1')).toEqual(['203.0.113.1/32']), soon)
  })

  test('ends the session with a router that it is not to have any more, after the dwell', async () => {
    const { scene, told } = await standing()
    scene.relabel({ rack: '2' })
    scene.router.wake('configuration')
    await vi.waitFor(() => expect(last(told, 'r2')).toEqual([`${gracefulShutdown}`]), soon)
    expect(last(told, 'r1')).toEqual([''])
    expect(told.peers.map(({ name }) => name)).toEqual(['r1', 'r2'])
    await bgpWith(scene, 1)
    expect(told.peers.map(({ name }) => name)).toEqual(['r1'])
  })

  test('has the dwell as well where its speaker stops meanwhile', async () => {
    const { scene, told } = await standing()
    for (const peer of ['r1', 'r2']) stand(told, peer)
    scene.relabel({ rack: '1', [excludeLabel]: '' })
    scene.router.wake('configuration')
    await vi.waitFor(() => expect(last(told, 'r1')).toEqual([`${gracefulShutdown}`]), soon)
    const beganMs = performance.now()
    await scene.router.leave()
    expect(performance.now() - beganMs).toBeGreaterThanOrEqual(99)
  })

  test('that is drained as the admin defines it goes on, as the last choice', async () => {
    let drained = false
    const { scene, told } = await standing({ isDrained: () => drained, dwellMs: 0 })
    drained = true
    scene.router.wake()
    await vi.waitFor(() => expect(last(told, 'r1')).toEqual([`${gracefulShutdown}`]), soon)
    expect(scene.router.view().plan?.peersByService.size).toBe(1)
    drained = false
    scene.router.wake()
    await vi.waitFor(() => expect(last(told, 'r1')).toEqual(['']), soon)
  })
})

describe('a speaker that leaves', () => {
  test('warns those that will lose its routes, and lets those that keep them sleep', async () => {
    const scene = setUp([bgpPeer('bridged'), bgpPeer('plain')], { dwellMs: 50 })
    scene.router.wake('configuration')
    const told = await bgpWith(scene, 2)
    await vi.waitFor(() => expect(prefixes(told, 'plain')).toHaveLength(1), soon)
    stand(told, 'bridged', { negotiated: { ...negotiated, gracefulRestart } })
    stand(told, 'plain')
    const beganMs = performance.now()
    const left = scene.router.leave()
    expect(told.routes.get('plain')?.[0]?.communities).toEqual([gracefulShutdown])
    expect(told.routes.get('bridged')?.[0]?.communities).toEqual([])
    // A Service that loses its endpoints meanwhile is withdrawn as ever.
    scene.endpoints = endpointsOn()
    scene.router.wake({ service: service('web', []).key })
    await vi.waitFor(() => expect(prefixes(told, 'plain')).toEqual([]), soon)
    expect(prefixes(told, 'bridged')).toEqual([])
    expect(told.farewells).toEqual([])
    await left
    expect(performance.now() - beganMs).toBeGreaterThanOrEqual(49)
    expect(told.farewells[0]).toEqual({ kind: 'restart', communication: 'Berth is stopping on node a' })
  })

  test('for good, since its node is drained, tells everybody', async () => {
    const scene = setUp([bgpPeer('r1')])
    scene.router.wake('configuration')
    const told = await bgpWith(scene, 1)
    await vi.waitFor(() => expect(prefixes(told, 'r1')).toHaveLength(1), soon)
    stand(told, 'r1', { negotiated: { ...negotiated, gracefulRestart } })
    scene.cordon()
    await scene.router.leave()
    expect(told.routes.get('r1')?.[0]?.communities).toEqual([gracefulShutdown])
    expect(told.farewells[0]?.kind).toBe('shutdown')
  })

  test.each([
    ['nobody has been told of anything', endpointsOn(), {}],
    ['everybody keeps the routes', endpointsOn('a'), { negotiated: { ...negotiated, gracefulRestart } }],
  ])('does not wait where %s', async (_, endpoints, session) => {
    const scene = setUp([bgpPeer('r1')], { dwellMs: 60_000 })
    scene.endpoints = endpoints
    scene.router.wake('configuration')
    const told = await bgpWith(scene, 1)
    stand(told, 'r1', session)
    await scene.router.leave()
    expect(told.farewells).toHaveLength(1)
  })

  test('shows its sessions as they were', async () => {
    const scene = setUp([bgpPeer('r1')])
    scene.router.wake('configuration')
    const told = await bgpWith(scene, 1)
    stand(told, 'r1')
    await scene.router.leave()
    told.statuses.clear()
    expect(scene.router.view().peers[0]?.status?.state).toBe('Established')
  })
})

test('advertisements that disagree about a route are told of once, for as long as they do', async () => {
  const lines: string[] = []
  const log = pino({ level: 'warn' }, { write: line => void lines.push(line) })
  const scene = setUp([bgpPeer('r1')], { log })
  scene.config = {
    ...scene.config,
    bgpAdvertisements: [bgpAdvertisement('all', { localPref: 50 }), bgpAdvertisement('more', { localPref: 200 })],
  }
  scene.router.wake('configuration')
  const told = await bgpWith(scene, 1)
  await vi.waitFor(() => expect(prefixes(told, 'r1')).toHaveLength(1), soon)
  const mail = service('mail', ['203.0.113.2'])
  scene.services.put(mail)
  scene.router.wake({ service: mail.key })
  await vi.waitFor(() => expect(prefixes(told, 'r1')).toHaveLength(2), soon)
  expect(lines.map(line => (JSON.parse(line) as { conflicts: string[] }).conflicts)).toEqual([
    [expect.stringMatching(/^203\.0\.113\.1\/32 of shop\/web to r1: .*200 is used$/)],
    [expect.stringMatching(/^203\.0\.113\.2\/32 of shop\/mail to r1: /)],
  ])
})
