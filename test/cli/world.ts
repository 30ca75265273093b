import { type Lists, type Snapshot, snapshotOf } from '../../cli/snapshot.ts'

/*
 * Clusters for tests of the command line: objects as the API server would list them, everything as usual but for what the
 * test is about. Three nodes with speakers, a controller that leads, a pool, and the Service shop/web.
 */

/** When all of it was looked at. */
export const nowMs = Date.parse('2026-11-23T12:00:00Z')
export const namespace = 'berth-system'

export function secondsAgo(seconds: number): string {
  return new Date(nowMs - seconds * 1000).toISOString()
}

/** The usual lists, with these in place of theirs. */
export function lists(changed: Partial<Lists> = {}): Lists {
  return {
    services: [service('web')],
    endpointSlices: [slice('web', 'node-1', 'node-2')],
    nodes: ['node-1', 'node-2', 'node-3'].map(name => node(name)),
    namespaces: [named(namespace), named('shop'), named('default')],
    leases: [controllerLease(), ...['node-1', 'node-2', 'node-3'].map(name => speakerLease(name))],
    ipAddressPools: [pool('public', ['192.0.2.0/24'])],
    l2Advertisements: [config('L2Advertisement', 'all', {})],
    bgpAdvertisements: [],
    bgpPeers: [],
    bfdProfiles: [],
    communities: [],
    layer2Records: [],
    sessionRecords: [],
    ...changed,
  }
}

/** A snapshot of the usual cluster but for these. */
export function world(changed: Partial<Lists> = {}): Snapshot {
  return snapshotOf(lists(changed), namespace, nowMs)
}

interface ServiceChanges {
  readonly spec?: object
  readonly annotations?: object
  readonly labels?: object
  /** Addresses in its status. */
  readonly ingress?: readonly string[]
  readonly conditions?: readonly object[]
}

export function service(name: string, changes: ServiceChanges = {}): object {
  const { spec, annotations, labels, ingress, conditions } = changes
  const metadata = {
    name,
    namespace: 'shop',
    uid: `${name}-uid-0000`,
    resourceVersion: '1',
    creationTimestamp: secondsAgo(3600),
    annotations,
    labels,
  }
  return {
    metadata,
    spec: {
      type: 'LoadBalancer',
      clusterIP: '10.0.0.1',
      clusterIPs: ['10.0.0.1'],
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
      selector: { app: name },
      ports: [{ port: 80, protocol: 'TCP' }],
      ...spec,
    },
    status: { loadBalancer: { ingress: ingress?.map(ip => ({ ip })) }, conditions },
  }
}

export function slice(service: string, ...nodes: readonly string[]): object {
  return {
    metadata: { name: `${service}-1`, namespace: 'shop', labels: { 'kubernetes.io/service-name': service } },
    endpoints: nodes.map(nodeName => ({
      addresses: [`10.1.0.${nodeName.at(-1)}`],
      nodeName,
      conditions: { ready: true },
    })),
  }
}

export function node(name: string, labels: object = {}, conditions: readonly object[] = []): object {
  return { metadata: { name, uid: `${name}-uid`, labels }, status: { conditions } }
}

export function named(name: string, labels: object = {}): object {
  return { metadata: { name, labels } }
}

/** An object of Berth's configuration. */
export function config(kind: string, name: string, spec: object, metadata: object = {}): object {
  return {
    apiVersion: 'berth.dev/v1beta1',
    kind,
    metadata: { name, namespace, uid: `${kind}-${name}`, ...metadata },
    spec,
  }
}

export function pool(name: string, addresses: readonly string[], spec: object = {}): object {
  return config('IPAddressPool', name, { addresses, ...spec })
}

export function controllerLease(renewTime: string = secondsAgo(1)): object {
  const spec = { holderIdentity: 'controller-0', leaseDurationSeconds: 15, renewTime, acquireTime: secondsAgo(600) }
  return { metadata: { name: 'berth-controller', namespace, uid: 'lease' }, spec }
}

export function speakerLease(node: string, facts: object = {}, renewTime: string = secondsAgo(2)): object {
  const interfaces = [{ name: 'eth0', mac: `02:00:00:00:00:0${node.at(-1)}`, carrier: true, subnets: ['192.0.2.0/24'] }]
  const text = JSON.stringify({ node, run: `${node}-run`, leaving: false, interfaces, ...facts })
  return {
    metadata: {
      name: `speaker-${node}`,
      namespace,
      uid: `speaker-${node}`,
      labels: { 'berth.dev/lease': 'speaker' },
      annotations: { 'berth.dev/speaker-facts': text },
    },
    spec: { holderIdentity: node, leaseDurationSeconds: 10, renewTime },
  }
}

/** The record by which a node has a Service. */
export function record(service: string, node: string, address: string, claim: object = {}): object {
  return {
    metadata: {
      name: `${service}-${`${service}-uid-0000`.slice(0, 8)}`,
      namespace: 'shop',
      annotations: { 'berth.dev/claim': JSON.stringify({ node, because: 'first', ...claim }) },
    },
    status: { node, addresses: [address], interfaces: [{ name: 'eth0' }], since: secondsAgo(300) },
  }
}

/** The record by which these nodes have a Service, each a part of its clients; one of them speaks for all. */
export function sharedRecord(service: string, node: string, address: string, sharers: readonly string[]): object {
  const { metadata, status } = record(service, node, address) as { metadata: object; status: object }
  return { metadata, status: { ...status, sharers } }
}

export function session(node: string, peer: string, status: object = {}): object {
  return {
    metadata: { name: `${node}.${peer}`, namespace },
    status: {
      node,
      peer,
      remote: '198.51.100.1',
      state: 'Established',
      since: secondsAgo(7200),
      established: 1,
      peerASN: 64513,
      localAddress: '198.51.100.11',
      prefixesSent: { ipv4: 12, ipv6: 0, total: 12 },
      prefixesReceived: { ipv4: 1, ipv6: 0, total: 1 },
      ...status,
    },
  }
}

export const bgpPeer = config('BGPPeer', 'r1', { myASN: 64512, peerASN: 64513, peerAddress: '198.51.100.1' })
export const bgpAdvertisement = config('BGPAdvertisement', 'all', {})

export function condition(type: string, status: 'True' | 'False', reason: string, message: string): object {
  return { type, status, reason, message, lastTransitionTime: secondsAgo(300) }
}
