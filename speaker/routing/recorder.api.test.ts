import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { loadCredentials } from '../../kube/credentials.ts'
import { fieldOf, textOf } from '../../kube/json.ts'
import { createTransport, type Transport } from '../../kube/transport.ts'
import { type ControlPlane, startControlPlane } from '../../test/control-plane/control-plane.ts'
import { startFaultProxy } from '../../test/fault-proxy.ts'
import { member } from '../test-values.ts'
import type { PeerView } from './router.ts'
import { type Found, list, planOf, type RunningRecorder, startRecorder } from './test-recorder.ts'
import { bfd, established, status, view } from './test-sessions.ts'

const soon = { timeout: 15_000, interval: 20 }
const refused = { from: 'transport', text: 'connection refused (ECONNREFUSED)', atMs: Date.UTC(2026, 10, 23) } as const

let controlPlane: ControlPlane
let api: Transport
let namespace: string
let tests = 0
const running: RunningRecorder[] = []

beforeAll(async () => {
  controlPlane = await startControlPlane()
  api = createTransport(await loadCredentials(await controlPlane.kubeconfig()))
})
afterAll(async () => {
  api.close()
  await controlPlane.stop()
})
beforeEach(async () => {
  namespace = `berth-${++tests}`
  await post('/api/v1/namespaces', { metadata: { name: namespace } })
  await addNode()
})
afterEach(async () => {
  for (const one of running.splice(0)) await one.stop()
  await removeNode()
})

const post = (path: string, body: object) => api.request<unknown>({ method: 'POST', path, body })
const berth = () => `/apis/berth.dev/v1beta1/namespaces/${namespace}`
const sessions = () => list(api, namespace, 'bgpsessionstatuses')

async function addNode(): Promise<string> {
  const node = await post('/api/v1/nodes', { metadata: { name: 'node-1' } })
  return textOf(fieldOf(fieldOf(node, 'metadata'), 'uid')) ?? ''
}

async function removeNode(): Promise<void> {
  await api.request({ method: 'DELETE', path: '/api/v1/nodes/node-1' })
}

async function start(
  peers: readonly PeerView[],
  more: { kubeconfig?: string; plan?: Parameters<typeof planOf>[0] } = {},
): Promise<RunningRecorder> {
  const kubeconfig = more.kubeconfig ?? (await controlPlane.kubeconfig())
  const plan = planOf(more.plan ?? {})
  const one = await startRecorder({ kubeconfig, namespace, node: 'node-1', peers, plan })
  running.push(one)
  return one
}

async function session(name = 'node-1.router-a'): Promise<Found | undefined> {
  return (await sessions()).find(one => one.name === name)
}

async function untilState(state: string, more: object = {}): Promise<void> {
  await vi.waitFor(async () => expect((await session())?.status).toMatchObject({ state, ...more }), soon)
}

/** The same session with a peer of another name. */
function named(name: string, one: PeerView): PeerView {
  return { ...one, peer: { ...one.peer, name } }
}

/** A table of kubectl's, each row by the names of the columns; what is empty is left out. */
async function table(...args: readonly string[]): Promise<readonly Readonly<Record<string, string>>[]> {
  const [header = '', ...rows] = (await controlPlane.kubectl(['get', '-n', namespace, ...args])).trimEnd().split('\n')
  const columns = Array.from(header.matchAll(/\S+\s*/g), ({ 0: name, index }) => [name.trim(), index] as const)
  return rows.map(row => {
    const cells = columns.map(([name, from], index) => [name, row.slice(from, columns[index + 1]?.[1]).trim()])
    return Object.fromEntries(cells.filter(([, text]) => text !== '')) as Record<string, string>
  })
}

const up = view(established(), { bfd: bfd() })
const down = view(status({ establishedCount: 1 }, refused))
const problem = 'there is no Secret "router-c" in the namespace of Berth'

