/**
 * A small data centre on one machine: nodes and a client as network namespaces, joined by two networks.
 *
 *     client ─┐
 *     node-1 ─┼─ segment     192.0.2.0/24, 2001:db8:0:2::/64       eth0; where Services are announced
 *     node-2 ─┘
 *     node-1 ─┬─ management  198.51.100.0/24, 2001:db8:0:100::/64  eth1; the API server, and packets from pod to pod
 *     node-2 ─┘
 *
 * On each node runs a real kube-proxy against a real kube-apiserver. Pods are addresses on a node's loopback (10.244.N.0/24 and
 * fd00:10:244:N::/64) with a real server behind them, and stand in EndpointSlices that the lab writes. Every cable can be cut. Nothing of
 * it is in the machine's own network, and nothing outlives the process that made it (namespace.ts).
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { buildRawsock } from '../../speaker/rawsock/build.ts'
import { binary } from '../control-plane/binaries.ts'
import { type ControlPlane, type ControlPlaneOptions, startControlPlane } from '../control-plane/control-plane.ts'
import { type ApiRelay, startApiRelay } from './api-relay.ts'
import { createEndpoints, type Endpoint } from './endpoints.ts'
import { createWorld, partOf, type World } from './namespace.ts'
import {
  createClient,
  createNode,
  type KubeProxy,
  type LabHost,
  type LabNode,
  type Networks,
  registerNode,
  routePods,
  startKubeProxy,
} from './node.ts'
import { createSegment, type Segment } from './segment.ts'
import { whyNoLab } from './tools.ts'

export interface Lab extends AsyncDisposable {
  readonly nodes: readonly LabNode[]
  readonly client: LabHost
  readonly controlPlane: ControlPlane
  /** The segment itself, to attach more stations to. */
  readonly segment: Segment
  /** Where more namespaces are made. */
  readonly world: World
  /** The way of all nodes to the API server. */
  readonly apiRelay: ApiRelay
  /** Holds kubeconfigs and the logs of kube-proxy; gone after `stop`. */
  readonly directory: string
  /** A kubeconfig that works inside the nodes: over the management network. */
  readonly kubeconfig: (user?: string, options?: { groups?: readonly string[] }) => Promise<string>
  addNode(name: string): Promise<LabNode>
  /** Starts a server on the node and adds it to the Service's EndpointSlices; all ports of the Service lead to `port`. */
  readonly deployEndpoint: (service: string, node: LabNode, port: number) => Promise<Endpoint>
  /** Does something more when the lab stops, before all else. */
  readonly onStop: (undo: () => Promise<unknown>) => void
  readonly stop: () => Promise<void>
}

export interface LabOptions {
  readonly nodes: number
  readonly kubeProxyMode?: 'nftables' | 'iptables'
  /** One that runs already, which then is not stopped with the lab; or how to start one. */
  readonly controlPlane?: ControlPlane | ControlPlaneOptions
  /** Another cluster's, whose segment and client are this one's too; its nodes' numbers go on where those end. */
  readonly beside?: Lab
  readonly progress?: (line: string) => void
  /** How a machine becomes a node of the cluster; unless said otherwise it is simply said to be one. */
  readonly join?: (node: LabNode, way: JoinWay) => Promise<void>
  /** Gives the start up. */
  readonly signal?: AbortSignal
}

/** What there is before the first node. */
export interface JoinWay extends Pick<Lab, 'controlPlane' | 'directory' | 'kubeconfig'> {
  readonly management: Segment
}

/** Where the nodes find the API server. */
export const apiAddress = '198.51.100.1'
export const apiPort = 6443

/** Starts a lab: about a second more than its control plane. Fails with the reason where this machine can have none. */
export async function startLab(options: LabOptions): Promise<Lab> {
  const obstacle = await whyNoLab(options.progress)
  if (obstacle !== undefined) throw new Error(`No lab on this machine: ${obstacle}.`)
  const undo: (() => Promise<unknown>)[] = []
  let stopping: Promise<void> | undefined
  const stop = (): Promise<void> => {
    stopping ??= (async () => {
      while (undo.length > 0) await undo.pop()?.()
    })()
    return stopping
  }
  try {
    return await build(options, undo, stop)
  } catch (error) {
    await stop()
    throw error
  }
}

