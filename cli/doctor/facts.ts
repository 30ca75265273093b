import type { Picture } from '../picture.ts'

/** What could be read, or why it could not. */
export type Known<T> = { readonly known: true; readonly value: T } | { readonly known: false; readonly why: string }

/** A cluster as the doctor sees it: all that the diagnosis goes by. */
export interface Facts {
  readonly picture: Picture
  /** The program's own version. */
  readonly version: string
  /** Such as `v1.36.3`. */
  readonly serverVersion: Known<string>
  readonly crds: Known<readonly CRDFacts[]>
  /** DaemonSets and Deployments of the whole cluster, and Pods of kube-system that nobody owns but a node. */
  readonly workloads: Known<readonly Workload[]>
  /** Names of CiliumLoadBalancerIPPools. */
  readonly ciliumPools: Known<readonly string[]>
  readonly kubeProxy: Known<KubeProxy>
  readonly nodes: readonly NodeFacts[]
  readonly serviceCIDRs: Known<readonly string[]>
  /** By the name of the node, the speakers that its speaker watches and does not hear. */
  readonly missedSpeakers: Known<ReadonlyMap<string, number>>
  /** The level that Pod Security holds the pods of Berth's namespace to; undefined = none. */
  readonly podSecurity: string | undefined
  readonly leases: readonly LeaseClock[]
}

/** A kind that is installed. */
export interface CRDFacts {
  /** `ipaddresspools.berth.dev`. */
  readonly name: string
  readonly versions: readonly string[]
  /** The fields of its `spec`, by their paths, such as `serviceAllocation.priority`; lists count as what is in them. */
  readonly specFields: readonly string[]
  readonly version: string | undefined
}

/** Something that runs programs. */
export interface Workload {
  readonly kind: 'DaemonSet' | 'Deployment' | 'Pod'
  readonly namespace: string
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly images: readonly string[]
  readonly args: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  readonly capabilities: readonly string[]
  readonly privileged: boolean
  readonly hostNetwork: boolean
  readonly tolerations: readonly Toleration[]
  readonly desired: number
  readonly ready: number
}

export interface Toleration {
  readonly key: string | undefined
  readonly operator: string
  readonly value: string | undefined
  readonly effect: string | undefined
}

/** How kube-proxy is configured, and where that stands. */
export interface KubeProxy {
  /** `iptables`, `ipvs`, `nftables`; empty = its default. */
  readonly mode: string
  readonly strictARP: boolean
  readonly from: string
}

export interface NodeFacts {
  readonly name: string
  readonly podCIDRs: readonly string[]
  /** `v1.34.1+k3s1`. */
  readonly kubeletVersion: string
  readonly isControlPlane: boolean
  /** As their YAML has them. */
  readonly taints: readonly Taint[]
}

export interface Taint {
  readonly key: string
  readonly value: string | undefined
  readonly effect: string
}

/** When a Lease was renewed by its holder's clock, and by the API server's. */
export interface LeaseClock {
  readonly holder: string
  readonly writtenMs: number
  readonly receivedMs: number
}