describe('the sessions of a node', () => {
  test('are there for kubectl, each with what matters', async () => {
    await start([up, named('router-b', down), named('router-c', view(undefined, { problem }))])
    await vi.waitFor(async () => {
      expect(await table('bgpsessionstatuses')).toEqual([
        {
          NAME: 'node-1.router-a',
          NODE: 'node-1',
          PEER: 'router-a',
          REMOTE: '192.0.2.1',
          STATE: 'Established',
          BFD: 'Up',
          SENT: '5002',
          RECEIVED: '12',
          SINCE: expect.stringMatching(/^\d+[dh]/),
        },
        {
          NAME: 'node-1.router-b',
          NODE: 'node-1',
          PEER: 'router-b',
          REMOTE: '192.0.2.1',
          STATE: 'Active',
          SENT: '0',
          RECEIVED: '0',
          SINCE: expect.stringMatching(/^\d+[dh]/),
        },
        { NAME: 'node-1.router-c', NODE: 'node-1', PEER: 'router-c', STATE: 'Idle', SENT: '0', RECEIVED: '0' },
      ])
      const wide = await table('lbsession', '-o', 'wide')
      expect(wide.map(row => row['LAST-ERROR'])).toEqual([undefined, refused.text, problem])
    }, soon)
    const described = await controlPlane.kubectl(['describe', '-n', namespace, 'bgpsessionstatus', 'node-1.router-a'])
    for (const words of ['four-octet AS numbers (RFC 6793)', 'Peer Router ID:', 'Detection Time Milliseconds:']) {
      expect(described).toContain(words)
    }
  })

  test('say within moments that one fell and why, and that it is back', async () => {
    const one = await start([up])
    await untilState('Established')
    one.show({ peers: [down] })
    await untilState('Active', { lastErrorTransport: { text: refused.text }, prefixesSent: { total: 0 } })
    expect((await session())?.status).not.toHaveProperty('localAddress')
    one.show({ peers: [view(established({ sinceMs: Date.UTC(2026, 10, 21), establishedCount: 2 }))] })
    await untilState('Established', { established: 2, since: '2026-11-21T00:00:00Z' })
    expect((await session())?.status).not.toHaveProperty('bfd')
  })

  test('go when their BGPPeer is not for the node any more; what other nodes and installations wrote stays', async () => {
    const object = (name: string, node: string, installation: string) => ({
      apiVersion: 'berth.dev/v1beta1',
      kind: 'BGPSessionStatus',
      metadata: {
        name,
        labels: { 'berth.dev/installation': installation, 'berth.dev/node': node, 'berth.dev/peer': 'old' },
      },
    })
    await post(`${berth()}/bgpsessionstatuses`, object('node-1.old', 'node-1', namespace))
    await post(`${berth()}/bgpsessionstatuses`, object('node-2.old', 'node-2', namespace))
    await post(`${berth()}/bgpsessionstatuses`, object('node-1.stranger', 'node-1', 'another'))
    const one = await start([up, named('router-b', up)])
    const others = ['node-1.stranger', 'node-2.old']
    const names = async () => (await sessions()).map(({ name }) => name).sort()
    await vi.waitFor(async () => expect(await names()).toEqual(['node-1.router-a', 'node-1.router-b', ...others]), soon)
    one.show({ peers: [up] })
    await vi.waitFor(async () => expect(await names()).toEqual(['node-1.router-a', ...others]), soon)
  })

  test('stay while it is not known which peers there are', async () => {
    const first = await start([up])
    await untilState('Established')
    await first.stop()
    running.splice(0)
    const before = await session()
    const second = await startRecorder({
      kubeconfig: await controlPlane.kubeconfig(),
      namespace,
      node: 'node-1',
      peers: [],
    })
    running.push(second)
    second.recorder.update()
    await vi.waitFor(() => expect(second.recorder.waiting).toBe(0), soon)
    expect(await session()).toEqual(before)
    second.show({ peers: [up], plan: planOf({}) })
    await untilState('Established')
  })

  test('are owned by the Node that there is, and by the next when it is made anew', async () => {
    await removeNode()
    await start([up])
    const first = await addNode()
    const owner = (uid: string) => ({ ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: 'node-1', uid }] })
    await vi.waitFor(async () => expect((await session())?.metadata).toMatchObject(owner(first)), soon)
    await untilState('Established')
    await removeNode()
    const second = await addNode()
    expect(second).not.toBe(first)
    await vi.waitFor(async () => expect((await session())?.metadata).toMatchObject(owner(second)), soon)
  })

  test('are made again when somebody deletes one, and set right when somebody edits one', async () => {
    await start([up])
    await untilState('Established')
    const deleted = await session()
    await controlPlane.kubectl(['delete', 'bgpsessionstatus', '-n', namespace, 'node-1.router-a'])
    await untilState('Established')
    expect((await session())?.metadata).not.toEqual(deleted?.metadata)
    const patch = JSON.stringify({ status: { state: 'Idle', problem: 'somebody was here', conditions: null } })
    await controlPlane.kubectl([
      'patch',
      'bgpsessionstatus',
      '-n',
      namespace,
      'node-1.router-a',
      '--subresource=status',
      '--type=merge',
      '-p',
      patch,
    ])
    await vi.waitFor(async () => expect((await session())?.status['state']).toBe('Established'), soon)
    expect((await session())?.status).not.toHaveProperty('problem')
  })

  test('take over an object of their name that nobody had labelled', async () => {
    const object = { apiVersion: 'berth.dev/v1beta1', kind: 'BGPSessionStatus', metadata: { name: 'node-1.router-a' } }
    await post(`${berth()}/bgpsessionstatuses`, object)
    await start([up])
    await untilState('Established')
    expect((await session())?.metadata).toMatchObject({
      labels: { 'berth.dev/installation': namespace, 'berth.dev/node': 'node-1', 'berth.dev/peer': 'router-a' },
      ownerReferences: [{ kind: 'Node', name: 'node-1' }],
    })
  })

  test('say that the speaker has stopped, when it has', async () => {
    const one = await start([up])
    await untilState('Established')
    await one.stop()
    running.splice(0)
    expect((await session())?.status).toMatchObject({
      state: 'Idle',
      problem: 'the speaker of this node has stopped',
      conditions: [{ type: 'Established', status: 'False', reason: 'SpeakerStopped' }],
    })
  })

  test('are told once the API server is back, as they are then', async () => {
    await using proxy = await startFaultProxy(controlPlane)
    const one = await start([up], { kubeconfig: await proxy.kubeconfig() })
    await untilState('Established')
    proxy.set({ refuse: true })
    proxy.cutWatches()
    one.show({ peers: [down] })
    await vi.waitFor(() => expect(one.recorder.waiting).toBeGreaterThan(0), soon)
    one.show({ peers: [view(status({ establishedCount: 1 }, { ...refused, text: 'no answer' }))] })
    proxy.set({})
    await untilState('Active', { lastErrorTransport: { text: 'no answer' } })
    await vi.waitFor(() => expect(one.recorder.waiting).toBe(0), soon)
  })
})

