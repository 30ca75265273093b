import type { Logger } from 'pino'
import { parseSession } from '../cli/session.ts'
import { type LeaseSeen, parseLeaseSeen, parseRecordSeen, type Snapshot, snapshotFrom } from '../cli/snapshot.ts'
import {
  parseBFDProfile,
  parseBGPAdvertisement,
  parseBGPPeer,
  parseCommunityResource,
  parseIPAddressPool,
  parseL2Advertisement,
} from '../crds/parse.ts'
import { resourcePath } from '../crds/resources.ts'
import { identityOf } from '../kube/json.ts'
import { parseNamespace } from '../kube/namespace.ts'
import { parseNode } from '../kube/node.ts'
import { parseEndpointSlice, parseService } from '../kube/service.ts'
import { createStore, type Store, type Stored, type StoreWriter } from '../kube/store.ts'
import type { Transport } from '../kube/transport.ts'
import { type Task, type WatchHealth, watchResource } from '../kube/watch.ts'
import { createEventLog, type EventLog, parseEvent } from './event-log.ts'

/** The cluster as the page watches it, while somebody looks. */
export interface ClusterWatch {
  /** Everything as it is known now; the time is the cluster's. */
  snapshot(takenAtMs: number): Snapshot
  readonly events: EventLog
  /** Resolves when everything has been listed once. */
  readonly ready: Promise<unknown>
  /** What is not known yet, or not any more: paths with the last error. */
  trouble(): readonly string[]
  run(signal: AbortSignal): Promise<void>
}

export interface ClusterWatchOptions {
  readonly transport: Transport
  readonly namespace: string
  readonly log: Logger
  /** Something that people can see has changed. */
  readonly onChange: () => void
}

/** A parsed value under the name of its object. */
interface Kept<T> extends Stored {
  readonly value: T
}

/*
 * The controller's own stores would not do: a standby keeps none, a leader keeps no endpoints, nodes, Leases and records,
 * and `kubectl port-forward` picks any replica.
 */
export function watchCluster({ transport, namespace, log, onChange }: ClusterWatchOptions): ClusterWatch {
  const tasks: (Task & { readonly health: () => WatchHealth })[] = []

  function start<T extends Stored>(
    store: Store<T> & StoreWriter<T>,
    path: string,
    parse: (object: unknown) => T | undefined,
    isNews: (before: T, after: T) => boolean = () => true,
    fieldSelector?: string,
  ): void {
    store.subscribe(({ before, after }) => {
      if (!before || !after || isNews(before, after)) onChange()
    })
    tasks.push(watchResource({ transport, path, parse, store, log, ...(fieldSelector ? { fieldSelector } : {}) }))
  }

  function watch<T>(
    path: string,
    parse: (object: unknown) => T | undefined,
    isNews?: (before: T, after: T) => boolean,
  ): () => Iterable<T> {
    const store = createStore<Kept<T>>()
    const keep = (object: unknown): Kept<T> | undefined => {
      const identity = identityOf(object)
      const value = parse(object)
      return identity && value !== undefined ? { ...identity, value } : undefined
    }
    start(store, path, keep, isNews && ((before, after) => isNews(before.value, after.value)))
    return () => Array.from(store.values(), ({ value }) => value)
  }

  const configured = (kind: Parameters<typeof resourcePath>[0]): string => resourcePath(kind, namespace)
  const ipAddressPools = watch(configured('IPAddressPool'), parseIPAddressPool)
  const l2Advertisements = watch(configured('L2Advertisement'), parseL2Advertisement)
  const bgpAdvertisements = watch(configured('BGPAdvertisement'), parseBGPAdvertisement)
  const bgpPeers = watch(configured('BGPPeer'), parseBGPPeer)
  const bfdProfiles = watch(configured('BFDProfile'), parseBFDProfile)
  const communities = watch(configured('Community'), parseCommunityResource)
  const sessions = watch(configured('BGPSessionStatus'), parseSession)
  const records = watch(resourcePath('ServiceL2Status'), parseRecordSeen)
  const leases = watch(`/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`, parseLeaseSeen, saysMore)
  const services = watch('/api/v1/services', parseLoadBalancer)
  const slices = watch('/apis/discovery.k8s.io/v1/endpointslices', parseEndpointSlice)
  // A kubelet writes its Node every few minutes; what is left after parsing hardly ever changes.
  const nodes = watch('/api/v1/nodes', parseNode, (before, after) => !isSameBut(before, after, ['resourceVersion']))
  const namespaces = watch('/api/v1/namespaces', parseNamespace)
  const events = createEventLog()
  for (const [program, store] of Object.entries(events.stores)) {
    start(store, '/api/v1/events', parseEvent, undefined, `reportingComponent=berth-${program}`)
  }

  return {
    snapshot: takenAtMs =>
      snapshotFrom(
        {
          services: services(),
          slices: slices(),
          nodes: nodes(),
          namespaces: namespaces(),
          leases: leases(),
          config: {
            ipAddressPools: ipAddressPools(),
            l2Advertisements: l2Advertisements(),
            bgpAdvertisements: bgpAdvertisements(),
            bgpPeers: bgpPeers(),
            bfdProfiles: bfdProfiles(),
            communities: communities(),
          },
          records: records(),
          sessions: sessions(),
        },
        namespace,
        takenAtMs,
      ),
    events,
    ready: Promise.all(tasks.map(task => task.ready)),
    trouble: () =>
      tasks.flatMap(task => {
        const { lastError, failuresInARow, lastHeardMs } = task.health()
        return lastHeardMs === undefined || failuresInARow > 0 ? [`${task.name}: ${lastError ?? 'not listed yet'}`] : []
      }),
    async run(signal) {
      await Promise.all(tasks.map(task => task.run(signal)))
    },
  }
}

/** Nobody sees the others, which are most of a cluster's; their memory is better spent. */
function parseLoadBalancer(object: unknown): ReturnType<typeof parseService> {
  const service = parseService(object)
  return service?.type === 'LoadBalancer' ? service : undefined
}

/** A Lease that is only renewed is no news: that it is not, the clock tells. */
function saysMore(before: LeaseSeen, after: LeaseSeen): boolean {
  return (
    before.facts.holderIdentity !== after.facts.holderIdentity ||
    before.speaker?.factsText !== after.speaker?.factsText ||
    before.facts.leaseDurationSeconds !== after.facts.leaseDurationSeconds
  )
}

function isSameBut<T extends object>(one: T, other: T, ignored: readonly (keyof T & string)[]): boolean {
  const replacer = (key: string, value: unknown): unknown => (ignored.includes(key as keyof T & string) ? 0 : value)
  return JSON.stringify(one, replacer) === JSON.stringify(other, replacer)
}
