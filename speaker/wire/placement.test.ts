import { describe, expect, test } from 'vitest'
import type { NetworkInterface } from './messages.ts'
import { isSameStation, isUsable, placesOf } from './placement.ts'

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

test.each([
  { name: 'Ethernet that is up', change: {}, usable: true },
  { name: 'without a carrier: the cable may come back', change: { carrier: false }, usable: true },
  { name: 'switched off', change: { up: false }, usable: false },
  { name: 'not layer 2', change: { layer2: false }, usable: false },
])('an interface is usable or not: $name', ({ change, usable }) => {
  expect(isUsable(networkInterface('eth0', change))).toBe(usable)
})

describe('placesOf', () => {
  const stations = ['eth0', 'eth1', 'eth2'].map(name => ({ interface: networkInterface(name) }))

  test.each([
    { interfaces: 'all' as const, places: ['eth0', 'eth1', 'eth2'] },
    { interfaces: ['eth2', 'eth1'], places: ['eth1', 'eth2'] },
    { interfaces: ['eth9'], places: [] },
    { interfaces: [], places: [] },
  ])('$interfaces → $places', ({ interfaces, places }) => {
    const found = placesOf({ address: '192.0.2.50', interfaces }, stations)
    expect(found.map(station => station.interface.name)).toEqual(places)
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