describe('the sessions of a node that died', () => {
  const start2 = async () => {
    const kubeconfig = await controlPlane.kubeconfig()
    const one = await startRecorder({ kubeconfig, namespace, node: 'node-2', peers: [], plan: planOf({}) })
    running.push(one)
    return one
  }

  test('are said to be unknown by the others’ spokesman; its own speaker sets that right when it comes back', async () => {
    const first = await start([up])
    await untilState('Established')
    const second = await start2()
    const written = await session()
    await second.showMembers([member('node-1'), member('node-2')])
    await second.showMembers([member('node-0'), member('node-1', { liveness: 'gone' }), member('node-2')])
    // Another one speaks for all: this one has nothing to say.
    await vi.waitFor(() => expect(second.recorder.waiting).toBe(0), soon)
    expect(await session()).toEqual(written)

    await second.showMembers([member('node-1', { liveness: 'gone' }), member('node-2')])
    await vi.waitFor(async () => {
      const [row] = await table('lbsession', '-o', 'wide')
      expect(row).toMatchObject({ 'LAST-ERROR': expect.stringContaining('the speaker of this node is not heard') })
      expect(row).not.toHaveProperty('STATE')
    }, soon)
    // It was there all the time, and cannot know what is said of it but by its watch.
    await second.showMembers([member('node-1'), member('node-2')])
    await untilState('Established')
    expect((await session())?.status).not.toHaveProperty('problem')
    await first.stop()
    running.splice(running.indexOf(first), 1)
    await second.showMembers([member('node-1', { liveness: 'gone' }), member('node-2')])
    await vi.waitFor(() => expect(second.recorder.waiting).toBe(0), soon)
    expect((await session())?.status['problem']).toBe('the speaker of this node has stopped')
  })
})

