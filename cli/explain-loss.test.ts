import { describe, expect, test } from 'vitest'
import {
  bgpAdvertisement,
  bgpPeer,
  config,
  lists,
  namespace,
  node,
  nowMs,
  service,
  session,
  slice,
} from '../test/cli/world.ts'
import { explainService } from './explain.ts'
import type { Loss } from './explain-loss.ts'
import { pictureOf } from './picture.ts'
import { type Lists, snapshotOf } from './snapshot.ts'

/** What is said of shop/web, which BGP alone announces from three nodes, but for these. */
function lossIn(changed: Partial<Lists>, spec: object = {}): Loss | undefined {
  const world = lists({
    services: [service('web', { ingress: ['192.0.2.0'], spec })],
    l2Advertisements: [],
    bgpAdvertisements: [bgpAdvertisement],
    bgpPeers: [bgpPeer, config('BGPPeer', 'r2', { myASN: 64512, peerASN: 64513, peerAddress: '198.51.100.2' })],
    ...changed,
  })
  const picture = pictureOf(snapshotOf(world, namespace, nowMs), undefined)
  const found = picture.snapshot.services.get('shop/web')
  if (!found) throw new Error('no shop/web')
  return explainService(picture, found).bgp?.ifLost
}
const three = ['node-1', 'node-2', 'node-3']
const sessions = (peer: string, status: object, nodes: readonly string[] = three): readonly object[] =>
  nodes.map(node => session(node, peer, status))
const goOn = 'If one of these nodes were lost, routers would go on with the others'

describe('a node that announces by BGP is lost', () => {
  test('and BFD tells all routers, which go on with the others', () => {
    const sessionRecords = [...sessions('r1', { bfdState: 'Up' }), ...sessions('r2', { bfdState: 'Up' })]
    expect(lossIn({ sessionRecords })).toEqual({ text: `${goOn}. BFD tells peers r1, r2.`, isSafe: true })
  })

  test('and a router without BFD waits for the hold time that both have agreed on', () => {
    const sessionRecords = [
      ...sessions('r1', { bfdState: 'Up', holdTimeSeconds: 9 }),
      ...sessions('r2', { holdTimeSeconds: 90 }),
    ]
    expect(lossIn({ sessionRecords })).toEqual({
      text: `${goOn}. BFD tells peer r1; peer r2 notices when the hold time of 90 s is over (no bfdProfile).`,
      isSafe: true,
    })
  })

  test('and BFD that is not up tells nobody, while graceful restart keeps the routes', () => {
    const status = { bfdState: 'Down', holdTimeSeconds: 30, gracefulRestartSeconds: 120 }
    expect(lossIn({ sessionRecords: sessions('r1', status) })?.text).toBe(
      `${goOn}. Peer r1 notices when the hold time of 30 s and the 120 s of graceful restart are over (BFD is Down).`,
    )
    expect(lossIn({ sessionRecords: sessions('r1', { holdTimeSeconds: 0 }) })?.text).toContain(
      'Peer r1 notices nothing: there is no hold time',
    )
  })

  test('and one router heard it from that node alone', () => {
    const sessionRecords = [...sessions('r1', { bfdState: 'Up' }), ...sessions('r2', { bfdState: 'Up' }, ['node-2'])]
    expect(lossIn({ sessionRecords })).toEqual({
      text: `${goOn}, but r2 hears it from node-2 alone. BFD tells peers r1, r2.`,
      isSafe: false,
    })
  })

  test('and it was the only one: by its sessions, by its endpoints, by the rules', () => {
    const noWay = 'If node-1 were lost, no router would have a way to it'
    const one = sessions('r1', {}, ['node-1'])
    expect(lossIn({ sessionRecords: one })).toEqual({
      text: `${noWay}: no session of another node stands.`,
      isSafe: false,
    })
    const local = { sessionRecords: sessions('r1', {}), endpointSlices: [slice('web', 'node-1')] }
    expect(lossIn(local, { externalTrafficPolicy: 'Local' })).toEqual({
      text: `${noWay}: it is Local, and has ready endpoints on no other node.`,
      isSafe: false,
    })
    const nodeSelectors = [{ matchLabels: { 'kubernetes.io/hostname': 'node-1' } }]
    const ruled = {
      sessionRecords: one,
      nodes: three.map(name => node(name, { 'kubernetes.io/hostname': name })),
      bgpAdvertisements: [config('BGPAdvertisement', 'all', { nodeSelectors })],
    }
    expect(lossIn(ruled)?.text).toBe(`${noWay}: no other node may announce it.`)
  })

  test('means nothing where nobody announces it', () => {
    expect(lossIn({ sessionRecords: sessions('r1', { state: 'Active' }) })).toBeUndefined()
  })
})
