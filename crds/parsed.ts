import type { Condition, ObjectKey } from '../kube/service.ts'
import type { Address } from '../net/address.ts'
import type {
  BFDProfile,
  BGPAdvertisement,
  BGPCommunity,
  BGPPeer,
  ConfigKind,
  ConfigProblemReason,
  IPAddressPool,
  Layer2Advertisement,
} from './config.ts'
import type { LabelSelector, Labels } from './selector.ts'

/**
 * One object of the configuration, read on its own. Stores keep this and not the wire object.
 * `value` without `problem`: fine. `value` with `problem`: in use, but not as written. `problem` alone: set aside.
 */
export interface ParsedResource<T> {
  readonly kind: ConfigKind
  readonly key: ObjectKey
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly resourceVersion: string
  readonly generation: number
  readonly creationTimestampMs: number
  readonly labels: Labels
  /** `status.conditions` as they stand, so that a writer can tell whether there is anything to write. */
  readonly conditions: readonly Condition[]
  readonly value: T | undefined
  readonly problem: ResourceProblem | undefined
}

/** What is wrong with one object, and what to write instead. */
export interface ResourceProblem {
  readonly reason: ConfigProblemReason
  readonly message: string
}

/** Another station has an address of a pool. */
export interface AddressConflict {
  readonly address: Address
  readonly mac: string
  /** Where it was heard. */
  readonly interface: string
  /** When last, in milliseconds since the epoch. */
  readonly seenAtMs: number
}

/** The pools that an advertisement names and selects; with neither it means all of them. */
export interface PoolReferences {
  readonly names: readonly string[]
  readonly selectors: readonly LabelSelector[]
}

/** A community as an advertisement writes it: as a value, or by the alias that some Community object gives it. */
export type CommunityReference =
  | { readonly kind: 'value'; readonly community: BGPCommunity }
  | { readonly kind: 'alias'; readonly name: string }

export interface CommunityAlias {
  readonly name: string
  readonly community: BGPCommunity
}

/** An L2Advertisement whose references to pools are not looked up yet. */
export type UnresolvedLayer2Advertisement = Omit<Layer2Advertisement, 'pools'> & { readonly pools: PoolReferences }

/** A BGPAdvertisement whose references to pools and communities are not looked up yet. */
export type UnresolvedBGPAdvertisement = Omit<BGPAdvertisement, 'pools' | 'communities'> & {
  readonly pools: PoolReferences
  readonly communities: readonly CommunityReference[]
}

/** An IPAddressPool, and which of its addresses its status says other stations have. */
export interface ParsedIPAddressPool extends ParsedResource<IPAddressPool> {
  readonly conflicts: readonly AddressConflict[]
}
export type ParsedL2Advertisement = ParsedResource<UnresolvedLayer2Advertisement>
export type ParsedBGPAdvertisement = ParsedResource<UnresolvedBGPAdvertisement>
export type ParsedBGPPeer = ParsedResource<BGPPeer>
export type ParsedBFDProfile = ParsedResource<BFDProfile>
export type ParsedCommunity = ParsedResource<readonly CommunityAlias[]>

/** All objects of the configuration; a kind that is not watched may be left out, and counts as empty. */
export interface ParsedConfig {
  readonly ipAddressPools?: Iterable<ParsedIPAddressPool> | undefined
  readonly l2Advertisements?: Iterable<ParsedL2Advertisement> | undefined
  readonly bgpAdvertisements?: Iterable<ParsedBGPAdvertisement> | undefined
  readonly bgpPeers?: Iterable<ParsedBGPPeer> | undefined
  readonly bfdProfiles?: Iterable<ParsedBFDProfile> | undefined
  readonly communities?: Iterable<ParsedCommunity> | undefined
}

/** An object after the rules between objects: what of it is used, and what is wrong with it. */
export interface Resolution<T, Parsed = unknown> {
  readonly resource: ParsedResource<Parsed>
  readonly value: T | undefined
  readonly problem: ResourceProblem | undefined
}

export type ResolvedPool = Resolution<IPAddressPool, IPAddressPool>
