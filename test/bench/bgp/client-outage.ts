import { until } from '../../interop/until.ts'
import { berthNamespace, startBerth, startSpeaker } from '../../lab/berth.ts'
import type { Endpoint } from '../../lab/endpoints.ts'
import { type Lab, startLab } from '../../lab/lab.ts'
import type { LabNode } from '../../lab/node.ts'
import { startRequests, urlOf } from '../../lab/probe.ts'
import { type LabRouter, nodesAs, routerAs, startLabRouter } from '../../lab/router.ts'
import { fastProfile } from './frr-configuration.ts'

const { intervalMs, multiplier } = fastProfile
const service = 'web'

/**
 * How long a client behind a router gets no answer when one of three nodes loses power, cut by cut, in milliseconds: from
 * the sending of the first request that was lost to that of the next one after the last. The router spreads connections over
 * all three; each has an endpoint and serves only its own (externalTrafficPolicy Local), so that nothing but the way counts.
 */
export async function measureClientOutage(options: {
  readonly cuts: number
  readonly progress: (line: string) => void
}): Promise<readonly number[]> {
  const { cuts, progress } = options
  await using lab = await startLab({ nodes: 3, progress })
  const { speakers } = await startBerth(lab)
  const router = await startLabRouter(lab, { bfd: { intervalMs, detectMultiplier: multiplier } })
  const { addresses, endpoints } = await serve(lab)
  const outages: number[] = []
  for (let cut = 1; cut <= cuts; cut++) {
    const node = lab.nodes[cut % lab.nodes.length]
    if (!node) throw new Error('the lab has no nodes')
    await allStand(lab, router, addresses)
    const requests = addresses.map(address =>
      startRequests(router.client, urlOf(address), { everyMs: 10, timeoutMs: 500, askAgain: true }),
    )
    await Promise.all(requests.map(each => each.answered(100)))
    await node.powerOff()
    await Promise.all(requests.map(each => each.answered(100)))
    const reports = await Promise.all(requests.map(each => each.stop()))
    outages.push(Math.max(...reports.map(({ lossMs }) => lossMs)))
    progress(`${node.name} loses power: a client is without answers for ${outages.at(-1)?.toFixed(0)} ms`)
    // What is gone with the node must not be there for kube-proxy when that comes back.
    await endpoints.get(node)?.setReady(false)
    await node.powerOn()
    speakers.set(node.name, await startSpeaker(lab, node))
    endpoints.set(node, await lab.deployEndpoint(service, node, 8080))
  }
  return outages
}

interface Served {
  readonly addresses: readonly string[]
  readonly endpoints: Map<LabNode, Endpoint>
}

/** A Service with an address of each family, announced by BGP from everywhere. */
async function serve(lab: Lab): Promise<Served> {
  const inBerth = (kind: string, name: string, spec: object): object => ({
    apiVersion: 'berth.dev/v1beta1',
    kind,
    metadata: { name, namespace: berthNamespace },
    spec,
  })
  const items = [
    inBerth('IPAddressPool', 'public', { addresses: ['203.0.113.0/25', '2001:db8:0:113::/120'] }),
    inBerth('BGPAdvertisement', 'public', {}),
    inBerth('BFDProfile', fastProfile.name, {
      receiveInterval: intervalMs,
      transmitInterval: intervalMs,
      detectMultiplier: multiplier,
    }),
    inBerth('BGPPeer', 'router', {
      myASN: nodesAs,
      peerASN: routerAs,
      peerAddress: '192.0.2.1',
      dualStackAddressFamily: true,
      bfdProfile: fastProfile.name,
      connectTime: '1s',
    }),
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: service },
      spec: {
        type: 'LoadBalancer',
        ipFamilyPolicy: 'RequireDualStack',
        externalTrafficPolicy: 'Local',
        ports: [{ name: 'http', protocol: 'TCP', port: 80, targetPort: 8080 }],
      },
    },
  ]
  await lab.controlPlane.kubectl(['apply', '-f', '-'], {
    input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }),
  })
  const endpoints = new Map<LabNode, Endpoint>()
  for (const node of lab.nodes) endpoints.set(node, await lab.deployEndpoint(service, node, 8080))
  const jsonpath = 'jsonpath={.status.loadBalancer.ingress[*].ip}'
  const addresses = await until(
    'the Service has its addresses',
    async () => (await lab.controlPlane.kubectl(['get', 'service', service, '-o', jsonpath])).split(' '),
    found => found.length === 2,
  )
  return { addresses, endpoints }
}

/** The router sends packets to every node, and has BFD up with each. */
async function allStand(lab: Lab, router: LabRouter, addresses: readonly string[]): Promise<void> {
  const { length } = lab.nodes
  for (const address of addresses) {
    const leadsToAll = (hops: Readonly<Record<string, number>>): boolean => Object.keys(hops).length === length
    await until(`${address} leads to all nodes`, () => router.nextHops(address), leadsToAll, 60_000)
  }
  const isUp = (states: Readonly<Record<string, string>>): boolean =>
    Object.values(states).filter(state => state === 'up').length === length
  await until('BFD with all nodes is up', () => router.bfdSessions(), isUp, 60_000)
  // Until its pace is agreed on it goes by a second, and would be as slow to notice.
  const pace = new RegExp(`"remote-transmit-interval":${intervalMs}\\b`, 'g')
  const isFast = (text: string): boolean => (text.match(pace) ?? []).length === length
  await until('BFD goes at its own pace', () => router.show('show bfd peers json'), isFast, 60_000)
}
