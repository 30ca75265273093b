import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { type ControlPlane, startControlPlane } from '../../test/control-plane/control-plane.ts'
import { peerSettings } from '../bgp/from-config.ts'
import { type Bgp, createBgp } from '../bgp/speaker.ts'
import { createTestCluster, type TestCluster } from '../test-cluster.ts'
import { bgpPeer } from './test-routing.ts'

/*
 * What `kubectl describe service` says of a Service that BGP announces: real objects in a real API server, whole speakers,
 * and a router on loopback, where each node has an address of its own.
 */

const soon = { timeout: 15_000, interval: 20 }
/** A BGPPeer's port ends at 16384. */
const port = 11_000 + (process.pid % 5_000)
const [nodeAs, routerAs] = [64512, 64513]

let controlPlane: ControlPlane
let cluster: TestCluster
let network: string
let tests = 0
let router: Bgp | undefined

beforeAll(async () => {
  controlPlane = await startControlPlane()
})
afterAll(async () => await controlPlane.stop())
afterEach(async () => {
  await cluster.end()
  await stopRouter()
})

/** Nodes that are labelled with their own names, each with a speaker. */
async function startNodes(...nodes: readonly string[]): Promise<void> {
  network = `10.${++tests}.0`
  cluster = await createTestCluster(await controlPlane.kubeconfig(), network)
  for (const node of nodes) {
    await cluster.addNode(node, { name: node })
    await cluster.start(node)
  }
}

async function create(kind: string, plural: string, name: string, spec: object): Promise<void> {
  const path = `/apis/berth.dev/v1beta1/namespaces/${cluster.namespace}/${plural}`
  const body = { apiVersion: 'berth.dev/v1beta1', kind, metadata: { name }, spec }
  await cluster.api.request({ method: 'POST', path, body })
}

const advertise = (name: string, spec: object = {}) => create('BGPAdvertisement', 'bgpadvertisements', name, spec)

/** The router, as the peer of one node: `to-node-1`. */
async function addPeer(node: string): Promise<void> {
  await create('BGPPeer', 'bgppeers', `to-${node}`, {
    myASN: nodeAs,
    peerASN: routerAs,
    peerAddress: '127.0.0.1',
    peerPort: port,
    sourceAddress: addressOf(node),
    connectTime: '1s',
    nodeSelectors: [{ matchLabels: { name: node } }],
  })
}

function addressOf(node: string): string {
  return `127.0.0.1${node.replace(/\D+/g, '')}`
}

/** A router that waits for these nodes to dial it. */
function startRouter(...nodes: readonly string[]): void {
  router = createBgp({ log: pino({ level: 'silent' }), listenPort: port })
  const peers = nodes.map(node => {
    const peerAddress = { kind: 'address', address: addressOf(node) } as const
    const asRouter = { myASN: routerAs, peerASN: nodeAs, peerAddress, sourceAddress: '127.0.0.1', passive: true }
    const settings = peerSettings(bgpPeer(node, asRouter), { password: undefined, bgpIdentifier: 0x7f000001 })
    if ('problem' in settings) throw new Error(settings.problem)
    return settings
  })
  router.configure(peers, new Map())
}

async function stopRouter(): Promise<void> {
  await router?.stop({ kind: 'shutdown', communication: 'the test is over' })
  router = undefined
}

/** Waits until the condition says this, and kubectl too. */
async function isTold(service: string, expected: { status: string; reason: string; message: unknown }): Promise<void> {
  await vi.waitFor(async () => expect(await cluster.condition(service)).toMatchObject(expected), soon)
  const object = await controlPlane.kubectl(['get', 'service', '-n', cluster.namespace, service, '-o', 'json'])
  expect(object).toContain(JSON.stringify((await cluster.condition(service))?.message))
}

const announced = (message: unknown) => ({ status: 'True', reason: 'Announced', message })

describe('a Service that only BGP is asked to announce', () => {
  test('says what is missing, step by step, until routers hear of it', async () => {
    await startNodes('node-1', 'node-2')
    await cluster.addService('web', [`${network}.1`], ['elsewhere'])
    await isTold('web', {
      status: 'False',
      reason: 'NoAdvertisement',
      message: expect.stringContaining('no L2Advertisement or BGPAdvertisement names its pool pool'),
    })
    await advertise('all')
    await isTold('web', { status: 'False', reason: 'NoPeer', message: expect.stringContaining('create one') })
    await addPeer('node-1')
    await isTold('web', {
      status: 'False',
      reason: 'NoEstablishedSession',
      message:
        'none of node node-1 has an established session with peer to-node-1; "kubectl get bgpsessionstatuses -A" says why',
    })
    startRouter('node-1', 'node-2')
    await isTold('web', announced(`BGP: node node-1 announces ${network}.1 to peer to-node-1`))
    await addPeer('node-2')
    await isTold('web', announced(`BGP: nodes node-1, node-2 announce ${network}.1 to peers to-node-1, to-node-2`))
    const news = ['NotAnnounced', 'NotAnnounced', 'NotAnnounced', 'Announcing']
    await vi.waitFor(async () => {
      expect((await cluster.events('web')).map(({ reason }) => reason)).toEqual(news)
    }, soon)
  })

  test('is said to be heard by nobody when its only router is gone for long, and not before', async () => {
    await startNodes('node-1')
    await advertise('all')
    await addPeer('node-1')
    startRouter('node-1')
    await cluster.addService('web', [`${network}.1`], ['elsewhere'])
    const well = announced(`BGP: node node-1 announces ${network}.1 to peer to-node-1`)
    await isTold('web', well)
    const fell = performance.now()
    await stopRouter()
    await isTold('web', { status: 'False', reason: 'NoEstablishedSession', message: expect.any(String) })
    expect(performance.now() - fell).toBeGreaterThan(4_000)
    startRouter('node-1')
    await isTold('web', well)
  })

  test('loses the condition with its endpoints and its address', async () => {
    await startNodes('node-1')
    await advertise('all')
    await addPeer('node-1')
    startRouter('node-1')
    await cluster.addService('web', [`${network}.1`], ['node-1'], { externalTrafficPolicy: 'Local' })
    await isTold('web', announced(expect.stringContaining('BGP: node node-1')))
    await cluster.setEndpoints('web', ['elsewhere'])
    await isTold('web', {
      status: 'False',
      reason: 'NoEligibleNode',
      message: 'no node can announce it: node-1: no ready endpoint there, which externalTrafficPolicy Local wants',
    })
    await cluster.setEndpoints('web', [])
    await isTold('web', { status: 'False', reason: 'NoUsableEndpoints', message: expect.any(String) })
    await cluster.setEndpoints('web', ['node-1'])
    await isTold('web', announced(expect.stringContaining('BGP: node node-1')))
    await cluster.api.request({
      method: 'PATCH',
      path: `/api/v1/namespaces/${cluster.namespace}/services/web/status`,
      contentType: 'application/merge-patch+json',
      body: { status: { loadBalancer: null } },
    })
    await isTold('web', { status: 'False', reason: 'NoAddress', message: 'the Service has no address to announce' })
  })
})

