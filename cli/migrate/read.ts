import { isNotFound } from '../../kube/api-error.ts'
import { fieldOf } from '../../kube/json.ts'
import type { Query, Transport } from '../../kube/transport.ts'
import { clusterTimeMs, listAll, listsFrom } from '../read.ts'
import type { Cluster } from './progress.ts'
import { sourceOf } from './source.ts'

/** A cluster in which MetalLB runs, and Berth may. */
export interface ClusterRead {
  /** All that is MetalLB's, each with its kind. */
  readonly metallb: readonly unknown[]
  readonly cluster: Cluster
}

/** Reads all that a migration is about. What is not installed is not there: neither program's kinds are missed. */
export async function readCluster(
  transport: Transport,
  { namespace, metallbNamespace }: { readonly namespace: string; readonly metallbNamespace: string | undefined },
): Promise<ClusterRead> {
  const list = (path: string, filter: Query = {}): Promise<readonly unknown[]> =>
    unlessMissing(listAll(transport, path, filter))
  const of = async (apiVersion: string, kind: string, path: string, filter?: Query): Promise<readonly unknown[]> =>
    (await list(path, filter)).map(object => ({ ...(object as object), apiVersion, kind }))
  const metallbKind = (kind: string, plural: string, version = 'v1beta1'): Promise<readonly unknown[]> =>
    of(`metallb.io/${version}`, kind, `/apis/metallb.io/${version}/${plural}`)
  const workloads = (kind: string, plural: string): Promise<readonly (readonly unknown[])[]> =>
    Promise.all(
      ['app=metallb', 'app.kubernetes.io/name=metallb'].map(labelSelector =>
        of('apps/v1', kind, `/apis/apps/v1/${plural}`, { labelSelector }),
      ),
    )
  const peers = metallbKind('BGPPeer', 'bgppeers', 'v1beta2')
  const found = await Promise.all([
    workloads('Deployment', 'deployments').then(lists => lists.flat()),
    workloads('DaemonSet', 'daemonsets').then(lists => lists.flat()),
    metallbKind('IPAddressPool', 'ipaddresspools'),
    metallbKind('AddressPool', 'addresspools'),
    metallbKind('L2Advertisement', 'l2advertisements'),
    metallbKind('BGPAdvertisement', 'bgpadvertisements'),
    peers.then(async list => (list.length > 0 ? list : await metallbKind('BGPPeer', 'bgppeers'))),
    metallbKind('BFDProfile', 'bfdprofiles'),
    metallbKind('Community', 'communities'),
    of('frrk8s.metallb.io/v1beta1', 'FRRConfiguration', '/apis/frrk8s.metallb.io/v1beta1/frrconfigurations'),
  ])
  const objects = found.flat()
  const where = sourceOf(objects, metallbNamespace).installation.namespace
  const maps = ['config', 'bgpextras', 'metallb-excludel2'].map(name =>
    unlessMissing(one(transport, `/api/v1/namespaces/${where}/configmaps/${name}`)),
  )
  const configMaps = (await Promise.all(maps)).flat().map(map => ({ ...(map as object), kind: 'ConfigMap' }))
  const [lists, announcers, deployments, takenAtMs] = await Promise.all([
    listsFrom(list, namespace),
    list('/apis/metallb.io/v1beta1/servicel2statuses'),
    list(`/apis/apps/v1/namespaces/${namespace}/deployments`),
    clusterTimeMs(transport),
  ])
  const berths = deployments.filter(object => {
    const labels = fieldOf(fieldOf(object, 'metadata'), 'labels')
    return fieldOf(labels, 'app.kubernetes.io/name') === 'berth'
  })
  const namespaces = lists.namespaces.map(object => ({ ...(object as object), kind: 'Namespace' }))
  return {
    metallb: [...objects, ...configMaps, ...namespaces],
    cluster: { lists, takenAtMs, announcers, deployments: berths },
  }
}

async function one(transport: Transport, path: string): Promise<readonly unknown[]> {
  return [await transport.request<unknown>({ method: 'GET', path })]
}

async function unlessMissing(read: Promise<readonly unknown[]>): Promise<readonly unknown[]> {
  try {
    return await read
  } catch (error) {
    if (isNotFound(error)) return []
    throw error
  }
}
