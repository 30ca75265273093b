import { afterAll, afterEach, beforeAll, describe, expect, onTestFailed, onTestFinished, test } from 'vitest'
import { frr } from '../../test/interop/frr.ts'
import { gobgp } from '../../test/interop/gobgp.ts'
import { type Router, type RouterMake, type RouterSettings, whyNotInstalled } from '../../test/interop/router.ts'
import { until } from '../../test/interop/until.ts'
import { createBerthNamespace, type Program, startSpeaker } from '../../test/lab/berth.ts'
import { type Lab, startLab } from '../../test/lab/lab.ts'
import type { LabHost } from '../../test/lab/node.ts'
import { whyNoLab } from '../../test/lab/tools.ts'
import { speakerRights } from '../test-rights.ts'

/*
 * The whole way: objects in a real API server → a real speaker on a node → a router of somebody else's, and what that
 * router makes of it. How BGP itself behaves is test/interop's.
 */

const obstacle = (await whyNoLab(console.warn)) ?? (await whyNotInstalled(frr)) ?? (await whyNotInstalled(gobgp))
if (obstacle !== undefined) console.warn(`skipped: the speaker beside routers: ${obstacle}`)

const nodeAs = 64512
const routerAs = 64513
const nodeAddress = '192.0.2.11'
/** For a speaker that starts on a machine with much else to do. */
const patienceMs = 60_000

const statusIfThere = ['--ignore-not-found', '-o', 'jsonpath={.status}'] as const

