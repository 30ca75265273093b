import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { formatRefusal } from '../speaker/refusal.ts'
import {
  bgpAdvertisement,
  bgpPeer,
  condition,
  config,
  named,
  node,
  pool,
  record,
  secondsAgo,
  service,
  session,
  slice,
  speakerLease,
  world,
} from '../test/cli/world.ts'
import { type Explanation, explainService } from './explain.ts'
import { explanationText } from './explain-text.ts'
import { plain } from './paint.ts'
import { pictureOf } from './picture.ts'
import type { Lists } from './snapshot.ts'

/*
 * `kubectl berth explain service shop/web`, for every reason that there is: one row each. All texts together stand in
 * test/cli/golden/reasons.txt, to be read as a user would.
 */

interface Row {
  readonly situation: string
  readonly world: Partial<Lists>
  /** What it must say: the reason, and what to do. */
  readonly says: readonly string[]
}

const address = ['192.0.2.0']
const web = service('web', { ingress: address })
const local = service('web', { ingress: address, spec: { externalTrafficPolicy: 'Local' } })
const asking = (annotations: object, more: object = {}): object => service('web', { annotations, ...more })
const requesting = (ip: string, sharing?: string): object =>
  asking({ 'berth.dev/loadBalancerIPs': ip, ...(sharing && { 'berth.dev/allow-shared-ip': sharing }) })
const holder = (annotations: object = {}, spec: object = {}): object =>
  service('api', { annotations, ingress: address, spec: { ports: [{ port: 443, protocol: 'TCP' }], ...spec } })
const three = ['node-1', 'node-2', 'node-3']
const nodesWith = (labels: object, conditions: readonly object[] = []): readonly object[] =>
  three.map(name => node(name, labels, conditions))
const leasesWith = (facts: object, renewTime?: string): readonly object[] =>
  three.map(name => speakerLease(name, facts, renewTime))
const layer2 = (spec: object): readonly object[] => [config('L2Advertisement', 'all', spec)]
const bgp = (spec: object): readonly object[] => [config('BGPAdvertisement', 'all', spec)]
const eth0 = { name: 'eth0', mac: '02:00:00:00:00:01', subnets: [] }
const shared = { 'berth.dev/allow-shared-ip': 'team-a' }

const avoiding = pool('public', ['192.0.2.0/24'], { avoidConflicts: true })
const inUse = ['False', 'AddressInUse', 'is in use by 52:54:00:00:00:01 on eth0'] as const

/** A Service whose address a stranger has, so that nobody announces it. */
function taken(more: {
  readonly annotations?: object
  readonly allocated?: string
  readonly settled?: readonly [status: 'True' | 'False', reason: string, what: string]
}): object {
  const { annotations = {}, allocated, settled } = more
  const message =
    'not announced, since it is in use: a station that is no node of this cluster (52:54:00:00:00:01 on eth0) answers for 192.0.2.0 too: take the address away from it, or leave it out of the IPAddressPool'
  const conditions = [
    ...(allocated === undefined ? [] : [condition('berth.dev/Allocated', 'True', 'AddressInUse', allocated)]),
    condition('berth.dev/Announced', 'False', 'AddressInUse', message),
    ...(settled ? [condition('berth.dev/Settled', settled[0], settled[1], `192.0.2.0 ${settled[2]}`)] : []),
  ]
  return service('web', { ingress: address, annotations, conditions })
}

const conflict = { address: '192.0.2.1', macAddress: '52:54:00:00:00:01', interface: 'eth0', lastSeen: secondsAgo(60) }
const conflicting = {
  ...pool('public', ['192.0.2.0/31'], { avoidConflicts: true }),
  status: { conflicting: 1, conflicts: [conflict] },
}

