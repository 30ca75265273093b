import { ApiError, isNotFound } from '../../kube/api-error.ts'
import { fieldOf, identityOf, listOf, numberOf, textOf, textsOf } from '../../kube/json.ts'
import type { Transport } from '../../kube/transport.ts'
import { version } from '../../program/version.ts'
import { pictureOf } from '../picture.ts'
import { listAll, readLists } from '../read.ts'
import { snapshotOf } from '../snapshot.ts'
import type { Facts, Known, KubeProxy, Workload } from './facts.ts'
import { flagOf } from './others.ts'
import {
  kubeProxyConfigurationIn,
  parseCRD,
  parseKubeProxy,
  parseLeaseClock,
  parseMissed,
  parseNodeFacts,
  parseWorkload,
} from './parse.ts'
import { ownWorkloads } from './programs.ts'

const enforceLabel = 'pod-security.kubernetes.io/enforce'
// A few tell how all are; of a thousand nodes nobody waits for each.
const nodesAsked = 3
const speakersAsked = 50

/** Reads all that the doctor wants to know; what may not or cannot be read is a fact as well. */
export async function readFacts(
  transport: Transport,
  options: { readonly namespace: string; readonly loadBalancerClass: string | undefined },
): Promise<Facts> {
  const { namespace } = options
  const [{ lists, takenAtMs }, serverVersion, crds, workloads, serviceCIDRs, ciliumPools] = await Promise.all([
    readLists(transport, namespace),
    known(async () => textOf(fieldOf(await get(transport, '/version'), 'gitVersion')) ?? ''),
    known(() => parsed(transport, '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', parseCRD)),
    known(() => readWorkloads(transport)),
    known(() => readServiceCIDRs(transport)),
    known(() => readCiliumPools(transport)),
  ])
  const snapshot = snapshotOf(lists, namespace, takenAtMs)
  const own = workloads.known ? ownWorkloads(workloads.value, namespace) : []
  const loadBalancerClass =
    options.loadBalancerClass ??
    flagOf(
      own.flatMap(({ args }) => args),
      'load-balancer-class',
    )
  const nodes = lists.nodes.flatMap(node => parseNodeFacts(node) ?? [])
  return {
    picture: pictureOf(snapshot, loadBalancerClass),
    version,
    serverVersion,
    crds,
    workloads,
    serviceCIDRs,
    ciliumPools,
    kubeProxy: await readKubeProxy(
      transport,
      nodes.map(({ name }) => name),
    ),
    nodes,
    missedSpeakers: await known(() => readMissed(transport, namespace)),
    podSecurity: podSecurityOf(lists.namespaces, namespace),
    leases: lists.leases.flatMap(lease => parseLeaseClock(lease) ?? []),
  }
}

/** The value, or why there is none. */
async function known<T>(read: () => Promise<T>): Promise<Known<T>> {
  try {
    return { known: true, value: await read() }
  } catch (error) {
    return { known: false, why: whyNot(error) }
  }
}

function whyNot(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (!(error instanceof ApiError)) return error.message
  const [first = ''] = error.message.split('\n')
  return error.status === 403 ? `you may not read it (${first})` : first
}

function get(transport: Transport, path: string): Promise<unknown> {
  return transport.request({ method: 'GET', path })
}

async function parsed<T>(
  transport: Transport,
  path: string,
  parse: (object: unknown) => T | undefined,
): Promise<readonly T[]> {
  return (await listAll(transport, path)).flatMap(object => parse(object) ?? [])
}

async function readWorkloads(transport: Transport): Promise<readonly Workload[]> {
  const [daemonSets, deployments, pods] = await Promise.all([
    parsed(transport, '/apis/apps/v1/daemonsets', object => parseWorkload('DaemonSet', object)),
    parsed(transport, '/apis/apps/v1/deployments', object => parseWorkload('Deployment', object)),
    listAll(transport, '/api/v1/namespaces/kube-system/pods'),
  ])
  const isStatic = (pod: unknown): boolean =>
    listOf(fieldOf(fieldOf(pod, 'metadata'), 'ownerReferences')).every(owner => fieldOf(owner, 'kind') === 'Node')
  return [...daemonSets, ...deployments, ...pods.filter(isStatic).flatMap(pod => parseWorkload('Pod', pod) ?? [])]
}

