import { describe, expect, test } from 'vitest'
import type { BFDProfile, BGPPeer } from '../../crds/config.ts'
import { parseConfig } from '../../crds/parse.ts'
import type { BGPPeerSpec } from '../../crds/resources.ts'
import type { NetworkInterface } from '../wire/messages.ts'
import {
  bfdSessionOf,
  bgpIdentifierOf,
  endsKey,
  type OwnNode,
  type Password,
  peersOfNode,
  secretsOfNode,
} from './peers.ts'

const node: OwnNode = { name: 'node-1', labels: { rack: 'a' }, internalIPs: ['192.0.2.1', '2001:db8::1'] }

const profile: BFDProfile = {
  name: 'fast',
  receiveIntervalMs: 50,
  transmitIntervalMs: 60,
  detectMultiplier: 3,
  echoIntervalMs: 50,
  echoMode: false,
  passiveMode: true,
  minimumTtl: 250,
}

/** BGPPeers as an admin writes them, by name. */
function bgpPeers(specs: Readonly<Record<string, BGPPeerSpec>>): readonly BGPPeer[] {
  const objects = Object.entries(specs).map(([name, spec], index) => ({
    metadata: { name, namespace: 'berth-system', uid: name, resourceVersion: '1' },
    spec: {
      myASN: 64512,
      peerASN: 64513,
      ...(spec.interface === undefined && { peerAddress: `192.0.2.${100 + index}` }),
      ...spec,
    },
  }))
  const { config, problems } = parseConfig({ bgpPeers: objects })
  expect(problems).toEqual([])
  return config.bgpPeers
}

function peersOf(specs: Readonly<Record<string, BGPPeerSpec>>, passwords: ReadonlyMap<string, Password> = new Map()) {
  return peersOfNode({ bgpPeers: bgpPeers(specs), bfdProfiles: [profile] }, node, passwords)
}

function onlyPeer(spec: BGPPeerSpec, passwords?: ReadonlyMap<string, Password>) {
  const [peer] = peersOf({ router: spec }, passwords)
  if (!peer) throw new Error('no peer')
  return peer
}

describe('a peer without a session says why', () => {
  const secret = { passwordSecret: { name: 'tor' } }

  test('its Secret has not been read yet', () => {
    expect(onlyPeer(secret)).toMatchObject({ settings: undefined, problem: 'the Secret "tor" has not been read yet' })
  })

  test('its Secret is not as it should be', () => {
    const problem = 'there is no Secret "tor"'
    expect(onlyPeer(secret, new Map([['tor', { problem }]]))).toMatchObject({ settings: undefined, problem })
  })

  test('its password is too long', () => {
    expect(onlyPeer({ password: 'x'.repeat(81) }).problem).toContain('longer than the 80 octets')
  })
})

describe('OK,', () => {
  test('the peers of a node are those that select it, by name', () => {
    const other = { nodeSelectors: [{ matchLabels: { rack: 'b' } }] }
    const own = { nodeSelectors: [{ matchLabels: { rack: 'b' } }, { matchLabels: { rack: 'a' } }] }
    const config = { bgpPeers: bgpPeers({ own, other, zebra: {} }).toReversed(), bfdProfiles: [] }
    expect(peersOfNode(config, node, new Map()).map(({ name }) => name)).toEqual(['own', 'zebra'])
  })

  test('a password comes from the Secret or stands in the peer', () => {
    const passwords = new Map([['tor', { text: 'from the Secret' }]])
    expect(onlyPeer({ passwordSecret: { name: 'tor' } }, passwords).settings?.password).toBe('from the Secret')
    expect(onlyPeer({ password: 'in the peer' }, passwords).settings?.password).toBe('in the peer')
    expect(onlyPeer({}, passwords).settings?.password).toBeUndefined()
  })

  test('only the Secrets of the node’s own peers are asked for', () => {
    const peers = bgpPeers({
      one: { passwordSecret: { name: 'tor' } },
      two: { passwordSecret: { name: 'tor' } },
      other: { passwordSecret: { name: 'other' }, nodeSelectors: [{ matchLabels: { rack: 'b' } }] },
    })
    expect(secretsOfNode({ bgpPeers: peers }, node)).toEqual(new Set(['tor']))
  })
})

