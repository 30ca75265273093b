import { afterAll, beforeAll, describe, expect, it, onTestFailed, vi } from 'vitest'
import type { Route } from '../../speaker/bgp/route.ts'
import { address, type BerthProcess, peer, route, startBerth } from '../interop/berth.ts'
import { type Lab, startLab } from './lab.ts'
import { startRequests, urlOf } from './probe.ts'
import { type LabRouter, routerAs, startLabRouter, whyNoRouter } from './router.ts'

const obstacle = await whyNoRouter(console.warn)
if (obstacle !== undefined) console.warn(`Skipped, no router in a lab on this machine: ${obstacle}`)

const addresses = ['203.0.113.1', '2001:db8:0:113::1'] as const
const patience = { timeout: 30_000, interval: 100 } as const

describe.skipIf(obstacle !== undefined)('a router in a lab', () => {
  let lab: Lab
  let router: LabRouter
  const speakers = new Map<string, BerthProcess>()
  beforeAll(async () => {
    lab = await startLab({ nodes: 3, controlPlane: { crds: false }, progress: console.warn })
    router = await startLabRouter(lab)
    const spec = { type: 'LoadBalancer', ipFamilyPolicy: 'RequireDualStack', ports: [{ name: 'http', port: 80 }] }
    const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web' }, spec }
    await lab.controlPlane.kubectl(['apply', '-f', '-'], { input: JSON.stringify(service) })
    const patch = JSON.stringify({ status: { loadBalancer: { ingress: addresses.map(ip => ({ ip })) } } })
    await lab.controlPlane.kubectl(['patch', 'service', 'web', '--subresource=status', '--type=merge', '-p', patch])
    for (const node of lab.nodes) {
      await lab.deployEndpoint('web', node, 8080)
      speakers.set(node.name, await startBerth(node))
    }
  })
  afterAll(() => lab?.stop())

  const announce = (node: string, more: Partial<Route> | undefined): void => {
    const router = peer({ peerAs: routerAs, remote: { address: address('192.0.2.1') } })
    const routes = addresses.map(one => route(one.includes(':') ? `${one}/128` : `${one}/32`, more))
    speakers.get(node)?.configure([router], { router: more === undefined ? [] : routes })
  }
  const goTo = async (weights: Readonly<Record<string, number>>): Promise<void> => {
    for (const one of addresses) {
      await vi.waitFor(async () => expect(await router.nextHops(one)).toEqual(weights), patience)
    }
  }

  it('sends packets to every node that announces, by both families, and to no other', async () => {
    onTestFailed(async () => console.warn(await router.show('show bgp summary')))
    await goTo({})
    announce('node-1', {})
    announce('node-3', {})
    await goTo({ 'node-1': 1, 'node-3': 1 })
    expect(await router.sessions()).toMatchObject({ 'node-1': 'Established', 'node-3': 'Established' })
    for (const one of addresses) {
      const requests = startRequests(router.client, urlOf(one))
      await requests.answered(50)
      // Every node has an endpoint, and kube-proxy on either of the two takes any of them.
      expect(Object.keys((await requests.stop()).nodes).sort()).toEqual(['node-1', 'node-2', 'node-3'])
    }
  })

  it('gives nodes shares by the bandwidth that their routes tell of', async () => {
    announce('node-1', { linkBandwidth: 1000 })
    announce('node-2', { linkBandwidth: 2000 })
    announce('node-3', { linkBandwidth: 3000 })
    // Per cent, rounded down.
    await goTo({ 'node-1': 16, 'node-2': 33, 'node-3': 50 })
    for (const node of speakers.keys()) announce(node, undefined)
    await goTo({})
  })
})
