import { afterEach, describe, expect, test } from 'vitest'
import { createSpeakerHttp } from './http.ts'
import { type SpeakerHealth, takeCounters, withoutRemovedNodes } from './status.ts'
import { well } from './test-health.ts'
import { member } from './test-values.ts'

let close: (() => Promise<void>) | undefined
afterEach(async () => await close?.())

async function get(path: string, change: Partial<SpeakerHealth> = {}) {
  const http = await createSpeakerHttp(() => ({ ...well, ...change }))
  close = async () => await http.close()
  const { statusCode, body } = await http.inject(path)
  return { statusCode, body }
}

describe('/readyz', () => {
  test.each<{ situation: string; change: Partial<SpeakerHealth>; says: string }>([
    { situation: 'the interfaces are unknown', change: { interfacesKnown: false }, says: 'which interfaces there are' },
    {
      situation: 'something was never listed',
      change: {
        synced: false,
        watches: well.watches.map(watch => ({ ...watch, hasSynced: false, lastError: 'forbidden' })),
      },
      says: 'not everything has been listed yet: services (forbidden)',
    },
    { situation: 'its Lease was never seen', change: { joined: false }, says: 'its Lease has not been seen yet' },
    {
      situation: 'it has decided nothing',
      change: { reconciler: { ...well.reconciler, runs: 0 } },
      says: 'nothing has been decided yet',
    },
    { situation: 'it is stopping', change: { leaving: true }, says: 'it is stopping' },
  ])('says no while $situation', async ({ change, says }) => {
    const { statusCode, body } = await get('/readyz', change)
    expect(statusCode).toBe(503)
    expect(body).toContain(says)
  })

  test('names only what it waits for: records of the past are not', async () => {
    const unlisted = (resource: string, neededBy: 'routing' | 'nobody') =>
      well.watches.map(watch => ({ ...watch, resource, neededBy, hasSynced: false }))
    const watches = [...unlisted('bgppeers', 'routing'), ...unlisted('bgpsessionstatuses', 'nobody')]
    const { body } = await get('/readyz', { synced: false, watches })
    expect(body).toContain('bgppeers')
    expect(body).not.toContain('bgpsessionstatuses')
  })

  test('says yes otherwise, and goes on doing so while the API server is away', async () => {
    expect(await get('/readyz')).toEqual({ statusCode: 200, body: 'ok\n' })
    const watches = well.watches.map(watch => ({ ...watch, state: 'waiting' as const, lastError: 'refused' }))
    expect(await get('/readyz', { cutOff: true, watches })).toEqual({ statusCode: 200, body: 'ok\n' })
  })
})

describe('/healthz', () => {
  test('says no where changes have not been looked at for half a minute, and yes otherwise', async () => {
    const woken = (agoMs: number) => ({ reconciler: { ...well.reconciler, wokenAtMs: performance.now() - agoMs } })
    expect(await get('/healthz')).toEqual({ statusCode: 200, body: 'ok\n' })
    expect((await get('/healthz', woken(1_000))).statusCode).toBe(200)
    expect(await get('/healthz', woken(31_000))).toMatchObject({
      statusCode: 503,
      body: expect.stringContaining('31 s ago'),
    })
    expect((await get('/healthz', { ...woken(31_000), synced: false })).statusCode).toBe(200)
  })

  test('says no where BGP has not been told of changes, once it has begun', async () => {
    const router = { runs: 1, lastRunMs: 1, wokenAtMs: performance.now() - 31_000 }
    expect((await get('/healthz', { router })).body).toContain('have not been looked at for BGP')
    expect((await get('/healthz', { router: { ...router, runs: 0 } })).statusCode).toBe(200)
  })
})

