import type { Config, Layer2Advertisement } from '../crds/config.ts'
import { type Labels, matchesAny } from '../crds/selector.ts'
import type { Service, ServiceEndpoints } from '../kube/service.ts'
import { type Address, formatAddress } from '../net/address.ts'
import { contains, parseRange } from '../net/range.ts'
import type { InterfaceFacts, Reluctance } from './layer2/facts.ts'
import type { Member } from './layer2/membership.ts'
import { poolFinder } from './pool-finder.ts'
import type { NodeRefusal, PassingAdvertisement, Refusal, UnadvertisedAddress } from './refusal.ts'
import { speaksFor } from './routing/speaks-for.ts'

/*
 * Which nodes may announce a Service, on which interfaces, and how much each is preferred; or why none may.
 *
 *   address ─→ pool ─→ L2Advertisements (by pool and serviceSelectors) ─→ nodes (nodeSelectors, what the node's own
 *   object says, its speaker's Lease, its interfaces, its endpoints) ─→ Reach: node → interfaces and preference
 *
 * Several advertisements may speak for one address: a node's interfaces are all that any of them names, and its preference
 * is the sum of the weights that match. An address that no advertisement speaks for is left out while another of the same
 * Service is announced: it may belong to BGP, whose rules are in routing/routes.ts.
 *
 * Where some of the nodes stand in the address's own network and others do not, only those that do are taken: the others'
 * segment is likely another one. Where none does (a routed prefix), all are.
 *
 * A node that is drained, or whose kube-proxy is not healthy, is preferred less than any other, whatever the weights say: it
 * keeps and takes what nobody else can have, and hands over the rest as a planned move, without loss. Left out instead, it
 * would take an address down with it where all are drained, or where a flag has the wrong port of kube-proxy everywhere.
 *
 * The node's condition Ready has no say, as in MetalLB: it is the kubelet's, and where that is down kube-proxy goes on
 * forwarding. What is not ready there any more is taken out of the EndpointSlices by others. Whoever wants it otherwise
 * names the taint that Kubernetes sets then (node.kubernetes.io/not-ready) in --drain.
 *
 * Thousands of Services share a few Reaches, so a survey of the nodes is made once per change of nodes, members or
 * configuration, and remembers each Reach by what it came from.
 */

/** What of a Node counts here. */
export interface NodeFacts {
  readonly name: string
  readonly labels: Labels
  /** Its condition NetworkUnavailable is True. */
  readonly networkUnavailable: boolean
}

/** How one node would announce an address. */
export interface Post {
  /** Those selected by name, or `all`: as many as the node has. */
  readonly interfaces: readonly string[] | 'all'
  /** Sum of the weights of the preferredNodeSelectors that match, less what the node's reluctance costs; higher wins. */
  readonly preference: number
}

/** The nodes that can announce an address; one object for all addresses that have the same. */
export interface Reach {
  /** Unique in its survey. */
  readonly id: string
  readonly nodes: ReadonlyMap<string, Post>
  /** Whether several of the nodes are to answer: all advertisements say so. */
  readonly shared: boolean
}

/** One address of a Service that someone can announce. */
export interface Offer {
  readonly address: Address
  /** Canonical text of the address. */
  readonly text: string
  readonly reach: Reach
}

export type ServiceAdvertisement =
  | {
      readonly kind: 'offered'
      readonly service: Service
      readonly offers: readonly Offer[]
      /** Those of its addresses that no L2Advertisement speaks for. */
      readonly unadvertised: readonly UnadvertisedAddress[]
    }
  | { readonly kind: 'refused'; readonly service: Service; readonly refusal: Refusal }

/** What a survey is made of. */
export interface Surroundings {
  /** BGP's advertisements are only named where neither kind speaks for an address. */
  readonly config: Pick<Config, 'pools' | 'layer2Advertisements' | 'bgpAdvertisements'>
  readonly nodes: ReadonlyMap<string, NodeFacts>
  readonly members: ReadonlyMap<string, Member>
}

/** Answers for one state of nodes, members and configuration, about any Service. */
export interface Survey {
  readonly members: ReadonlyMap<string, Member>
  /** Which of its addresses are to be announced and by whom; undefined where it has none. */
  advertisementsFor(service: Service, endpoints: ServiceEndpoints): ServiceAdvertisement | undefined
}

