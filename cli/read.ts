import { resourcePath } from '../crds/resources.ts'
import { fieldOf, listOf, textOf } from '../kube/json.ts'
import type { Query, Transport } from '../kube/transport.ts'
import { type Lists, type Snapshot, snapshotOf } from './snapshot.ts'

// Large enough for few round trips, small enough not to weigh on the API server.
const pageSize = 1_000

/** The cluster's objects as the API server lists them, and its time then. */
export interface ListsRead {
  readonly lists: Lists
  readonly takenAtMs: number
}

/** Reads the cluster once, by lists. */
export async function readSnapshot(transport: Transport, namespace: string): Promise<Snapshot> {
  const { lists, takenAtMs } = await readLists(transport, namespace)
  return snapshotOf(lists, namespace, takenAtMs)
}

/** The lists that a snapshot is made of, and when. */
export async function readLists(transport: Transport, namespace: string): Promise<ListsRead> {
  const lists = await listsFrom(path => listAll(transport, path), namespace)
  return { lists, takenAtMs: await clusterTimeMs(transport) }
}

/** The lists that a snapshot is made of, as `list` reads each path. */
export async function listsFrom(
  list: (path: string) => Promise<readonly unknown[]>,
  namespace: string,
): Promise<Lists> {
  const configured = (kind: Parameters<typeof resourcePath>[0]) => list(resourcePath(kind, namespace))
  const requests: { readonly [Kind in keyof Lists]: Promise<readonly unknown[]> } = {
    ipAddressPools: configured('IPAddressPool'),
    l2Advertisements: configured('L2Advertisement'),
    bgpAdvertisements: configured('BGPAdvertisement'),
    bgpPeers: configured('BGPPeer'),
    bfdProfiles: configured('BFDProfile'),
    communities: configured('Community'),
    sessionRecords: configured('BGPSessionStatus'),
    layer2Records: list(resourcePath('ServiceL2Status')),
    leases: list(`/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`),
    services: list('/api/v1/services'),
    endpointSlices: list('/apis/discovery.k8s.io/v1/endpointslices'),
    nodes: list('/api/v1/nodes'),
    namespaces: list('/api/v1/namespaces'),
  }
  const entries = Object.entries(requests).map(async ([kind, objects]) => [kind, await objects] as const)
  return Object.fromEntries(await Promise.all(entries)) as unknown as Lists
}

/** All objects of a list, page by page. */
export async function listAll(transport: Transport, path: string, filter: Query = {}): Promise<readonly unknown[]> {
  const items: unknown[] = []
  let token: string | undefined
  do {
    const query = { ...filter, limit: pageSize, continue: token }
    const page: unknown = await transport.request({ method: 'GET', path, query })
    items.push(...listOf(fieldOf(page, 'items')))
    token = textOf(fieldOf(fieldOf(page, 'metadata'), 'continue')) || undefined
  } while (token !== undefined)
  return items
}

/**
 * Leases tell by the cluster's clocks when they were renewed, and the clock of the machine that kubectl runs on may be any.
 * The API server puts its own time on a review of who is asking, which everybody may ask for and which is stored nowhere.
 */
export async function clusterTimeMs(transport: Transport): Promise<number> {
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' }
  try {
    const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews'
    const review = await transport.request<unknown>({ method: 'POST', path, body })
    const atMs = Date.parse(textOf(fieldOf(fieldOf(review, 'metadata'), 'creationTimestamp')) ?? '')
    return Number.isNaN(atMs) ? Date.now() : atMs
  } catch {
    return Date.now()
  }
}
