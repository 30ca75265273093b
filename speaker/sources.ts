import type { Logger } from 'pino'
import type { Config } from '../crds/config.ts'
import {
  parseBFDProfile,
  parseBGPAdvertisement,
  parseBGPPeer,
  parseCommunityResource,
  parseIPAddressPool,
  parseL2Advertisement,
} from '../crds/parse.ts'
import type {
  ParsedBFDProfile,
  ParsedBGPAdvertisement,
  ParsedBGPPeer,
  ParsedCommunity,
  ParsedIPAddressPool,
  ParsedL2Advertisement,
  ParsedResource,
} from '../crds/parsed.ts'
import { resolveConfig } from '../crds/resolve.ts'
import { type plurals, resourcePath } from '../crds/resources.ts'
import { type KubeNode, parseNode } from '../kube/node.ts'
import { type EndpointSliceFacts, parseEndpointSlice, parseService, type Service } from '../kube/service.ts'
import { createStore, type Store, type Stored } from '../kube/store.ts'
import type { Task } from '../kube/task.ts'
import type { Transport } from '../kube/transport.ts'
import { type WatchHealth, type WatchOptions, watchResource } from '../kube/watch.ts'
import { parseSpeakerLease, type SpeakerLease, speakerLeaseLabel, speakerLeaseLabelValue } from './layer2/facts.ts'
import { type OwnershipRecord, parseRecord } from './layer2/record.ts'
import { installationLabel, labelValueOf, nodeLabel } from './record-metadata.ts'
import { parseServiceRecord, type ServiceRecord } from './routing/service-record.ts'
import { parseSessionRecord, type SessionRecord } from './routing/session-record.ts'

/**
 * Who must not decide anything before the first list of a resource: both parts of the speaker, one of them, or none,
 * since what is only a record of the past is not worth waiting for.
 */
export type NeededBy = 'both' | 'layer2' | 'routing' | 'nobody'

/** A watch with its name, for metrics and readiness. */
export interface NamedWatch {
  readonly resource: string
  readonly neededBy: NeededBy
  readonly hasSynced: () => boolean
  readonly task: Task & { readonly health: () => WatchHealth }
}

/** Everything that the speaker knows of the cluster: narrow values, since every node holds all of it. */
export interface Sources {
  readonly services: Store<Service>
  readonly slices: Store<EndpointSliceFacts>
  readonly nodes: Store<KubeNode>
  readonly leases: Store<SpeakerLease>
  readonly records: Store<OwnershipRecord>
  readonly pools: Store<ParsedIPAddressPool>
  readonly advertisements: Store<ParsedL2Advertisement>
  readonly bgpAdvertisements: Store<ParsedBGPAdvertisement>
  readonly bgpPeers: Store<ParsedBGPPeer>
  readonly bfdProfiles: Store<ParsedBFDProfile>
  readonly communities: Store<ParsedCommunity>
  /** Of all nodes: whose sessions stand. */
  readonly sessionRecords: Store<SessionRecord>
  /** Of this node. */
  readonly serviceRecords: Store<ServiceRecord>
  /** What admins wrote, by the same rules between objects as the controller's conditions; the same object until it changes. */
  config(): Config
  /** Calls the listener when what admins wrote has changed; the status of an object is not theirs. */
  subscribeConfig(listener: () => void): void
  readonly watches: readonly NamedWatch[]
}

// Speakers that come back after an outage must soon agree again; a hundred of them, a watch each per two seconds or so,
// are little to an API server.
const backoff = { minMs: 200, maxMs: 5_000 }