describe('/metrics', () => {
  test('says what is announced, who is there and how the watches are', async () => {
    const { body } = await get('/metrics')
    for (const line of [
      'berth_speaker_announced{service="shop/web",protocol="layer2",node="node-1",ip="192.0.2.1"} 1',
      'berth_speaker_announced{service="shop/api",protocol="layer2",node="node-1",ip="192.0.2.1"} 1',
      'berth_speaker_announced{service="shop/slow",protocol="layer2",node="node-1",ip="192.0.2.2"} 0',
      'berth_speaker_members{liveness="alive"} 1',
      'berth_speaker_members{liveness="gone"} 1',
      'berth_speaker_cut_off 0',
      'berth_speaker_lease_age_seconds +Inf',
      'berth_speaker_refused_services{reason="NoUsableEndpoints"} 1',
      'berth_speaker_reconciliations_total 7',
      'berth_speaker_writes_waiting 3',
      'berth_watch_up{resource="services"} 1',
      'berth_watch_lists_total{resource="services"} 2',
      'berth_watch_failures_total{resource="services"} 4',
      'berth_speaker_missed 0',
      'berth_layer2_conflicts_total 3',
      'berth_layer2_takeovers_total 4',
    ]) {
      expect(body.split('\n')).toContain(line)
    }
  })

  test('misses no speaker of a node that was removed', () => {
    const members = new Map([...well.members, ['node-3', member('node-3', { liveness: 'gone' })] as const])
    const told = withoutRemovedNodes(members, name => name !== 'node-3')
    expect([...told.keys()]).toEqual(['node-1', 'node-2'])
    // What a Node object is not there for yet is no reason to leave out who lives.
    expect([...withoutRemovedNodes(members, () => false).keys()]).toEqual(['node-1'])
  })

  test('says who has an address too, rightly or not, and whom it misses', async () => {
    const station = { interface: 'eth0', mac: '02:00:00:00:00:0b' }
    const { body } = await get('/metrics', {
      rivals: new Map([
        ['192.0.2.1', { ...station, node: undefined }],
        ['192.0.2.2', { ...station, node: 'node-2' }],
      ]),
      wire: new Map([['192.0.2.3', { told: 'all', announcedOn: ['eth0'], sharers: ['node-1', 'node-2'] }]]),
      reach: { standing: 'most', lost: [], ownMissed: ['node-2'], suspected: ['node-2'] },
    })
    for (const line of [
      'berth_layer2_rival{ip="192.0.2.1",interface="eth0",mac="02:00:00:00:00:0b",rival_node=""} 1',
      'berth_layer2_rival{ip="192.0.2.2",interface="eth0",mac="02:00:00:00:00:0b",rival_node="node-2"} 1',
      'berth_layer2_sharing_nodes{ip="192.0.2.3"} 2',
      'berth_speaker_missed 1',
    ]) {
      expect(body.split('\n')).toContain(line)
    }
  })

  test("gives the wire thread's totals, the last word on each", async () => {
    const totals: SpeakerHealth['totals'] = new Map()
    const about = { kind: 'address', address: '192.0.2.1', interface: 'eth0' } as const
    takeCounters(totals, [{ ...about, requestsReceived: 1, responsesSent: 1, gratuitousSent: 2 }])
    takeCounters(totals, [
      { ...about, requestsReceived: 5, responsesSent: 4, gratuitousSent: 6 },
      {
        kind: 'interface',
        interface: 'eth0',
        protocol: 'ARP',
        malformed: 9,
        ignored: { notOurs: 8 },
        dropped: { queueFull: 7 },
      },
    ])
    const { body } = await get('/metrics', { totals })
    for (const line of [
      'berth_layer2_requests_received_total{ip="192.0.2.1",interface="eth0"} 5',
      'berth_layer2_responses_sent_total{ip="192.0.2.1",interface="eth0"} 4',
      'berth_layer2_gratuitous_sent_total{ip="192.0.2.1",interface="eth0"} 6',
      'berth_layer2_malformed_total{interface="eth0",protocol="ARP"} 9',
      'berth_layer2_ignored_total{interface="eth0",protocol="ARP",reason="notOurs"} 8',
      'berth_layer2_dropped_total{interface="eth0",protocol="ARP",reason="queueFull"} 7',
    ]) {
      expect(body.split('\n')).toContain(line)
    }
  })
})
