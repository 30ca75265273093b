import { describe, expect, test } from 'vitest'
import type { BGPPeer } from '../../crds/config.ts'
import { parseAddress } from '../../net/address.ts'
import { communitiesOf, peerSettings } from './from-config.ts'

const node = { password: undefined, bgpIdentifier: 0xc0000201 }

const plain: BGPPeer = {
  name: 'tor',
  myASN: 64512,
  peerASN: 64513,
  localASN: undefined,
  peerAddress: { kind: 'address', address: '192.0.2.2' },
  peerPort: 179,
  sourceAddress: undefined,
  holdTimeSeconds: undefined,
  keepaliveTimeSeconds: undefined,
  connectTimeSeconds: undefined,
  routerID: undefined,
  nodeSelectors: [],
  password: undefined,
  passwordSecretName: undefined,
  bfdProfile: undefined,
  enableGracefulRestart: false,
  ebgpMultiHop: false,
  ttlSecurity: false,
  passive: false,
  vrf: undefined,
  dualStackAddressFamily: false,
}

describe('a BGPPeer that cannot have a session says why', () => {
  const rows: readonly [Partial<BGPPeer>, string | undefined, RegExp][] = [
    [{ peerAddress: { kind: 'address', address: 'tor.example' } }, undefined, /"tor.example" is not an IP address/],
    [{ peerAddress: { kind: 'address', address: 'fe80::1' } }, undefined, /link-local/],
    [{ sourceAddress: '192.0.2' }, undefined, /sourceAddress "192.0.2" is not/],
    [{ sourceAddress: '2001:db8::1' }, undefined, /not of the family of the peer/],
    [{ routerID: '2001:db8::1' }, undefined, /routerID/],
    [{}, 'ü'.repeat(41), /longer than the 80 octets/],
  ]
  for (const [more, password, words] of rows) {
    test(String(words), () => {
      expect(peerSettings({ ...plain, ...more }, { ...node, password })).toEqual({
        problem: expect.stringMatching(words),
      })
    })
  }
})

describe('OK,', () => {
  const rows: readonly [name: string, more: Partial<BGPPeer>, expected: object][] = [
    [
      'a neighbour of another AS',
      {},
      { ttl: 1, families: ['IPv4'], holdTimeSeconds: 90, direction: 'active', bgpIdentifier: 0xc0000201 },
    ],
    ['one of our AS may be anywhere', { peerASN: 64512 }, { ttl: undefined }],
    ['so may one that is far away', { ebgpMultiHop: true }, { ttl: undefined }],
    ['an AS to be learned', { peerASN: 'external' }, { ttl: 1, direction: 'both', peerAs: 'external' }],
    ['another AS of our own, for this peer', { localASN: 64513 }, { localAs: 64513, ttl: undefined }],
    ['both families', { dualStackAddressFamily: true }, { families: ['IPv4', 'IPv6'], extendedNextHop: false }],
    [
      'both families over IPv6',
      { dualStackAddressFamily: true, peerAddress: { kind: 'address', address: '2001:db8::2' } },
      { families: ['IPv4', 'IPv6'], extendedNextHop: true },
    ],
    [
      'whoever is at the other end of an interface',
      { peerAddress: { kind: 'interface', interface: 'eth0' } },
      { remote: { interface: 'eth0' }, families: ['IPv4', 'IPv6'], extendedNextHop: true },
    ],
    ['a keepalive gives the hold time', { keepaliveTimeSeconds: 5 }, { holdTimeSeconds: 15, keepaliveTimeSeconds: 5 }],
    ['a hold time of its own', { holdTimeSeconds: 0 }, { holdTimeSeconds: 0 }],
    ['graceful restart', { enableGracefulRestart: true }, { gracefulRestart: { restartTimeSeconds: 120 } }],
    ['a router ID', { routerID: '10.0.0.1' }, { bgpIdentifier: 0x0a000001 }],
    [
      'a VRF and a source',
      { vrf: 'red', sourceAddress: '192.0.2.1' },
      { device: 'red', sourceAddress: parseAddress('192.0.2.1') },
    ],
  ]
  for (const [name, more, expected] of rows) {
    test(name, () => expect(peerSettings({ ...plain, ...more }, node)).toMatchObject(expected))
  }
})

test('communities go where their kind goes', () => {
  expect(
    communitiesOf([
      { kind: 'standard', high: 65535, low: 0 },
      { kind: 'large', globalAdministrator: 4200000000, data1: 1, data2: 2 },
    ]),
  ).toEqual({ communities: [0xffff0000], largeCommunities: [{ globalAdministrator: 4200000000, data1: 1, data2: 2 }] })
})
