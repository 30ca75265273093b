import { expect, test } from 'vitest'
import {
  bgpPeer,
  config,
  lists,
  namespace,
  nowMs,
  record,
  service,
  session,
  sharedRecord,
  slice,
  speakerLease,
} from '../test/cli/world.ts'
import { explainService } from './explain.ts'
import { explanationText } from './explain-text.ts'
import { plain } from './paint.ts'
import { pictureOf } from './picture.ts'
import { type Lists, snapshotOf } from './snapshot.ts'

const explained = (changed: Partial<Lists>): string => {
  const picture = pictureOf(snapshotOf(lists(changed), namespace, nowMs), undefined)
  const found = picture.snapshot.services.get('shop/web')
  if (!found) throw new Error('no shop/web')
  return explanationText(explainService(picture, found), plain).replace(/ +/g, ' ')
}
const shared = (name: string, port: number) =>
  service(name, {
    ingress: ['192.0.2.0'],
    annotations: { 'berth.dev/allow-shared-ip': 'k' },
    spec: { ports: [{ port, protocol: 'TCP' }] },
  })

test('names the Services that have the address too', () => {
  const services = [shared('web', 80), shared('api', 81), shared('dns', 53)]
  const text = explained({ services, endpointSlices: ['web', 'api', 'dns'].map(name => slice(name, 'node-1')) })
  expect(text).toContain('Address 192.0.2.0 from pool public, shared with shop/api, shop/dns\n')
})

test('names the nodes that share the clients of an address', () => {
  const layer2Records = [sharedRecord('web', 'node-1', '192.0.2.0', ['node-1', 'node-2'])]
  const text = explained({
    services: [service('web', { ingress: ['192.0.2.0'] })],
    l2Advertisements: [config('L2Advertisement', 'all', { loadSharing: 'perClient' })],
    layer2Records,
  })
  expect(text.replace(/\s+/g, ' ')).toContain(
    'nodes node-1, node-2 announce 192.0.2.0 on eth0, each to its part of the clients (node-1 speaks for all)',
  )
  expect(text).toContain('If one of them were lost, the others would take its clients.')
  expect(text).toMatch(/node-2 has it/)
})

test('says that a node which is drained keeps it for want of another', () => {
  const drained = { reluctance: { kind: 'drained', by: 'cordoned' } }
  const text = explained({
    services: [service('web', { ingress: ['192.0.2.0'] })],
    layer2Records: [record('web', 'node-1', '192.0.2.0')],
    leases: ['node-1', 'node-2', 'node-3'].map(name => speakerLease(name, drained)),
  })
  expect(text).toMatch(/node-1 has it is being drained \(cordoned\): only where no other node can/)
  expect(text).toMatch(/node-2 yes is being drained \(cordoned\)/)
})

test('names the Service that shares the route where BGPAdvertisements cannot agree on it, and what to do', () => {
  const forTier = (name: string, localPref: number) =>
    config('BGPAdvertisement', `for-${name}`, { localPref, serviceSelectors: [{ matchLabels: { tier: name } }] })
  const labelled = (name: string, port: number) =>
    service(name, {
      ingress: ['192.0.2.0'],
      labels: { tier: name },
      annotations: { 'berth.dev/allow-shared-ip': 'k' },
      spec: { ports: [{ port, protocol: 'TCP' }] },
    })
  const world: Partial<Lists> = {
    services: [labelled('web', 80), labelled('db', 81)],
    endpointSlices: ['web', 'db'].map(name => slice(name, 'node-1')),
    l2Advertisements: [],
    bgpPeers: [bgpPeer],
    bgpAdvertisements: [forTier('web', 200), forTier('db', 50)],
    sessionRecords: [session('node-1', 'r1')],
  }
  expect(explained(world).replace(/\s+/g, ' ')).toContain(
    '→ it shares 192.0.2.0/32 with Service shop/db, and BGPAdvertisements give that route different localPref: ' +
      '50 (for-db) and 200 (for-web); 200 is used for all: give them the same localPref,',
  )
  expect(explained({ ...world, bgpAdvertisements: [forTier('web', 200), forTier('db', 200)] })).not.toContain(
    'it shares',
  )
})
