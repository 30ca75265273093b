import { execFile } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { binary } from '../control-plane/binaries.ts'
import type { ControlPlane } from '../control-plane/control-plane.ts'
import { podEnvironment } from './pod.ts'
import { type Program, startProgram } from './program.ts'

/** A load balancer's controller that can be put on a control plane and measured. */
export interface Contender {
  readonly name: 'Berth' | 'MetalLB'
  /** How often the start is measured. */
  readonly rounds: number
  /** Namespaces, CRDs and one pool that holds every address the benchmarks ask for. */
  prepare(): Promise<void>
  startController(): Promise<Program>
}

const poolRange = '10.64.0.0/12'
const root = join(import.meta.dirname, '../..')

export function berth(controlPlane: ControlPlane): Contender {
  return {
    name: 'Berth',
    rounds: 3,
    prepare: async () => {
      await controlPlane.kubectl(['apply', '-f', '-'], { input: poolManifest('berth.dev/v1beta1', 'berth-system') })
    },
    startController: async () => {
      const { hostname, port } = new URL(controlPlane.url)
      const environment = await podEnvironment(controlPlane, 'berth-system', { host: hostname, port })
      const command = [...bundle('controller'), '--namespace', 'berth-system', '--port', '0']
      return startProgram('berth-controller', command, environment, controlPlane.directory)
    },
  }
}

/** The command that runs one of Berth's bundles; build.ts says why with these flags. */
export function bundle(program: 'controller' | 'speaker'): readonly string[] {
  const semiSpaceMB = program === 'controller' ? 4 : 1
  return [
    process.execPath,
    `--max-semi-space-size=${semiSpaceMB}`,
    '--max-old-space-size=192',
    join(root, `dist/${program}.js`),
  ]
}

/** The real MetalLB, built from its Go module, with webhooks off (they serve admission, not assignment). */
export function metallb(controlPlane: ControlPlane): Contender {
  const podName = 'metallb-controller-0'
  return {
    name: 'MetalLB',
    rounds: 1,
    prepare: async () => {
      for (const file of await metallbCRDs()) await controlPlane.kubectl(['apply', '--server-side', '-f', file])
      await controlPlane.kubectl(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=30s'])
      await controlPlane.kubectl(['apply', '-f', '-'], { input: poolManifest('metallb.io/v1beta1', 'metallb-system') })
      // It wants a Pod of its own name to exist, to be the owner of what it writes.
      const pod = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"${podName}","namespace":"metallb-system"},"spec":{"containers":[{"name":"controller","image":"none"}]}}`
      await controlPlane.kubectl(['apply', '-f', '-'], { input: pod })
    },
    startController: async () => {
      const command = [
        await binary('metallb-controller'),
        '--namespace=metallb-system',
        '--webhook-mode=disabled',
        '--port=0',
        '--health-probe-port=0',
        `--pod-name=${podName}`,
      ]
      return startProgram(
        'metallb-controller',
        command,
        { KUBECONFIG: await controlPlane.kubeconfig() },
        controlPlane.directory,
      )
    },
  }
}

/** Where MetalLB's Go module lies. */
export async function metallbModule(): Promise<string> {
  const modules = join(root, 'test/control-plane/metallb')
  await promisify(execFile)('go', ['mod', 'download', 'go.universe.tf/metallb'], { cwd: modules })
  const { stdout } = await promisify(execFile)('go', ['list', '-m', '-f', '{{.Dir}}', 'go.universe.tf/metallb'], {
    cwd: modules,
  })
  return stdout.trim()
}

/** The CRD manifests that lie in MetalLB's Go module. */
export async function metallbCRDs(): Promise<readonly string[]> {
  const folder = join(await metallbModule(), 'config/crd/bases')
  return (await readdir(folder)).filter(file => file.endsWith('.yaml')).map(file => join(folder, file))
}

function poolManifest(apiVersion: string, namespace: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'List',
    items: [
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
      { apiVersion, kind: 'IPAddressPool', metadata: { name: 'bench', namespace }, spec: { addresses: [poolRange] } },
    ],
  })
}