/** Names of CiliumLoadBalancerIPPools; none where no version of the kind is served. */
async function readCiliumPools(transport: Transport): Promise<readonly string[]> {
  for (const version of ['v2', 'v2alpha1']) {
    try {
      const pools = await listAll(transport, `/apis/cilium.io/${version}/ciliumloadbalancerippools`)
      return pools.flatMap(pool => identityOf(pool)?.name ?? [])
    } catch (error) {
      if (!isNotFound(error)) throw error
    }
  }
  return []
}

/** The kind is there from Kubernetes 1.33 on. */
async function readServiceCIDRs(transport: Transport): Promise<readonly string[]> {
  try {
    const items = await listAll(transport, '/apis/networking.k8s.io/v1/servicecidrs')
    return items
      .flatMap(item => listOf(fieldOf(fieldOf(item, 'spec'), 'cidrs')))
      .filter(text => typeof text === 'string')
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 404) throw error
    throw new Error('this version of Kubernetes does not tell (ServiceCIDR)', { cause: error })
  }
}

/** From the ConfigMap that kubeadm writes; else from a node's kube-proxy itself, where the API server can reach it. */
async function readKubeProxy(transport: Transport, nodes: readonly string[]): Promise<Known<KubeProxy>> {
  const path = '/api/v1/namespaces/kube-system/configmaps/kube-proxy'
  const fromMap = await known(async () => {
    const configuration = kubeProxyConfigurationIn(textsOf(fieldOf(await get(transport, path), 'data')))
    if (configuration === undefined) throw new Error('ConfigMap kube-system/kube-proxy has no KubeProxyConfiguration')
    return parseKubeProxy(configuration, 'ConfigMap kube-system/kube-proxy')
  })
  if (fromMap.known) return fromMap
  for (const node of nodes.slice(0, nodesAsked)) {
    const answer = await known(async () => {
      const configz = await transport.request<unknown>({
        method: 'GET',
        path: `/api/v1/nodes/http:${node}:10249/proxy/configz`,
        timeoutMs: 3_000,
      })
      const configuration = fieldOf(configz, 'kubeproxy.config.k8s.io')
      if (configuration === undefined) throw new Error(`kube-proxy of ${node} says nothing of its configuration`)
      return parseKubeProxy(configuration, `kube-proxy of ${node}`)
    })
    if (answer.known) return answer
  }
  return { known: false, why: `${fromMap.why}; and no kube-proxy could be asked` }
}

/** Asks each speaker's metrics, by way of the API server. */
async function readMissed(transport: Transport, namespace: string): Promise<ReadonlyMap<string, number>> {
  const selector = 'app.kubernetes.io/name=berth,app.kubernetes.io/component=speaker'
  const pods = await listAll(transport, `/api/v1/namespaces/${namespace}/pods`, { labelSelector: selector })
  const missed = new Map<string, number>()
  let problem = 'no pod of the namespace has the labels of the chart’s speakers'
  await Promise.all(
    pods.slice(0, speakersAsked).map(async pod => {
      const name = identityOf(pod)?.name ?? ''
      const spec = fieldOf(pod, 'spec')
      const ports = listOf(fieldOf(spec, 'containers')).flatMap(one => listOf(fieldOf(one, 'ports')))
      const port =
        numberOf(
          fieldOf(
            ports.find(one => fieldOf(one, 'name') === 'metrics'),
            'containerPort',
          ),
        ) ?? 7473
      const path = `/api/v1/namespaces/${namespace}/pods/${name}:${port}/proxy/metrics`
      try {
        const text = await transport.request<string>({ method: 'GET', path, asText: true, timeoutMs: 5_000 })
        const count = parseMissed(text)
        if (count !== undefined) missed.set(textOf(fieldOf(spec, 'nodeName')) ?? name, count)
      } catch (error) {
        problem = `no speaker’s metrics could be read: ${whyNot(error)}`
      }
    }),
  )
  if (missed.size === 0) throw new Error(problem)
  return missed
}

function podSecurityOf(namespaces: readonly unknown[], name: string): string | undefined {
  const own = namespaces.find(one => identityOf(one)?.name === name)
  return textsOf(fieldOf(fieldOf(own, 'metadata'), 'labels'))[enforceLabel]
}
