import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { fieldOf } from '../kube/json.ts'
import type { ApiRequest } from '../kube/transport.ts'
import { type ControlPlane, startControlPlane } from '../test/control-plane/control-plane.ts'
import { startFaultProxy } from '../test/fault-proxy.ts'
import { createTestCluster, leaseDurationSeconds, type RunningSpeaker, type TestCluster } from './test-cluster.ts'
import { grantedRights, speakerRights } from './test-rights.ts'

let controlPlane: ControlPlane
let cluster: TestCluster
let network: string
let tests = 0

beforeAll(async () => {
  controlPlane = await startControlPlane()
})
afterAll(async () => await controlPlane.stop())
afterEach(async () => await cluster.end())

const soon = { timeout: 15_000, interval: 20 }

async function newCluster(nodes: readonly string[], advertisement: object = {}): Promise<RunningSpeaker[]> {
  network = `10.${++tests}.0`
  cluster = await createTestCluster(await controlPlane.kubeconfig(), network)
  for (const node of nodes) await cluster.addNode(node)
  await cluster.advertise(advertisement)
  return await Promise.all(nodes.map(node => cluster.start(node)))
}

function address(index: number): string {
  return `${network}.${index}`
}

/** Services web-1, web-2, … with one address each and endpoints on a node that has no speaker. */
async function addServices(count: number, spec: object = {}): Promise<string[]> {
  const names = Array.from({ length: count }, (_, index) => `web-${index + 1}`)
  for (const [index, name] of names.entries()) await cluster.addService(name, [address(index + 1)], ['elsewhere'], spec)
  return names
}

/** Who answers for each of the first addresses. */
function owners(count: number): string[] {
  return Array.from({ length: count }, (_, index) => cluster.segment.answerers(address(index + 1)).join('+'))
}

/** Waits until each of the first addresses has one answerer and its record and condition say so. */
async function settled(count: number): Promise<string[]> {
  await vi.waitFor(async () => {
    const records = await cluster.records()
    for (const [index, owner] of owners(count).entries()) {
      const record = records.get(`web-${index + 1}`)
      expect(owner).toMatch(/^node-\d+$/)
      expect(record?.claim?.node).toBe(owner)
      expect(record?.published).toEqual({ node: owner, addresses: [address(index + 1)], interfaces: ['eth0'] })
      const condition = await cluster.condition(`web-${index + 1}`)
      expect(condition?.status).toBe('True')
      expect(condition?.message).toContain(`from node ${owner} on eth0`)
    }
  }, soon)
  return owners(count)
}

/** For every address, how long it had two answerers and how long none, from its first announcement on. */
function gaps(count: number): { two: number; none: number } {
  let two = 0
  let none = 0
  for (let index = 1; index <= count; index++) {
    const happenings = cluster.segment.history.filter(one => one.address === address(index))
    let answering = 0
    for (const [position, { what, atMs }] of happenings.entries()) {
      answering += what === 'announces' ? 1 : -1
      const next = happenings[position + 1]
      if (!next) continue
      if (answering === 0) none = Math.max(none, next.atMs - atMs)
      if (answering > 1) two = Math.max(two, next.atMs - atMs)
    }
  }
  return { two, none }
}

/** The versions of everything that Services and their announcements are made of. */
async function versions(): Promise<string[]> {
  return [
    JSON.stringify(await cluster.records()),
    ...Array.from((await cluster.records()).values(), record => record.resourceVersion),
    await controlPlane.kubectl([
      'get',
      'services,events',
      '-n',
      cluster.namespace,
      '-o',
      'jsonpath={.items[*].metadata.resourceVersion}',
    ]),
  ]
}

async function leaseVersion(): Promise<string> {
  return await controlPlane.kubectl([
    'get',
    'lease',
    '-n',
    cluster.namespace,
    'speaker-node-1',
    '-o',
    'jsonpath={.metadata.resourceVersion}',
  ])
}

