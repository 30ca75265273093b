import { formatTime } from '../../kube/conditions.ts'
import { fieldOf, identityOf, textOf } from '../../kube/json.ts'
import type { Service } from '../../kube/service.ts'
import { recordGroup, recordNameOf, serviceRecordMetadata } from '../record-metadata.ts'

/*
 * A ServiceBGPStatus per node and Service that the node announces, in the Service's namespace and owned by it:
 *
 *     $ kubectl -n shop get servicebgpstatuses
 *     NAME                  NODE     SERVICE-NAMESPACE   SERVICE   PEERS                SINCE
 *     web-0f6c1b2e.node-1   node-1   shop                web       router-a, router-b   3d
 *
 * It says what the configuration leads to, not which sessions stand: otherwise one router that restarts would cost a
 * write for every Service on every node.
 */

/** What of a ServiceBGPStatus a speaker keeps in memory; each keeps only its own node's. */
export interface ServiceRecord {
  readonly key: string
  readonly uid: string
  readonly resourceVersion: string
  /** Names of BGPPeers, sorted and in one line; undefined before its first status is written. */
  readonly peers: string | undefined
}

/** The group, version, kind and plural. */
export const serviceApi = { ...recordGroup, kind: 'ServiceBGPStatus', plural: 'servicebgpstatuses' } as const

type Identity = Pick<Service, 'namespace' | 'name' | 'uid'>

/** A Service that is deleted and made again gets another record. */
export function serviceRecordName({ name, uid }: Pick<Service, 'name' | 'uid'>, node: string): string {
  return recordNameOf(`${name}-${uid.slice(0, 8)}.${node}`)
}

// Asked for every Service whenever a plan changes, always for the same node.
const keys = new WeakMap<Identity, { readonly node: string; readonly key: string }>()

/** Where a store keeps the record of a Service and a node. */
export function serviceRecordKey(service: Identity, node: string): string {
  const known = keys.get(service)
  if (known?.node === node) return known.key
  const key = `${service.namespace}/${serviceRecordName(service, node)}`
  keys.set(service, { node, key })
  return key
}

/** The ServiceBGPStatus that an object is, or undefined where it is none. Never throws. */
export function parseServiceRecord(object: unknown): ServiceRecord | undefined {
  const identity = identityOf(object)
  if (identity === undefined || identity.namespace === '') return undefined
  const { key, uid, resourceVersion } = identity
  return { key, uid, resourceVersion, peers: textOf(fieldOf(fieldOf(object, 'status'), 'peerList')) }
}

/** Peers as a record has them, to compare. */
export function peersInOneLine(peers: readonly string[]): string {
  return peers.join(', ')
}

/** The metadata of a record. */
export function serviceMetadata(service: Identity, node: string, installation: string): object {
  return { ...serviceRecordMetadata(service, node, installation), name: serviceRecordName(service, node) }
}

/** What stands in `status`. */
export function serviceStatusOf(service: Identity, node: string, peers: readonly string[], nowMs: number): object {
  return {
    node,
    serviceName: service.name,
    serviceNamespace: service.namespace,
    peers,
    peerList: peersInOneLine(peers),
    since: formatTime(new Date(nowMs)),
  }
}
