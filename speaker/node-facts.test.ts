import { expect, test } from 'vitest'
import { factsOf } from './node-facts.ts'
import type { NetworkInterface } from './wire/messages.ts'

const eth0: NetworkInterface = {
  name: 'eth0',
  index: 2,
  mac: '02:00:00:00:00:01',
  up: true,
  carrier: true,
  mtu: 1500,
  layer2: true,
  addresses: [
    { address: '192.0.2.7', prefixLength: 24 },
    { address: '192.0.2.8', prefixLength: 24 },
    { address: '2001:db8::7', prefixLength: 64 },
    { address: 'fe80::7', prefixLength: 64 },
    { address: '169.254.1.1', prefixLength: 16 },
    { address: '192.0.2.9', prefixLength: 32 },
    { address: '2001:db8::9', prefixLength: 128 },
  ],
}

function interfacesOf(...interfaces: readonly NetworkInterface[]) {
  return factsOf({ node: 'a', run: 'r' }, interfaces, false).interfaces
}

test('an interface stands in the networks of its addresses, link-local ones and single hosts left out', () => {
  expect(interfacesOf(eth0)).toEqual([
    { name: 'eth0', mac: '02:00:00:00:00:01', carrier: true, subnets: ['192.0.2.0/24', '2001:db8::/64'], mtu: 1500 },
  ])
})

test('one that is switched off has no carrier, whatever the cable says', () => {
  expect(interfacesOf({ ...eth0, up: false })[0]?.carrier).toBe(false)
})

test('one without layer 2 is not mentioned', () => {
  expect(interfacesOf({ ...eth0, name: 'tun0', layer2: false })).toEqual([])
})

test('how the kernel checks packets is told of each interface', () => {
  const eth1 = { ...eth0, name: 'eth1' }
  const rpFilters: Readonly<Record<string, number>> = { eth0: 1, eth1: 2 }
  const { interfaces } = factsOf({ node: 'a', run: 'r' }, [eth0, eth1], false, undefined, name => rpFilters[name])
  expect(interfaces.map(({ name, rpFilter }) => [name, rpFilter])).toEqual([
    ['eth0', 1],
    ['eth1', 2],
  ])
})
