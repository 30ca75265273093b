import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseServiceL2Status } from './service-status.ts'

const metadata = { name: 'l2-abc', namespace: 'berth-system', uid: 'u', resourceVersion: '5' }

test('a status says who answers for what since when', () => {
  const status = {
    node: 'one',
    serviceName: 'web',
    serviceNamespace: 'shop',
    addresses: ['192.0.2.7', 'junk', '2001:db8::7'],
    interfaces: [{ name: 'eth0' }],
    since: '2026-01-02T03:04:05Z',
  }
  expect(parseServiceL2Status({ metadata, status })).toEqual({
    key: 'berth-system/l2-abc',
    name: 'l2-abc',
    uid: 'u',
    resourceVersion: '5',
    node: 'one',
    service: 'shop/web',
    addresses: [
      { family: 'IPv4', value: 0xc0000207n },
      { family: 'IPv6', value: 0x20010db8000000000000000000000007n },
    ],
    interfaces: ['eth0'],
    sinceMs: Date.UTC(2026, 0, 2, 3, 4, 5),
  })
})

test('a status that is not filled yet is none', () => {
  expect(parseServiceL2Status({ metadata })).toBeUndefined()
  expect(parseServiceL2Status({ metadata, status: { node: 'one' } })).toBeUndefined()
})

test('a status may hold anything', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (odd, other) => {
      const status = { node: 'one', serviceName: 'web', serviceNamespace: 'shop', addresses: odd, interfaces: other }
      for (const object of [odd, { metadata, status: odd }, { metadata: odd, status }, { metadata, status }]) {
        expect(() => parseServiceL2Status(object)).not.toThrow()
      }
    }),
  )
})
