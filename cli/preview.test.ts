import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  bgpAdvertisement,
  bgpPeer,
  config,
  lists,
  named,
  namespace,
  node,
  nowMs,
  pool,
  record,
  secondsAgo,
  service,
  slice,
  speakerLease,
} from '../test/cli/world.ts'
import { applyStep, removeStep, type Step, takeStep } from './change.ts'
import { dumpedCluster } from './lists.ts'
import { plain } from './paint.ts'
import { type Preview, previewOf } from './preview.ts'
import { previewText } from './preview-text.ts'
import type { Lists } from './snapshot.ts'

const golden = (name: string): string => join(import.meta.dirname, '../test/cli/golden', name)
const options = { namespace, nowMs, loadBalancerClass: undefined }

/** Three Services with endpoints on two nodes: two that layer 2 and BGP announce, one that no pool has an address for. */
const busy = (changed: Partial<Lists> = {}): Lists =>
  lists({
    services: [
      service('web', { ingress: ['192.0.2.0'] }),
      service('api', { ingress: ['192.0.2.1'] }),
      service('late', { spec: { loadBalancerIP: '203.0.113.5' } }),
    ],
    endpointSlices: ['web', 'api', 'late'].map(name => slice(name, 'node-1', 'node-2')),
    layer2Records: [record('web', 'node-1', '192.0.2.0'), record('api', 'node-2', '192.0.2.1')],
    bgpPeers: [bgpPeer],
    bgpAdvertisements: [bgpAdvertisement],
    ...changed,
  })

function apply(object: object): Step {
  const step = applyStep(object, { namespace })
  if (!step) throw new Error('no step')
  return step
}

function remove(text: string): Step {
  const step = removeStep(text, namespace)
  if ('problem' in step) throw new Error(step.problem)
  return step
}

const previewed = (steps: readonly Step[], changed: Partial<Lists> = {}): Preview =>
  previewOf(busy(changed), steps, options)

