import { describe, expect, test } from 'vitest'
import type { BGPPeer } from '../../crds/config.ts'
import { parseAddress } from '../../net/address.ts'
import { communitiesOf, peerSettings } from './from-config.ts'
import { plainPeer } from './test-peer.ts'

const node = { password: undefined, bgpIdentifier: 0xc0000201 }

interface Row {
  readonly case: string
  readonly peer: Partial<BGPPeer>
  readonly changes: object
}

const plain = plainPeer('tor', { peerAddress: { kind: 'address', address: '192.0.2.2' } })

describe('a BGPPeer that cannot have a session says why', () => {
  const refusals: readonly [Partial<BGPPeer>, string | undefined, RegExp][] = [
    [{ peerAddress: { kind: 'address', address: 'tor.example' } }, undefined, /"tor.example" is not an IP address/],
    [{ peerAddress: { kind: 'address', address: 'fe80::1' } }, undefined, /link-local/],
    [{ sourceAddress: '192.0.2' }, undefined, /sourceAddress "192.0.2" is not/],
    [{ sourceAddress: '2001:db8::1' }, undefined, /not of the family of the peer/],
    [{ routerID: '2001:db8::1' }, undefined, /routerID/],
    [{}, 'ü'.repeat(41), /longer than the 80 octets/],
  ]
  for (const [more, password, words] of refusals) {
    test(String(words), () => {
      expect(peerSettings({ ...plain, ...more }, { ...node, password })).toEqual({
        problem: expect.stringMatching(words),
      })
    })
  }
})

/** What each field of a BGPPeer makes of the session: every change of the settings of `plain`, and no other. */
const rows: Readonly<Record<keyof BGPPeer, readonly Row[]>> = {
  name: [{ case: 'names the session', peer: { name: 'spine' }, changes: { name: 'spine' } }],
  myASN: [{ case: 'is ours', peer: { myASN: 4_200_000_000 }, changes: { localAs: 4_200_000_000 } }],
  peerASN: [
    { case: 'of another AS, which is next to us', peer: { peerASN: 64999 }, changes: { peerAs: 64999 } },
    { case: 'of our AS may be anywhere', peer: { peerASN: 64512 }, changes: { peerAs: 64512, ttl: undefined } },
    {
      case: 'to be learnt, so that it may dial as well',
      peer: { peerASN: 'external' },
      changes: { peerAs: 'external', direction: 'both' },
    },
    {
      case: 'to be learnt, and ours',
      peer: { peerASN: 'internal' },
      changes: { peerAs: 'internal', direction: 'both', ttl: undefined },
    },
  ],
  localASN: [
    { case: 'is ours in place of myASN', peer: { localASN: 64999 }, changes: { localAs: 64999 } },
    {
      case: 'may make the session iBGP',
      peer: { localASN: 64513 },
      changes: { localAs: 64513, ttl: undefined },
    },
  ],
  peerAddress: [
    {
      case: 'of IPv6 has routes of IPv6',
      peer: { peerAddress: { kind: 'address', address: '2001:db8::2' } },
      changes: { remote: { address: parseAddress('2001:db8::2') }, families: ['IPv6'] },
    },
    {
      case: 'of whoever is at the other end of an interface has both',
      peer: { peerAddress: { kind: 'interface', interface: 'eth0' } },
      changes: { remote: { interface: 'eth0' }, families: ['IPv4', 'IPv6'], extendedNextHop: true },
    },
  ],
  peerPort: [{ case: 'is dialled', peer: { peerPort: 1179 }, changes: { port: 1179 } }],
  sourceAddress: [
    {
      case: 'is dialled from',
      peer: { sourceAddress: '192.0.2.1' },
      changes: { sourceAddress: parseAddress('192.0.2.1') },
    },
  ],
  holdTimeSeconds: [
    { case: 'is offered', peer: { holdTimeSeconds: 9 }, changes: { holdTimeSeconds: 9 } },
    { case: 'of 0 is for ever', peer: { holdTimeSeconds: 0 }, changes: { holdTimeSeconds: 0 } },
  ],
  keepaliveTimeSeconds: [
    {
      case: 'alone gives the hold time',
      peer: { keepaliveTimeSeconds: 5 },
      changes: { keepaliveTimeSeconds: 5, holdTimeSeconds: 15 },
    },
    {
      case: 'stands beside the hold time',
      peer: { keepaliveTimeSeconds: 5, holdTimeSeconds: 60 },
      changes: { keepaliveTimeSeconds: 5, holdTimeSeconds: 60 },
    },
  ],
  connectTimeSeconds: [
    { case: 'is between attempts', peer: { connectTimeSeconds: 1 }, changes: { connectRetryTimeSeconds: 1 } },
  ],
  routerID: [
    { case: 'in place of the node’s', peer: { routerID: '10.0.0.1' }, changes: { bgpIdentifier: 0x0a000001 } },
  ],
  enableGracefulRestart: [
    {
      case: 'asks for two minutes',
      peer: { enableGracefulRestart: true },
      changes: { gracefulRestart: { restartTimeSeconds: 120 } },
    },
  ],
  ebgpMultiHop: [{ case: 'lifts the limit of one hop', peer: { ebgpMultiHop: true }, changes: { ttl: undefined } }],
  ttlSecurity: [
    { case: 'is 255 both ways', peer: { ttlSecurity: true }, changes: { ttl: 255, minimumTtl: 255 } },
    {
      case: 'is for one of our AS as well',
      peer: { ttlSecurity: true, peerASN: 64512 },
      changes: { ttl: 255, minimumTtl: 255, peerAs: 64512 },
    },
  ],
  passive: [
    { case: 'waits', peer: { passive: true }, changes: { direction: 'passive' } },
    {
      case: 'waits for one of any AS too',
      peer: { passive: true, peerASN: 'external' },
      changes: { direction: 'passive', peerAs: 'external' },
    },
  ],
  vrf: [{ case: 'is where the connection is', peer: { vrf: 'red' }, changes: { device: 'red' } }],
  dualStackAddressFamily: [
    {
      case: 'over IPv4 has IPv6 next hops of the node',
      peer: { dualStackAddressFamily: true },
      changes: { families: ['IPv4', 'IPv6'] },
    },
    {
      case: 'over IPv6 may have IPv6 next hops for IPv4',
      peer: { dualStackAddressFamily: true, peerAddress: { kind: 'address', address: '2001:db8::2' } },
      changes: {
        remote: { address: parseAddress('2001:db8::2') },
        families: ['IPv4', 'IPv6'],
        extendedNextHop: true,
      },
    },
  ],
  // These are others': of the node, of its password and of BFD the session is told by whoever calls.
  nodeSelectors: [{ case: 'is for others', peer: { nodeSelectors: [{ requirements: [] }] }, changes: {} }],
  password: [{ case: 'is for others', peer: { password: 'hidden' }, changes: {} }],
  passwordSecretName: [{ case: 'is for others', peer: { passwordSecretName: 'md5' }, changes: {} }],
  bfdProfile: [{ case: 'is for others', peer: { bfdProfile: 'fast' }, changes: {} }],
}

