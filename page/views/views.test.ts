import { describe, expect, test } from 'vitest'
import { pictureOf } from '../../cli/picture.ts'
import type { Lists, Snapshot } from '../../cli/snapshot.ts'
import { statusOf } from '../../cli/status.ts'
import { formatAddress } from '../../net/address.ts'
import {
  bgpAdvertisement,
  bgpPeer,
  condition,
  pool,
  record,
  secondsAgo,
  service,
  session,
  sharedRecord,
  speakerLease,
  world,
} from '../../test/cli/world.ts'
import { answer } from '../answer.ts'
import { nodeRows, sessionRows } from './nodes.ts'
import { overviewOf } from './overview.ts'
import { type PoolMap, poolMapOf } from './pools.ts'
import type { Scene } from './scene.ts'
import { type ServiceQuery, servicesPage, serviceView } from './services.ts'
import { changesBetween, entryOfEvent, movesIn, timeLineOf, timeLinePage } from './time-line.ts'

function sceneOf(changed: Partial<Lists> = {}): Scene {
  const picture = pictureOf(world(changed), undefined)
  return { picture, status: statusOf(picture), timeLine: timeLineOf(movesIn(picture.snapshot)), trouble: [] }
}

const allocated = condition('berth.dev/Allocated', 'True', 'Allocated', 'fine')
const announced = condition('berth.dev/Announced', 'True', 'Announced', 'layer 2: fine')
const silent = condition('berth.dev/Announced', 'False', 'NoUsableEndpoints', 'none of its endpoints is ready')
const taken = condition('berth.dev/Announced', 'False', 'AddressInUse', '10.0.0.9 is in use by 52:54:00:12:34:56')

/** As many Services as there are addresses, each with its own. */
function holders(first: number, many: number): readonly object[] {
  return Array.from({ length: many }, (_, index) => {
    const value = (10n << 24n) + BigInt(first + index)
    return service(`s${first + index}`, {
      ingress: [formatAddress({ family: 'IPv4', value })],
      conditions: [allocated, announced],
    })
  })
}

