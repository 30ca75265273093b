import { expect, onTestFailed, vi } from 'vitest'
import { berthNamespace, startSpeaker } from '../lab/berth.ts'
import type { LabNode } from '../lab/node.ts'
import { type LabRouter, type LabRouterOptions, nodesAs, routerAs, startLabRouter } from '../lab/router.ts'
import { type ConfigurationObject, patience, type Scene, startScene } from './scene.ts'

/** A scene with a router before the nodes, to which every speaker is told to talk. */
export interface BgpScene extends AsyncDisposable {
  readonly scene: Scene
  readonly router: LabRouter
  /** Waits until the router's kernel sends packets for the address to these nodes, by these weights, and to no others. */
  leadsTo(address: string, weights: Readonly<Record<string, number>>): Promise<void>
  /** Waits until the sessions with these nodes stand, and BFD with them. */
  sessionsStand(nodes?: readonly LabNode[]): Promise<void>
  /** Starts a speaker anew on a node that had one. */
  startSpeakerOn(node: LabNode): Promise<void>
  /** Changes an object of Berth's configuration. */
  patch(kind: string, name: string, spec: object): Promise<void>
  /** Within a test: should it fail, the last words of all programs are printed, and how the router sees it. */
  tellOnFailure(): void
}

/** Addresses of the two pools, so that what stands in one's name is seen at once. */
export const pools = {
  public: ['203.0.113.0/25', '2001:db8:0:113::/120'],
  weighted: ['203.0.113.128/25', '2001:db8:0:114::/120'],
} as const

const configuration: readonly ConfigurationObject[] = [
  { kind: 'IPAddressPool', name: 'public', spec: { addresses: pools.public } },
  { kind: 'IPAddressPool', name: 'weighted', spec: { addresses: pools.weighted, autoAssign: false } },
  { kind: 'BGPAdvertisement', name: 'public', spec: { ipAddressPools: ['public'] } },
  {
    kind: 'BGPAdvertisement',
    name: 'weighted',
    spec: { ipAddressPools: ['weighted'], weightByEndpoints: true },
  },
  {
    kind: 'BFDProfile',
    name: 'fast',
    spec: { receiveInterval: 50, transmitInterval: 50, detectMultiplier: 3 },
  },
  // As it is when nothing is said: 300 ms × 3.
  { kind: 'BFDProfile', name: 'ordinary', spec: {} },
]

const peerOver = (over: 'IPv4' | 'IPv6'): ConfigurationObject => ({
  kind: 'BGPPeer',
  name: 'router',
  spec: {
    myASN: nodesAs,
    peerASN: routerAs,
    peerAddress: over === 'IPv4' ? '192.0.2.1' : '2001:db8:0:2::1',
    dualStackAddressFamily: true,
    bfdProfile: 'ordinary',
    connectTime: '1s',
  },
})

/** Three nodes, Berth with two pools, and a router that is as quick as the fast BFDProfile. */
export async function startBgpScene(options: LabRouterOptions = {}): Promise<BgpScene> {
  const scene = await startScene({ nodes: 3 }, [...configuration, peerOver(options.over ?? 'IPv4')])
  try {
    return around(scene, await startLabRouter(scene.lab, { bfd: { intervalMs: 50, detectMultiplier: 3 }, ...options }))
  } catch (error) {
    await scene[Symbol.asyncDispose]()
    throw error
  }
}

function around(scene: Scene, router: LabRouter): BgpScene {
  const { lab } = scene
  return {
    scene,
    router,
    async leadsTo(address, weights) {
      await vi.waitFor(async () => expect(await router.nextHops(address)).toEqual(weights), patience)
    },
    async sessionsStand(nodes = lab.nodes) {
      const all = (state: string): object => Object.fromEntries(nodes.map(({ name }) => [name, state]))
      await vi.waitFor(async () => {
        expect(await router.sessions()).toMatchObject(all('Established'))
        expect(await router.bfdSessions()).toMatchObject(all('up'))
      }, patience)
    },
    async startSpeakerOn(node) {
      scene.speakers.set(node.name, await startSpeaker(lab, node))
    },
    async patch(kind, name, spec) {
      const args = ['-n', berthNamespace, 'patch', kind, name, '--type=merge', '-p', JSON.stringify({ spec })]
      await lab.controlPlane.kubectl(args)
    },
    tellOnFailure() {
      scene.tellOnFailure()
      onTestFailed(async () => {
        for (const command of [
          'show bgp summary',
          'show bfd peers brief',
          'show ip route bgp',
          'show ipv6 route bgp',
        ]) {
          console.warn(`router# ${command}\n${await router.show(command)}`)
        }
      })
    },
    [Symbol.asyncDispose]: () => scene[Symbol.asyncDispose](),
  }
}
