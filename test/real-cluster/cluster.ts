/**
 * A real Kubernetes on one machine: the lab (lab/lab.ts), in which each machine runs a real containerd, runc and kubelet
 * beside its kube-proxy. Pods are real ones, started by nobody but Kubernetes. There is no registry: the images are given.
 */

import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { binary } from '../control-plane/binaries.ts'
import type { ControlPlane } from '../control-plane/control-plane.ts'
import { apiAddress, apiPort, type JoinWay, type Lab, startLab } from '../lab/lab.ts'
import type { LabNode } from '../lab/node.ts'
import { batch } from '../lab/segment.ts'
import { whyNoLab } from '../lab/tools.ts'
import { createNodeGroups, whyNoGroups } from './cgroups.ts'
import { openWayToKubelets } from './kubelet-way.ts'
import { startNode } from './node.ts'
import { containerRuntime, pauseArchive } from './runtime.ts'

export interface ClusterOptions {
  readonly nodes: number
  /** Archives that every node has. */
  readonly images: readonly string[]
  readonly progress?: (line: string) => void
  readonly signal?: AbortSignal
}

const readyWithinMs = 90_000

/** Why there can be no real cluster here; undefined where there can. */
export async function whyNoCluster(say: (line: string) => void): Promise<string | undefined> {
  const noLab = await whyNoLab(say)
  if (noLab !== undefined) return noLab
  if (process.getuid?.() !== 0) return 'containers, mounts and control groups of real nodes need root'
  const noGroups = await whyNoGroups()
  if (noGroups !== undefined) return noGroups
  try {
    const runtime = await containerRuntime(say)
    // It links to libseccomp, which is not in that folder.
    await promisify(execFile)(join(runtime, 'usr/sbin/runc'), ['--version'])
    await pauseArchive()
    return undefined
  } catch (error) {
    return `no container runtime: ${error instanceof Error ? error.message : String(error)}`
  }
}

/** Starts the cluster; returns when every node is Ready. */
export async function startCluster(options: ClusterOptions): Promise<Lab> {
  const { nodes, images, progress, signal } = options
  const programs = {
    kubelet: await binary('kubelet', { progress, signal }),
    runtime: await containerRuntime(line => progress?.(line)),
    images: [await pauseArchive(), ...images],
  }
  const groups = createNodeGroups(`berth-nodes-${process.pid}`)
  let wayToKubelets: Promise<void> | undefined
  const begin = async (node: LabNode, way: JoinWay): Promise<void> => {
    wayToKubelets ??= openWayToKubelets(way)
    await wayToKubelets
    await routeToApi(node, way)
    await startNode(node, programs, {
      folder: join(way.directory, node.name),
      groups: await groups.create(node.name),
      kubeconfig: await way.kubeconfig(`system:node:${node.name}`),
      clientCaFile: way.controlPlane.caFile,
    })
  }
  try {
    const lab = await startLab({
      nodes,
      controlPlane: { controllerManager: true, scheduler: true, kubelets: true, crds: false },
      join: begin,
      ...(progress ? { progress } : {}),
      ...(signal ? { signal } : {}),
    })
    // What is pushed last goes first: when the groups are swept, the nodes must be gone.
    const stop = async (): Promise<void> => {
      await lab.stop()
      await groups[Symbol.asyncDispose]()
    }
    try {
      await announceApi(lab.controlPlane)
      await allReady(lab)
    } catch (error) {
      await stop()
      throw error
    }
    return { ...lab, stop, [Symbol.asyncDispose]: stop }
  } catch (error) {
    await groups[Symbol.asyncDispose]()
    throw error
  }
}

/** Waits until every kubelet has registered its node and says that it is Ready. */
async function allReady({ controlPlane, nodes, directory }: Lab): Promise<void> {
  const query = 'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}'
  const giveUpAtMs = performance.now() + readyWithinMs
  for (;;) {
    const states = (await controlPlane.kubectl(['get', 'nodes', '-o', query])).split(' ')
    if (states.filter(state => state === 'True').length === nodes.length) return
    if (performance.now() > giveUpAtMs) break
    await delay(100)
  }
  const words = nodes.map(async ({ name }) => {
    const log = await readFile(join(directory, name, 'kubelet.log'), 'utf8').catch(String)
    return `${name}: ${log.trimEnd().split('\n').slice(-5).join('\n')}`
  })
  throw new Error(`not all nodes are Ready after ${readyWithinMs / 1000} s\n${(await Promise.all(words)).join('\n')}`)
}

/**
 * Where a Service's address is not a network's own, as that of the API server inside the cluster, a program on the node
 * finds it only beyond a default route; kube-proxy then sends it elsewhere. Packets of pods go to the API server as they
 * are, so it must know the way back; and the way to the kubelet.
 */
async function routeToApi(node: LabNode, { management }: JoinWay): Promise<void> {
  await batch(node.namespace, [`route add default via ${apiAddress}`])
  await batch(management.namespace, [
    `route add 10.244.${node.ordinal}.0/24 via ${node.managementAddress}`,
    `route add ${node.ipv4} via ${node.managementAddress}`,
  ])
}

/** What stands behind the Service `kubernetes`, by which pods find the API server: the lab's relay on the management network. */
async function announceApi(controlPlane: ControlPlane): Promise<void> {
  const slice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'kubernetes', namespace: 'default', labels: { 'kubernetes.io/service-name': 'kubernetes' } },
    addressType: 'IPv4',
    ports: [{ name: 'https', protocol: 'TCP', port: apiPort }],
    endpoints: [{ addresses: [apiAddress], conditions: { ready: true } }],
  }
  await controlPlane.kubectl(['apply', '-f', '-'], { input: JSON.stringify(slice) })
}
