import type { BGPAdvertisement, BGPPeer, Config } from '../../crds/config.ts'
import type { Service } from '../../kube/service.ts'
import type { Address, IpFamily } from '../../net/address.ts'
import type { NodeFacts } from '../advertisements.ts'
import { poolFinder } from '../pool-finder.ts'
import { type Audience, audienceOf, peersWith } from './audience.ts'
import { speaksFor } from './speaks-for.ts'
import { type RouteTerms, termsOf } from './terms.ts'

/** What a survey is made of. */
export interface RoutingSurroundings {
  readonly config: Pick<Config, 'pools' | 'bgpAdvertisements' | 'bgpPeers'>
  readonly nodes: ReadonlyMap<string, NodeFacts>
}

/** An address and the advertisements that speak for it, at least one: their positions in the configuration, ascending. */
export interface Claim {
  readonly address: Address
  readonly indexes: readonly number[]
}

/** What can be said of nodes, peers and advertisements whatever the endpoints are; each thing is worked out once, when first asked for. */
export interface Overview {
  /** Sorted. */
  readonly nodes: readonly string[]
  readonly advertisements: readonly BGPAdvertisement[]
  readonly hasPeers: boolean
  peersOf(node: string): readonly BGPPeer[]
  /** By the positions of the advertisements; empty where the node is not known. */
  audiencesOf(node: string, family: IpFamily): readonly Audience[]
  /** What advertisements, given by their positions in any order, say together. */
  termsOf(indexes: Iterable<number>): RouteTerms
  /** Their names, sorted. */
  namesOf(indexes: Iterable<number>): readonly string[]
  /** The addresses of the Service that any advertisement speaks for. */
  claimsOf(service: Service): readonly Claim[]
}

export function overviewOf({ config, nodes }: RoutingSurroundings): Overview {
  const { bgpAdvertisements: advertisements, bgpPeers } = config
  const poolOf = poolFinder(config.pools)
  const claims = new WeakMap<Service, readonly Claim[]>()
  const peersOf = remembering((node: string) => {
    const facts = nodes.get(node)
    return facts ? peersWith(bgpPeers, facts) : []
  })
  const lookOver =
    (family: IpFamily) =>
    (node: string): readonly Audience[] => {
      const facts = nodes.get(node)
      return facts ? advertisements.map(one => audienceOf(one, family, facts, peersOf(node))) : []
    }
  const audiences = { IPv4: remembering(lookOver('IPv4')), IPv6: remembering(lookOver('IPv6')) }
  const terms = remembering((id: string) => termsOf(chosen(id)))
  const names = remembering((id: string) =>
    chosen(id)
      .map(({ name }) => name)
      .sort(),
  )

  function chosen(id: string): readonly BGPAdvertisement[] {
    return id.split(',').flatMap(index => advertisements[Number(index)] ?? [])
  }

  function makeClaims({ type, beingDeleted, ingress, labels }: Service): readonly Claim[] {
    if (type !== 'LoadBalancer' || beingDeleted) return []
    return ingress.flatMap((one): readonly Claim[] => {
      const pool = one.kind === 'address' ? poolOf(one.address) : undefined
      if (one.kind !== 'address' || pool === undefined) return []
      const { address } = one
      const subject = { pool, labels, family: address.family }
      const indexes = advertisements.flatMap((one, index) => (speaksFor(one, subject) === 'yes' ? [index] : []))
      return indexes.length === 0 ? [] : [{ address, indexes }]
    })
  }

  return {
    nodes: [...nodes.keys()].sort(),
    advertisements,
    hasPeers: bgpPeers.length > 0,
    peersOf,
    audiencesOf: (node, family) => audiences[family](node),
    termsOf: indexes => terms(idOf(indexes)),
    namesOf: indexes => names(idOf(indexes)),
    claimsOf(service) {
      const known = claims.get(service)
      if (known) return known
      const made = makeClaims(service)
      claims.set(service, made)
      return made
    },
  }
}

function idOf(indexes: Iterable<number>): string {
  return [...indexes].sort((one, other) => one - other).join()
}

/** A function that is asked the same few things over and over, and answers each with the same object. */
export function remembering<T>(make: (key: string) => T): (key: string) => T {
  const known = new Map<string, T>()
  return key => {
    const before = known.get(key)
    if (before !== undefined) return before
    const made = make(key)
    known.set(key, made)
    return made
  }
}
