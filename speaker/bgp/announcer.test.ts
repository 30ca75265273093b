import { pino } from 'pino'
import { expect, test } from 'vitest'
import { formatAddress } from '../../net/address.ts'
import { ip } from '../../test/packets/values.ts'
import { createAnnouncer } from './announcer.ts'
import { takeFrames } from './framer.ts'
import { peerSettings } from './from-config.ts'
import { decodeMessage } from './message.ts'
import type { Session } from './negotiate.ts'
import type { LocalAddress } from './next-hop.ts'
import { noOctets } from './octets.ts'
import { formatPrefix, type Route } from './route.ts'
import { plainPeer } from './test-peer.ts'

/* An established session over IPv4 that carries both families, and a node whose addresses come and go. */

const session: Session = {
  peerAs: 64513,
  peerIdentifier: 0x0a000002,
  internal: false,
  holdTimeSeconds: 90,
  keepaliveTimeSeconds: 30,
  families: ['IPv4', 'IPv6'],
  fourOctetAs: true,
  routeRefresh: true,
  extendedNextHop: false,
  gracefulRestart: undefined,
  peerCapabilities: [],
}

const routes = [routeTo('203.0.113.1', 32), routeTo('2001:db8:113::1', 128)]

function routeTo(address: string, length: number): Route {
  const unset = { localPref: undefined, multiExitDisc: undefined, linkBandwidth: undefined }
  return { prefix: { address: ip(address), length }, prepend: 0, communities: [], largeCommunities: [], ...unset }
}

function on(name: string, ...addresses: readonly string[]): readonly LocalAddress[] {
  return addresses.map(address => ({ interface: name, address: ip(address) }))
}

/** The session has been told the routes, with these addresses on eth0. */
async function toldWith(...addresses: readonly string[]) {
  return await told({ addresses: on('eth0', ...addresses) })
}

async function told(node: { addresses: readonly LocalAddress[] }, more: { zone?: string; localAddress?: string } = {}) {
  const settings = peerSettings(plainPeer('tor', { dualStackAddressFamily: true }), {
    bgpIdentifier: 1,
    password: undefined,
  })
  if ('problem' in settings || 'interface' in settings.remote) throw new Error('no such peer')
  const { zone, localAddress = '192.0.2.11' } = more
  const said: string[] = []
  const socket = {
    localAddress,
    remotePort: 179,
    writable: true,
    writableNeedDrain: false,
    cork: () => {},
    uncork: () => {},
    write(bytes: string | Uint8Array) {
      if (typeof bytes !== 'string') said.push(...wordsOf(bytes))
      return true
    },
  }
  const announcer = createAnnouncer({
    settings: { ...settings, remote: { ...settings.remote, ...(zone !== undefined && { zone }) } },
    session,
    socket,
    localAddresses: () => node.addresses,
    log: pino({ level: 'silent' }),
    onSent: () => {},
    onChange: () => {},
  })
  /** What has been said since the last time, once all of it is. */
  const news = async (): Promise<readonly string[]> => {
    await new Promise(setImmediate)
    return said.splice(0)
  }
  announcer.setRoutes(routes)
  return { node, announcer, news, first: await news() }
}

/** What an UPDATE says: prefixes with their next hop, or taken back. */
function wordsOf(bytes: Uint8Array): readonly string[] {
  return takeFrames(noOctets, bytes).frames.flatMap(frame => {
    const decoded = decodeMessage(frame, session)
    if (!decoded.ok || decoded.value.kind !== 'update') throw new Error('no UPDATE')
    const { withdrawn, nlri, attributes } = decoded.value.update
    const { nextHop, mpReach, mpUnreach } = attributes
    return [
      ...withdrawn.map(prefix => `no ${formatPrefix(prefix)}`),
      ...(mpUnreach?.kind === 'unicast' ? mpUnreach.withdrawn : []).map(prefix => `no ${formatPrefix(prefix)}`),
      ...nlri.map(prefix => `${formatPrefix(prefix)} by ${nextHop && formatAddress(nextHop)}`),
      ...(mpReach?.kind === 'unicast'
        ? mpReach.nlri.map(prefix => `${formatPrefix(prefix)} by ${formatAddress(mpReach.nextHop)}`)
        : []),
    ]
  })
}

const v4 = '203.0.113.1/32 by 192.0.2.11'

test('a node that gets its IPv6 address after the session stands announces its IPv6 routes then', async () => {
  const { node, announcer, news, first } = await toldWith('192.0.2.11')
  expect(first).toEqual([v4])
  expect(announcer.status().withoutNextHop).toEqual(['IPv6'])
  node.addresses = on('eth0', '192.0.2.11', '2001:db8::11')
  announcer.refreshNextHops()
  expect(await news()).toEqual(['2001:db8:113::1/128 by 2001:db8::11'])
  expect(announcer.status().withoutNextHop).toEqual([])
})

test('a next hop that goes away is replaced by another address, and without one the routes go', async () => {
  const { node, announcer, news, first } = await toldWith('192.0.2.11', '2001:db8::11', '2001:db8::12')
  expect(first).toEqual([v4, '2001:db8:113::1/128 by 2001:db8::11'])
  node.addresses = on('eth0', '192.0.2.11', '2001:db8::12')
  announcer.refreshNextHops()
  expect(await news()).toEqual(['2001:db8:113::1/128 by 2001:db8::12'])
  node.addresses = on('eth0', '192.0.2.11')
  announcer.refreshNextHops()
  expect(await news()).toEqual(['no 2001:db8:113::1/128'])
})

test('a cable that is out for a moment, or an address elsewhere, changes nothing', async () => {
  const { node, announcer, news } = await toldWith('192.0.2.11', '2001:db8::11')
  const { addresses } = node
  node.addresses = on('eth1', '2001:db8:1::1')
  announcer.refreshNextHops()
  expect(await news()).toEqual([])
  node.addresses = [...addresses, ...on('eth1', '2001:db8:1::1')]
  announcer.refreshNextHops()
  expect(await news()).toEqual([])
})

test('an unnumbered session has its next hops of its own interface, though VLANs of one card share a link-local address', async () => {
  const addresses = [
    ...on('eth0', 'fe80::11', '192.0.2.11', '2001:db8::11'),
    ...on('eth0.5', 'fe80::11', '10.0.0.11', '2001:db8:5::11'),
    ...on('eth0.6', 'fe80::11', '10.0.6.11', '2001:db8::1'),
  ]
  const { first } = await told({ addresses }, { zone: 'eth0.5', localAddress: 'fe80::11%eth0.5' })
  expect(first).toEqual(['203.0.113.1/32 by 10.0.0.11', '2001:db8:113::1/128 by 2001:db8:5::11'])
})