/** Looks over the nodes once, for any number of Services. */
export function surveyOf(surroundings: Surroundings): Survey {
  const { config, nodes, members } = surroundings
  const names = [...new Set([...nodes.keys(), ...members.keys()])].sort()
  const poolOf = poolFinder(config.pools)
  const standingsByAdvertisements = new Map<string, ReadonlyMap<string, Post | NodeRefusal>>()
  const reaches = new Map<string, Reach | readonly NodeRefusal[]>()
  const networks = networksOf(members)
  const remembered = new WeakMap<Service, { endpoints: ServiceEndpoints; result: ServiceAdvertisement | undefined }>()

  function standingsOf(indexes: readonly number[]): ReadonlyMap<string, Post | NodeRefusal> {
    const id = indexes.join()
    const known = standingsByAdvertisements.get(id)
    if (known) return known
    const chosen = config.layer2Advertisements.filter((_, index) => indexes.includes(index))
    const standings = new Map(names.map(node => [node, standingOf(node, nodes.get(node), members.get(node), chosen)]))
    standingsByAdvertisements.set(id, standings)
    return standings
  }

  function reachOf(
    indexes: readonly number[],
    local: ReadonlyMap<string, number> | undefined,
    address: Address,
  ): Reach | readonly NodeRefusal[] {
    const localNodes = local ? [...local.keys()].sort().join() : '*'
    const around = networks.filter(network => contains(network.range, address))
    const id = `${indexes.join()}|${localNodes}|${around.map(network => network.text).join()}`
    const known = reaches.get(id)
    if (known) return known
    const standings = new Map(standingsOf(indexes))
    if (local) {
      for (const [node, standing] of standings) {
        if (!('kind' in standing) && !local.has(node)) standings.set(node, { kind: 'noLocalEndpoint', node })
      }
    }
    const inside = new Set(around.map(network => network.text))
    const isInside = (node: string, post: Post): boolean =>
      usable(members.get(node)?.facts.interfaces ?? [], post.interfaces).some(one =>
        one.subnets.some(subnet => inside.has(subnet)),
      )
    const posts = [...standings].filter((entry): entry is [string, Post] => !('kind' in entry[1]))
    const insiders = posts.filter(([node, post]) => isInside(node, post))
    for (const [node] of insiders.length > 0 ? posts : []) {
      if (!insiders.some(([insider]) => insider === node)) standings.set(node, { kind: 'otherNetwork', node })
    }
    const chosen = insiders.length > 0 ? insiders : posts
    const result =
      chosen.length > 0
        ? { id, nodes: new Map(chosen), shared: indexes.every(isShared) }
        : [...standings.values()].filter(standing => 'kind' in standing)
    reaches.set(id, result)
    return result
  }

  function isShared(index: number): boolean {
    return config.layer2Advertisements[index]?.loadSharing === 'perClient'
  }

  function decide(service: Service, endpoints: ServiceEndpoints): ServiceAdvertisement | undefined {
    const addresses = service.ingress.flatMap(ingress => (ingress.kind === 'address' ? [ingress.address] : []))
    if (service.type !== 'LoadBalancer' || service.beingDeleted || addresses.length === 0) return undefined
    const claims = addresses.map(address => {
      const pool = poolOf(address)
      return { address, pool, indexes: advertisementsOf(config, pool, service.labels) }
    })
    const advertised = claims.filter(claim => claim.indexes.length > 0)
    const unadvertised = claims
      .filter(claim => claim.indexes.length === 0)
      .map(({ address, pool }) => {
        return { address: formatAddress(address), pool, passedBy: passersBy(config, address, pool, service.labels) }
      })
    if (advertised.length === 0) {
      return { kind: 'refused', service, refusal: { kind: 'NoAdvertisement', addresses: unadvertised } }
    }
    if (endpoints.usable === 0) return { kind: 'refused', service, refusal: { kind: 'NoUsableEndpoints' } }
    const local = service.externalTrafficPolicy === 'Local' ? endpoints.usableByNode : undefined
    const offers: Offer[] = []
    let refusals: readonly NodeRefusal[] = []
    for (const { address, indexes } of advertised) {
      const reach = reachOf(indexes, local, address)
      if ('id' in reach) offers.push({ address, text: formatAddress(address), reach })
      else refusals = reach
    }
    if (offers.length > 0) return { kind: 'offered', service, offers, unadvertised }
    return { kind: 'refused', service, refusal: { kind: 'NoEligibleNode', nodes: refusals } }
  }

  return {
    members,
    advertisementsFor(service, endpoints) {
      const before = remembered.get(service)
      if (before?.endpoints === endpoints) return before.result
      const result = decide(service, endpoints)
      remembered.set(service, { endpoints, result })
      return result
    },
  }
}

