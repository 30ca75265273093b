import { binary } from '../control-plane/binaries.ts'
import type { Lab } from '../lab/lab.ts'
import type { LabNode } from '../lab/node.ts'
import { bundle, metallbCRDs } from './contenders.ts'
import { podEnvironment } from './pod.ts'
import { type Program, programOf } from './program.ts'

/** Where the nodes of a lab find the API server; its certificate must name it. */
export const apiServer = { host: '198.51.100.1', port: '6443' }

/** A speaker that may be started on the lab's node-1, any number of times. */
export type StartSpeaker = (options?: SpeakerStart) => Program

export interface SpeakerStart {
  /** What stands before the command. */
  readonly enter?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly flags?: readonly string[]
  /** Told each line that it writes. */
  readonly onLine?: (line: string) => void
}

/** Whose kinds a speaker reads. */
export interface SpeakerKinds {
  readonly namespace: string
  readonly group: string
  readonly bgpPeerVersion: string
}

export const berthKinds: SpeakerKinds = {
  namespace: 'berth-system',
  group: 'berth.dev',
  bgpPeerVersion: 'v1beta1',
}

export const metallbKinds: SpeakerKinds = {
  namespace: 'metallb-system',
  group: 'metallb.io',
  bgpPeerVersion: 'v1beta2',
}

/** One object of a configuration that both speakers understand, but for the group. */
export interface ConfigObject {
  readonly kind: string
  readonly name: string
  readonly spec: unknown
}

/** The pool that holds every address of the benchmarks. */
export const benchPool: ConfigObject = { kind: 'IPAddressPool', name: 'bench', spec: { addresses: ['10.64.0.0/12'] } }

/** Applies the configuration in Berth's kinds. */
export async function prepareBerth(lab: Lab, objects: readonly ConfigObject[]): Promise<StartSpeaker> {
  await applyConfiguration(lab, berthKinds, objects)
  const environment = await podEnvironment(lab.controlPlane, berthKinds.namespace, apiServer)
  const flags = ['--namespace', berthKinds.namespace, '--node-name', 'node-1', '--port', '0']
  return starter(lab, 'Berth', [...bundle('speaker'), ...flags], environment)
}

/** Applies MetalLB's kinds and the configuration in them. */
export async function prepareMetalLB(lab: Lab, objects: readonly ConfigObject[]): Promise<StartSpeaker> {
  for (const file of await metallbCRDs()) await lab.controlPlane.kubectl(['apply', '--server-side', '-f', file])
  await lab.controlPlane.kubectl(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=30s'])
  await applyConfiguration(lab, metallbKinds, objects)
  // It wants a Pod of its own name to exist, to be the owner of what it writes.
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'speaker-0', namespace: metallbKinds.namespace },
    spec: { containers: [{ name: 'speaker', image: 'none' }] },
  }
  await lab.controlPlane.kubectl(['apply', '-f', '-'], { input: JSON.stringify(pod) })
  const command = [
    await binary('metallb-speaker'),
    `--namespace=${metallbKinds.namespace}`,
    '--node-name=node-1',
    '--pod-name=speaker-0',
    '--port=0',
    '--health-probe-port=0',
  ]
  return starter(lab, 'MetalLB', command, { KUBECONFIG: await lab.kubeconfig() })
}

async function applyConfiguration(lab: Lab, kinds: SpeakerKinds, objects: readonly ConfigObject[]): Promise<void> {
  const { namespace } = kinds
  const items = objects.map(({ kind, name, spec }) => ({
    apiVersion: `${kinds.group}/${kind === 'BGPPeer' ? kinds.bgpPeerVersion : 'v1beta1'}`,
    kind,
    metadata: { name, namespace },
    spec,
  }))
  const list = {
    apiVersion: 'v1',
    kind: 'List',
    items: [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }, ...items],
  }
  await lab.controlPlane.kubectl(['apply', '-f', '-'], { input: JSON.stringify(list) })
}

function starter(
  lab: Lab,
  name: string,
  command: readonly string[],
  environment: Readonly<Record<string, string>>,
): StartSpeaker {
  const [node] = lab.nodes
  if (!node) throw new Error('the lab has no node')
  return (options = {}) =>
    startOn(node, name, command, { ...options, environment: { ...environment, ...options.environment } })
}

function startOn(node: LabNode, name: string, command: readonly string[], options: SpeakerStart): Program {
  const { enter = [], environment = {}, flags = [], onLine } = options
  const variables = Object.entries(environment).map(([key, value]) => `${key}=${value}`)
  const startedAt = performance.now()
  const child = node.spawn([...enter, 'env', ...variables, ...command, ...flags], {
    stdio: ['ignore', onLine ? 'pipe' : 'ignore', 'ignore'],
  })
  let rest = ''
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) onLine?.(line)
  })
  return programOf(name, child, startedAt)
}
