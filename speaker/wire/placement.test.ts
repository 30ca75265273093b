import { describe, expect, test } from 'vitest'
import type { NetworkInterface } from './messages.ts'
import { isSameStation, placesOf } from './placement.ts'

function networkInterface(name: string, change: Partial<NetworkInterface> = {}): NetworkInterface {
  return {
    name,
    index: 2,
    mac: '02:00:00:00:00:01',
    up: true,
    carrier: true,
    mtu: 1_500,
    addresses: [],
    layer2: true,
    ...change,
  }
}

describe('placesOf', () => {
  const all = [
    networkInterface('eth0'),
    networkInterface('eth1', { carrier: false }),
    networkInterface('eth2', { up: false }),
    networkInterface('wg0', { layer2: false }),
  ]

  test.each([
    { interfaces: 'all' as const, places: ['eth0', 'eth1'] },
    { interfaces: ['eth1'], places: ['eth1'] },
    { interfaces: ['eth2', 'wg0', 'eth9'], places: [] },
    { interfaces: [], places: [] },
  ])('$interfaces → $places', ({ interfaces, places }) => {
    expect(placesOf({ address: '192.0.2.50', interfaces }, all).map(({ name }) => name)).toEqual(places)
  })
})

test('a station is the same while its number, name and MAC are', () => {
  const before = networkInterface('eth0')
  expect(
    isSameStation(before, { ...before, mtu: 9_000, addresses: [{ address: '192.0.2.1', prefixLength: 24 }] }),
  ).toBe(true)
  expect(isSameStation(before, { ...before, mac: '02:00:00:00:00:09' })).toBe(false)
  expect(isSameStation(before, { ...before, index: 3 })).toBe(false)
  expect(isSameStation(before, { ...before, name: 'lan0' })).toBe(false)
})
