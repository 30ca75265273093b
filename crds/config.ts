import type { IpFamily } from '../net/address.ts'
import type { AddressRange } from '../net/range.ts'
import type { LabelSelector } from './selector.ts'

/** All of Berth's configuration that is valid on its own and together with the rest; what is not stands in `ConfigProblem`s. */
export interface Config {
  /** In the order in which the allocator tries them: priority (lower first, 0 or unset last), then name. */
  readonly pools: readonly IPAddressPool[]
  readonly layer2Advertisements: readonly Layer2Advertisement[]
  readonly bgpAdvertisements: readonly BGPAdvertisement[]
  readonly bgpPeers: readonly BGPPeer[]
  readonly bfdProfiles: readonly BFDProfile[]
}

/** The kinds that admins write. */
export type ConfigKind =
  | 'IPAddressPool'
  | 'L2Advertisement'
  | 'BGPAdvertisement'
  | 'BGPPeer'
  | 'BFDProfile'
  | 'Community'

/** Why one object is not in use as written; becomes its condition `Ready=False` with this reason and message. */
export interface ConfigProblem {
  readonly kind: ConfigKind
  readonly name: string
  /** CamelCase, for the condition's `reason`. */
  readonly reason: ConfigProblemReason
  /** What is wrong, where, and what to write instead. */
  readonly message: string
}

export type ConfigProblemReason =
  | 'Invalid'
  | 'WrongNamespace'
  | 'OverlappingPool'
  | 'UnknownPool'
  | 'UnknownPeer'
  | 'UnknownCommunity'
  | 'UnknownBFDProfile'
  | 'DuplicatePeer'
  | 'UnguardedPort'
  | 'DuplicateCommunity'
  | 'AggregationTooShort'
  | 'ConflictingLocalPref'
  | 'ConflictingMED'
  | 'ConflictingASPathPrepend'
  | 'NoAddressOfFamily'
  | 'EchoModeUnsupported'

/** Addresses that Berth may hand out, and to whom. */
export interface IPAddressPool {
  readonly name: string
  /** In listed order, which is the order of use. Never overlapping, neither here nor with another pool. */
  readonly ranges: readonly AddressRange[]
  readonly labels: Readonly<Record<string, string>>
  readonly autoAssign: boolean
  /** Never use IPv4 addresses that end in .0 or .255. */
  readonly avoidBuggyIPs: boolean
  /** Replace an address that was never announced where another station turns out to have it. */
  readonly avoidConflicts: boolean
  /** Who may use the pool; undefined = every Service. */
  readonly serviceAllocation: ServiceAllocation | undefined
}

/** A namespace must be named or selected (where either is given), and a Service must match a serviceSelector (where any is given). */
export interface ServiceAllocation {
  /** Lower is tried first; 0 = last. */
  readonly priority: number
  readonly namespaces: readonly string[]
  readonly namespaceSelectors: readonly LabelSelector[]
  readonly serviceSelectors: readonly LabelSelector[]
}

/** Which pools an advertisement speaks for. */
export type PoolSelection = { readonly kind: 'all' } | { readonly kind: 'named'; readonly pools: ReadonlySet<string> }

export interface Layer2Advertisement {
  readonly name: string
  readonly pools: PoolSelection
  /** Nodes that may announce; empty = all. */
  readonly nodeSelectors: readonly LabelSelector[]
  /** Names of interfaces to announce on; empty = all. */
  readonly interfaces: readonly string[]
  /** Services that are announced; empty = all of the pools'. */
  readonly serviceSelectors: readonly LabelSelector[]
  readonly preferredNodeSelectors: readonly { readonly weight: number; readonly preference: LabelSelector }[]
  /** Whether several nodes answer for each address, every client always the same one. */
  readonly loadSharing: 'none' | 'perClient'
}

export interface BGPAdvertisement {
  readonly name: string
  readonly pools: PoolSelection
  readonly aggregationLength: Readonly<Record<IpFamily, number>>
  readonly localPref: number | undefined
  /** MULTI_EXIT_DISC; undefined = the routes have none. */
  readonly multiExitDisc: number | undefined
  /** How many times more than once the AS stands in the path that other ASes get. */
  readonly asPathPrepend: number
  /** Whether routes carry the number of the node's endpoints as their bandwidth. */
  readonly weightByEndpoints: boolean
  /** Families of addresses that are announced; never empty. */
  readonly addressFamilies: readonly IpFamily[]
  readonly communities: readonly BGPCommunity[]
  readonly nodeSelectors: readonly LabelSelector[]
  readonly serviceSelectors: readonly LabelSelector[]
  /** Names of BGPPeers; empty = all. */
  readonly peers: readonly string[]
}

/** A community as it goes on the wire: RFC 1997 (two 16-bit halves) or RFC 8092 (three 32-bit parts). */
export type BGPCommunity =
  | { readonly kind: 'standard'; readonly high: number; readonly low: number }
  | { readonly kind: 'large'; readonly globalAdministrator: number; readonly data1: number; readonly data2: number }

export interface BGPPeer {
  readonly name: string
  readonly myASN: number
  readonly peerASN: number | 'internal' | 'external'
  readonly localASN: number | undefined
  readonly peerAddress:
    | { readonly kind: 'address'; readonly address: string }
    | { readonly kind: 'interface'; readonly interface: string }
  readonly peerPort: number
  readonly sourceAddress: string | undefined
  readonly holdTimeSeconds: number | undefined
  readonly keepaliveTimeSeconds: number | undefined
  readonly connectTimeSeconds: number | undefined
  readonly routerID: string | undefined
  readonly nodeSelectors: readonly LabelSelector[]
  readonly password: string | undefined
  readonly passwordSecretName: string | undefined
  readonly bfdProfile: string | undefined
  readonly enableGracefulRestart: boolean
  readonly ebgpMultiHop: boolean
  /** GTSM, RFC 5082: only packets of which no router has taken a hop are taken. */
  readonly ttlSecurity: boolean
  /** Whether the peer is waited for instead of dialled. */
  readonly passive: boolean
  readonly vrf: string | undefined
  readonly dualStackAddressFamily: boolean
}

export interface BFDProfile {
  readonly name: string
  readonly receiveIntervalMs: number
  readonly transmitIntervalMs: number
  readonly detectMultiplier: number
  readonly echoIntervalMs: number
  readonly echoMode: boolean
  readonly passiveMode: boolean
  readonly minimumTtl: number
}
