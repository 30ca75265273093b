import { describe, expect, test } from 'vitest'
import { type AnnouncedCondition, conditionFor, conditionOf, differs, reasonFor } from './condition.ts'
import type { Refusal, UnadvertisedAddress } from './refusal.ts'
import type { RoutingVerdict } from './routing/verdict.ts'
import { announced, service } from './test-values.ts'

type Announced = Extract<RoutingVerdict, { kind: 'announced' }>

function byBGP(more: Partial<Announced> = {}): Announced {
  return {
    kind: 'announced',
    addresses: ['192.0.2.1'],
    nodes: ['a', 'b'],
    peers: ['r1'],
    established: true,
    disagreements: [],
    sharedRoutes: [],
    ...more,
  }
}

const where = '192.0.2.1 from node a on eth0'
const layer2 = { kind: 'announcing', where, unadvertised: [], rivals: [] } as const
const six: UnadvertisedAddress = { address: '2001:db8::1', pool: 'lan', passedBy: [] }
const notAsked: Refusal = { kind: 'NoAdvertisement', addresses: [{ address: '192.0.2.1', pool: 'lan', passedBy: [] }] }
const noCarrier: Refusal = { kind: 'NoEligibleNode', nodes: [{ kind: 'noCarrier', node: 'a', interfaces: ['eth0'] }] }
const noPeer: RoutingVerdict = { kind: 'refused', refusal: { kind: 'NoPeer' } }

function words({ status, reason, message }: AnnouncedCondition): string {
  return `${status} ${reason}: ${message}`
}

describe('a Service is announced', () => {
  test('at layer 2', () => {
    expect(words(conditionFor(layer2, undefined))).toBe(`True Announced: layer 2: announcing ${where}`)
  })

  test('by BGP', () => {
    expect(words(conditionFor({ kind: 'refused', refusal: notAsked }, byBGP()))).toBe(
      'True Announced: BGP: nodes a, b announce 192.0.2.1 to peer r1',
    )
  })

  test('by BGP from one node, or from too many to name', () => {
    const refused = { kind: 'refused', refusal: notAsked } as const
    expect(conditionFor(refused, byBGP({ nodes: ['a'], peers: ['r1', 'r2'] })).message).toBe(
      'BGP: node a announces 192.0.2.1 to peers r1, r2',
    )
    const many = { nodes: ['a', 'b', 'c', 'd', 'e'], peers: ['r1', 'r2', 'r3', 'r4'] }
    expect(conditionFor(refused, byBGP(many)).message).toBe(
      'BGP: nodes a, b, c and 2 more announce 192.0.2.1 to peers r1, r2, r3 and 1 more',
    )
  })

  test('in both ways, whatever the sessions do meanwhile', () => {
    const message = `layer 2: announcing ${where}; BGP: nodes a, b announce 192.0.2.1 to peer r1`
    expect(conditionFor(layer2, byBGP()).message).toBe(message)
    expect(conditionFor(layer2, byBGP({ established: false })).message).toBe(message)
  })

  test('each of its addresses in one of the ways', () => {
    expect(conditionFor({ ...layer2, unadvertised: [six] }, byBGP({ addresses: ['2001:db8::1'] })).message).toBe(
      `layer 2: announcing ${where}; BGP: nodes a, b announce 2001:db8::1 to peer r1`,
    )
  })

  test('but for an address that nobody asks to announce', () => {
    expect(conditionFor({ ...layer2, unadvertised: [six] }, undefined).message).toBe(
      `layer 2: announcing ${where}; 2001:db8::1 is not announced: no L2Advertisement or BGPAdvertisement names its pool lan (one without ipAddressPools and selectors speaks for every pool)`,
    )
    const passed = {
      ...six,
      passedBy: [{ kind: 'BGPAdvertisement', name: 'four', because: 'addressFamilies' }],
    } as const
    const refusal: Refusal = { ...notAsked, addresses: [...notAsked.addresses, passed] }
    expect(conditionFor({ kind: 'refused', refusal }, byBGP()).message).toBe(
      'BGP: nodes a, b announce 192.0.2.1 to peer r1; 2001:db8::1 is not announced: the addressFamilies of BGPAdvertisement four leave its family out',
    )
  })

  test('in one way while the other that is asked for cannot', () => {
    expect(conditionFor({ kind: 'refused', refusal: noCarrier }, byBGP()).message).toBe(
      'BGP: nodes a, b announce 192.0.2.1 to peer r1; not at layer 2: no node can announce it: a: no carrier on eth0',
    )
    expect(words(conditionFor(layer2, noPeer))).toBe(
      `True Announced: layer 2: announcing ${where}; not by BGP: there is no BGPPeer, so no router to tell: create one`,
    )
  })

  test('although its advertisements disagree, which is said', () => {
    const disagreement = {
      field: 'localPref',
      granted: 200,
      wishes: [
        { advertisement: 'all', value: 100 },
        { advertisement: 'gold', value: 200 },
      ],
    } as const
    expect(conditionFor(layer2, byBGP({ disagreements: [disagreement] })).message).toContain(
      'to peer r1; BGPAdvertisements give it different localPref: 100 (all) and 200 (gold); 200 is used',
    )
  })
})