/** The nodes that do not have everything any more that they had. */
function movedFrom(before: readonly string[], after: readonly string[]): string[] {
  return [...new Set(before.filter((owner, index) => after[index] !== owner))]
}

describe('three speakers', () => {
  test('share nine addresses evenly; each has one owner, and record, condition and Event name it', async () => {
    await newCluster(['node-1', 'node-2', 'node-3'])
    await addServices(9)
    const result = await settled(9)
    for (const node of ['node-1', 'node-2', 'node-3']) expect(result.filter(owner => owner === node)).toHaveLength(3)
    expect(gaps(9)).toEqual({ two: 0, none: 0 })
    await vi.waitFor(async () => {
      const [event, ...more] = await cluster.events('web-1')
      expect(more).toEqual([])
      expect(event?.reason).toBe('Announcing')
      expect(event?.note).toBe(`announcing ${address(1)} from node ${result[0]} on eth0; nobody announced it before`)
    }, soon)
  })

  test('write nothing per Service while nothing happens', async () => {
    await newCluster(['node-1', 'node-2'])
    await addServices(6)
    await settled(6)
    await vi.waitFor(async () => expect(await cluster.events('web-6')).toHaveLength(1), soon)
    const before = await versions()
    const leaseBefore = await leaseVersion()
    await new Promise(resolve => setTimeout(resolve, 2_000))
    expect(await versions()).toEqual(before)
    expect(await leaseVersion()).not.toBe(leaseBefore)
  })

  test('the addresses of one that dies go to the others, nothing else moves, and nothing moves when it comes back', async () => {
    const [first] = await newCluster(['node-1', 'node-2', 'node-3'])
    await addServices(9)
    const before = await settled(9)
    first?.kill()
    const killedMs = performance.now()
    await vi.waitFor(() => expect(owners(9).every(owner => /^node-[23]$/.test(owner))).toBe(true), soon)
    expect(performance.now() - killedMs).toBeLessThan(leaseDurationSeconds * 1000 + 1_500)
    const after = await settled(9)
    expect(movedFrom(before, after)).toEqual(['node-1'])
    const lost = before.indexOf('node-1') + 1
    await vi.waitFor(async () => {
      const event = (await cluster.events(`web-${lost}`)).at(-1)
      expect(event?.reason).toBe('AnnouncementMoved')
      expect(event?.note).toContain('the speaker of node-1 does not renew its Lease')
    }, soon)

    const back = await cluster.start('node-1')
    await vi.waitFor(() => expect(back.speaker.health().reconciler.runs).toBeGreaterThan(0), soon)
    // Nine on three nodes must not be more than three on one: with four or five there, some move, without a gap.
    const moved = cluster.segment.history.length
    const loads = ['node-2', 'node-3'].map(node => after.filter(owner => owner === node).length)
    const tooMany = loads.reduce((sum, load) => sum + Math.max(0, load - 3), 0)
    await vi.waitFor(() => expect(owners(9).filter(owner => owner === 'node-1')).toHaveLength(tooMany), soon)
    await settled(9)
    expect(cluster.segment.history.slice(moved).filter(one => one.what === 'announces')).toHaveLength(tooMany)
    for (const { node, address } of cluster.segment.history.slice(moved).filter(one => one.what === 'withdraws')) {
      const taken = cluster.segment.history
        .slice(moved)
        .findIndex(one => one.address === address && one.what === 'announces')
      const given = cluster.segment.history.slice(moved).findIndex(one => one.address === address && one.node === node)
      expect(taken).toBeLessThan(given)
    }
  })

  test('one that crashes and is back at once goes on with what it had; nothing is written', async () => {
    const [first] = await newCluster(['node-1', 'node-2'])
    await addServices(4)
    const before = await settled(4)
    const records = await cluster.records()
    first?.kill()
    await cluster.start('node-1')
    await vi.waitFor(() => expect(owners(4)).toEqual(before), soon)
    expect(await cluster.records()).toEqual(records)
  })
})