describe('a pool as a map', () => {
  const mapOf = (scene: Scene, from?: string, to?: string): PoolMap => {
    const map = poolMapOf(scene, 'public', from !== undefined && to !== undefined ? { from, to } : undefined)
    if (!map) throw new Error('no map')
    return map
  }

  test('a /16 is 256 times a /24, and each of these 256 addresses', () => {
    const scene = sceneOf({
      ipAddressPools: [pool('public', ['10.0.0.0/16'])],
      services: [...holders(0x301, 100), ...holders(0xff00, 3)],
    })
    const [whole] = mapOf(scene).blocks
    expect(whole).toMatchObject({ label: '10.0.0.0/16', size: '65536', inUse: 103, cellSize: '256', focus: undefined })
    expect(whole?.cells).toHaveLength(256)
    expect(whole?.cells[3]).toEqual({
      label: '10.0.3.0/24',
      from: '10.0.3.0',
      to: '10.0.3.255',
      size: '256',
      inUse: 100,
      conflicts: 0,
      avoided: '0',
    })
    expect(whole?.cells[255]).toMatchObject({ label: '10.0.255.0/24', inUse: 3 })
    expect(whole?.cells.reduce((sum, { inUse }) => sum + inUse, 0)).toBe(103)
    const part = mapOf(scene, '10.0.3.0', '10.0.3.255')
    expect(part.path.map(({ label }) => label)).toEqual(['10.0.0.0/16', '10.0.3.0/24'])
    expect(part.blocks[0]).toMatchObject({ cellSize: '1', inUse: 100 })
    expect(part.blocks[0]?.cells.slice(0, 2)).toMatchObject([
      { label: '10.0.3.0', inUse: 0, services: [] },
      { label: '10.0.3.1', inUse: 1, services: ['shop/s769'] },
    ])
    expect(part.holdings[0]).toEqual({ address: '10.0.3.1', services: ['shop/s769'], conflict: undefined })
  })

  test('a /64 is not counted through: what is in use is two looks away', () => {
    const web = service('web', { ingress: ['2001:db8::1:2'], spec: { ipFamilies: ['IPv6'], clusterIPs: ['fd00::1'] } })
    const scene = sceneOf({ ipAddressPools: [pool('public', ['2001:db8::/64'])], services: [web] })
    const [whole] = mapOf(scene).blocks
    expect(whole).toMatchObject({ size: '18446744073709551616', inUse: 1, cellSize: String(1n << 56n) })
    expect(whole?.cells).toHaveLength(256)
    expect(whole?.focus).toEqual({ label: '2001:db8::1:0/120', from: '2001:db8::1:0', to: '2001:db8::1:ff' })
    const focus = mapOf(scene, '2001:db8::1:0', '2001:db8::1:ff')
    expect(focus.blocks[0]?.cells[2]).toMatchObject({ label: '2001:db8::1:2', services: ['shop/web'] })
    expect(focus.path.map(({ label }) => label)).toEqual([
      '2001:db8::/64',
      '2001:db8::/72',
      '2001:db8::/80',
      '2001:db8::/88',
      '2001:db8::/96',
      '2001:db8::/104',
      '2001:db8::1:0/112',
      '2001:db8::1:0/120',
    ])
  })

  test('ranges that are no prefixes, addresses that are avoided, and those that two claim', () => {
    const scene = sceneOf({
      ipAddressPools: [pool('public', ['10.0.0.9-10.0.1.3', '10.9.0.0/30'], { avoidBuggyIPs: true })],
      services: [
        service('stranger', { ingress: ['10.0.0.9'], conditions: [allocated, taken] }),
        service('older', { ingress: ['10.0.1.1'], conditions: [allocated, announced] }),
        service('younger', { ingress: ['10.0.1.1'], conditions: [allocated, announced] }),
      ],
    })
    const [first, second] = mapOf(scene).blocks
    // 251 addresses are one cell each: .255 and .0 are avoided.
    expect(first).toMatchObject({
      label: '10.0.0.9-10.0.1.3',
      size: '251',
      inUse: 2,
      conflicts: 2,
      avoided: '2',
      cellSize: '1',
    })
    expect(first?.cells.filter(({ avoided }) => avoided === '1').map(({ label }) => label)).toEqual([
      '10.0.0.255',
      '10.0.1.0',
    ])
    expect(second).toMatchObject({ label: '10.9.0.0/30', size: '4', avoided: '1' })
    expect(mapOf(scene).holdings).toEqual([
      { address: '10.0.0.9', services: ['shop/stranger'], conflict: '10.0.0.9 is in use by 52:54:00:12:34:56' },
      {
        address: '10.0.1.1',
        services: ['shop/older', 'shop/younger'],
        conflict: expect.stringContaining('shop/younger shows it too'),
      },
    ])
    expect(overviewOf(scene).conflicts).toBe(2)
  })

  test('a part that is none of the pool’s is not shown', () => {
    const scene = sceneOf({ ipAddressPools: [pool('public', ['10.0.0.0/24'])] })
    for (const [from, to] of [
      ['10.0.0.0', '10.0.1.0'],
      ['10.0.0.9', '10.0.0.1'],
      ['x', '10.0.0.1'],
      ['::1', '10.0.0.1'],
    ] as const)
      expect(poolMapOf(scene, 'public', { from, to })).toBeUndefined()
    expect(poolMapOf(scene, 'none')).toBeUndefined()
  })

  test('a hundred ranges are some maps and a number', () => {
    const ranges = Array.from({ length: 100 }, (_, index) => `10.${index}.0.0/20`)
    const map = mapOf(sceneOf({ ipAddressPools: [pool('public', ranges)] }))
    expect(map.blocks).toHaveLength(48)
    expect(map.moreRanges).toBe(52)
    expect(map.blocks[0]?.cells).toHaveLength(64)
  })

  test('a pool that is set aside says so and has no map', () => {
    const map = mapOf(sceneOf({ ipAddressPools: [pool('public', ['10.0.0.0/33'])] }))
    expect(map).toMatchObject({ pool: { ready: false }, blocks: [] })
  })
})