const plainSettings = {
  name: 'tor',
  localAs: 64512,
  peerAs: 64513,
  bgpIdentifier: 0xc0000201,
  holdTimeSeconds: 90,
  keepaliveTimeSeconds: undefined,
  connectRetryTimeSeconds: 10,
  families: ['IPv4'],
  extendedNextHop: false,
  gracefulRestart: undefined,
  direction: 'active',
  remote: { address: parseAddress('192.0.2.2') },
  port: 179,
  sourceAddress: undefined,
  device: undefined,
  ttl: 1,
  minimumTtl: undefined,
  password: undefined,
  nextHops: {},
}

test('OK, a neighbour of another AS of which nothing else is said', () => {
  expect(peerSettings(plain, node)).toEqual(plainSettings)
})

describe.each(Object.entries(rows))('OK, %s', (_, cases) => {
  test.each(cases)('$case', ({ peer, changes }) => {
    expect(peerSettings({ ...plain, ...peer }, node)).toEqual({ ...plainSettings, ...changes })
  })
})

test('OK, the password and the identifier that the node has', () => {
  expect(peerSettings(plain, { password: 'secret', bgpIdentifier: 7 })).toEqual({
    ...plainSettings,
    password: 'secret',
    bgpIdentifier: 7,
  })
})

test('communities go where their kind goes', () => {
  expect(
    communitiesOf([
      { kind: 'standard', high: 65535, low: 0 },
      { kind: 'large', globalAdministrator: 4200000000, data1: 1, data2: 2 },
    ]),
  ).toEqual({ communities: [0xffff0000], largeCommunities: [{ globalAdministrator: 4200000000, data1: 1, data2: 2 }] })
})
