import { describe, expect, test } from 'vitest'
import { type Address, formatAddress, parseAddress } from '../../net/address.ts'
import { isHostAddress, isLinkLocal, nextHopsOf, parseSocketAddress } from './next-hop.ts'
import type { NextHops } from './route.ts'

function address(text: string): Address {
  const parsed = parseAddress(text)
  if (!parsed) throw new Error(text)
  return parsed
}

const addresses = [
  { interface: 'lo', address: address('127.0.0.1') },
  { interface: 'eth0', address: address('192.0.2.1') },
  { interface: 'eth0', address: address('2001:db8::20') },
  { interface: 'eth0', address: address('2001:db8::3') },
  { interface: 'eth0', address: address('fe80::1') },
  { interface: 'eth1', address: address('198.51.100.1') },
  { interface: 'eth1', address: address('2001:db8:1::1') },
]

function texts({ IPv4, IPv6, linkLocal }: NextHops) {
  return [IPv4, IPv6, linkLocal].map(one => one && formatAddress(one))
}

describe('a peer finds us', () => {
  test('at the connection’s own address, and beside it the lowest of the other family', () => {
    expect(texts(nextHopsOf(address('192.0.2.1'), {}, addresses))).toEqual(['192.0.2.1', '2001:db8::3', undefined])
    expect(texts(nextHopsOf(address('2001:db8:1::1'), {}, addresses))).toEqual([
      '198.51.100.1',
      '2001:db8:1::1',
      undefined,
    ])
  })
  test('on a connection of link-local addresses at a global one, and at that', () => {
    expect(texts(nextHopsOf(address('fe80::1'), {}, addresses))).toEqual(['192.0.2.1', '2001:db8::3', 'fe80::1'])
  })
  test('where the settings say', () => {
    const named = { IPv4: address('203.0.113.1'), IPv6: address('2001:db8:9::1') }
    expect(texts(nextHopsOf(address('192.0.2.1'), named, addresses))).toEqual([
      '203.0.113.1',
      '2001:db8:9::1',
      undefined,
    ])
  })
  test('at an address of the node on its loopback interface, and never at those that every machine has', () => {
    const loopback = ['127.0.0.1', '::1', '203.0.113.7'].map(text => ({ interface: 'lo', address: address(text) }))
    const own = address('203.0.113.7')
    expect(texts(nextHopsOf(own, {}, loopback))).toEqual(['203.0.113.7', undefined, undefined])
    const six = { interface: 'lo', address: address('2001:db8:7::1') }
    expect(texts(nextHopsOf(own, {}, [...loopback, six]))).toEqual(['203.0.113.7', '2001:db8:7::1', undefined])
    expect(texts(nextHopsOf(six.address, {}, [...loopback, six]))).toEqual(['203.0.113.7', '2001:db8:7::1', undefined])
  })
  test('nowhere for a family that the interface has no address of', () => {
    expect(texts(nextHopsOf(address('127.0.0.1'), {}, addresses))).toEqual(['127.0.0.1', undefined, undefined])
  })
})

test('what a socket calls an address', () => {
  expect(parseSocketAddress('::ffff:192.0.2.1')).toEqual(address('192.0.2.1'))
  expect(parseSocketAddress('fe80::1%eth0')).toEqual(address('fe80::1'))
  expect(parseSocketAddress(undefined)).toBeUndefined()
})

test('link-local is fe80::/10, and nothing of IPv4', () => {
  const rows = ['fe80::1', 'febf::1', 'fec0::1', '2001:db8::1', '169.254.1.1']
  expect(rows.map(text => isLinkLocal(address(text)))).toEqual([true, true, false, false, false])
})

test('no host is this network, a host itself, a group or what is reserved, nor IPv6’s name for those', () => {
  const none = ['0.0.0.0', '0.1.2.3', '127.0.0.1', '224.0.0.1', '240.0.0.1', '255.255.255.255', '::', '::1', 'ff02::1']
  const mapped = ['::ffff:0.0.0.0', '::ffff:127.0.0.1', '::ffff:239.1.1.1']
  const some = ['1.0.0.1', '10.0.0.1', '126.255.255.255', '128.0.0.1', '169.254.0.1', '223.255.255.255']
  const others = ['::2', '::ffff:10.0.0.1', 'fe80::1', 'fd00::1', '2001:db8::1', 'feff::1']
  const hosts = [...none, ...mapped, ...some, ...others].filter(text => isHostAddress(address(text)))
  expect(hosts).toEqual([...some, ...others])
})
