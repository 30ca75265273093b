import {
  parseBFDProfile,
  parseBGPAdvertisement,
  parseBGPPeer,
  parseCommunityResource,
  parseIPAddressPool,
  parseL2Advertisement,
} from '../crds/parse.ts'
import { type ResolvedConfig, resolveConfig } from '../crds/resolve.ts'
import type { Labels } from '../crds/selector.ts'
import { fieldOf, textOf } from '../kube/json.ts'
import { type LeaseFacts, parseLease } from '../kube/lease-record.ts'
import { parseNamespace } from '../kube/namespace.ts'
import { type KubeNode, parseNode } from '../kube/node.ts'
import { type EndpointSliceFacts, parseEndpointSlice, parseService, type Service } from '../kube/service.ts'
import { parseSpeakerLease, type SpeakerLease } from '../speaker/layer2/facts.ts'
import { type OwnershipRecord, parseRecord } from '../speaker/layer2/record.ts'
import { parseSession, type Session } from './session.ts'

/** What the API server lists, kind by kind, as it arrives. */
export interface Lists {
  readonly services: readonly unknown[]
  readonly endpointSlices: readonly unknown[]
  readonly nodes: readonly unknown[]
  readonly namespaces: readonly unknown[]
  /** Those of Berth's namespace. */
  readonly leases: readonly unknown[]
  readonly ipAddressPools: readonly unknown[]
  readonly l2Advertisements: readonly unknown[]
  readonly bgpAdvertisements: readonly unknown[]
  readonly bgpPeers: readonly unknown[]
  readonly bfdProfiles: readonly unknown[]
  readonly communities: readonly unknown[]
  readonly layer2Records: readonly unknown[]
  readonly sessionRecords: readonly unknown[]
}

/** The cluster at one moment, parsed as both programs parse it. */
export interface Snapshot {
  /** Berth's namespace. */
  readonly namespace: string
  /** The cluster's time when it was taken. */
  readonly takenAtMs: number
  readonly services: ReadonlyMap<string, Service>
  readonly slices: readonly EndpointSliceFacts[]
  readonly nodes: ReadonlyMap<string, KubeNode>
  readonly labelsByNamespace: ReadonlyMap<string, Labels>
  /** The Lease by which replicas of the controller agree who leads. */
  readonly controllerLease: LeaseFacts | undefined
  readonly speakers: readonly SpeakerSeen[]
  readonly resolved: ResolvedConfig
  /** By their keys. */
  readonly records: ReadonlyMap<string, OwnershipRecord>
  /** Since when a record's node announces, by the record's key; as it is written there. */
  readonly announcedSince: ReadonlyMap<string, string>
  readonly sessions: readonly Session[]
}

/** A speaker's Lease, and when it was renewed. */
export interface SpeakerSeen {
  readonly lease: SpeakerLease
  readonly renewTime: string
}

/** The name of the controller's Lease. */
export const controllerLeaseName = 'berth-controller'

/** Lists, parsed. Never throws: what cannot be read is left out, as the programs leave it out. */
export function snapshotOf(lists: Lists, namespace: string, takenAtMs: number): Snapshot {
  const parsed = {
    ipAddressPools: all(lists.ipAddressPools, parseIPAddressPool),
    l2Advertisements: all(lists.l2Advertisements, parseL2Advertisement),
    bgpAdvertisements: all(lists.bgpAdvertisements, parseBGPAdvertisement),
    bgpPeers: all(lists.bgpPeers, parseBGPPeer),
    bfdProfiles: all(lists.bfdProfiles, parseBFDProfile),
    communities: all(lists.communities, parseCommunityResource),
  }
  const records = all(lists.layer2Records, object => {
    const record = parseRecord(object)
    return record && { record, since: textOf(fieldOf(fieldOf(object, 'status'), 'since')) }
  })
  return {
    namespace,
    takenAtMs,
    services: byKey(all(lists.services, parseService)),
    slices: all(lists.endpointSlices, parseEndpointSlice),
    nodes: byKey(all(lists.nodes, parseNode)),
    labelsByNamespace: new Map(all(lists.namespaces, parseNamespace).map(({ name, labels }) => [name, labels])),
    controllerLease: all(lists.leases, parseLease).find(({ name }) => name === controllerLeaseName),
    speakers: all(lists.leases, object => {
      const lease = parseSpeakerLease(object)
      return lease && { lease, renewTime: parseLease(object)?.renewTime ?? '' }
    }),
    resolved: resolveConfig(parsed, { namespace }),
    records: byKey(records.map(({ record }) => record)),
    announcedSince: new Map(records.flatMap(({ record, since }) => (since ? [[record.key, since]] : []))),
    sessions: all(lists.sessionRecords, parseSession),
  }
}

function all<T>(objects: readonly unknown[], parse: (object: unknown) => T | undefined): readonly T[] {
  return objects.map(parse).filter(value => value !== undefined)
}

function byKey<T extends { readonly key: string }>(values: readonly T[]): ReadonlyMap<string, T> {
  return new Map(values.map(value => [value.key, value]))
}