describe('the list of Services', () => {
  const usual: ServiceQuery = { search: '', state: undefined, sort: 'name', offset: 0, limit: 10 }
  const services = [
    service('web', { ingress: ['10.0.0.10'], conditions: [allocated, announced] }),
    service('api', { ingress: ['10.0.0.9'], conditions: [allocated, silent] }),
    service('late'),
  ]
  const scene = sceneOf({
    ipAddressPools: [pool('public', ['10.0.0.0/24'])],
    services,
    layer2Records: [record('web', 'node-2', '10.0.0.10')],
  })
  const listed = (query: Partial<ServiceQuery>): readonly string[] =>
    servicesPage(scene, { ...usual, ...query }).rows.map(({ service }) => service.replace('shop/', ''))

  test('each with its state, who announces it, and why not', () => {
    const page = servicesPage(scene, usual)
    expect(page).toMatchObject({ total: 3, listed: 3, found: { announced: 1, 'not announced': 1, 'no address': 1 } })
    expect(page.rows).toMatchObject([
      { service: 'shop/api', state: 'not announced', reason: 'NoUsableEndpoints', pool: 'public' },
      { service: 'shop/late', state: 'no address', addresses: [] },
      { service: 'shop/web', state: 'announced', addresses: ['10.0.0.10'], nodes: ['node-2'] },
    ])
  })

  test('is searched by name, address, node and reason, and narrowed by state', () => {
    expect(listed({ search: 'WEB' })).toEqual(['web'])
    expect(listed({ search: '10.0.0.9' })).toEqual(['api'])
    expect(listed({ search: 'shop node-2' })).toEqual(['web'])
    expect(listed({ search: 'endpoints' })).toEqual(['api'])
    expect(listed({ state: 'no address' })).toEqual(['late'])
    expect(servicesPage(scene, { ...usual, search: 'nothing like it' })).toMatchObject({ listed: 0, total: 3 })
  })

  test('is sorted by addresses as numbers, by state with the worst first, and given in parts', () => {
    expect(listed({ sort: 'address' })).toEqual(['api', 'web', 'late'])
    expect(listed({ sort: 'state' })).toEqual(['late', 'api', 'web'])
    expect(listed({ sort: 'node' })).toEqual(['web', 'api', 'late'])
    expect(listed({ offset: 1, limit: 1 })).toEqual(['late'])
    expect(listed({ offset: 7 })).toEqual([])
  })

  test('a line follows what it is made of, where its Service has not changed', () => {
    const lineOf = (changed: Partial<Snapshot>) => {
      const picture = pictureOf({ ...scene.picture.snapshot, ...changed }, undefined)
      const [row] = servicesPage({ ...scene, picture, status: statusOf(picture) }, { ...usual, search: 'web' }).rows
      return row
    }
    const { resolved } = scene.picture.snapshot
    expect(lineOf({})).toMatchObject({ nodes: ['node-2'], pool: 'public', state: 'announced' })
    expect(lineOf({ records: new Map() })).toMatchObject({ nodes: [], pool: 'public' })
    expect(lineOf({ resolved: { ...resolved, config: { ...resolved.config, pools: [] } } })?.pool).toBeUndefined()
    expect(lineOf({})).toMatchObject({ nodes: ['node-2'], pool: 'public' })
    const { status } = scene
    const trouble = { service: 'shop/web', what: 'not announced', reason: 'Late', message: 'soon' } as const
    const troubled = { ...scene, status: { ...status, troubled: [trouble] } }
    expect(servicesPage(troubled, { ...usual, search: 'web' }).rows).toMatchObject([{ state: 'not announced' }])
  })

  test('one Service is what the command line explains', () => {
    expect(serviceView(scene, 'shop/web')?.pool).toBe('public')
    expect(serviceView(scene, 'shop/none')).toBeUndefined()
  })
})

test('nodes with what they announce, and what is wrong with them', () => {
  const scene = sceneOf({
    leases: [speakerLease('node-1'), speakerLease('node-2', {}, secondsAgo(60))],
    layer2Records: [record('web', 'node-1', '192.0.2.0')],
    bgpPeers: [bgpPeer],
    bgpAdvertisements: [bgpAdvertisement],
    sessionRecords: [session('node-1', 'r1'), session('node-2', 'r1', { state: 'Active' })],
  })
  expect(nodeRows(scene)).toMatchObject([
    {
      node: 'node-1',
      state: 'alive',
      services: 1,
      addresses: ['192.0.2.0'],
      sessions: { up: 1, total: 1 },
      prefixes: 12,
    },
    { node: 'node-2', state: 'gone', services: 0, sessions: { up: 0, total: 1 } },
    { node: 'node-3', state: 'missing', sessions: { up: 0, total: 1 } },
  ])
  // Those that are down stand first.
  expect(sessionRows(scene).map(({ node }) => node)).toEqual(['node-2', 'node-3', 'node-1'])
})

test('an address whose clients several nodes share is with each of them, and its Service is found by any', () => {
  const scene = sceneOf({
    services: [service('web', { ingress: ['192.0.2.0'], conditions: [allocated, announced] })],
    layer2Records: [sharedRecord('web', 'node-3', '192.0.2.0', ['node-1', 'node-3'])],
  })
  expect(nodeRows(scene)).toMatchObject([
    { node: 'node-1', services: 1, addresses: ['192.0.2.0'] },
    { node: 'node-2', services: 0, addresses: [] },
    { node: 'node-3', services: 1, addresses: ['192.0.2.0'] },
  ])
  for (const search of ['node-1', 'node-3', '']) {
    const page = servicesPage(scene, { search, state: undefined, sort: 'name', offset: 0, limit: 10 })
    expect(page.rows).toMatchObject([{ service: 'shop/web', nodes: ['node-1', 'node-3'] }])
  }
})