describe.each([
  { way: 'by hearing the new owner on the segment', packetsArrive: true },
  { way: 'by the record alone', packetsArrive: false },
])('a speaker that stops hands over $way', ({ packetsArrive }) => {
  test('and goes on answering until the others do', async () => {
    const [first] = await newCluster(['node-1', 'node-2', 'node-3'])
    await addServices(9)
    const before = await settled(9)
    cluster.segment.packetsArrive = packetsArrive
    const beganMs = performance.now()
    await first?.stop()
    expect(performance.now() - beganMs).toBeLessThan(4_000)
    const after = await settled(9)
    expect(movedFrom(before, after)).toEqual(['node-1'])
    expect(after).not.toContain('node-1')
    expect(gaps(9).none).toBe(0)
    expect(gaps(9).two).toBeLessThan(packetsArrive ? 500 : 1_500)
    await vi.waitFor(async () => {
      const events = await cluster.events(`web-${before.indexOf('node-1') + 1}`)
      expect(events.at(-1)?.note).toContain('the speaker of node-1 is stopping')
    }, soon)
  })
})

describe('the API server', () => {
  test('goes away for longer than any Lease: nothing changes, then or when it comes back', async () => {
    await newCluster([])
    await using proxy = await startFaultProxy(controlPlane)
    const kubeconfig = await proxy.kubeconfig()
    const nodes = ['node-1', 'node-2', 'node-3']
    for (const node of nodes) await cluster.addNode(node)
    const speakers = await Promise.all(nodes.map(node => cluster.start(node, kubeconfig)))
    await addServices(6)
    const before = await settled(6)
    const happenings = cluster.segment.history.length

    proxy.set({ refuse: true })
    proxy.cutWatches()
    await vi.waitFor(() => expect(speakers.every(({ speaker }) => speaker.health().cutOff)).toBe(true), soon)
    await new Promise(resolve => setTimeout(resolve, leaseDurationSeconds * 1000))
    expect(owners(6)).toEqual(before)
    proxy.set({})
    await vi.waitFor(() => expect(speakers.some(({ speaker }) => speaker.health().cutOff)).toBe(false), soon)
    await new Promise(resolve => setTimeout(resolve, leaseDurationSeconds * 1000))
    expect(cluster.segment.history).toHaveLength(happenings)
    await settled(6)
  })

  test('cannot be reached by one speaker: it yields to those who take over, and takes nothing back', async () => {
    const [first] = await newCluster(['node-1', 'node-2', 'node-3'])
    await addServices(6)
    const before = await settled(6)
    first?.cutFromApi()
    await vi.waitFor(() => expect(owners(6).every(owner => /^node-[23]$/.test(owner))).toBe(true), soon)
    expect(movedFrom(before, owners(6))).toEqual(['node-1'])
    expect(gaps(6).none).toBe(0)
    // As long as it takes a packet to be heard in a process that three speakers and an API server's clients share.
    expect(gaps(6).two).toBeLessThan(500)

    // Two nodes with three each is within the bound for three nodes (a bound of two, so some may move, but without a gap).
    first?.mend()
    await vi.waitFor(() => expect(first?.speaker.health().cutOff).toBe(false), soon)
    await vi.waitFor(() => expect(first?.speaker.health().wire.size).toBe(2), soon)
    await settled(6)
    expect(gaps(6).none).toBe(0)
    expect(gaps(6).two).toBeLessThan(500)
  })
})

