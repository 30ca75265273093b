/**
 * Stands in for the kubelets of a lab: where a real scheduler has put a pod, its program runs in that node's namespaces
 * until the pod is deleted. What is to run is said by the pod's own container, whose image is looked up in a table.
 */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { loadCredentials } from '../../kube/credentials.ts'
import { createTransport, type Transport } from '../../kube/transport.ts'
import type { Lab } from './lab.ts'
import { kill } from './namespace.ts'
import type { LabNode } from './node.ts'

/** What of a Pod is needed to run it. */
export interface Pod {
  readonly metadata: {
    readonly name: string
    readonly namespace: string
    readonly uid: string
    readonly deletionTimestamp?: string
  }
  readonly spec: { readonly nodeName?: string; readonly containers: readonly Container[] }
}

export interface Container {
  readonly name: string
  readonly image: string
  readonly args?: readonly string[]
  readonly env?: readonly {
    readonly name: string
    readonly value?: string
    readonly valueFrom?: { readonly fieldRef?: { readonly fieldPath: string } }
  }[]
}

/** How a pod's program is started on a node. */
export interface PodProgram {
  readonly argv: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
}

/** The program of a pod; undefined = a pod that nobody here runs. */
export type ProgramOf = (
  pod: Pod,
  node: LabNode,
  environment: Readonly<Record<string, string>>,
) => Promise<PodProgram | undefined>

export interface Kubelets extends AsyncDisposable {
  /** The names of the pods whose programs run. */
  readonly running: readonly string[]
  /** The last lines of every program that has run. */
  logs(lines?: number): Promise<string>
}

const lookEveryMs = 100
const graceMs = 20_000

interface Running {
  readonly pod: Pod
  readonly child: ChildProcess
  readonly ended: Promise<unknown>
  stopping: boolean
}

/** Looks after the pods of all nodes until it is disposed of, which kills what still runs. */
export async function startKubelets(lab: Lab, programOf: ProgramOf): Promise<Kubelets> {
  const transport = createTransport(await loadCredentials(await lab.controlPlane.kubeconfig()))
  for (const node of lab.nodes) await makeRoom(transport, node)
  const running = new Map<string, Running>()
  const logs = new Set<string>()
  const stopped = new AbortController()

  async function look(): Promise<void> {
    const { items } = await transport.request<{ items: readonly Pod[] }>({ method: 'GET', path: '/api/v1/pods' })
    for (const pod of items) {
      const node = lab.nodes.find(({ name }) => name === pod.spec.nodeName)
      const own = running.get(pod.metadata.uid)
      if (pod.metadata.deletionTimestamp !== undefined) void end(pod, own)
      else if (node && !own) await start(pod, node)
    }
  }

  async function start(pod: Pod, node: LabNode): Promise<void> {
    const [container] = pod.spec.containers
    const program = container && (await programOf(pod, node, environmentOf(pod, node, container)))
    if (!program) return
    const file = join(lab.directory, `pod-${pod.metadata.name}.log`)
    logs.add(file)
    const log = openSync(file, 'a')
    const env = { ...program.environment }
    const child = node.spawn(program.argv, {
      stdio: ['ignore', log, log],
      env,
      cwd: join(import.meta.dirname, '../..'),
    })
    closeSync(log)
    running.set(pod.metadata.uid, { pod, child, ended: once(child, 'exit'), stopping: false })
    const ready = { status: 'True', lastTransitionTime: new Date().toISOString() }
    const status = {
      phase: 'Running',
      hostIP: node.ipv4,
      podIP: node.ipv4,
      podIPs: [{ ip: node.ipv4 }],
      conditions: ['Initialized', 'ContainersReady', 'Ready'].map(type => ({ type, ...ready })),
    }
    const path = `${pathOf(pod)}/status`
    await transport.request({ method: 'PATCH', path, contentType: 'application/merge-patch+json', body: { status } })
  }

  async function end(pod: Pod, own: Running | undefined): Promise<void> {
    if (own?.stopping) return
    if (own) {
      own.stopping = true
      own.child.kill('SIGTERM')
      await Promise.race([own.ended, delay(graceMs)])
      await kill(own.child)
    }
    const body = { gracePeriodSeconds: 0, preconditions: { uid: pod.metadata.uid } }
    await transport.request({ method: 'DELETE', path: pathOf(pod), body }).catch(() => {})
    running.delete(pod.metadata.uid)
  }

  const looking = (async () => {
    while (!stopped.signal.aborted) {
      // The API server may be busy; the next look finds what this one has missed.
      await look().catch((error: unknown) => console.warn(`kubelets: ${String(error)}`))
      await delay(lookEveryMs)
    }
  })()

  return {
    get running() {
      return [...running.values()].filter(({ stopping }) => !stopping).map(({ pod }) => pod.metadata.name)
    },
    async logs(lines = 30) {
      const texts = [...logs].map(async file => {
        const tail = (await readFile(file, 'utf8')).trimEnd().split('\n').slice(-lines).join('\n')
        return `${file}\n${tail}`
      })
      return (await Promise.all(texts)).join('\n\n')
    },
    async [Symbol.asyncDispose]() {
      stopped.abort()
      await looking
      await Promise.all([...running.values()].map(({ child }) => kill(child)))
      transport.close()
    },
  }
}

function pathOf({ metadata }: Pod): string {
  return `/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}`
}

/** Says that the node has room for pods, and takes off what a kubelet would have taken off. */
async function makeRoom(transport: Transport, node: LabNode): Promise<void> {
  const path = `/api/v1/nodes/${node.name}`
  const contentType = 'application/merge-patch+json'
  const room = { cpu: '8', memory: '16Gi', pods: '100' }
  await transport.request({ method: 'PATCH', path, contentType, body: { spec: { taints: null } } })
  const body = { status: { capacity: room, allocatable: room } }
  await transport.request({ method: 'PATCH', path: `${path}/status`, contentType, body })
}

function environmentOf(pod: Pod, node: LabNode, { env = [] }: Container): Readonly<Record<string, string>> {
  const fields: Readonly<Record<string, string>> = {
    'spec.nodeName': node.name,
    'metadata.name': pod.metadata.name,
    'metadata.namespace': pod.metadata.namespace,
    'status.hostIP': node.ipv4,
    'status.podIP': node.ipv4,
  }
  return Object.fromEntries(
    env.map(({ name, value, valueFrom }) => [name, value ?? fields[valueFrom?.fieldRef?.fieldPath ?? ''] ?? '']),
  )
}