describe('a Service that both ways announce', () => {
  test('says both, and what is left when one of them goes', async () => {
    await startNodes('node-1')
    await cluster.advertise()
    await advertise('all')
    await addPeer('node-1')
    startRouter('node-1')
    await cluster.addService('web', [`${network}.1`], ['elsewhere'])
    const atLayer2 = `layer 2: announcing ${network}.1 from node node-1 on eth0`
    const byBGP = `BGP: node node-1 announces ${network}.1 to peer to-node-1`
    await isTold('web', announced(`${atLayer2}; ${byBGP}`))
    await controlPlane.kubectl(['delete', 'l2advertisement', '-n', cluster.namespace, 'all'])
    await isTold('web', announced(byBGP))
    await vi.waitFor(async () => expect(await cluster.records()).toEqual(new Map()), soon)
    await cluster.advertise()
    await isTold('web', announced(`${atLayer2}; ${byBGP}`))
    await controlPlane.kubectl(['delete', 'bgpadvertisement', '-n', cluster.namespace, 'all'])
    await isTold('web', announced(atLayer2))
  })
})

test('an address that is left out, and advertisements that disagree, are told beside the good news', async () => {
  await startNodes('node-1')
  await create('IPAddressPool', 'ipaddresspools', 'six', { addresses: ['2001:db8::/64'] })
  await advertise('four', { addressFamilies: ['IPv4'], localPref: 100 })
  await advertise('gold', {
    addressFamilies: ['IPv4'],
    localPref: 200,
    serviceSelectors: [{ matchLabels: { tier: 'gold' } }],
  })
  await addPeer('node-1')
  startRouter('node-1')
  await cluster.addService('web', [`${network}.1`, '2001:db8::1'], ['elsewhere'])
  const byBGP = `BGP: node node-1 announces ${network}.1 to peer to-node-1`
  const silence =
    '2001:db8::1 is not announced: the addressFamilies of BGPAdvertisement four and BGPAdvertisement gold leave its family out'
  await isTold('web', announced(`${byBGP}; ${silence}`))
  await controlPlane.kubectl(['label', 'service', '-n', cluster.namespace, 'web', 'tier=gold'])
  const disagreement = 'BGPAdvertisements give it different localPref: 100 (four) and 200 (gold); 200 is used'
  await isTold('web', announced(`${byBGP}; ${disagreement}; ${silence}`))
})

test('Services that share an address and are given different ranks are both told, until they are given the same', async () => {
  await startNodes('node-1', 'node-2')
  const forTier = (name: string, localPref: number) =>
    advertise(name, { localPref, serviceSelectors: [{ matchLabels: { tier: name } }] })
  await forTier('gold', 200)
  await forTier('plain', 50)
  await addPeer('node-1')
  startRouter('node-1')
  for (const [name, tier] of [
    ['web', 'gold'],
    ['db', 'plain'],
  ] as const) {
    await cluster.addService(name, [`${network}.1`], ['elsewhere'])
    await controlPlane.kubectl(['label', 'service', '-n', cluster.namespace, name, `tier=${tier}`])
  }
  const byBGP = `BGP: node node-1 announces ${network}.1 to peer to-node-1`
  const shares = (other: string) =>
    `${byBGP}; it shares ${network}.1/32 with Service ${cluster.namespace}/${other}, and BGPAdvertisements give that route ` +
    'different localPref: 200 (gold) and 50 (plain); 200 is used for all: give them the same localPref, or let the same ' +
    'BGPAdvertisements speak for these Services'
  await isTold('web', announced(shares('db')))
  await isTold('db', announced(shares('web')))
  const patch = ['patch', 'bgpadvertisement', '-n', cluster.namespace, 'plain', '--type=merge', '-p']
  await controlPlane.kubectl([...patch, '{"spec":{"localPref":200}}'])
  await isTold('web', announced(byBGP))
  await isTold('db', announced(byBGP))
})