describe('the overview', () => {
  test('puts Services that suffer from the same together, the most frequent first', () => {
    const services = [
      ...Array.from({ length: 5 }, (_, index) =>
        service(`a${index}`, { ingress: [`10.0.0.${index}`], conditions: [allocated, silent] }),
      ),
      service('b', { ingress: ['10.0.0.9'], conditions: [allocated, taken] }),
    ]
    const overview = overviewOf(
      sceneOf({ services, ipAddressPools: [pool('public', ['10.0.0.0/24']), pool('bad', ['x'])] }),
    )
    expect(overview.reasons).toMatchObject([
      { reason: 'NoUsableEndpoints', count: 5, example: { service: 'shop/a0' } },
      { reason: 'AddressInUse', count: 1 },
    ])
    expect(overview).toMatchObject({
      conflicts: 1,
      notReady: [{ name: 'bad' }],
      services: { total: 6, assigned: 6, announced: 0 },
    })
  })

  test('stays small, however large the cluster', () => {
    const services = holders(0, 1_000)
    const pools = Array.from({ length: 100 }, (_, index) => pool(`p${index}`, [`10.${index}.0.0/16`]))
    const leases = Array.from({ length: 300 }, (_, index) => speakerLease(`node-${index}`, {}, secondsAgo(90)))
    const body = JSON.stringify(overviewOf(sceneOf({ services, ipAddressPools: pools, leases })))
    expect(body.length).toBeLessThan(12_000)
  })
})

describe('the time line', () => {
  const moved = record('web', 'node-1', '192.0.2.0', { because: 'ownerGone', from: 'node-3' })

  test('knows the last move of each Service, and why', () => {
    expect(sceneOf({ layer2Records: [moved, record('api', 'node-2', '192.0.2.1')] }).timeLine).toMatchObject([
      {
        kind: 'move',
        text: '192.0.2.0 moved from node-3 to node-1: the speaker of node-3 does not renew its Lease',
        about: { kind: 'Service', name: 'shop/web' },
      },
    ])
  })

  test('sees speakers and leaders come and go', () => {
    const before = sceneOf()
    const after = sceneOf({ leases: [speakerLease('node-1'), speakerLease('node-2', { leaving: true })] })
    expect(changesBetween(before.status, before.status)).toEqual([])
    expect(changesBetween(before.status, after.status)).toMatchObject([
      { kind: 'other', reason: 'SpeakerLeaving', about: { name: 'node-2' } },
      { kind: 'failure', reason: 'SpeakerGone', about: { name: 'node-3' } },
      { kind: 'failure', text: 'no controller leads' },
    ])
    expect(changesBetween(after.status, before.status)[1]).toMatchObject({ kind: 'recovery', reason: 'SpeakerBack' })
  })

  test('tells warnings from what is well, and is searched and narrowed', () => {
    const logged = {
      key: 'shop/e',
      uid: 'e',
      resourceVersion: '1',
      atMs: 5,
      warning: true,
      reason: 'NotAnnounced',
      note: 'none is ready',
      count: 3,
      kind: 'Service',
      regarding: 'shop/web',
      by: 'node-1',
    }
    const entries = [
      entryOfEvent(logged),
      entryOfEvent({ ...logged, key: 'shop/f', warning: false, reason: 'SessionUp' }),
    ]
    expect(entries.map(({ kind }) => kind)).toEqual(['failure', 'recovery'])
    const all = { search: '', kinds: [], offset: 0, limit: 10 }
    expect(timeLinePage(entries, { ...all, kinds: ['failure'] })).toMatchObject({ listed: 1, entries: [{ count: 3 }] })
    expect(timeLinePage(entries, { ...all, search: 'sessionup WEB' }).listed).toBe(1)
    expect(timeLinePage(entries, { ...all, offset: 1 })).toMatchObject({
      listed: 2,
      entries: [{ reason: 'SessionUp' }],
    })
  })
})

test('questions that make no sense are answered with what would', () => {
  const scene = sceneOf()
  const asked = (view: string, query: Record<string, string> = {}) => answer(scene, { view, query })
  expect(asked('nothing')).toMatchObject({ status: 404, problem: expect.stringContaining('overview') })
  for (const query of [{ limit: '501' }, { limit: '-1' }, { offset: '1e3' }, { state: 'well' }, { sort: 'colour' }]) {
    expect(asked('services', query as unknown as Record<string, string>)).toMatchObject({ status: 400 })
  }
  expect(asked('timeline', { kinds: 'move,noise' })).toMatchObject({ status: 400 })
  expect(asked('pool', { name: '__proto__' })).toMatchObject({ status: 404 })
  expect(asked('service', { name: 'shop/web' })).toMatchObject({ status: 200 })
})