/** What is made goes on `undo`, the last first to go. */
async function build(options: LabOptions, undo: (() => Promise<unknown>)[], stop: Lab['stop']): Promise<Lab> {
  const { progress, signal, beside } = options
  await buildRawsock() // the endpoints speak SCTP by raw sockets
  const program = await binary('kube-proxy', { progress, signal })
  const controlPlane = await findControlPlane(options, undo)
  // Within the control plane's folder, which its guard removes however this process ends.
  const directory = await mkdtemp(join(controlPlane.directory, 'lab-'))
  undo.push(() => rm(directory, { recursive: true, force: true }))

  progress?.(`Starting ${options.nodes} nodes and a client as network namespaces`)
  const world = await (beside ? partOf(beside.world) : createWorld())
  undo.push(() => world.end())
  const segment = beside?.segment ?? (await createSegment(world))
  const management = await createSegment(world, [`${apiAddress}/24`, '2001:db8:0:100::1/64'])
  const apiRelay = await startApiRelay(management.namespace, apiAddress, apiPort, new URL(controlPlane.url))
  undo.push(() => apiRelay.stop())

  const client = beside?.client ?? (await createClient(await world.createNamespace(), segment))
  const kubeconfig = insideKubeconfigs(controlPlane, directory)
  const kubeProxy: KubeProxy = {
    program,
    kubeconfig: await kubeconfig('system:kube-proxy'),
    mode: options.kubeProxyMode ?? 'nftables',
    logDirectory: directory,
  }
  const nodes: LabNode[] = []
  const others = beside?.nodes.length ?? 0
  const way = { controlPlane, directory, kubeconfig, management }
  const admit = options.join ?? (async (node: LabNode) => await registerNode(controlPlane, node))
  const addNode = nodeAdder(nodes, others, world, node => admit(node, way), { segment, management }, kubeProxy)
  for (let ordinal = others + 1; ordinal <= others + options.nodes; ordinal++) {
    signal?.throwIfAborted()
    await addNode(`node-${ordinal}`)
  }
  return {
    nodes,
    client,
    controlPlane,
    segment,
    world,
    apiRelay,
    directory,
    kubeconfig,
    addNode,
    deployEndpoint: createEndpoints(controlPlane).deploy,
    onStop: more => void undo.push(more),
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

async function findControlPlane(options: LabOptions, undo: (() => Promise<unknown>)[]): Promise<ControlPlane> {
  const { progress, signal, controlPlane: given } = options
  if (given !== undefined && 'kubectl' in given) return given
  const started = await startControlPlane({
    ...(progress ? { progress } : {}),
    ...(signal ? { signal } : {}),
    ...given,
  })
  undo.push(() => started.stop())
  return started
}

function nodeAdder(
  nodes: LabNode[],
  others: number,
  world: World,
  join: (node: LabNode) => Promise<void>,
  networks: Networks,
  kubeProxy: KubeProxy,
): Lab['addNode'] {
  return async name => {
    const node = await createNode(await world.createNamespace(), name, others + nodes.length + 1, networks, kubeProxy)
    for (const other of nodes) await routePods(node, other)
    await join(node)
    startKubeProxy(node, kubeProxy)
    nodes.push(node)
    return node
  }
}

function insideKubeconfigs(controlPlane: ControlPlane, directory: string): Lab['kubeconfig'] {
  let written = 0
  return async (user = 'admin', more = {}) => {
    const path = await controlPlane.kubeconfig(user, { server: `https://${apiAddress}:${apiPort}`, ...more })
    const config = parse(await readFile(path, 'utf8')) as { clusters: { cluster: Record<string, string> }[] }
    // The server really listens on the loopback out here, and its certificate says so.
    for (const { cluster } of config.clusters) cluster['tls-server-name'] = 'localhost'
    const inside = join(directory, `${user.replaceAll(/[^\w.-]/g, '-')}-${++written}.kubeconfig`)
    await writeFile(inside, stringify(config), { mode: 0o600 })
    return inside
  }
}
