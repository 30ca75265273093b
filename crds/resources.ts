import type { Condition } from '../kube/service.ts'
import type { ConfigKind } from './config.ts'

/*
 * The objects as they arrive and as they are written: nothing is certain to be there. Only parse.ts and those who write
 * status know these shapes; the rest of Berth works with the values of config.ts.
 */

export const apiGroup = 'berth.dev'
export const apiVersion = 'berth.dev/v1beta1'

/** The plural of each kind, which is the last part of its path. */
export const plurals = {
  IPAddressPool: 'ipaddresspools',
  L2Advertisement: 'l2advertisements',
  BGPAdvertisement: 'bgpadvertisements',
  BGPPeer: 'bgppeers',
  BFDProfile: 'bfdprofiles',
  Community: 'communities',
  ServiceL2Status: 'servicel2statuses',
  ServiceBGPStatus: 'servicebgpstatuses',
  BGPSessionStatus: 'bgpsessionstatuses',
} as const

/** The API's path of all objects of a kind in a namespace, or in all namespaces. */
export function resourcePath(kind: keyof typeof plurals, namespace?: string): string {
  const scope = namespace === undefined ? '' : `/namespaces/${namespace}`
  return `/apis/${apiVersion}${scope}/${plurals[kind]}`
}

export interface Resource<Spec, Status = ResourceStatus> {
  readonly apiVersion?: string
  readonly kind?: string
  readonly metadata?: {
    readonly name?: string
    readonly namespace?: string
    readonly uid?: string
    readonly resourceVersion?: string
    readonly generation?: number
    readonly creationTimestamp?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }
  readonly spec?: Spec
  readonly status?: Status
}

export interface ResourceStatus {
  readonly conditions?: readonly Condition[]
}

export interface LabelSelectorResource {
  readonly matchLabels?: Readonly<Record<string, string>>
  readonly matchExpressions?: readonly {
    readonly key?: string
    readonly operator?: string
    readonly values?: readonly string[]
  }[]
}

export interface IPAddressPoolSpec {
  readonly addresses?: readonly string[]
  readonly autoAssign?: boolean
  readonly avoidBuggyIPs?: boolean
  readonly avoidConflicts?: boolean
  readonly serviceAllocation?: {
    readonly priority?: number
    readonly namespaces?: readonly string[]
    readonly namespaceSelectors?: readonly LabelSelectorResource[]
    readonly serviceSelectors?: readonly LabelSelectorResource[]
  }
}

/** An address of a pool that another station has. */
export interface PoolConflictResource {
  readonly address?: string
  readonly macAddress?: string
  readonly interface?: string
  /** RFC 3339. */
  readonly lastSeen?: string
}

export interface IPAddressPoolStatus extends ResourceStatus {
  readonly assigned?: string
  readonly available?: string
  readonly assignedIPv4?: number
  readonly assignedIPv6?: number
  readonly availableIPv4?: number
  readonly availableIPv6?: number
  readonly conflicting?: number
  readonly conflicts?: readonly PoolConflictResource[]
  readonly observedGeneration?: number
}

export interface L2AdvertisementSpec {
  readonly ipAddressPools?: readonly string[]
  readonly ipAddressPoolSelectors?: readonly LabelSelectorResource[]
  readonly nodeSelectors?: readonly LabelSelectorResource[]
  readonly interfaces?: readonly string[]
  readonly serviceSelectors?: readonly LabelSelectorResource[]
  readonly preferredNodeSelectors?: readonly {
    readonly weight?: number
    readonly preference?: LabelSelectorResource
  }[]
  readonly loadSharing?: string
}

export interface BGPAdvertisementSpec {
  readonly aggregationLength?: number
  readonly aggregationLengthV6?: number
  readonly localPref?: number
  readonly med?: number
  readonly asPathPrepend?: number
  readonly weightByEndpoints?: boolean
  readonly addressFamilies?: readonly string[]
  readonly communities?: readonly string[]
  readonly ipAddressPools?: readonly string[]
  readonly ipAddressPoolSelectors?: readonly LabelSelectorResource[]
  readonly nodeSelectors?: readonly LabelSelectorResource[]
  readonly peers?: readonly string[]
  readonly serviceSelectors?: readonly LabelSelectorResource[]
}

export interface BGPPeerSpec {
  readonly myASN?: number
  readonly peerASN?: number
  readonly dynamicASN?: string
  readonly localASN?: number
  readonly peerAddress?: string
  readonly interface?: string
  readonly sourceAddress?: string
  readonly peerPort?: number
  readonly holdTime?: string
  readonly keepaliveTime?: string
  readonly connectTime?: string
  readonly routerID?: string
  readonly nodeSelectors?: readonly LabelSelectorResource[]
  readonly password?: string
  readonly passwordSecret?: { readonly name?: string; readonly namespace?: string }
  readonly bfdProfile?: string
  readonly enableGracefulRestart?: boolean
  readonly ebgpMultiHop?: boolean
  readonly ttlSecurity?: boolean
  readonly passive?: boolean
  readonly vrf?: string
  readonly disableMP?: boolean
  readonly dualStackAddressFamily?: boolean
}

export interface BFDProfileSpec {
  readonly receiveInterval?: number
  readonly transmitInterval?: number
  readonly detectMultiplier?: number
  readonly echoInterval?: number
  readonly echoMode?: boolean
  readonly passiveMode?: boolean
  readonly minimumTtl?: number
}

export interface CommunitySpec {
  readonly communities?: readonly { readonly name?: string; readonly value?: string }[]
}

/** All objects that admins write, as a list request or a directory of files gives them. */
export interface ConfigResources {
  readonly ipAddressPools?: readonly Resource<IPAddressPoolSpec, IPAddressPoolStatus>[]
  readonly l2Advertisements?: readonly Resource<L2AdvertisementSpec>[]
  readonly bgpAdvertisements?: readonly Resource<BGPAdvertisementSpec>[]
  readonly bgpPeers?: readonly Resource<BGPPeerSpec>[]
  readonly bfdProfiles?: readonly Resource<BFDProfileSpec>[]
  readonly communities?: readonly Resource<CommunitySpec>[]
}

/** Under which name the objects of each kind stand there. */
export const configLists = {
  IPAddressPool: 'ipAddressPools',
  L2Advertisement: 'l2Advertisements',
  BGPAdvertisement: 'bgpAdvertisements',
  BGPPeer: 'bgpPeers',
  BFDProfile: 'bfdProfiles',
  Community: 'communities',
} as const satisfies Readonly<Record<ConfigKind, keyof ConfigResources>>
