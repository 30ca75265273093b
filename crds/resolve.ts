import type { Condition, ObjectKey } from '../kube/service.ts'
import type { BFDProfile, BGPPeer, Config, ConfigKind, ConfigProblem, ConfigProblemReason } from './config.ts'
import type { AddressConflict, ParsedConfig, ParsedResource, Resolution } from './parsed.ts'
import { resolveLayer2Advertisement } from './pool-selection.ts'
import { resolveBGPPeers, resolveCommunities } from './resolve-bgp.ts'
import { resolveBGPAdvertisements } from './resolve-bgp-advertisements.ts'
import { resolvePools } from './resolve-pools.ts'

/*
 * The rules between objects. Of two objects that cannot stand together the older one keeps its place, by
 * creationTimestamp and then by name, and the younger one gets the problem: so the outcome does not depend on the order
 * in which objects arrive. A problem costs no more than it must: whatever of an object is sound stays in use.
 */

/** What came of one object, and what its condition `Ready` should say. */
export interface ConfigVerdict {
  readonly kind: ConfigKind
  readonly key: ObjectKey
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly resourceVersion: string
  readonly generation: number
  /** The conditions that stand in its status now. */
  readonly conditions: readonly Condition[]
  /** In use exactly as written. */
  readonly ready: boolean
  readonly reason: ConfigProblemReason | 'Accepted'
  readonly message: string
}

export interface ResolvedConfig {
  readonly config: Config
  /** One for each object, in no particular order. */
  readonly verdicts: readonly ConfigVerdict[]
  /** The verdicts that are not ready. */
  readonly problems: readonly ConfigProblem[]
  /** The addresses that other stations had when it was last written down. */
  readonly conflicts: readonly AddressConflict[]
}

export interface ResolveOptions {
  /** Berth's own namespace: objects of other namespaces are set aside. Without it the namespace does not matter. */
  readonly namespace?: string
}

/** All objects together: the configuration to go by, and a verdict on each. */
export function resolveConfig(parsed: ParsedConfig, options: ResolveOptions = {}): ResolvedConfig {
  const strays: Resolution<never>[] = []
  const take = <T>(resources: Iterable<ParsedResource<T>> | undefined): readonly ParsedResource<T>[] => {
    const own: ParsedResource<T>[] = []
    for (const resource of resources ?? []) {
      if (options.namespace === undefined || resource.namespace === options.namespace) own.push(resource)
      else strays.push(stray(resource, options.namespace))
    }
    return own.sort(olderFirst)
  }
  // A store's values can be gone through once.
  const givenPools = [...(parsed.ipAddressPools ?? [])]
  const pools = resolvePools(take(givenPools))
  const communities = resolveCommunities(take(parsed.communities))
  const profiles = take(parsed.bfdProfiles).map(unchanged<BFDProfile>)
  const peers = resolveBGPPeers(take(parsed.bgpPeers), parsed.bfdProfiles && valuesOf(profiles))
  const peerNames = parsed.bgpPeers && new Set(peers.map(peer => peer.resource.name))
  const layer2 = take(parsed.l2Advertisements).map(advertisement => resolveLayer2Advertisement(advertisement, pools))
  const bgp = resolveBGPAdvertisements(take(parsed.bgpAdvertisements), {
    pools,
    peerNames,
    aliases: communities.aliases,
  })
  const verdicts = [...strays, ...pools, ...communities.resolutions, ...profiles, ...peers, ...layer2, ...bgp].map(
    verdictOn,
  )
  return {
    config: {
      pools: valuesOf(pools).sort(inOrderOfUse),
      layer2Advertisements: valuesOf(layer2),
      bgpAdvertisements: valuesOf(bgp),
      bgpPeers: valuesOf<BGPPeer>(peers),
      bfdProfiles: valuesOf(profiles),
    },
    verdicts,
    problems: verdicts.flatMap(problemOf),
    conflicts: givenPools.flatMap(({ conflicts }) => conflicts),
  }
}

/** By age; objects of one second by name, and of one name by namespace. */
function olderFirst(one: ParsedResource<unknown>, other: ParsedResource<unknown>): number {
  if (one.creationTimestampMs !== other.creationTimestampMs) return one.creationTimestampMs - other.creationTimestampMs
  return compareText(one.name, other.name) || compareText(one.namespace, other.namespace)
}

/** Lower priority first, 0 last, then by name. */
function inOrderOfUse(one: Config['pools'][number], other: Config['pools'][number]): number {
  const rank = (pool: typeof one): number => pool.serviceAllocation?.priority || Number.POSITIVE_INFINITY
  const [first, second] = [rank(one), rank(other)]
  return first === second ? compareText(one.name, other.name) : first - second
}

/** By code units, so that every machine sorts alike. */
function compareText(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}

function unchanged<T>(resource: ParsedResource<T>): Resolution<T> {
  return { resource, value: resource.value, problem: resource.problem }
}

function stray(resource: ParsedResource<unknown>, namespace: string): Resolution<never> {
  const message = `Berth reads its configuration in namespace "${namespace}" only; create this object there.`
  return { resource, value: undefined, problem: { reason: 'WrongNamespace', message } }
}

function valuesOf<T>(resolutions: readonly Resolution<T>[]): T[] {
  return resolutions.flatMap(({ value }) => (value === undefined ? [] : [value]))
}

function verdictOn({ resource, problem }: Resolution<unknown>): ConfigVerdict {
  const { kind, key, namespace, name, uid, resourceVersion, generation, conditions } = resource
  const said = problem ?? { reason: 'Accepted' as const, message: 'In use as written.' }
  return {
    kind,
    key,
    namespace,
    name,
    uid,
    resourceVersion,
    generation,
    conditions,
    ready: problem === undefined,
    reason: said.reason,
    message: said.message,
  }
}

function problemOf({ kind, name, reason, message }: ConfigVerdict): readonly ConfigProblem[] {
  return reason === 'Accepted' ? [] : [{ kind, name, reason, message }]
}