describe('the BGP Identifier', () => {
  test('is the node’s IPv4 address', () => {
    expect(bgpIdentifierOf({ ...node, internalIPs: ['2001:db8::1', '192.0.2.1'] })).toBe(0xc0000201)
    expect(onlyPeer({}).settings?.bgpIdentifier).toBe(0xc0000201)
  })

  test('of a node without one is of its name, the same at every start and another on every node', () => {
    const identifiers = Array.from({ length: 1000 }, (_, index) =>
      bgpIdentifierOf({ ...node, name: `node-${index}`, internalIPs: ['2001:db8::1', 'nonsense', '0.0.0.0'] }),
    )
    expect(new Set(identifiers).size).toBe(1000)
    expect(Math.min(...identifiers)).toBeGreaterThan(0)
    expect(bgpIdentifierOf({ ...node, name: 'node-7', internalIPs: [] })).toBe(identifiers[7])
  })

  test('is what the peer says, where it says', () => {
    expect(onlyPeer({ routerID: '198.51.100.1' }).settings?.bgpIdentifier).toBe(0xc6336401)
  })
})

describe('the BFD session of a peer', () => {
  const eth0: NetworkInterface = {
    name: 'eth0',
    index: 2,
    mac: '02:00:00:00:00:01',
    up: true,
    carrier: true,
    mtu: 1500,
    addresses: [
      { address: '192.0.2.1', prefixLength: 24 },
      { address: '2001:db8::1', prefixLength: 64 },
    ],
    layer2: true,
  }
  const ends = { local: '192.0.2.1', remote: '192.0.2.100' }
  const bfd = { bfdProfile: 'fast' }

  test('is none before BGP has stood, and none without a profile', () => {
    expect(bfdSessionOf(onlyPeer(bfd), undefined, [eth0])).toBeUndefined()
    expect(bfdSessionOf(onlyPeer({}), ends, [eth0])).toBeUndefined()
  })

  test('has the ends of the BGP session and the timers of the profile', () => {
    expect(bfdSessionOf(onlyPeer(bfd), ends, [eth0])).toEqual({
      name: 'router',
      remote: '192.0.2.100',
      local: '192.0.2.1',
      device: undefined,
      hops: 'single',
      minimumTtl: 250,
      transmitIntervalMs: 60,
      receiveIntervalMs: 50,
      detectMultiplier: 3,
      passiveMode: true,
      authentication: undefined,
    })
  })

  test('of an unnumbered peer is between link-local addresses on its interface', () => {
    // Of our own AS: its address alone would not say that it is next to us.
    const peer = onlyPeer({ ...bfd, interface: 'eth0', peerASN: 64512 })
    const linkLocal = { local: 'fe80::1%eth0', remote: 'fe80::2%eth0' }
    expect(bfdSessionOf(peer, linkLocal, [])).toMatchObject({
      remote: 'fe80::2',
      local: 'fe80::1',
      device: 'eth0',
      hops: 'single',
    })
  })

  const rows: readonly [situation: string, spec: BGPPeerSpec, remote: string, hops: 'single' | 'multiple'][] = [
    ['of another AS is next to us', {}, '192.0.2.100', 'single'],
    ['of another AS may be far away where that is said', { ebgpMultiHop: true }, '192.0.2.100', 'multiple'],
    ['of our AS is next to us on our network', { peerASN: 64512 }, '192.0.2.100', 'single'],
    ['of our AS is far away elsewhere', { peerASN: 64512 }, '198.51.100.1', 'multiple'],
    ['of our AS, learned, is far away elsewhere', { peerASN: 0, dynamicASN: 'internal' }, '198.51.100.1', 'multiple'],
    ['that must send with TTL 255 is next to us', { peerASN: 64512, ttlSecurity: true }, '198.51.100.1', 'single'],
    ['of our AS by IPv6', { peerASN: 64512, peerAddress: '2001:db8::99' }, '2001:db8::99', 'single'],
  ]
  test.each(rows)('to a router %s', (_, spec, remote, hops) => {
    const local = remote.includes(':') ? '2001:db8::1' : '192.0.2.1'
    expect(bfdSessionOf(onlyPeer({ ...bfd, ...spec }), { local, remote }, [eth0])?.hops).toBe(hops)
  })

  test('begins anew where the peer is another, and not for other timers', () => {
    const key = endsKey(onlyPeer(bfd))
    expect(endsKey(onlyPeer({ ...bfd, holdTime: '30s', password: 'new' }))).toBe(key)
    expect(endsKey(onlyPeer({ ...bfd, peerAddress: '192.0.2.99' }))).not.toBe(key)
    expect(endsKey(onlyPeer({ ...bfd, sourceAddress: '192.0.2.9' }))).not.toBe(key)
    expect(endsKey(onlyPeer({ ...bfd, vrf: 'red' }))).not.toBe(key)
  })
})
