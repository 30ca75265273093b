import { type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { binary } from '../../control-plane/binaries.ts'
import type { Lab } from '../../lab/lab.ts'
import { kill } from '../../lab/namespace.ts'
import type { LabNode } from '../../lab/node.ts'
import { bundle, metallbCRDs } from '../contenders.ts'
import { podEnvironment } from '../pod.ts'
import { apiServer, berthKinds, metallbKinds, type SpeakerKinds } from '../speakers.ts'
import { pools } from './services.ts'

/** A speaker that is started on any node of a lab, as its chart would. */
export interface Contender {
  readonly name: string
  /** How long after a failure it is watched: longer than it has ever needed. */
  readonly observeMs: number
  /** How long it needs, started on all nodes, until nothing moves any more. */
  readonly settleMs: number
  start(node: LabNode): Promise<RunningSpeaker>
}

export interface RunningSpeaker {
  readonly pid: number
  /** SIGTERM, and waits for the end. */
  stop(): Promise<void>
  kill(): Promise<void>
  freeze(): void
  thaw(): void
}

export interface BerthOptions {
  /** Between two packets from speaker to speaker. Default 100. */
  readonly intervalMs?: number
  /** Every node answers its part of the clients. */
  readonly loadSharing?: 'perClient'
}

/** Berth, as the image holds it. */
export async function berth(lab: Lab, { intervalMs = 100, ...advertised }: BerthOptions = {}): Promise<Contender> {
  const { namespace } = berthKinds
  await configure(lab, berthKinds, advertised)
  const environment = await podEnvironment(lab.controlPlane, namespace, apiServer)
  const keyFile = join(lab.directory, 'speaker-key')
  await writeFile(keyFile, randomBytes(32).toString('hex'), { mode: 0o600 })
  const flags = ['--namespace', namespace, '--port', '0', '--speaker-key-file', keyFile]
  return {
    name: intervalMs === 100 ? 'Berth' : `Berth, ${intervalMs} ms × 3`,
    observeMs: 2_500,
    settleMs: 3_000,
    start: async node => {
      const own = ['--node-name', node.name, '--speaker-interval', String(intervalMs)]
      return launch(lab, node, 'berth-speaker', environment, [...bundle('speaker'), ...flags, ...own])
    },
  }
}

/** The real MetalLB, with memberlist as its chart starts it. */
export async function metallb(lab: Lab): Promise<Contender> {
  const { namespace } = metallbKinds
  const { controlPlane } = lab
  for (const file of await metallbCRDs()) await controlPlane.kubectl(['apply', '--server-side', '-f', file])
  await controlPlane.kubectl(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=30s'])
  await configure(lab, metallbKinds)
  // It finds its peers by their Pods.
  const pods = lab.nodes.map(node => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: podOf(node), namespace, labels: { component: 'speaker' } },
    spec: { nodeName: node.name, hostNetwork: true, containers: [{ name: 'speaker', image: 'none' }] },
  }))
  await controlPlane.kubectl(['apply', '-f', '-'], { input: list(pods) })
  for (const node of lab.nodes) {
    const status = { phase: 'Running', podIP: node.ipv4, podIPs: [{ ip: node.ipv4 }], hostIP: node.ipv4 }
    const patch = ['--subresource=status', '--type=merge', '-p', JSON.stringify({ status })]
    await controlPlane.kubectl(['-n', namespace, 'patch', 'pod', podOf(node), ...patch])
  }
  const environment = { KUBECONFIG: await lab.kubeconfig(), METALLB_ML_SECRET_KEY_PATH: '' }
  const program = await binary('metallb-speaker')
  return {
    name: 'MetalLB',
    observeMs: 12_000,
    settleMs: 8_000,
    start: async node => {
      const flags = [`--namespace=${namespace}`, `--node-name=${node.name}`, `--pod-name=${podOf(node)}`]
      const members = [`--ml-bindaddr=${node.ipv4}`, '--ml-bindport=7946', '--ml-labels=component=speaker']
      const ports = ['--port=0', '--health-probe-port=0']
      return launch(lab, node, 'metallb-speaker', environment, [program, ...flags, ...members, ...ports])
    },
  }
}

const podOf = (node: LabNode): string => `speaker-${node.name}`
const list = (items: readonly object[]): string => JSON.stringify({ apiVersion: 'v1', kind: 'List', items })

/** Namespace, pool and advertisement. */
async function configure(lab: Lab, { namespace, group }: SpeakerKinds, advertised: object = {}): Promise<void> {
  const apiVersion = `${group}/v1beta1`
  const metadata = { name: 'bench', namespace }
  const input = list([
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    { apiVersion, kind: 'IPAddressPool', metadata, spec: { addresses: pools } },
    {
      apiVersion,
      kind: 'L2Advertisement',
      metadata,
      spec: { ipAddressPools: ['bench'], interfaces: ['eth0'], ...advertised },
    },
  ])
  await lab.controlPlane.kubectl(['apply', '-f', '-'], { input })
}

function launch(
  lab: Lab,
  node: LabNode,
  name: string,
  environment: Readonly<Record<string, string>>,
  command: readonly string[],
): RunningSpeaker {
  const log = openSync(join(lab.directory, `${name}-${node.name}.log`), 'a')
  const child: ChildProcess = node.spawn(command, { stdio: ['ignore', log, log], env: environment })
  closeSync(log)
  const ended = once(child, 'exit')
  return {
    pid: child.pid ?? 0,
    async stop() {
      child.kill('SIGTERM')
      const patience = setTimeout(() => child.kill('SIGKILL'), 20_000)
      await ended
      clearTimeout(patience)
    },
    kill: async () => await kill(child),
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
  }
}