describe('preview', () => {
  test('a pool that gives away a range and takes another', async () => {
    const preview = previewed([apply(pool('public', ['192.0.2.1-192.0.2.9', '203.0.113.0/24']))])
    expect(preview.affected).toEqual(['shop/late', 'shop/web'])
    await expect(previewText(preview, plain, { wide: false })).toMatchFileSnapshot(golden('preview-addresses.txt'))
  })

  test('advertisements and sessions that change', async () => {
    const values = { communities: ['65000:1', 'large:65000:1:2'], localPref: 200, med: 50 }
    const spec = { ...values, ipAddressPools: ['public', 'nowhere'] }
    const preview = previewed([
      remove('L2Advertisement/all'),
      apply(config('BGPAdvertisement', 'all', spec)),
      apply(config('BGPPeer', 'r1', { myASN: 64512, peerASN: 64513, peerAddress: '198.51.100.1', holdTime: '30s' })),
      apply(config('BGPPeer', 'r2', { myASN: 64512, peerASN: 64512, peerAddress: '198.51.100.2' })),
    ])
    await expect(previewText(preview, plain, { wide: false })).toMatchFileSnapshot(golden('preview-announcements.txt'))
  })

  test('nothing changes where the cluster has it all already', () => {
    const preview = previewed([apply(pool('public', ['192.0.2.0/24'], { autoAssign: true }))])
    expect(preview).toMatchObject({ objects: [], services: [], verdicts: [], layer2: [], routes: [], affected: [] })
    expect(previewText(preview, plain, { wide: false })).toContain('No Service would notice.')
  })

  test('a range that moves from one pool to another is safe at once, and not one by one', () => {
    const change = [apply(pool('public', ['192.0.2.1-192.0.2.9'])), apply(pool('second', ['192.0.2.0/32']))]
    const preview = previewed(change)
    expect(preview.services).toEqual([])
    expect(preview.oneByOne).toMatchObject([
      { service: 'shop/web', effect: 'changes', before: ['192.0.2.0'], after: ['192.0.2.2'], reason: 'Reassigned' },
    ])
    expect(preview.affected).toEqual(['shop/web'])
    // The other way round the second pool has nothing for a moment, and nobody minds.
    expect(previewed(change.toReversed()).affected).toEqual([])
  })

  test('what would happen anyhow is no part of it', () => {
    const services = [service('web', { ingress: ['203.0.113.9'] }), service('new')]
    const preview = previewed([apply(config('Community', 'c', { communities: [] }))], { services })
    expect(preview.objects).toHaveLength(1)
    expect(preview.affected).toEqual([])
  })

  test('the words are the controller’s', () => {
    const [change] = previewed([remove('ipaddresspool/public')]).services
    expect(change).toMatchObject({ service: 'shop/api', effect: 'loses', after: [], reason: 'NoPools' })
    expect(change?.message).toContain('192.0.2.1 was taken back: pool "public" was deleted.')
  })

  test('an overlap is told of the younger pool', () => {
    const preview = previewed([apply(pool('late', ['192.0.2.128/25', '203.0.113.0/30']))])
    expect(preview.verdicts).toMatchObject([{ kind: 'IPAddressPool', name: 'late', reason: 'OverlappingPool' }])
    expect(preview.affected).toEqual([])
  })

  test('a node that goes takes its announcements along', () => {
    const preview = previewed([remove('node/node-1')])
    expect(preview.layer2).toMatchObject([
      {
        service: 'shop/web',
        effect: 'moves',
        before: { nodes: ['node-1'] },
        why: expect.stringContaining('no longer'),
      },
    ])
    expect(preview.routes.map(({ prefix, effect, nodes }) => `${prefix} ${effect} ${nodes.join()}`)).toEqual([
      '192.0.2.0/32 withdrawn node-1',
      '192.0.2.1/32 withdrawn node-1',
    ])
    expect(preview.sessions).toMatchObject([{ peer: 'r1', effect: 'ends', nodes: ['node-1'] }])
  })

  test('of a Service that is no longer announced by anybody the speakers’ reason is told', () => {
    const preview = previewed([remove('l2advertisement/all')], { bgpAdvertisements: [], bgpPeers: [] })
    expect(preview.layer2).toHaveLength(2)
    expect(preview.layer2[0]?.why).toContain('192.0.2.1 is not announced: no L2Advertisement or BGPAdvertisement')
    const byBgpToo = previewed([remove('l2advertisement/all')])
    expect(byBgpToo.layer2[0]?.why).toBe('no L2Advertisement speaks for it')
  })

  test('interfaces that change are told of the same node', () => {
    const preview = previewed([apply(config('L2Advertisement', 'all', { interfaces: ['eth0'] }))])
    expect(preview.layer2).toMatchObject([
      { service: 'shop/api', effect: 'readdressed', after: { addresses: ['192.0.2.1 on eth0'] } },
      { service: 'shop/web', effect: 'readdressed' },
    ])
  })

  test('of a route only what its router hears counts: LOCAL_PREF in our AS, the path in others', () => {
    const with64512 = config('BGPPeer', 'r1', { myASN: 64512, peerASN: 64512, peerAddress: '198.51.100.1' })
    const changes = (spec: object, peer: object) => {
      const { routes, affected } = previewed([apply(config('BGPAdvertisement', 'all', spec))], { bgpPeers: [peer] })
      expect(affected).toEqual(routes.length > 0 ? ['shop/api', 'shop/web'] : [])
      return routes.map(({ attributes }) => attributes.join())
    }
    expect(changes({ localPref: 200 }, bgpPeer)).toEqual([])
    expect(changes({ localPref: 200 }, with64512)).toEqual(Array(2).fill('localPref 100 → 200'))
    // Which is what it has been told all along.
    expect(changes({ localPref: 100 }, with64512)).toEqual([])
    expect(changes({ asPathPrepend: 2 }, with64512)).toEqual([])
    expect(changes({ asPathPrepend: 2 }, bgpPeer)).toEqual(Array(2).fill('asPathPrepend unset → 2'))
  })

  test('a node that is being drained says so of its routes, whatever they are', () => {
    const leases = [speakerLease('node-1'), speakerLease('node-2', { reluctance: { kind: 'drained', by: 'cordon' } })]
    const { routes } = previewed([apply(config('BGPAdvertisement', 'all', {}))], {
      leases,
      nodes: [node('node-1'), node('node-2')],
      bgpAdvertisements: [],
      services: [service('web', { ingress: ['192.0.2.0'] })],
    })
    expect(routes.map(({ nodes, attributes }) => `${nodes.join()}: ${attributes.join()}`)).toEqual([
      'node-1: ',
      'node-2: communities gracefulShutdown',
    ])
  })

  test('a BFDProfile that says the same under another name watches no session otherwise', () => {
    const peer = (bfdProfile: string) => {
      return config('BGPPeer', 'r1', { myASN: 64512, peerASN: 64513, peerAddress: '198.51.100.1', bfdProfile })
    }
    const bfdProfiles = [config('BFDProfile', 'one', {}), config('BFDProfile', 'other', { echoInterval: 60 })]
    const change = (...steps: readonly object[]) =>
      previewed(steps.map(apply), { bgpPeers: [peer('one')], bfdProfiles }).sessions
    expect(change(peer('other'))).toEqual([])
    expect(change(peer('other'), config('BFDProfile', 'other', { detectMultiplier: 5 }))).toMatchObject([
      { peer: 'r1', effect: 'bfd', why: 'detectMultiplier' },
    ])
    expect(change(peer('none'))).toMatchObject([{ peer: 'r1', effect: 'bfd', services: [] }])
  })

  test('labels of a namespace and wishes of a Service count too', () => {
    const only = [
      pool('public', ['192.0.2.0/24'], { serviceAllocation: { namespaceSelectors: [{ matchLabels: { team: 'a' } }] } }),
    ]
    const world = { ipAddressPools: only, namespaces: [named('berth-system'), named('shop', { team: 'a' })] }
    const relabelled = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop', labels: { team: 'b' } } }
    expect(previewed([apply(relabelled)], world).services.map(({ effect }) => effect)).toEqual(['loses', 'loses'])
    const metadata = { name: 'web', namespace: 'shop', annotations: { 'berth.dev/loadBalancerIPs': '192.0.2.77' } }
    expect(previewed([apply({ apiVersion: 'v1', kind: 'Service', metadata })]).services).toMatchObject([
      { service: 'shop/web', effect: 'changes', after: ['192.0.2.77'] },
    ])
  })

  test('a Service gets its second address with its second cluster IP, and gives it back with it', () => {
    const ipAddressPools = [pool('public', ['192.0.2.0/24', '2001:db8::/64'])]
    const [one, both] = [
      service('web', { ingress: ['192.0.2.0'] }),
      service('web', {
        ingress: ['192.0.2.0', '2001:db8::'],
        spec: {
          ipFamilyPolicy: 'RequireDualStack',
          ipFamilies: ['IPv4', 'IPv6'],
          clusterIPs: ['10.0.0.1', 'fd00::1'],
        },
      }),
    ]
    const other = service('other', { spec: { type: 'ClusterIP', clusterIPs: ['10.0.0.2', 'fd00::2'] } })
    const addressesAfter = (ipFamilyPolicy: string, ...services: readonly object[]) => {
      const manifest = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web', namespace: 'shop' } }
      const step = apply({ ...manifest, spec: { ipFamilyPolicy } })
      return previewed([step], { ipAddressPools, services }).services.map(({ after }) => after)
    }
    expect(addressesAfter('RequireDualStack', one)).toEqual([['192.0.2.0', '2001:db8::']])
    expect(addressesAfter('SingleStack', both)).toEqual([['192.0.2.0']])
    expect(addressesAfter('PreferDualStack', both)).toEqual([])
    // Where no Service has both families, the cluster is taken for one that has one.
    expect(addressesAfter('PreferDualStack', one)).toEqual([])
    expect(addressesAfter('PreferDualStack', one, other)).toEqual([['192.0.2.0', '2001:db8::']])
  })

  test('a Service that is new gets its address by the families that it would have', () => {
    const spec = { type: 'LoadBalancer', ipFamilyPolicy: 'RequireDualStack', ports: [{ port: 80 }] }
    const made = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'both', namespace: 'shop' }, spec }
    const ipAddressPools = [pool('public', ['192.0.2.0/24', '2001:db8::/64'])]
    expect(previewed([apply(made)], { ipAddressPools }).services).toMatchObject([
      { service: 'shop/both', effect: 'gets', after: ['192.0.2.2', '2001:db8::'] },
    ])
  })
})