describe.skipIf(obstacle !== undefined)('a speaker beside a router', () => {
  let lab: Lab
  /** One each for FRR and GoBGP. */
  const machines = new Map<string, LabHost>()
  const speakers: Program[] = []
  beforeAll(async () => {
    lab = await startLab({ nodes: 1, progress: console.warn })
    await createBerthNamespace(lab)
    await kubectl(['apply', '-f', '-'], speakerRights('speaker', 'berth-system'))
    machines.set('first', lab.client)
    machines.set('second', await addMachine(lab, 'second', 20))
    await apply('IPAddressPool', 'pool', { addresses: ['203.0.113.0/24', '2001:db8:113::/64'] })
    await apply('BGPAdvertisement', 'all', {})
    await createService('web', ['203.0.113.1'])
    await setEndpoints('web', 1)
  })
  afterAll(() => lab?.stop())
  afterEach(async () => {
    for (const speaker of speakers.splice(0)) if (speaker.running) await speaker.kill()
    await kubectl(['delete', 'bgppeers,bfdprofiles', '--all', '-n', 'berth-system'])
    await setEndpoints('web', 1)
  })

  const kubectl = async (args: readonly string[], object?: object): Promise<string> =>
    await lab.controlPlane.kubectl([...args], object ? { input: JSON.stringify(object) } : {})

  /** Makes an object of Berth's configuration what the spec says. */
  const apply = async (kind: string, name: string, spec: object): Promise<void> => {
    const metadata = { name, namespace: 'berth-system' }
    await kubectl(['apply', '-f', '-'], { apiVersion: 'berth.dev/v1beta1', kind, metadata, spec })
  }

  const applyPeer = async (name: string, machine: LabHost, spec: object = {}): Promise<void> => {
    const ordinary = { myASN: nodeAs, peerASN: routerAs, peerAddress: machine.ipv4, connectTime: '1s', holdTime: '9s' }
    await apply('BGPPeer', name, { ...ordinary, ...spec })
  }

  const applySecret = async (name: string, password: string): Promise<void> => {
    const metadata = { name, namespace: 'berth-system' }
    const type = 'kubernetes.io/basic-auth'
    await kubectl(['apply', '-f', '-'], { apiVersion: 'v1', kind: 'Secret', metadata, type, stringData: { password } })
  }

  const createService = async (name: string, addresses: readonly string[]): Promise<void> => {
    const spec = { type: 'LoadBalancer', ports: [{ port: 80 }], selector: { app: name } }
    await kubectl(['apply', '-f', '-'], { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec })
    const patch = JSON.stringify({ status: { loadBalancer: { ingress: addresses.map(ip => ({ ip })) } } })
    await kubectl(['patch', 'service', name, '--subresource=status', '--type=merge', '-p', patch])
  }

  const setEndpoints = async (service: string, count: number, nodeName = 'node-1'): Promise<void> => {
    const metadata = { name: `${service}-1`, labels: { 'kubernetes.io/service-name': service } }
    const endpoints = Array.from({ length: count }, (_, index) => ({
      addresses: [`10.244.1.${10 + index}`],
      nodeName,
    }))
    const slice = { metadata, addressType: 'IPv4', ports: [{ port: 80 }], endpoints }
    await kubectl(['apply', '-f', '-'], { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', ...slice })
  }

  const speaker = async (...flags: readonly string[]): Promise<Program> => {
    const node = lab.nodes[0]
    if (!node) throw new Error('no node')
    const program = await startSpeaker(lab, node, { user: 'speaker', logLevel: 'debug', flags })
    speakers.push(program)
    onTestFailed(async () => console.warn(`${program.name}:\n${await program.logTail(60)}`))
    return program
  }

  /** Waits until the object that tells people of a session does so in these words. */
  const sessionState = (peer: string, words: string): Promise<string> =>
    until(
      `${peer} is said to be ${words}`,
      () => kubectl(['get', 'bgpsessionstatus', `node-1.${peer}`, '-n', 'berth-system', ...statusIfThere]),
      text => text.includes(words),
      patienceMs,
    )

  const machine = (name: string): LabHost => {
    const found = machines.get(name)
    if (!found) throw new Error(`no machine ${name}`)
    return found
  }

  const startRouter = async (make: RouterMake, on: string, more: Partial<RouterSettings> = {}): Promise<Router> => {
    const host = machine(on)
    const router = await make.start(host, {
      localAs: routerAs,
      peerAs: nodeAs,
      local: host.ipv4,
      remote: nodeAddress,
      holdTimeSeconds: 9,
      families: ['IPv4'],
      ...more,
    })
    onTestFinished(() => router.kill())
    return router
  }

  const prefixes = async (router: Router): Promise<readonly string[]> =>
    (await router.routes()).map(({ prefix }) => prefix).sort()
  const hears = (router: Router, ...expected: readonly string[]) =>
    until(
      `routes ${expected.join()}`,
      () => prefixes(router),
      list => list.join() === [...expected].sort().join(),
      patienceMs,
    )
  const stands = (router: Router, wanted = true) =>
    until(
      wanted ? 'the session stands' : 'the session falls',
      () => router.isEstablished(),
      established => established === wanted,
      patienceMs,
    )

  test('a Service is announced while it has endpoints, and not without', async () => {
    const router = await startRouter(gobgp, 'first')
    await speaker()
    await applyPeer('router', machine('first'))
    await hears(router, '203.0.113.1/32')
    await createService('api', ['203.0.113.2'])
    await setEndpoints('api', 1)
    await hears(router, '203.0.113.1/32', '203.0.113.2/32')
    await setEndpoints('api', 0)
    await hears(router, '203.0.113.1/32')
    await sessionState('router', 'Established')
    await kubectl(['delete', 'bgppeer', 'router', '-n', 'berth-system'])
    await stands(router, false)
  })

  test('a password comes from its Secret, is changed while the session stands, and disturbs no other peer', async () => {
    const first = await startRouter(gobgp, 'first', { password: 'one' })
    const second = await startRouter(gobgp, 'second')
    await speaker()
    await applyPeer('second', machine('second'))
    await applyPeer('first', machine('first'), { passwordSecret: { name: 'tor' } })
    await hears(second, '203.0.113.1/32')
    await sessionState('first', 'in namespace berth-system; create it: kubectl')
    expect(await first.isEstablished()).toBe(false)
    await applySecret('tor', 'one')
    await hears(first, '203.0.113.1/32')
    await applySecret('tor', 'two')
    await stands(first, false)
    await first.kill()
    const again = await startRouter(gobgp, 'first', { password: 'two' })
    await hears(again, '203.0.113.1/32')
    expect(sessionsSeen(await second.neighbour())).toBe(1)
  })

  test('BFD watches the session where the peer has a profile, and takes it down at once', async () => {
    // A second of silence: more than a machine with much else to do stalls, and far less than the hold time.
    const bfd = { intervalMs: 100, multiplier: 10 }
    const router = await startRouter(frr, 'first', { bfd, holdTimeSeconds: 90 })
    await speaker()
    await applyPeer('router', machine('first'), { holdTime: '90s' })
    await hears(router, '203.0.113.1/32')
    await apply('BFDProfile', 'fast', { receiveInterval: 100, transmitInterval: 100, detectMultiplier: 10 })
    await applyPeer('router', machine('first'), { holdTime: '90s', bfdProfile: 'fast' })
    await until(
      'BFD is up',
      () => router.neighbour(),
      text => /BFD[\s\S]*Status: Up/.test(text),
      patienceMs,
    )
    expect(await router.isEstablished()).toBe(true)
    // Only BFD is cut: what falls, falls by it.
    await cut(machine('first'), 'udp dport 3784')
    await stands(router, false)
    await until(
      'the Events of the BGPPeer say so',
      () => kubectl(['describe', 'bgppeer', 'router', '-n', 'berth-system']),
      text => /BFDDown .*BFD is Down/.test(text) && /SessionDown .*this node said: Cease: BFD Down/.test(text),
      patienceMs,
    )
  })

  test('a stop is announced by GRACEFUL_SHUTDOWN, and the last words name Berth and the node', async () => {
    const router = await startRouter(gobgp, 'first')
    await applyPeer('router', machine('first'))
    const program = await speaker('--bgp-dwell-seconds', '3')
    await hears(router, '203.0.113.1/32')
    const stopped = program.stop()
    await until(
      'GRACEFUL_SHUTDOWN',
      () => router.routes(),
      ([route]) => route?.communities.includes('65535:0') === true,
      patienceMs,
    )
    expect(await router.isEstablished()).toBe(true)
    await hears(router)
    expect(await stopped).toBe(0)
    expect(await router.neighbour()).toContain('Berth is stopping on node node-1')
  })

  test('a router that agreed to graceful restart keeps the routes while the speaker is started again', async () => {
    const router = await startRouter(gobgp, 'first', { gracefulRestart: true })
    await applyPeer('router', machine('first'), { enableGracefulRestart: true })
    const program = await speaker()
    await hears(router, '203.0.113.1/32')
    await program.stop()
    await stands(router, false)
    expect(await router.routes()).toMatchObject([{ prefix: '203.0.113.1/32', stale: true, communities: [] }])
    await speaker()
    await until(
      'it is fresh again',
      () => router.routes(),
      ([route]) => route?.stale === false,
      patienceMs,
    )
  })

  test('a node that is cordoned leaves for good, graceful restart or not: FRR is warned first and then keeps nothing', async () => {
    const router = await startRouter(frr, 'first')
    await applyPeer('router', machine('first'), { enableGracefulRestart: true })
    const program = await speaker('--bgp-dwell-seconds', '3')
    await hears(router, '203.0.113.1/32')
    expect(await router.neighbour()).toContain('Remote GR Mode: Restart')
    await kubectl(['cordon', 'node-1'])
    await kubectl(['label', 'node', 'node-1', 'state=leaving'])
    onTestFinished(async () => {
      await kubectl(['uncordon', 'node-1'])
      await kubectl(['label', 'node', 'node-1', 'state-'])
    })
    // The speaker knows of the label, and so of what came before it, once it has a peer that the label selects.
    await applyPeer('later', machine('second'), { nodeSelectors: [{ matchLabels: { state: 'leaving' } }] })
    await sessionState('later', machine('second').ipv4)
    const left = program.stop()
    await until(
      'GRACEFUL_SHUTDOWN',
      () => router.routes(),
      ([route]) => route?.communities.includes('graceful-shutdown') === true,
      patienceMs,
    )
    expect(await router.isEstablished()).toBe(true)
    const kept: boolean[] = []
    const look = async () => {
      const routes = await router.routes()
      kept.push(...routes.map(({ stale }) => stale))
      return routes
    }
    await until('nothing is kept', look, routes => routes.length === 0, patienceMs)
    expect(kept).not.toContain(true)
    expect(await left).toBe(0)
    // What a router that would keep the routes of a restart takes for good (RFC 8538).
    expect(await router.neighbour()).toMatch(/Hard Reset.*"Berth is stopping on node node-1"/)
  })

  test('a node that is excluded by its label warns FRR, withdraws at once what it has no endpoint for, and the rest after the dwell', async () => {
    const router = await startRouter(frr, 'first')
    await createService('local', ['203.0.113.3'])
    await kubectl(['patch', 'service', 'local', '--type=merge', '-p', '{"spec":{"externalTrafficPolicy":"Local"}}'])
    await setEndpoints('local', 1)
    await applyPeer('router', machine('first'))
    await speaker('--bgp-dwell-seconds', '12', '--hand-over-timeout', '12')
    await hears(router, '203.0.113.1/32', '203.0.113.3/32')
    const label = 'node.kubernetes.io/exclude-from-external-load-balancers'
    const warned = async (count: number) =>
      await until(
        `GRACEFUL_SHUTDOWN for ${count} routes`,
        () => router.routes(),
        routes =>
          routes.length === count && routes.every(({ communities }) => communities.includes('graceful-shutdown')),
        patienceMs,
      )
    onTestFinished(async () => {
      await kubectl(['label', 'node', 'node-1', `${label}-`])
      await kubectl(['delete', 'service', 'local'])
    })
    const beganMs = performance.now()
    await kubectl(['label', 'node', 'node-1', `${label}=`])
    await warned(2)
    await setEndpoints('local', 1, 'elsewhere')
    expect(await warned(1)).toMatchObject([{ prefix: '203.0.113.1/32' }])
    expect(performance.now() - beganMs).toBeLessThan(12_000)
    await hears(router)
    expect(performance.now() - beganMs).toBeGreaterThan(11_900)
    expect(await router.isEstablished()).toBe(true)
    await kubectl(['label', 'node', 'node-1', `${label}-`])
    await hears(router, '203.0.113.1/32')
    expect(await router.routes()).toMatchObject([{ communities: [] }])
    await kubectl(['delete', 'endpointslice', 'local-1'])
  })

  test('a node that is drained by a taint of ours is FRR’s last choice for as long as it is', async () => {
    const router = await startRouter(frr, 'first')
    await applyPeer('router', machine('first'))
    await speaker('--drain', 'maintenance')
    await hears(router, '203.0.113.1/32')
    const communities = async (expected: string) =>
      await until(
        `communities "${expected}"`,
        () => router.routes(),
        routes => routes.length === 1 && routes[0]?.communities.join() === expected,
        patienceMs,
      )
    await communities('')
    await kubectl(['taint', 'node', 'node-1', 'maintenance=disk:NoSchedule'])
    onTestFinished(async () => void (await kubectl(['taint', 'node', 'node-1', 'maintenance-']).catch(() => '')))
    await communities('graceful-shutdown')
    await kubectl(['taint', 'node', 'node-1', 'maintenance-'])
    await communities('')
  })

  test('a node that gets its IPv6 address after the session stands announces its IPv6 routes then', async () => {
    const [node] = lab.nodes
    if (!node) throw new Error('no node')
    await node.namespace.run(['ip', 'addr', 'del', `${node.ipv6}/64`, 'dev', 'eth0'])
    await createService('sixth', ['2001:db8:113::1'])
    await setEndpoints('sixth', 1)
    const router = await startRouter(frr, 'first', { families: ['IPv4', 'IPv6'] })
    await speaker()
    await applyPeer('router', machine('first'), { dualStackAddressFamily: true })
    await hears(router, '203.0.113.1/32')
    await sessionState('router', 'IPv6 prefixes are not announced')
    await node.namespace.run(['ip', 'addr', 'add', `${node.ipv6}/64`, 'dev', 'eth0', 'nodad'])
    await hears(router, '203.0.113.1/32', '2001:db8:113::1/128')
  })

  test('a session from an address on lo, which layer 2 leaves alone by its name, follows the addresses of that one too', async () => {
    const [node] = lab.nodes
    if (!node) throw new Error('no node')
    const own = { ipv4: '198.51.100.7', ipv6: '2001:db8:7::1' }
    await node.namespace.run(['ip', 'addr', 'add', `${own.ipv4}/32`, 'dev', 'lo'])
    const host = machine('first')
    await host.namespace.run(['ip', 'route', 'add', `${own.ipv4}/32`, 'via', nodeAddress])
    await host.namespace.run(['ip', 'route', 'add', `${own.ipv6}/128`, 'via', node.ipv6])
    await createService('sixth', ['2001:db8:113::1'])
    await setEndpoints('sixth', 1)
    const router = await startRouter(frr, 'first', {
      families: ['IPv4', 'IPv6'],
      remote: own.ipv4,
      multihop: true,
    })
    await speaker()
    const far = { sourceAddress: own.ipv4, ebgpMultiHop: true, dualStackAddressFamily: true }
    await applyPeer('router', host, far)
    await hears(router, '203.0.113.1/32')
    await sessionState('router', 'IPv6 prefixes are not announced')
    await node.namespace.run(['ip', 'addr', 'add', `${own.ipv6}/128`, 'dev', 'lo'])
    await hears(router, '203.0.113.1/32', '2001:db8:113::1/128')
  })
})

/** How often the session with Berth came up, by what GoBGP wrote. */
function sessionsSeen(words: string): number {
  return words.match(/Peer Up/g)?.length ?? 0
}

/** Drops what arrives at the machine, until the end of the test. */
async function cut({ namespace }: LabHost, what: string): Promise<void> {
  const rules = `table inet cut { chain input { type filter hook input priority 0; ${what} drop; }; }`
  await namespace.run(['nft', '-f', '-'], { input: rules })
  onTestFinished(async () => void (await namespace.run(['nft', 'delete', 'table', 'inet', 'cut'])))
}

/** One more machine on the segment. */
async function addMachine(lab: Lab, name: string, number: number): Promise<LabHost> {
  const namespace = await lab.world.createNamespace()
  const host = {
    name,
    namespace,
    interface: 'eth0',
    mac: `00:00:5e:00:53:${number}`,
    ipv4: `192.0.2.${number}`,
    ipv6: `2001:db8:0:2::${number}`,
    exec: namespace.exec,
    spawn: namespace.spawn,
  }
  const addresses = [`${host.ipv4}/24`, `${host.ipv6}/64`]
  await lab.segment.attach(namespace, { port: name, interface: 'eth0', mac: host.mac, addresses })
  return host
}