describe('Events of a session', () => {
  test('are there for kubectl describe bgppeer, and a session that flaps is counted, not told each time', async () => {
    const peer = { apiVersion: 'berth.dev/v1beta1', kind: 'BGPPeer', metadata: { name: 'router-a' } }
    await post(`${berth()}/bgppeers`, { ...peer, spec: { myASN: 64512, peerASN: 64513, peerAddress: '192.0.2.1' } })
    const one = await start([up])
    await untilState('Established')
    for (let flap = 1; flap <= 3; flap++) {
      const sinceMs = Date.UTC(2026, 10, 21, flap)
      one.show({ peers: [view(established({ sinceMs, establishedCount: flap + 1, lastError: refused }))] })
      await untilState('Established', { established: flap + 1 })
    }
    one.show({ peers: [view(status({ establishedCount: 4 }, { ...refused, text: 'no answer' }))] })
    await untilState('Active')
    await one.stop()
    running.splice(0)
    const described = await controlPlane.kubectl(['describe', 'bgppeer', '-n', namespace, 'router-a'])
    const events = described.slice(described.indexOf('Events:')).split('\n')
    const about = 'node node-1: the session with 192.0.2.1 (AS 64513)'
    expect(events.filter(line => line.includes('SessionUp'))).toEqual([expect.stringContaining(`${about} is up`)])
    const downs = events.filter(line => line.includes('SessionDown')).map(line => line.slice(line.indexOf(about)))
    expect(downs.sort()).toEqual([`${about} is down; ${refused.text}`, `${about} is down; no answer`])
    expect(events.find(line => line.includes('refused'))).toMatch(/Warning .*\(x3 over/)
  })
})

describe('the Services that a node announces', () => {
  const addService = async (name: string) =>
    await post(`/api/v1/namespaces/${namespace}/services`, {
      metadata: { name },
      spec: { type: 'LoadBalancer', ports: [{ port: 80 }] },
    })
  const found = async () => await list(api, namespace, 'servicebgpstatuses')
  const planned = (peersByName: Readonly<Record<string, readonly string[]>>) =>
    Object.fromEntries(Object.entries(peersByName).map(([name, peers]) => [`${namespace}/${name}` as const, peers]))

  test('have a record each, which follows the plan and goes with it', async () => {
    const uids = new Map<string, unknown>()
    for (const name of ['web-1', 'web-2']) uids.set(name, fieldOf(fieldOf(await addService(name), 'metadata'), 'uid'))
    const both = ['router-a', 'router-b']
    const one = await start([up], { plan: planned({ 'web-1': both, 'web-2': ['router-a'] }) })
    await vi.waitFor(async () => {
      const printed = await controlPlane.kubectl(['get', 'servicebgpstatuses', '-n', namespace])
      expect(printed).toMatch(new RegExp(`node-1 +${namespace} +web-1 +router-a, router-b +\\d+s`))
      expect(printed).toMatch(new RegExp(`node-1 +${namespace} +web-2 +router-a +\\d+s`))
    }, soon)
    expect((await found())[0]?.metadata).toMatchObject({
      ownerReferences: [{ apiVersion: 'v1', kind: 'Service', name: 'web-1', uid: uids.get('web-1') }],
      labels: { 'berth.dev/node': 'node-1', 'berth.dev/service-name': 'web-1' },
    })
    one.show({ plan: planOf(planned({ 'web-2': both })) })
    await vi.waitFor(async () => {
      expect((await found()).map(({ status }) => [status['serviceName'], status['peers']])).toEqual([['web-2', both]])
    }, soon)
  })

  test('are not written anew by a restart that finds them as they are, nor by sessions that come and go', async () => {
    for (const name of ['web-1', 'web-2', 'web-3']) await addService(name)
    const plan = { 'web-1': ['router-a'], 'web-2': ['router-a'], 'web-3': ['router-a'] }
    const first = await start([up], { plan: planned(plan) })
    await vi.waitFor(async () => {
      expect((await found()).map(({ status }) => status['peerList'])).toEqual(['router-a', 'router-a', 'router-a'])
    }, soon)
    await vi.waitFor(() => expect(first.recorder.waiting).toBe(0), soon)
    const before = await found()
    first.show({ peers: [down] })
    await untilState('Active')
    await first.stop()
    running.splice(0)
    const second = await start([up], { plan: planned({ ...plan, 'web-3': ['router-b'] }) })
    await vi.waitFor(async () => expect((await found())[2]?.status['peerList']).toBe('router-b'), soon)
    await vi.waitFor(() => expect(second.recorder.waiting).toBe(0), soon)
    expect((await found()).slice(0, 2)).toEqual(before.slice(0, 2))
  })

  test('are removed after a restart where nothing is announced any more', async () => {
    await addService('web-1')
    const first = await start([up], { plan: planned({ 'web-1': ['router-a'] }) })
    await vi.waitFor(async () => expect((await found())[0]?.status['peerList']).toBe('router-a'), soon)
    await first.stop()
    running.splice(0)
    await start([up])
    await vi.waitFor(async () => expect(await found()).toEqual([]), soon)
  })

  test('of a Node that is deleted are removed by the others’ spokesman; nobody else would', async () => {
    await addService('web-1')
    await post('/api/v1/nodes', { metadata: { name: 'node-2' } })
    const kubeconfig = await controlPlane.kubeconfig()
    const plan = planOf(planned({ 'web-1': ['router-a'] }))
    const second = await startRecorder({ kubeconfig, namespace, node: 'node-2', peers: [], plan })
    const first = await start([], { plan: planned({ 'web-1': ['router-a'] }) })
    const nodes = async () => (await found()).map(({ status }) => status['node'])
    await vi.waitFor(async () => expect(await nodes()).toEqual(['node-1', 'node-2']), soon)
    await second.stop()
    await first.showMembers([member('node-1'), member('node-2', { liveness: 'gone' })])
    await api.request({ method: 'DELETE', path: '/api/v1/nodes/node-2' })
    await vi.waitFor(async () => expect(await nodes()).toEqual(['node-1']), soon)
    await vi.waitFor(() => expect(first.recorder.waiting).toBe(0), soon)
  })

  test('wait for their turn: fifty requests a second, and sessions are written in between', async () => {
    const names = Array.from({ length: 30 }, (_, index) => `many-${index}`)
    for (const name of names) await addService(name)
    const plan = planned(Object.fromEntries(names.map(name => [name, ['router-a']])))
    const beganMs = performance.now()
    const one = await start([down], { plan })
    await vi.waitFor(async () => expect((await found()).length).toBeGreaterThan(5), soon)
    one.show({ peers: [up] })
    await untilState('Established')
    expect((await found()).length).toBeLessThan(30)
    await vi.waitFor(async () => {
      expect((await found()).filter(({ status }) => status['peerList'] === 'router-a')).toHaveLength(30)
    }, soon)
    // 60 requests, an object and its status each.
    expect(performance.now() - beganMs).toBeGreaterThan((60 / 50) * 1000)
  })
})
