import type { Logger } from 'pino'
import { parseIPAddressPool, parseL2Advertisement } from '../crds/parse.ts'
import type { ParsedIPAddressPool, ParsedL2Advertisement } from '../crds/parsed.ts'
import { type KubeNode, parseNode } from '../kube/node.ts'
import { type EndpointSliceFacts, parseEndpointSlice, parseService, type Service } from '../kube/service.ts'
import { createStore, type Store, type Stored } from '../kube/store.ts'
import type { Task } from '../kube/task.ts'
import type { Transport } from '../kube/transport.ts'
import { type WatchHealth, type WatchOptions, watchResource } from '../kube/watch.ts'
import { parseSpeakerLease, type SpeakerLease, speakerLeaseLabel, speakerLeaseLabelValue } from './layer2/facts.ts'
import { type OwnershipRecord, parseRecord, recordApi } from './layer2/record.ts'
import { installationLabel } from './record-metadata.ts'

/** A watch with its name, for metrics and readiness. */
export interface NamedWatch {
  readonly resource: string
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
  readonly watches: readonly NamedWatch[]
}

// Speakers that come back after an outage must soon agree again; a hundred of them, a watch each per two seconds or so,
// are little to an API server.
const backoff = { minMs: 200, maxMs: 5_000 }

/** The stores and the watches that fill them; nothing runs yet. */
export function createSources(options: {
  readonly transport: Transport
  readonly namespace: string
  readonly leaseDurationMs: number
  readonly log: Logger
}): Sources {
  const { transport, namespace, log } = options
  const watches: NamedWatch[] = []
  function source<T extends Stored>(
    path: string,
    parse: (object: unknown) => T | undefined,
    more: Partial<WatchOptions<T>> = {},
  ): Store<T> {
    const store = createStore<T>()
    const resource = path.split('/').at(-1) ?? path
    const task = watchResource({ transport, path, parse, store, backoff, log, ...more })
    watches.push({ resource, task, hasSynced: () => store.hasSynced })
    return store
  }
  const configuration = `/apis/${recordApi.group}/${recordApi.version}/namespaces/${namespace}`
  return {
    services: source('/api/v1/services', parseService, { fieldSelector: 'spec.type=LoadBalancer' }),
    slices: source('/apis/discovery.k8s.io/v1/endpointslices', parseCompactSlice(), {
      // Services without a cluster IP are no LoadBalancers.
      labelSelector: 'kubernetes.io/service-name,!service.kubernetes.io/headless',
    }),
    nodes: source('/api/v1/nodes', parseNode),
    leases: source(`/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`, parseSpeakerLease, {
      labelSelector: `${speakerLeaseLabel}=${speakerLeaseLabelValue}`,
      // Our own renewals come through this watch: where none does, it is dead long before any bookmark is missed.
      silenceMs: options.leaseDurationMs * 1.5,
      backoff: { minMs: 200, maxMs: 1_000 },
    }),
    records: source(`/apis/${recordApi.group}/${recordApi.version}/${recordApi.plural}`, parseRecord, {
      labelSelector: `${installationLabel}=${namespace}`,
    }),
    pools: source(`${configuration}/ipaddresspools`, parseIPAddressPool),
    advertisements: source(`${configuration}/l2advertisements`, parseL2Advertisement),
    watches,
  }
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