describe('an API server that', () => {
  test('fails every fifth request and cuts every watch: the same comes of it, later', async () => {
    await newCluster([])
    await using proxy = await startFaultProxy(controlPlane)
    const kubeconfig = await proxy.kubeconfig()
    proxy.set({ status: { code: 500, probability: 0.2 } })
    const nodes = ['node-1', 'node-2', 'node-3']
    for (const node of nodes) await cluster.addNode(node)
    await Promise.all(nodes.map(node => cluster.start(node, kubeconfig)))
    const rude = setInterval(() => proxy.cutWatches(), 700)
    try {
      await addServices(12)
      await settled(12)
      await cluster.setEndpoints('web-1', [])
      await vi.waitFor(() => expect(owners(1)).toEqual(['']), soon)
    } finally {
      clearInterval(rude)
    }
    // Whoever announced did so by a claim of its own, however often it had to try.
    expect(gaps(12).two).toBeLessThan(2_500)
  })

  test('grants a speaker only the rights that it needs: they are enough, and it uses each', async () => {
    await newCluster([])
    await cluster.addNode('node-1')
    await controlPlane.kubectl(['apply', '-f', '-'], {
      input: JSON.stringify(speakerRights('speaker-1', cluster.namespace)),
    })
    const router = { myASN: 64512, peerASN: 64513, peerAddress: '127.0.0.1', peerPort: 1, connectTime: '1s' }
    await cluster.configure('BGPPeer', 'router-a', { spec: router })
    await cluster.configure('BGPPeer', 'router-b', {
      spec: { ...router, peerPort: 2, passwordSecret: { name: 'missing' } },
    })
    await cluster.configure('BGPAdvertisement', 'all', { spec: {} })
    await addServices(2)
    // Somebody is faster once with each kind of record, so that it must look, and take it over.
    const raced = new Set<string>()
    const race = async ({ method, path, body }: ApiRequest): Promise<void> => {
      if (method !== 'POST' || !path.includes('berth.dev') || raced.has(path)) return
      raced.add(path)
      const metadata = { ...(fieldOf(body, 'metadata') as object), annotations: {}, ownerReferences: [] }
      await cluster.api.request({ method, path, body: { ...(body as object), metadata } })
    }
    const speaker = await cluster.start('node-1', await controlPlane.kubeconfig('speaker-1'), race)
    await settled(2)
    const ready = () => cluster.recorded('bgpsessionstatuses')
    await vi.waitFor(async () => {
      expect((await ready()).map(({ status }) => status['problem'] ?? status['lastError'])).toEqual([
        expect.stringContaining('ECONNREFUSED'),
        expect.stringContaining('missing'),
      ])
      const told = (await cluster.recorded('servicebgpstatuses')).map(({ status }) => status['peers'])
      expect(told).toEqual([
        ['router-a', 'router-b'],
        ['router-a', 'router-b'],
      ])
    }, soon)

    const uid = (await cluster.service('web-1')).uid.slice(0, 8)
    // What was told once is told again, and what is not true any more goes.
    for (const endpoints of [[], ['elsewhere'], []]) {
      await cluster.setEndpoints('web-2', endpoints)
      const reason = endpoints.length === 0 ? 'NoUsableEndpoints' : 'Announced'
      await vi.waitFor(async () => expect(await cluster.condition('web-2')).toMatchObject({ reason }), soon)
    }
    const lease = ['lease', '-n', cluster.namespace, 'speaker-node-1']
    await controlPlane.kubectl(['annotate', ...lease, 'somebody=was-here'])
    await controlPlane.kubectl(['delete', 'bgppeer', 'router-b', '-n', cluster.namespace])
    await vi.waitFor(async () => {
      expect([...(await cluster.records()).keys()]).toEqual(['web-1'])
      const names = async (plural: string) => (await cluster.recorded(plural)).map(({ name }) => name)
      expect(await names('bgpsessionstatuses')).toEqual(['node-1.router-a'])
      expect(await names('servicebgpstatuses')).toEqual([`web-1-${uid}.node-1`])
      expect([...speaker.usedRights].toSorted()).toEqual([...grantedRights()].toSorted())
    }, soon)
    await speaker.stop()
    expect(await controlPlane.kubectl(['get', ...lease, '-o', 'jsonpath={.spec.holderIdentity}'])).toBe('')
    expect((await ready()).map(({ status }) => status['problem'])).toEqual([expect.stringContaining('has stopped')])
  })
})

