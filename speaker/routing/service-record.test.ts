import { expect, test } from 'vitest'
import { service } from '../test-values.ts'
import {
  parseServiceRecord,
  peersInOneLine,
  serviceMetadata,
  serviceRecordKey,
  serviceRecordName,
  serviceStatusOf,
} from './service-record.ts'

const web = service('web', ['192.0.2.1'], { uid: '0f6c1b2e-aaaa-bbbb-cccc-000000000000' })
const peers = ['router-a', 'router-b']

test('what is written is read back', () => {
  const metadata = { ...serviceMetadata(web, 'node-1', 'berth'), uid: 'u', resourceVersion: '5' }
  const status = serviceStatusOf(web, 'node-1', peers, Date.UTC(2026, 10, 23))
  expect(status).toEqual({
    node: 'node-1',
    serviceName: 'web',
    serviceNamespace: 'shop',
    peers,
    peerList: 'router-a, router-b',
    since: '2026-11-23T00:00:00Z',
  })
  expect(parseServiceRecord({ metadata, status })).toEqual({
    key: serviceRecordKey(web, 'node-1'),
    uid: 'u',
    resourceVersion: '5',
    peers: peersInOneLine(peers),
  })
  expect(parseServiceRecord({ metadata })).toHaveProperty('peers', undefined)
  expect(parseServiceRecord({ metadata: { name: 'x' } })).toBeUndefined()
})

test('a record is its Service’s and its node’s: it is named after both, and found and removed with them', () => {
  expect(serviceMetadata(web, 'node-1', 'berth')).toEqual({
    name: 'web-0f6c1b2e.node-1',
    namespace: 'shop',
    ownerReferences: [{ apiVersion: 'v1', kind: 'Service', name: 'web', uid: web.uid }],
    labels: {
      'berth.dev/installation': 'berth',
      'berth.dev/node': 'node-1',
      'berth.dev/service-name': 'web',
      'berth.dev/service-namespace': 'shop',
    },
  })
})

test('a Service that is made anew has another record, and so has another node, however long the names', () => {
  const node = 'n'.repeat(253)
  const names = [
    serviceRecordName(web, 'node-1'),
    serviceRecordName({ ...web, uid: '99999999' }, 'node-1'),
    serviceRecordName(web, 'node-2'),
    serviceRecordName(web, node),
    serviceRecordName(web, `${node.slice(1)}m`),
  ]
  expect(new Set(names).size).toBe(names.length)
  for (const name of names) expect(name.length).toBeLessThanOrEqual(253)
})
