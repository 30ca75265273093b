import type { Layer2Advertisement } from '../crds/config.ts'
import type { LabelSelector, Labels } from '../crds/selector.ts'
import type { Condition, Service, ServiceEndpoints } from '../kube/service.ts'
import { parseAddress } from '../net/address.ts'
import { parseRange } from '../net/range.ts'
import { type NodeFacts, type Surroundings, type Survey, surveyOf } from './advertisements.ts'
import type { InterfaceFacts, Reluctance } from './layer2/facts.ts'
import type { Liveness, Member } from './layer2/membership.ts'

// Values that tests of the speaker's decisions are made of: everything as usual but for what the test is about.

/** A Service with addresses; `uid` is derived from the name. */
export function service(name: string, addresses: readonly string[], more: Partial<Service> = {}): Service {
  return {
    key: `shop/${name}`,
    namespace: 'shop',
    name,
    uid: `${name}-uid`,
    resourceVersion: '1',
    creationTimestampMs: 0,
    beingDeleted: false,
    labels: {},
    type: 'LoadBalancer',
    loadBalancerClass: undefined,
    clusterIPFamilies: ['IPv4'],
    ipFamilyPolicy: 'SingleStack',
    ports: [{ protocol: 'TCP', port: 80 }],
    externalTrafficPolicy: 'Cluster',
    podSelector: '',
    request: { addresses: [], pool: undefined, sharingKey: undefined, problem: undefined },
    ingress: addresses.map(text => {
      const address = parseAddress(text)
      return address ? { kind: 'address', address } : { kind: 'foreign', text }
    }),
    allocatedFromPool: undefined,
    conditions: [],
    ...more,
  }
}

/** Usable endpoints on these nodes, one each. */
export function endpointsOn(...nodes: readonly string[]): ServiceEndpoints {
  return { service: 'shop/any', usableByNode: new Map(nodes.map(node => [node, 1])), usable: nodes.length }
}

export function node(name: string, labels: Labels = {}, networkUnavailable = false): NodeFacts {
  return { name, labels, networkUnavailable }
}

export function member(
  name: string,
  options: {
    liveness?: Liveness
    unheard?: true
    interfaces?: readonly InterfaceFacts[]
    reluctance?: Reluctance
  } = {},
): Member {
  const { liveness = 'alive', unheard, interfaces = [eth('eth0')], reluctance } = options
  return {
    node: name,
    liveness,
    ...(unheard && { unheard }),
    facts: { node: name, run: `${name}-run`, leaving: liveness === 'leaving', interfaces, reluctance },
  }
}

export function eth(name: string, options: Partial<InterfaceFacts> = {}): InterfaceFacts {
  return { name, mac: '02:00:00:00:00:01', carrier: true, subnets: [], ...options }
}

export function advertisement(name: string, options: Partial<Layer2Advertisement> = {}): Layer2Advertisement {
  return {
    name,
    pools: { kind: 'all' },
    nodeSelectors: [],
    interfaces: [],
    serviceSelectors: [],
    preferredNodeSelectors: [],
    loadSharing: 'none',
    ...options,
  }
}

/** Matches objects labelled `key=value`. */
export function labelled(key: string, value: string): LabelSelector {
  return { requirements: [{ operator: 'In', key, values: [value] }] }
}

export function pool(name: string, ...ranges: readonly string[]): Surroundings['config']['pools'][number] {
  return {
    name,
    ranges: ranges.map(text => {
      const range = parseRange(text)
      if ('problem' in range) throw new Error(range.problem)
      return range
    }),
    labels: {},
    autoAssign: true,
    avoidBuggyIPs: false,
    avoidConflicts: false,
    serviceAllocation: undefined,
  }
}

/** A survey of nodes that all have a speaker, unless told otherwise. */
export function survey(options: {
  readonly nodes?: readonly NodeFacts[]
  readonly members?: readonly Member[]
  readonly pools?: Surroundings['config']['pools']
  readonly advertisements?: readonly Layer2Advertisement[]
  readonly bgpAdvertisements?: Surroundings['config']['bgpAdvertisements']
}): Survey {
  const nodes = options.nodes ?? [node('a'), node('b'), node('c')]
  const members = options.members ?? nodes.map(({ name }) => member(name))
  return surveyOf({
    config: {
      pools: options.pools ?? [pool('lan', '192.0.2.0/24', '2001:db8::/64')],
      layer2Advertisements: options.advertisements ?? [advertisement('all')],
      bgpAdvertisements: options.bgpAdvertisements ?? [],
    },
    nodes: new Map(nodes.map(facts => [facts.name, facts])),
    members: new Map(members.map(one => [one.node, one])),
  })
}

export function announced(status: 'True' | 'False', reason: string, message: string): readonly Condition[] {
  return [{ type: 'berth.dev/Announced', status, reason, message }]
}
