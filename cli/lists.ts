import {
  parseBFDProfile,
  parseBGPAdvertisement,
  parseBGPPeer,
  parseCommunityResource,
  parseIPAddressPool,
  parseL2Advertisement,
} from '../crds/parse.ts'
import type { ParsedResource } from '../crds/parsed.ts'
import { apiVersion, configLists } from '../crds/resources.ts'
import { fieldOf, identityOf, textOf } from '../kube/json.ts'
import { parseLease } from '../kube/lease-record.ts'
import type { Lists } from './snapshot.ts'

/** The kinds that admins write, as parsed each on its own. */
export const configKinds = {
  IPAddressPool: { list: configLists.IPAddressPool, parse: parseIPAddressPool },
  L2Advertisement: { list: configLists.L2Advertisement, parse: parseL2Advertisement },
  BGPAdvertisement: { list: configLists.BGPAdvertisement, parse: parseBGPAdvertisement },
  BGPPeer: { list: configLists.BGPPeer, parse: parseBGPPeer },
  BFDProfile: { list: configLists.BFDProfile, parse: parseBFDProfile },
  Community: { list: configLists.Community, parse: parseCommunityResource },
} as const satisfies Readonly<
  Record<string, { list: keyof Lists; parse: (object: unknown) => ParsedResource<unknown> | undefined }>
>

/** Where an object of that API version and kind is listed; undefined = nowhere. */
export function listNameOf(object: unknown): keyof Lists | undefined {
  const version = textOf(fieldOf(object, 'apiVersion')) ?? ''
  const kind = textOf(fieldOf(object, 'kind')) ?? ''
  return listNames[`${version} ${kind}`]
}

const listNames: Readonly<Record<string, keyof Lists>> = {
  ...Object.fromEntries(Object.entries(configKinds).map(([kind, { list }]) => [`${apiVersion} ${kind}`, list])),
  [`${apiVersion} ServiceL2Status`]: 'layer2Records',
  [`${apiVersion} BGPSessionStatus`]: 'sessionRecords',
  'v1 Service': 'services',
  'v1 Node': 'nodes',
  'v1 Namespace': 'namespaces',
  'discovery.k8s.io/v1 EndpointSlice': 'endpointSlices',
  'coordination.k8s.io/v1 Lease': 'leases',
}

/** A cluster as manifests have it, such as `kubectl get … -o yaml` writes them. */
export interface DumpedCluster {
  readonly lists: Lists
  /** When it was written: the latest renewal of a Lease; undefined where there is none. */
  readonly takenAtMs: number | undefined
  /** What it does not hold, and what therefore cannot be told. */
  readonly unknown: readonly string[]
}

/** The objects of a dump as the API server would list them. Namespaces that only its other objects name are there too. */
export function dumpedCluster(objects: readonly unknown[], namespace: string): DumpedCluster {
  const found = Map.groupBy(objects, listNameOf)
  const all = (name: keyof Lists): readonly unknown[] => found.get(name) ?? []
  const named = new Set(all('namespaces').map(object => identityOf(object)?.name))
  const others = new Set([namespace, ...all('services').map(object => identityOf(object)?.namespace ?? '')])
  const implied = [...others].filter(name => name !== '' && !named.has(name))
  const leases = all('leases').filter(lease => identityOf(lease)?.namespace === namespace)
  const renewals = leases
    .map(lease => Date.parse(parseLease(lease)?.renewTime ?? ''))
    .filter(time => !Number.isNaN(time))
  return {
    lists: {
      services: all('services'),
      endpointSlices: all('endpointSlices'),
      nodes: all('nodes'),
      namespaces: [...all('namespaces'), ...implied.map(bareNamespace)],
      leases,
      ipAddressPools: all('ipAddressPools'),
      l2Advertisements: all('l2Advertisements'),
      bgpAdvertisements: all('bgpAdvertisements'),
      bgpPeers: all('bgpPeers'),
      bfdProfiles: all('bfdProfiles'),
      communities: all('communities'),
      layer2Records: all('layer2Records'),
      sessionRecords: all('sessionRecords'),
    },
    takenAtMs: renewals.length > 0 ? Math.max(...renewals) : undefined,
    unknown: missingKinds.filter(([name]) => all(name).length === 0).map(([, text]) => text),
  }
}

const missingKinds: readonly (readonly [keyof Lists, string])[] = [
  ['services', 'Services: there are none among the manifests, so none can be affected.'],
  ['namespaces', 'labels of namespaces: there is no Namespace among the manifests.'],
  ['nodes', 'who announces: there is no Node among the manifests.'],
  ['leases', 'who announces at layer 2: there is no Lease of a speaker among the manifests.'],
  ['endpointSlices', 'who announces: without EndpointSlices no Service has an endpoint.'],
]

/** Kubernetes gives every namespace its own name as a label. */
function bareNamespace(name: string): object {
  return { metadata: { name, labels: { 'kubernetes.io/metadata.name': name } } }
}