/** The stores and the watches that fill them; nothing runs yet. */
export function createSources(options: {
  readonly transport: Transport
  readonly namespace: string
  readonly node: string
  readonly leaseDurationMs: number
  readonly log: Logger
}): Sources {
  const { transport, namespace, log } = options
  const watches: NamedWatch[] = []
  const configListeners = new Set<() => void>()
  let config: Config | undefined

  function source<T extends Stored>(
    path: string,
    neededBy: NeededBy,
    parse: (object: unknown) => T | undefined,
    more: Partial<WatchOptions<T>> = {},
  ): Store<T> {
    const store = createStore<T>()
    const resource = path.split('/').at(-1) ?? path
    const task = watchResource({ transport, path, parse, store, backoff, log, ...more })
    watches.push({ resource, neededBy, task, hasSynced: () => store.hasSynced })
    return store
  }

  function configured<T extends ParsedResource<unknown>>(
    kind: keyof typeof plurals,
    neededBy: NeededBy,
    parse: (object: unknown) => T | undefined,
  ): Store<T> {
    const store = source(resourcePath(kind, namespace), neededBy, parse)
    store.subscribe(({ before, after }) => {
      if (before && after && isSameConfig(before, after)) return
      config = undefined
      for (const listener of configListeners) listener()
    })
    return store
  }

  const stores = {
    services: source('/api/v1/services', 'both', parseService, { fieldSelector: 'spec.type=LoadBalancer' }),
    slices: source('/apis/discovery.k8s.io/v1/endpointslices', 'both', parseCompactSlice(), {
      // Services without a cluster IP are no LoadBalancers.
      labelSelector: 'kubernetes.io/service-name,!service.kubernetes.io/headless',
    }),
    nodes: source('/api/v1/nodes', 'both', parseNode),
    leases: source(`/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`, 'layer2', parseSpeakerLease, {
      labelSelector: `${speakerLeaseLabel}=${speakerLeaseLabelValue}`,
      // Our own renewals come through this watch: where none does, it is dead long before any bookmark is missed.
      silenceMs: options.leaseDurationMs * 1.5,
      backoff: { minMs: 200, maxMs: 1_000 },
    }),
    records: source(resourcePath('ServiceL2Status'), 'layer2', parseRecord, {
      labelSelector: `${installationLabel}=${namespace}`,
    }),
    pools: configured('IPAddressPool', 'both', parseIPAddressPool),
    advertisements: configured('L2Advertisement', 'layer2', parseL2Advertisement),
    bgpAdvertisements: configured('BGPAdvertisement', 'routing', parseBGPAdvertisement),
    bgpPeers: configured('BGPPeer', 'routing', parseBGPPeer),
    bfdProfiles: configured('BFDProfile', 'routing', parseBFDProfile),
    communities: configured('Community', 'routing', parseCommunityResource),
    sessionRecords: source(resourcePath('BGPSessionStatus', namespace), 'nobody', parseSessionRecord, {
      labelSelector: `${installationLabel}=${namespace}`,
    }),
    serviceRecords: source(resourcePath('ServiceBGPStatus'), 'nobody', parseServiceRecord, {
      labelSelector: `${installationLabel}=${namespace},${nodeLabel}=${labelValueOf(options.node)}`,
    }),
  }

  return {
    ...stores,
    watches,
    config() {
      config ??= resolveConfig(
        {
          ipAddressPools: stores.pools.values(),
          l2Advertisements: stores.advertisements.values(),
          bgpAdvertisements: stores.bgpAdvertisements.values(),
          bgpPeers: stores.bgpPeers.values(),
          bfdProfiles: stores.bfdProfiles.values(),
          communities: stores.communities.values(),
        },
        { namespace },
      ).config
      return config
    },
    subscribeConfig: listener => void configListeners.add(listener),
  }
}

/** Labels count, since advertisements select pools by them. */
function isSameConfig(before: ParsedResource<unknown>, after: ParsedResource<unknown>): boolean {
  return before.generation === after.generation && JSON.stringify(before.labels) === JSON.stringify(after.labels)
}

/** Parses slices so that the names of nodes, which stand in every endpoint, are in memory once. */
function parseCompactSlice(): (object: unknown) => EndpointSliceFacts | undefined {
  const names = new Map<string, string>()
  const once = (name: string): string => {
    const known = names.get(name)
    if (known !== undefined) return known
    names.set(name, name)
    return name
  }
  return object => {
    const slice = parseEndpointSlice(object)
    if (!slice) return undefined
    return {
      ...slice,
      usable: slice.usable.map(({ id, node }) => ({ id, node: node === undefined ? node : once(node) })),
    }
  }
}