/** Whether a node may announce under these advertisements, all that concerns the Service and the address left aside. */
function standingOf(
  node: string,
  facts: NodeFacts | undefined,
  member: Member | undefined,
  advertisements: readonly Layer2Advertisement[],
): Post | NodeRefusal {
  if (!facts) return { kind: 'noNode', node }
  const own = advertisements.filter(
    ({ nodeSelectors }) => nodeSelectors.length === 0 || matchesAny(nodeSelectors, facts.labels),
  )
  if (own.length === 0) return { kind: 'notSelected', node, by: 'L2Advertisement' }
  if (Object.hasOwn(facts.labels, excludeLabel)) return { kind: 'excludedByLabel', node, label: excludeLabel }
  if (facts.networkUnavailable) return { kind: 'networkUnavailable', node }
  if (!member) return { kind: 'noSpeaker', node }
  if (member.liveness === 'leaving') return { kind: 'speakerLeaving', node }
  if (member.liveness === 'gone') return { kind: member.unheard ? 'speakerUnheard' : 'speakerGone', node }
  const interfaces = own.some(advertisement => advertisement.interfaces.length === 0)
    ? 'all'
    : [...new Set(own.flatMap(advertisement => advertisement.interfaces))].sort()
  const present = selected(member.facts.interfaces, interfaces)
  if (present.length === 0) return { kind: 'noInterface', node, wanted: interfaces }
  if (!present.some(one => one.carrier)) {
    return { kind: 'noCarrier', node, interfaces: present.map(one => one.name) }
  }
  const weights = own.flatMap(advertisement => advertisement.preferredNodeSelectors)
  const preference = weights.reduce(
    (sum, { weight, preference }) => sum + (matchesAny([preference], facts.labels) ? weight : 0),
    0,
  )
  return { interfaces, preference: preference - costOf(member.facts.reluctance) }
}

// More than all weights that could ever be written, and few enough of them for exact sums.
const reluctanceCost = 2 ** 40

function costOf(reluctance: Reluctance | undefined): number {
  switch (reluctance?.kind) {
    case undefined:
      return 0
    case 'drained':
      return reluctanceCost
    case 'proxyUnhealthy':
      return 2 * reluctanceCost
  }
}

/** Kubernetes' own label for nodes that no external load balancer may use. */
export const excludeLabel = 'node.kubernetes.io/exclude-from-external-load-balancers'

function selected(present: readonly InterfaceFacts[], wanted: readonly string[] | 'all'): readonly InterfaceFacts[] {
  return wanted === 'all' ? present : present.filter(one => wanted.includes(one.name))
}

function usable(present: readonly InterfaceFacts[], wanted: readonly string[] | 'all'): readonly InterfaceFacts[] {
  return selected(present, wanted).filter(one => one.carrier)
}

/** The positions of the advertisements that speak for an address of the pool. */
function advertisementsOf(
  { layer2Advertisements }: Surroundings['config'],
  pool: string | undefined,
  labels: Labels,
): readonly number[] {
  return layer2Advertisements.flatMap(({ pools, serviceSelectors }, index) => {
    if (pool === undefined || (pools.kind === 'named' && !pools.pools.has(pool))) return []
    return serviceSelectors.length === 0 || matchesAny(serviceSelectors, labels) ? [index] : []
  })
}

/** Advertisements of both kinds that speak for the pool, but not for this Service or this address; for layer 2, none does. */
function passersBy(
  { layer2Advertisements, bgpAdvertisements }: Surroundings['config'],
  { family }: Address,
  pool: string | undefined,
  labels: Labels,
): readonly PassingAdvertisement[] {
  if (pool === undefined) return []
  // Had their serviceSelectors let the Service pass, they would speak for it.
  const ofLayer2 = layer2Advertisements
    .filter(({ pools }) => pools.kind === 'all' || pools.pools.has(pool))
    .map(({ name }) => ({ kind: 'L2Advertisement', name, because: 'serviceSelectors' }) as const)
  const ofBGP = bgpAdvertisements.flatMap((advertisement): readonly PassingAdvertisement[] => {
    const because = speaksFor(advertisement, { pool, labels, family })
    if (because === 'yes' || because === 'ipAddressPools') return []
    return [{ kind: 'BGPAdvertisement', name: advertisement.name, because }]
  })
  return [...ofLayer2, ...ofBGP]
}

/** The distinct networks that the members' interfaces stand in. */
function networksOf(members: ReadonlyMap<string, Member>) {
  const texts = new Set<string>()
  for (const member of members.values()) {
    for (const { subnets } of member.facts.interfaces) for (const subnet of subnets) texts.add(subnet)
  }
  return [...texts].sort().flatMap(text => {
    const range = parseRange(text)
    return 'problem' in range ? [] : [{ text, range }]
  })
}