describe('nobody announces a Service', () => {
  const refused = (refusal: Refusal, routing: RoutingVerdict | undefined) =>
    words(conditionFor({ kind: 'refused', refusal }, routing))

  test('since neither kind of advertisement speaks for it', () => {
    expect(refused(notAsked, undefined)).toContain('False NoAdvertisement: 192.0.2.1 is not announced: no L2Advert')
    expect(reasonFor(notAsked, undefined)).toBe('NoAdvertisement')
  })

  test('since none of the sessions stands, and only BGP is asked for', () => {
    expect(refused(notAsked, byBGP({ established: false, peers: ['r1', 'r2'] }))).toBe(
      'False NoEstablishedSession: none of nodes a, b has an established session with peers r1, r2; "kubectl get bgpsessionstatuses -A" says why',
    )
  })

  test('since the one way that is asked for cannot', () => {
    expect(refused(notAsked, noPeer)).toBe('False NoPeer: there is no BGPPeer, so no router to tell: create one')
    expect(refused(noCarrier, undefined)).toBe('False NoEligibleNode: no node can announce it: a: no carrier on eth0')
    expect(reasonFor(notAsked, noPeer)).toBe('NoPeer')
  })

  test('since both ways that are asked for cannot, each for its reason', () => {
    expect(refused(noCarrier, noPeer)).toBe(
      'False NoEligibleNode: layer 2: no node can announce it: a: no carrier on eth0; BGP: there is no BGPPeer, so no router to tell: create one',
    )
    expect(reasonFor(noCarrier, noPeer)).toBe('NoEligibleNode')
  })

  test('since no endpoint is ready, which is said once for both ways', () => {
    const none = { kind: 'NoUsableEndpoints' } as const
    const both = refused(none, { kind: 'refused', refusal: none })
    expect(both).toBe(refused(none, undefined))
    expect(both).toContain('False NoUsableEndpoints: none of its endpoints is ready')
  })
})

test('there is something to write when status, reason or message differ, or nothing stands there yet', () => {
  const wanted = conditionFor(layer2, undefined)
  const standing = service('web', [], { conditions: announced('True', 'Announced', wanted.message) })
  expect(differs(conditionOf(standing), wanted)).toBe(false)
  expect(differs(conditionOf(service('web', [])), wanted)).toBe(true)
  for (const other of [
    announced('False', 'Announced', wanted.message),
    announced('True', 'Other', wanted.message),
    announced('True', 'Announced', 'other'),
  ]) {
    expect(differs(conditionOf(service('web', [], { conditions: other })), wanted)).toBe(true)
  }
})