const pending: readonly Row[] = [
  {
    situation: 'no pool at all',
    world: { ipAddressPools: [] },
    says: ['The cluster has no IPAddressPool', '→ An admin applies one'],
  },
  {
    situation: "another load balancer's address, before there is a pool",
    world: { ipAddressPools: [], services: [web] },
    says: ['written by somebody else', 'kubectl berth migrate from-metallb'],
  },
  {
    situation: 'an annotation that cannot be read',
    world: { services: [requesting('192.0.2.300')] },
    says: [
      'The request cannot be read',
      '192.0.2.300',
      '→ Correct the annotation: kubectl -n shop annotate service web',
    ],
  },
  {
    situation: 'a headless Service',
    world: { services: [service('web', { spec: { clusterIP: 'None', clusterIPs: ['None'] } })] },
    says: ['has no cluster IP', '→ Make the Service anew without clusterIP: None'],
  },
  {
    situation: 'two families required, one cluster IP',
    world: { services: [service('web', { spec: { ipFamilyPolicy: 'RequireDualStack' } })] },
    says: ['for IPv6 is missing', 'set ipFamilyPolicy to PreferDualStack or SingleStack'],
  },
  {
    situation: 'an address of the other family is asked for',
    world: { services: [requesting('2001:db8::1')] },
    says: ['2001:db8::1 does not fit the Service', 'or change ipFamilies'],
  },
  {
    situation: 'a pool that does not exist is asked for',
    world: { services: [asking({ 'berth.dev/address-pool': 'gold' })] },
    says: ['There is no pool "gold"', 'Choose one of "public"', '→ kubectl -n shop annotate service web'],
  },
  {
    situation: 'pools for other namespaces',
    world: { ipAddressPools: [pool('public', ['192.0.2.0/24'], { serviceAllocation: { namespaces: ['bank'] } })] },
    says: ['is only for namespaces bank, not for "shop"', '→ Add shop to serviceAllocation.namespaces'],
  },
  {
    situation: 'pools for namespaces with a label',
    world: {
      namespaces: [named('berth-system'), named('shop'), named('bank', { tier: 'gold' })],
      ipAddressPools: [
        pool('public', ['192.0.2.0/24'], {
          serviceAllocation: { namespaceSelectors: [{ matchLabels: { tier: 'gold' } }] },
        }),
      ],
    },
    says: ['is only for namespaces labelled tier=gold', '→ Label the namespace shop'],
  },
  {
    situation: 'pools for Services with a label',
    world: {
      ipAddressPools: [
        pool('public', ['192.0.2.0/24'], {
          serviceAllocation: { serviceSelectors: [{ matchLabels: { edge: 'yes' } }] },
        }),
      ],
    },
    says: ['is only for Services labelled edge=yes', '→ Label the Service'],
  },
  {
    situation: 'a pool that is set aside',
    world: { ipAddressPools: [pool('public', ['192.0.2.0/33'])] },
    says: ['is set aside (Invalid: ', '→ Mend the pool'],
  },
  {
    situation: 'a pool only for those who ask',
    world: { ipAddressPools: [pool('public', ['192.0.2.0/24'], { autoAssign: false })] },
    says: ['autoAssign: false', '→ Ask for it: kubectl -n shop annotate service web berth.dev/address-pool=public'],
  },
  {
    situation: 'pools of the other family only',
    world: { ipAddressPools: [pool('public', ['2001:db8::/64'])] },
    says: ['has no IPv4 addresses', '→ Add IPv4 addresses to spec.addresses'],
  },
  {
    situation: 'a pool that is used up',
    world: { ipAddressPools: [pool('public', ['192.0.2.0/32'])], services: [service('web'), holder()] },
    says: ['has no IPv4 address left (1 of 1 in use)', '→ Add a range'],
  },
  {
    situation: 'an address that no pool holds',
    world: { services: [requesting('203.0.113.9')] },
    says: ['does not contain 203.0.113.9', '→ Ask for an address that a pool holds'],
  },
  {
    situation: 'an address that the pool avoids',
    world: {
      services: [requesting('192.0.2.0')],
      ipAddressPools: [pool('public', ['192.0.2.0/24'], { avoidBuggyIPs: true })],
    },
    says: ['never gives out 192.0.2.0', '→ Ask for another address'],
  },
  {
    situation: 'an address that another Service has',
    world: { services: [requesting('192.0.2.0'), holder()] },
    says: [
      'has given 192.0.2.0 to Service shop/api',
      '→ Ask for another address, or look at its holder: kubectl berth explain service shop/api',
    ],
  },
  {
    situation: 'an address that is shared under another key',
    world: { services: [requesting('192.0.2.0', 'team-b'), holder(shared)] },
    says: ['its sharing key is "team-a", not "team-b"'],
  },
  {
    situation: 'an address that is shared, by another traffic policy',
    world: { services: [requesting('192.0.2.0', 'team-a'), holder(shared, { externalTrafficPolicy: 'Local' })] },
    says: ['both must have externalTrafficPolicy Cluster'],
  },
  {
    situation: 'an address that is shared, on the same port',
    world: {
      services: [requesting('192.0.2.0', 'team-a'), holder(shared, { ports: [{ port: 80, protocol: 'TCP' }] })],
    },
    says: ['both use port 80/TCP'],
  },
  {
    situation: 'a controller that has not written yet',
    world: {},
    says: ['is to write 192.0.2.0 into its status', '→ Is a controller running?'],
  },
  {
    situation: 'a Service of another load balancer',
    world: { services: [service('web', { spec: { loadBalancerClass: 'example.com/other' } })] },
    says: ["Not Berth's", 'spec.loadBalancerClass is "example.com/other"'],
  },
  {
    situation: 'a Service that wants no address',
    world: { services: [service('web', { spec: { type: 'ClusterIP' } })] },
    says: ["Not Berth's", 'its type is not LoadBalancer'],
  },
]