describe('who may announce', () => {
  test('externalTrafficPolicy Local follows the endpoints without a gap', async () => {
    await newCluster(['node-1', 'node-2', 'node-3'])
    await cluster.addService('web-1', [address(1)], ['node-2'], { externalTrafficPolicy: 'Local' })
    expect(await settled(1)).toEqual(['node-2'])
    await cluster.setEndpoints('web-1', ['node-2', 'node-3'])
    await cluster.setEndpoints('web-1', ['node-3'])
    await vi.waitFor(() => expect(owners(1)).toEqual(['node-3']), soon)
    await settled(1)
    expect(gaps(1).none).toBe(0)
    await vi.waitFor(async () => {
      expect((await cluster.events('web-1')).at(-1)?.note).toContain('node-2 can no longer announce it')
    }, soon)
  })

  test('nobody without a ready endpoint; the condition and one Event say so, and it begins again with the first', async () => {
    await newCluster(['node-1', 'node-2'])
    await addServices(1)
    await settled(1)
    await cluster.setEndpoints('web-1', [])
    await vi.waitFor(() => expect(owners(1)).toEqual(['']), soon)
    await vi.waitFor(async () => {
      expect(await cluster.condition('web-1')).toMatchObject({ status: 'False', reason: 'NoUsableEndpoints' })
      expect(await cluster.records()).toEqual(new Map())
      expect((await cluster.events('web-1')).map(event => event.reason)).toEqual(['Announcing', 'NotAnnounced'])
    }, soon)
    await cluster.setEndpoints('web-1', ['elsewhere'])
    await settled(1)
  })

  test('a node whose carrier is lost hands its addresses over; so does one that is excluded by label', async () => {
    await newCluster(['node-1', 'node-2'])
    await addServices(2)
    await settled(2)
    cluster.segment.setCarrier('node-1', false)
    await vi.waitFor(() => expect(owners(2)).toEqual(['node-2', 'node-2']), soon)
    await settled(2)
    cluster.segment.setCarrier('node-1', true)
    await vi.waitFor(() => expect(owners(2).toSorted()).toEqual(['node-1', 'node-2']), soon)
    await settled(2)
    await cluster.addNode('node-2', { 'node.kubernetes.io/exclude-from-external-load-balancers': '' })
    await vi.waitFor(() => expect(owners(2)).toEqual(['node-1', 'node-1']), soon)
    expect(gaps(2).none).toBe(0)
  })

  test('a node that is cordoned hands everything over without a gap, and keeps what no other node can have', async () => {
    await newCluster(['node-1', 'node-2'])
    await addServices(4)
    await settled(4)
    await cluster.addNode('node-1', {}, { unschedulable: true })
    await vi.waitFor(() => expect(owners(4).every(owner => owner === 'node-2')).toBe(true), soon)
    await settled(4)
    await vi.waitFor(async () => {
      const notes = await Promise.all(
        [1, 2, 3, 4].map(async index => (await cluster.events(`web-${index}`)).at(-1)?.note),
      )
      expect(notes.filter(note => note?.endsWith('node-1 is being drained'))).toHaveLength(2)
    }, soon)
    await cluster.addNode('node-2', {}, { unschedulable: true })
    await cluster.addService('web-5', [address(5)], ['elsewhere'])
    await settled(5)
    expect(owners(4).every(owner => owner === 'node-2')).toBe(true)
    expect(gaps(5).none).toBe(0)
  })

  test('several nodes that share an address: each answers, record and condition name all, one that stops is left out', async () => {
    const [first] = await newCluster(['node-1', 'node-2', 'node-3'], { loadSharing: 'perClient' })
    await addServices(1)
    const isSharedBy = async (nodes: readonly string[]): Promise<void> => {
      await vi.waitFor(async () => {
        expect(owners(1)).toEqual([nodes.join('+')])
        const record = (await cluster.records()).get('web-1')
        expect(record?.published).toMatchObject({ addresses: [address(1)], sharers: nodes })
        expect(nodes).toContain(record?.claim?.node)
        const condition = await cluster.condition('web-1')
        const others = nodes.filter(node => node !== record?.claim?.node)
        expect(condition?.message).toContain(`from node ${record?.claim?.node} on eth0, clients shared with`)
        expect(condition?.message.endsWith(others.join(', '))).toBe(true)
      }, soon)
    }
    await isSharedBy(['node-1', 'node-2', 'node-3'])
    await first?.stop()
    await isSharedBy(['node-2', 'node-3'])
    await cluster.start('node-1')
    await isSharedBy(['node-1', 'node-2', 'node-3'])
  })

  test('Services that share an address are announced from one node', async () => {
    await newCluster(['node-1', 'node-2', 'node-3'])
    await cluster.addService('web-1', [address(1)], ['elsewhere'])
    await cluster.addService('web-2', [address(1), address(2)], ['elsewhere'], { ports: [{ port: 443 }] })
    await vi.waitFor(async () => {
      const records = await cluster.records()
      const [owner, ...others] = cluster.segment.answerers(address(1))
      expect(others).toEqual([])
      expect(cluster.segment.answerers(address(2))).toEqual([owner])
      expect(records.get('web-1')?.published?.node).toBe(owner)
      expect(records.get('web-2')?.published?.node).toBe(owner)
    }, soon)
  })

  test('of two that share an address and can be on one node each, one is told that it is elsewhere', async () => {
    await newCluster(['node-1', 'node-2'])
    await cluster.addService('web-1', [address(1)], ['node-1'], { externalTrafficPolicy: 'Local' })
    await settled(1)
    await cluster.addService('web-2', [address(1)], ['node-2'], {
      externalTrafficPolicy: 'Local',
      ports: [{ port: 443 }],
    })
    await vi.waitFor(async () => {
      const condition = await cluster.condition('web-2')
      expect(condition).toMatchObject({ status: 'False', reason: 'SharedAddressElsewhere' })
      expect(condition?.message).toContain('announced from node node-1')
    }, soon)
    expect(await settled(1)).toEqual(['node-1'])
  })

  test('a preferred node takes its addresses when it comes, without a gap', async () => {
    const prefer = { preferredNodeSelectors: [{ weight: 10, preference: { matchLabels: { edge: 'yes' } } }] }
    await newCluster(['node-1', 'node-2'], prefer)
    await addServices(3)
    await settled(3)
    await cluster.addNode('node-3', { edge: 'yes' })
    await cluster.start('node-3')
    await vi.waitFor(() => expect(owners(3)).toEqual(['node-3', 'node-3', 'node-3']), soon)
    await settled(3)
    expect(gaps(3).none).toBe(0)
    await vi.waitFor(async () => {
      expect((await cluster.events('web-1')).at(-1)?.note).toContain('this node is preferred')
    }, soon)
  })

  test('a Service of a pool without an advertisement is told so; what is in no pool is left alone', async () => {
    await newCluster(['node-1'], { ipAddressPools: ['another'] })
    await cluster.addService('web-1', [address(1)], ['elsewhere'])
    await cluster.addService('strange', ['203.0.113.9'], ['elsewhere'])
    await vi.waitFor(async () => {
      const condition = await cluster.condition('web-1')
      expect(condition).toMatchObject({ status: 'False', reason: 'NoAdvertisement' })
      expect(condition?.message).toContain('no L2Advertisement or BGPAdvertisement names its pool pool')
    }, soon)
    expect(await cluster.condition('strange')).toBeUndefined()
  })
})
