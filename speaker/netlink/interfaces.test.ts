import { describe, expect, test } from 'vitest'
import { goldenPackets } from '../../test/packets/pcap.ts'
import { ip, mac } from '../../test/packets/values.ts'
import {
  applyMessages,
  emptyLinkTable,
  excludedByDefault,
  excludedInterfaces,
  type LinkTable,
  networkInterfaces,
} from './interfaces.ts'
import { decodeNetlink, type Link, type NetlinkMessage } from './message.ts'

const up = 0x1 | 0x10000
const ethernet: Link = {
  index: 2,
  name: 'eth0',
  hardwareType: 1,
  flags: up,
  mac: mac('02:00:00:00:00:01'),
  mtu: 1_500,
  master: undefined,
}
const address = { linkIndex: 2, address: ip('192.0.2.1'), prefixLength: 24 }
const excluded = excludedByDefault.map(pattern => new RegExp(pattern))

function tableOf(...messages: NetlinkMessage[]): LinkTable {
  return applyMessages(emptyLinkTable, messages)
}

describe('networkInterfaces', () => {
  test('tells a link with its addresses, IPv4 first', () => {
    const table = tableOf(
      { kind: 'address', address: { linkIndex: 2, address: ip('fe80::1'), prefixLength: 64 } },
      { kind: 'address', address },
      { kind: 'link', link: ethernet },
    )
    expect(networkInterfaces(table, excluded)).toEqual([
      {
        name: 'eth0',
        index: 2,
        mac: '02:00:00:00:00:01',
        up: true,
        carrier: true,
        mtu: 1_500,
        addresses: [
          { address: '192.0.2.1', prefixLength: 24 },
          { address: 'fe80::1', prefixLength: 64 },
        ],
        layer2: true,
      },
    ])
  })

  test.each([
    { name: 'Ethernet', change: {}, layer2: true },
    { name: 'Ethernet that is switched off', change: { flags: 0 }, layer2: true },
    { name: 'a port of a bridge', change: { master: 5 }, layer2: false },
    { name: 'an interface without ARP', change: { flags: up | 0x80 }, layer2: false },
    { name: 'a loopback under another name', change: { flags: up | 0x8 }, layer2: false },
    { name: 'a tunnel', change: { hardwareType: 768, mac: mac('00:00:00:00:00:00').subarray(0, 4) }, layer2: false },
    { name: 'InfiniBand', change: { hardwareType: 32, mac: new Uint8Array(20) }, layer2: false },
  ])('$name: layer 2 is $layer2', ({ change, layer2 }) => {
    const table = tableOf({ kind: 'link', link: { ...ethernet, ...change } })
    expect(networkInterfaces(table, excluded)).toMatchObject([{ layer2 }])
  })

  const excludedNames =
    'lo veth1a2b docker0 br-0123abcd4567 cbr0 cni0 virbr0 lxc1234 cali9f cilium_host flannel.1 tunl0 kube-ipvs0 ' +
    'nodelocaldns dummy0 vxlan.calico antrea-gw0'
  test.each(excludedNames.split(' '))('%s is left out by default', name => {
    expect(networkInterfaces(tableOf({ kind: 'link', link: { ...ethernet, name } }), excluded)).toEqual([])
  })

  test.each([
    'eth0',
    'eno1',
    'enp3s0f1',
    'bond0',
    'br0',
    'vlan20',
    'eth0.20',
    'wlan0',
    'team0',
    'vmbr0',
    'br-lan',
    'ovs-br0',
  ])('%s is not', name => {
    expect(networkInterfaces(tableOf({ kind: 'link', link: { ...ethernet, name } }), excluded)).toHaveLength(1)
  })
})

describe('applyMessages', () => {
  test('a link that goes takes its addresses along', () => {
    const table = tableOf(
      { kind: 'link', link: ethernet },
      { kind: 'address', address },
      { kind: 'linkGone', index: 2 },
    )
    expect(table).toEqual(emptyLinkTable)
  })

  test('an address is gone only where it was', () => {
    const table = tableOf(
      { kind: 'address', address },
      { kind: 'address', address: { ...address, linkIndex: 3 } },
      { kind: 'addressGone', address },
    )
    expect([...table.addresses.values()]).toEqual([{ ...address, linkIndex: 3 }])
  })

  test('the story that Linux told ends with eth0 down and no bridge', () => {
    const messages = goldenPackets('netlink-').flatMap(({ bytes }) => {
      const decoded = decodeNetlink(bytes)
      return decoded.ok ? decoded.value : []
    })
    expect(messages.length).toBeGreaterThan(10)
    expect(networkInterfaces(applyMessages(emptyLinkTable, messages), excluded)).toEqual([
      {
        name: 'eth0',
        index: 2,
        mac: '02:00:00:00:00:01',
        up: false,
        carrier: false,
        mtu: 1_500,
        // Linux takes IPv6 addresses off an interface that is switched off, and leaves IPv4's.
        addresses: [{ address: '192.0.2.1', prefixLength: 24 }],
        layer2: true,
      },
    ])
  })
})

describe('excludedInterfaces', () => {
  const withAddress = (name: string, ...texts: readonly string[]) =>
    excludedInterfaces(
      tableOf(
        { kind: 'link', link: { ...ethernet, name } },
        ...texts.map((text): NetlinkMessage => {
          return { kind: 'address', address: { linkIndex: 2, address: ip(text), prefixLength: 32 } }
        }),
      ),
      excluded,
    ).map(one => `${one.name} ${one.addresses.map(each => each.address).join()}`)

  test('tells those over which a router may be reached', () => {
    expect(withAddress('wg0', '198.51.100.1', 'fe80::1')).toEqual(['wg0 198.51.100.1,fe80::1'])
    expect(withAddress('lo', '127.0.0.1', '::1', '192.0.2.7')).toEqual(['lo 127.0.0.1,192.0.2.7,::1'])
    expect(withAddress('dummy0', '2001:db8::1')).toEqual(['dummy0 2001:db8::1'])
  })

  test.each([
    { name: 'that is not excluded', interface: 'eth0', addresses: ['192.0.2.1'] },
    { name: 'of a pod', interface: 'veth12', addresses: ['fe80::1', '169.254.1.1'] },
    { name: 'with the addresses of Services', interface: 'kube-ipvs0', addresses: ['203.0.113.1'] },
    { name: 'of this machine alone', interface: 'lo', addresses: ['127.0.0.1', '::1'] },
    { name: 'without address', interface: 'dummy0', addresses: [] },
  ])('leaves out one $name', one => {
    expect(withAddress(one.interface, ...one.addresses)).toEqual([])
  })
})