const unannounced: readonly Row[] = [
  {
    situation: 'an address in no pool any more',
    world: { services: [web], ipAddressPools: [pool('public', ['198.51.100.0/24'])] },
    says: ['192.0.2.0 is in no IPAddressPool', '→ Add 192.0.2.0 to an IPAddressPool'],
  },
  {
    situation: 'no advertisement',
    world: { services: [web], l2Advertisements: [] },
    says: ['names its pool public', '→ Apply an L2Advertisement or a BGPAdvertisement with ipAddressPools: [public]'],
  },
  {
    situation: 'an advertisement for other Services',
    world: { services: [web], l2Advertisements: layer2({ serviceSelectors: [{ matchLabels: { edge: 'yes' } }] }) },
    says: [
      'the serviceSelectors of L2Advertisement all do not match',
      '→ Change it: kubectl -n berth-system edit l2advertisement all',
    ],
  },
  {
    situation: 'an advertisement for the other family',
    world: { services: [web], l2Advertisements: [], bgpAdvertisements: bgp({ addressFamilies: ['IPv6'] }) },
    says: ['the addressFamilies of BGPAdvertisement all leave its family out', '→ Change it'],
  },
  {
    situation: 'no endpoint is ready',
    world: { services: [web], endpointSlices: [] },
    says: ['none of its endpoints is ready', '→ Look at its Pods: kubectl -n shop get pods -l app=web'],
  },
  {
    situation: 'nodes that the advertisement leaves out',
    world: { services: [web], l2Advertisements: layer2({ nodeSelectors: [{ matchLabels: { edge: 'yes' } }] }) },
    says: ['not selected by the nodeSelectors of the L2Advertisement', '→ Widen nodeSelectors'],
  },
  {
    situation: 'nodes excluded by their label, as on a single-node cluster',
    world: {
      services: [web],
      nodes: [node('node-1', { 'node.kubernetes.io/exclude-from-external-load-balancers': '' })],
    },
    says: [
      'excluded by its label',
      '→ Let the node take part: kubectl label node node-1 node.kubernetes.io/exclude-from-external-load-balancers-',
    ],
  },
  {
    situation: 'nodes without a network',
    world: { services: [web], nodes: nodesWith({}, [{ type: 'NetworkUnavailable', status: 'True' }]) },
    says: ['its condition NetworkUnavailable is True', '→ The CNI has not set up'],
  },
  {
    situation: 'no speaker on any node',
    world: { services: [web], leases: [] },
    says: ['no speaker runs there', '→ See why no speaker runs there'],
  },
  {
    situation: 'speakers that are gone',
    world: { services: [web], leases: leasesWith({}, secondsAgo(60)) },
    says: ['its speaker does not renew its Lease', '→ Is node-1 up'],
  },
  {
    situation: 'speakers that are stopping',
    world: { services: [web], leases: leasesWith({ leaving: true }) },
    says: ['its speaker is stopping', '→ The speaker of node-1 is being restarted'],
  },
  {
    situation: 'speakers whose Node was deleted',
    world: { services: [web], nodes: [] },
    says: ['has a speaker but no Node object', '→ The Node node-1 was deleted'],
  },
  {
    situation: 'interfaces that no node has',
    world: { services: [web], l2Advertisements: layer2({ interfaces: ['bond7'] }) },
    says: ['has none of the interfaces bond7', '→ Name interfaces that the nodes have'],
  },
  {
    situation: 'no carrier',
    world: { services: [web], leases: leasesWith({ interfaces: [{ ...eth0, carrier: false }] }) },
    says: ['no carrier on eth0', '→ Look at the link of node-1: eth0'],
  },
  {
    situation: 'no endpoint on a node that may announce',
    world: { services: [local], endpointSlices: [slice('web', 'node-9')] },
    says: ['no ready endpoint there', '→ Let a Pod run on such a node, or set externalTrafficPolicy: Cluster'],
  },
  {
    situation: 'an address that another station has',
    world: { services: [taken({})] },
    says: [
      '52:54:00:00:00:01',
      'take the address away from it',
      'avoidConflicts: false',
      '→ Let it choose another where one was never announced (avoidConflicts: true): kubectl -n berth-system edit',
    ],
  },
  {
    situation: 'an address that another station has, which is about to be replaced',
    world: { ipAddressPools: [avoiding], services: [taken({ settled: inUse })] },
    says: ['The controller is to write 192.0.2.1 into its status'],
  },
  {
    situation: 'an address that another station has, and the pool has no other',
    world: {
      ipAddressPools: [pool('public', ['192.0.2.0/32'], { avoidConflicts: true })],
      services: [
        taken({
          settled: inUse,
          allocated:
            '192.0.2.0 from pool "public". 192.0.2.0 is in use by another station (52:54:00:00:00:01 on eth0), and nothing is there to replace it: Pool "public" has no IPv4 address left (1 of 1 in use); enlarge it or free some.',
        }),
      ],
    },
    says: ['nothing is there to replace it', '→ Add a range, which moves nothing'],
  },
  {
    situation: 'an address that another station has and the Service asks for',
    world: {
      ipAddressPools: [avoiding],
      services: [taken({ annotations: { 'berth.dev/loadBalancerIPs': '192.0.2.0' } })],
    },
    says: ['the Service asks for that one: it is not replaced', '→ Ask for another, or for none'],
  },
  {
    situation: 'an address that another station has and that was announced before',
    world: { ipAddressPools: [avoiding], services: [taken({ settled: ['True', 'Announced', 'has been announced'] })] },
    says: ['so it is not replaced', '→ To give it up, ask for another: kubectl -n shop annotate service web'],
  },
  {
    situation: 'a pool whose last address another station has',
    world: { ipAddressPools: [conflicting], services: [service('web'), holder()] },
    says: ['(1 of 2 in use, 1 in use by other stations)'],
  },
  {
    situation: 'an interface that the node cannot use',
    world: {
      services: [
        service('web', {
          ingress: address,
          conditions: [
            condition(
              'berth.dev/Announced',
              'False',
              'InterfaceUnusable',
              formatRefusal({ kind: 'InterfaceUnusable', node: 'node-1' }),
            ),
          ],
        }),
      ],
      layer2Records: [record('web', 'node-1', '192.0.2.0')],
    },
    says: [
      'node node-1 has it, but cannot use the interface now',
      '→ Its speaker’s log says why: kubectl -n berth-system logs --tail=50 $(kubectl -n berth-system get pods -l app.kubernetes.io/component=speaker --field-selector spec.nodeName=node-1',
    ],
  },
  {
    situation: 'an address shared with a Service that lives elsewhere',
    world: {
      services: [
        service('api', {
          annotations: shared,
          ingress: address,
          spec: { externalTrafficPolicy: 'Local', selector: { a: 'b' } },
        }),
        service('web', {
          annotations: shared,
          ingress: address,
          spec: { externalTrafficPolicy: 'Local', selector: { a: 'b' }, ports: [{ port: 443 }] },
        }),
      ],
      endpointSlices: [slice('api', 'node-1'), slice('web', 'node-2')],
      layer2Records: [record('api', 'node-1', '192.0.2.0')],
    },
    says: ['its address is shared with shop/api and announced from node node-1', '→ Give it an address of its own'],
  },
  {
    situation: 'no BGPPeer',
    world: { services: [web], l2Advertisements: [], bgpAdvertisements: [bgpAdvertisement] },
    says: ['there is no BGPPeer', '→ Apply a BGPPeer for each router'],
  },
  {
    situation: 'a BGPPeer that no node has',
    world: {
      services: [web],
      l2Advertisements: [],
      bgpAdvertisements: [bgpAdvertisement],
      bgpPeers: [
        config('BGPPeer', 'r1', {
          myASN: 64512,
          peerASN: 64513,
          peerAddress: '198.51.100.1',
          nodeSelectors: [{ matchLabels: { rack: 'one' } }],
        }),
      ],
    },
    says: ['the nodeSelectors of every BGPPeer leave it out', '→ Widen nodeSelectors of a BGPPeer'],
  },
  {
    situation: 'a BGPPeer of the other family',
    world: {
      services: [web],
      l2Advertisements: [],
      bgpAdvertisements: [bgpAdvertisement],
      bgpPeers: [config('BGPPeer', 'r1', { myASN: 64512, peerASN: 64513, peerAddress: '2001:db8::1' })],
    },
    says: ['carry no IPv4 routes', '→ Set dualStackAddressFamily: true'],
  },
  {
    situation: 'no BGP session stands',
    world: {
      services: [web],
      l2Advertisements: [],
      bgpAdvertisements: [bgpAdvertisement],
      bgpPeers: [bgpPeer],
      sessionRecords: three.map(name =>
        session(name, 'r1', { state: 'Active', problem: undefined, lastError: 'connection refused' }),
      ),
    },
    says: [
      'has an established session with peer r1',
      'connection refused',
      '→ See why no session stands: kubectl berth peers',
    ],
  },
  {
    situation: 'a speaker that has won and does not announce yet',
    world: { services: [web] },
    says: [
      'node node-3 is to announce it and has not said so yet',
      '→ Its speaker’s log says why: kubectl -n berth-system logs --tail=50 $(kubectl -n berth-system get pods -l app.kubernetes.io/component=speaker --field-selector spec.nodeName=node-3 -o name)',
    ],
  },
]

function explain(row: Row): Explanation {
  const snapshot = world(row.world)
  const found = snapshot.services.get('shop/web')
  if (!found) throw new Error('the world has no shop/web')
  return explainService(pictureOf(snapshot, undefined), found)
}

const rows = [...pending, ...unannounced]

describe('explain says what is wrong and what to do', () => {
  for (const row of rows) {
    test(row.situation, () => {
      // Lines are broken between words.
      const text = explanationText(explain(row), plain).replace(/\s+/g, ' ')
      for (const part of row.says) expect(text).toContain(part)
    })
  }

  test('all texts, to be read', async () => {
    const texts = rows.map(row => `=== ${row.situation} ===\n${explanationText(explain(row), plain)}`)
    await expect(texts.join('\n')).toMatchFileSnapshot(join(import.meta.dirname, '../test/cli/golden/reasons.txt'))
  })
})
