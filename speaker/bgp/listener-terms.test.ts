import { expect, test } from 'vitest'
import type { BGPPeer } from '../../crds/config.ts'
import { peerSettings } from './from-config.ts'
import { listenerKey, listenerTerms } from './listener-terms.ts'
import type { PeerSettings } from './settings.ts'
import { plainPeer } from './test-peer.ts'

/** A router that is waited for. */
function waitedFor(options: Partial<BGPPeer> = {}, password?: string): PeerSettings {
  const settings = peerSettings(plainPeer('tor', { passive: true, ...options }), { bgpIdentifier: 1, password })
  if ('problem' in settings || 'interface' in settings.remote) throw new Error('no such peer')
  return { ...settings, remote: settings.remote }
}

const beside = waitedFor()
const behindRouters = waitedFor({ ebgpMultiHop: true })
const internal = waitedFor({ peerASN: 'internal' })
const guarded = waitedFor({ ttlSecurity: true })

test.each([
  { peers: 'a neighbour of another AS', group: [beside], ttl: 1 },
  { peers: 'two of them', group: [beside, beside], ttl: 1 },
  { peers: 'one behind other routers', group: [behindRouters], ttl: undefined },
  { peers: 'a neighbour, and one behind other routers', group: [beside, behindRouters], ttl: undefined },
  { peers: 'a neighbour, and one of the same AS', group: [internal, beside], ttl: undefined },
  { peers: 'one with GTSM', group: [guarded], ttl: 255, minimumTtl: 255 },
  { peers: 'one with GTSM and a neighbour without', group: [guarded, beside], ttl: 255 },
  { peers: 'one with GTSM and one behind other routers', group: [behindRouters, guarded], ttl: 255 },
])('packets of a listener reach everybody whom it waits for: $peers', ({ group, ttl, minimumTtl }) => {
  expect(listenerTerms(group)).toMatchObject({ ttl, minimumTtl })
})

test('one peer with a key makes a listener that knows keys', () => {
  expect(listenerTerms([beside]).signed).toBe(false)
  expect(listenerTerms([beside, waitedFor({}, 'secret')]).signed).toBe(true)
})

test('each family and each VRF has a listener of its own', () => {
  const sixth = waitedFor({ peerAddress: { kind: 'address', address: '2001:db8::1' } })
  const red = waitedFor({ vrf: 'red' })
  expect(new Set([beside, behindRouters, sixth, red].map(listenerKey)).size).toBe(3)
  expect(listenerTerms([red])).toMatchObject({ family: 'IPv4', device: 'red' })
  expect(listenerTerms([sixth])).toMatchObject({ family: 'IPv6', device: undefined })
})