describe('a step', () => {
  const live = (spec: object, lastApplied?: object): object => {
    const text = JSON.stringify(lastApplied)
    const annotations = lastApplied && { 'kubectl.kubernetes.io/last-applied-configuration': text }
    return config('IPAddressPool', 'public', spec, { annotations })
  }
  const specAfter = (object: object, manifest: object): unknown => {
    const { lists: after } = takeStep(lists({ ipAddressPools: [object] }), apply(manifest), options)
    return (after.ipAddressPools[0] as { readonly spec: unknown }).spec
  }
  const manifest = pool('public', ['192.0.2.0/25'])

  test('takes out what was applied before and keeps what others wrote, as kubectl apply does', () => {
    const before = live(
      { addresses: ['192.0.2.0/24'], autoAssign: false, avoidBuggyIPs: true },
      { spec: { addresses: ['192.0.2.0/24'], autoAssign: false } },
    )
    expect(specAfter(before, manifest)).toEqual({ addresses: ['192.0.2.0/25'], avoidBuggyIPs: true })
  })

  test('makes the spec what the manifest says where nobody noted what was applied', () => {
    const before = live({ addresses: ['192.0.2.0/24'], autoAssign: false })
    expect(specAfter(before, manifest)).toEqual({ addresses: ['192.0.2.0/25'] })
  })

  test('keeps the age of what is there, and makes what is new the youngest', () => {
    const old = pool('public', ['192.0.2.0/24'])
    const { lists: after } = takeStep(
      lists({ ipAddressPools: [old] }),
      apply(pool('new', ['198.51.100.0/24'])),
      options,
    )
    const [, made] = after.ipAddressPools as { readonly metadata: { readonly creationTimestamp: string } }[]
    expect(Date.parse(made?.metadata.creationTimestamp ?? '')).toBeGreaterThan(nowMs)
  })

  test('names objects as kubectl does, and says what it does not know', () => {
    for (const text of ['ipaddresspool/a', 'IPAddressPools/a']) expect(remove(text).name.kind).toBe('IPAddressPool')
    expect(remove('communities/a').name).toEqual({ kind: 'Community', namespace, name: 'a' })
    expect(remove('svc/shop/web').name).toEqual({ kind: 'Service', namespace: 'shop', name: 'web' })
    expect(remove('service/web').name.namespace).toBe('default')
    for (const text of ['pod/a', 'ipaddresspool', 'namespace/shop', 'a/b/c/d']) {
      expect(removeStep(text, namespace)).toHaveProperty('problem')
    }
  })
})

test('a dump is a cluster at the time of its Leases, and says what it lacks', () => {
  const kinds = {
    services: ['v1', 'Service'],
    nodes: ['v1', 'Node'],
    leases: ['coordination.k8s.io/v1', 'Lease'],
  } as const
  const world = {
    services: [service('web')],
    nodes: [node('node-1')],
    leases: [speakerLease('node-1', {}, secondsAgo(90))],
  }
  const objects = Object.entries(kinds).flatMap(([name, [apiVersion, kind]]) =>
    world[name as keyof typeof world].map(object => ({ ...object, apiVersion, kind })),
  )
  const dump = dumpedCluster([...objects, pool('public', ['192.0.2.0/24'])], namespace)
  expect(dump.takenAtMs).toBe(Date.parse(secondsAgo(90)))
  expect(dump.lists.ipAddressPools).toHaveLength(1)
  expect(dump.lists.namespaces).toHaveLength(2)
  expect(dump.unknown.join(' ')).toMatch(/labels of namespaces.*EndpointSlices/)
})
