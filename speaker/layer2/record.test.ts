import { expect, test } from 'vitest'
import { service } from '../test-values.ts'
import { claimMetadata, parseRecord, publishedStatus, recordKey, recordName, samePublished } from './record.ts'

const web = service('web', ['192.0.2.1'], { uid: '0f6c1b2e-aaaa-bbbb-cccc-000000000000' })
const claim = { node: 'node-1', because: 'ownerGone', from: 'node-2' } as const
const published = { node: 'node-1', addresses: ['192.0.2.1', '2001:db8::1'], interfaces: ['eth0', 'eth1'] }

test('what is written is read back', () => {
  const metadata = { ...claimMetadata(web, claim, undefined, 'berth-system'), uid: 'u', resourceVersion: '5' }
  const object = { metadata, status: publishedStatus(web, published, '2026-11-23T00:00:00Z') }
  expect(parseRecord(object)).toEqual({
    key: recordKey(web),
    namespace: 'shop',
    name: 'web-0f6c1b2e',
    uid: 'u',
    resourceVersion: '5',
    claim,
    published,
  })
})

test('a record is its Service’s: it has its name, its owner and the labels to find it by', () => {
  expect(claimMetadata(web, claim, undefined, 'berth-system')).toMatchObject({
    name: recordName(web),
    namespace: 'shop',
    ownerReferences: [{ apiVersion: 'v1', kind: 'Service', name: 'web', uid: web.uid }],
    labels: {
      'berth.dev/installation': 'berth-system',
      'berth.dev/node': 'node-1',
      'berth.dev/service-name': 'web',
      'berth.dev/service-namespace': 'shop',
    },
  })
})

test('a claim on a record holds only while the record is as it was read', () => {
  const record = parseRecord({ metadata: { name: 'web-0f6c1b2e', namespace: 'shop', uid: 'u', resourceVersion: '5' } })
  expect(claimMetadata(web, claim, record, 'berth-system')).toHaveProperty('resourceVersion', '5')
  expect(claimMetadata(web, claim, undefined, 'berth-system')).not.toHaveProperty('resourceVersion')
})

test('a node’s name that is too long for a label is shortened there, and whole in the claim', () => {
  const node = `${'a'.repeat(62)}.example.org`
  expect(claimMetadata(web, { ...claim, node }, undefined, 'b')).toMatchObject({
    labels: { 'berth.dev/node': expect.stringMatching(/^a{54}-[0-9a-f]{8}$/) },
    annotations: { 'berth.dev/claim': expect.stringContaining(node) },
  })
})

test.each([
  { situation: 'without annotations', metadata: {} },
  { situation: 'with a claim that is no JSON', metadata: { annotations: { 'berth.dev/claim': '{' } } },
  { situation: 'with a claim that names no node', metadata: { annotations: { 'berth.dev/claim': '{"node":1}' } } },
  { situation: 'with a claim that is null', metadata: { annotations: { 'berth.dev/claim': 'null' } } },
])('a record $situation is nobody’s', ({ metadata }) => {
  const object = { metadata: { name: 'n', namespace: 's', uid: 'u', resourceVersion: '1', ...metadata } }
  expect(parseRecord(object)).toMatchObject({ claim: undefined, published: undefined })
})

test('publications are the same when they say the same', () => {
  expect(samePublished(published, { ...published })).toBe(true)
  expect(samePublished(undefined, published)).toBe(false)
  expect(samePublished(published, { ...published, interfaces: ['eth0'] })).toBe(false)
  expect(samePublished(published, { ...published, addresses: ['192.0.2.1'] })).toBe(false)
  expect(samePublished(published, { ...published, node: 'node-2' })).toBe(false)
  expect(samePublished(published, { ...published, sharers: ['node-1', 'node-2'] })).toBe(false)
})
