import {
  parseBFDProfile,
  parseBGPAdvertisement,
  parseBGPPeer,
  parseCommunityResource,
  parseIPAddressPool,
  parseL2Advertisement,
} from '../crds/parse.ts'
import type { ParsedConfig } from '../crds/parsed.ts'
import { type ResolvedConfig, resolveConfig } from '../crds/resolve.ts'
import type { Labels } from '../crds/selector.ts'
import { fieldOf, textOf } from '../kube/json.ts'
import { type LeaseFacts, parseLease } from '../kube/lease-record.ts'
import { type KubeNamespace, parseNamespace } from '../kube/namespace.ts'
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

/** What was listed or watched, kind by kind, parsed. */
export interface Contents {
  readonly services: Iterable<Service>
  readonly slices: Iterable<EndpointSliceFacts>
  readonly nodes: Iterable<KubeNode>
  readonly namespaces: Iterable<KubeNamespace>
  /** Those of Berth's namespace. */
  readonly leases: Iterable<LeaseSeen>
  readonly config: ParsedConfig
  readonly records: Iterable<RecordSeen>
  readonly sessions: Iterable<Session>
}

/** A Lease of Berth's namespace: the controller's, a speaker's, or somebody else's. */
export interface LeaseSeen {
  readonly facts: LeaseFacts
  readonly speaker: SpeakerLease | undefined
}

/** A ServiceL2Status, and since when its node announces, as it is written there. */
export interface RecordSeen {
  readonly record: OwnershipRecord
  readonly since: string | undefined
}

/** The Lease that an object is, as Berth reads it. */
export function parseLeaseSeen(object: unknown): LeaseSeen | undefined {
  const facts = parseLease(object)
  return facts && { facts, speaker: parseSpeakerLease(object) }
}

/** The ServiceL2Status that an object is. */
export function parseRecordSeen(object: unknown): RecordSeen | undefined {
  const record = parseRecord(object)
  return record && { record, since: textOf(fieldOf(fieldOf(object, 'status'), 'since')) || undefined }
}

/** Lists, parsed. Never throws: what cannot be read is left out, as the programs leave it out. */
export function snapshotOf(lists: Lists, namespace: string, takenAtMs: number): Snapshot {
  const contents: Contents = {
    services: all(lists.services, parseService),
    slices: all(lists.endpointSlices, parseEndpointSlice),
    nodes: all(lists.nodes, parseNode),
    namespaces: all(lists.namespaces, parseNamespace),
    leases: all(lists.leases, parseLeaseSeen),
    config: {
      ipAddressPools: all(lists.ipAddressPools, parseIPAddressPool),
      l2Advertisements: all(lists.l2Advertisements, parseL2Advertisement),
      bgpAdvertisements: all(lists.bgpAdvertisements, parseBGPAdvertisement),
      bgpPeers: all(lists.bgpPeers, parseBGPPeer),
      bfdProfiles: all(lists.bfdProfiles, parseBFDProfile),
      communities: all(lists.communities, parseCommunityResource),
    },
    records: all(lists.layer2Records, parseRecordSeen),
    sessions: all(lists.sessionRecords, parseSession),
  }
  return snapshotFrom(contents, namespace, takenAtMs)
}

/** The cluster that these are. */
export function snapshotFrom(contents: Contents, namespace: string, takenAtMs: number): Snapshot {
  const leases = [...contents.leases]
  const records = [...contents.records]
  return {
    namespace,
    takenAtMs,
    services: byKey(contents.services),
    slices: [...contents.slices],
    nodes: byKey(contents.nodes),
    labelsByNamespace: new Map(Array.from(contents.namespaces, ({ name, labels }) => [name, labels])),
    controllerLease: leases.find(({ facts }) => facts.name === controllerLeaseName)?.facts,
    speakers: leases.flatMap(({ facts, speaker }) => (speaker ? [{ lease: speaker, renewTime: facts.renewTime }] : [])),
    resolved: resolveConfig(contents.config, { namespace }),
    records: byKey(records.map(({ record }) => record)),
    announcedSince: new Map(records.flatMap(({ record, since }) => (since ? [[record.key, since]] : []))),
    sessions: [...contents.sessions],
  }
}

function all<T>(objects: readonly unknown[], parse: (object: unknown) => T | undefined): readonly T[] {
  return objects.map(parse).filter(value => value !== undefined)
}

function byKey<T extends { readonly key: string }>(values: Iterable<T>): ReadonlyMap<string, T> {
  return new Map(Array.from(values, value => [value.key, value]))
}
