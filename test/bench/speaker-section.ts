import { binary } from '../control-plane/binaries.ts'
import { startControlPlane } from '../control-plane/control-plane.ts'
import { type Lab, startLab } from '../lab/lab.ts'
import { type BenchApi, benchApi, inParallel } from './api.ts'
import { bundle, metallbCRDs } from './contenders.ts'
import { podEnvironment } from './pod.ts'
import { type Program, programOf } from './program.ts'
import { number, table } from './report.ts'
import { createPending, rawStatusPatchesPerSecond, serviceName } from './services.ts'

interface SpeakerResult {
  readonly name: string
  readonly allAnnouncedSeconds: number
  readonly peakResidentMB: number
  readonly residentMB: number
  readonly idleCpuShare: number
}

const berthStatusPath = '/apis/berth.dev/v1beta1/servicel2statuses'
const metallbStatusPath = '/apis/metallb.io/v1beta1/servicel2statuses'
const apiServer = { host: '198.51.100.1', port: '6443' }

/** One speaker on one node that announces every Service of the cluster: Berth's beside MetalLB's. */
export async function speakerSection(options: {
  readonly quick: boolean
  readonly progress: (line: string) => void
}): Promise<string> {
  const services = options.quick ? 500 : 5_000
  await using controlPlane = await startControlPlane({ addresses: [apiServer.host], progress: options.progress })
  await using lab = await startLab({ nodes: 1, controlPlane, progress: options.progress })
  const api = await benchApi(controlPlane, 32)
  options.progress(`creating ${services} Services with an address and an endpoint each`)
  await createPending(api, services)
  await rawStatusPatchesPerSecond(api, services, 16)
  await createEndpoints(api, services)
  const results = [
    await measureBerth(lab, api, services, options.progress),
    await measureMetalLB(lab, api, services, options.progress),
  ]
  api.close()
  const rows = results.map(result => [
    result.name,
    `${number(result.allAnnouncedSeconds, 1)} s`,
    `${number(result.peakResidentMB)} MB`,
    `${number(result.residentMB)} MB`,
    `${number(result.idleCpuShare * 100, 1)} %`,
  ])
  return `## Speaker: what every node pays

One node that announces ${number(services)} Services, each with an address and a ready endpoint: from the start of the process until the
last announcement is recorded in a ServiceL2Status, then, once it has nothing left to write, memory and processor time
over ten seconds.

${table(['speaker', 'all recorded', 'peak memory', 'memory at rest', 'of a core at rest'], rows)}

What remains of Berth's is Node itself (about 45 MB before the first line runs) and a second thread with a heap of its
own (about 15 MB), which is the price for answering while the first one parses.
`
}

async function createEndpoints(api: BenchApi, count: number): Promise<void> {
  const path = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices'
  await inParallel(count, 16, async index => {
    const name = serviceName(index)
    const answer = await api.call('POST', path, {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name, labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      endpoints: [{ addresses: ['10.244.1.10'], nodeName: 'node-1', conditions: { ready: true } }],
      ports: [{ port: 8080, protocol: 'TCP' }],
    })
    if (answer.status !== 201)
      throw new Error(`an EndpointSlice could not be created: ${answer.status} ${answer.text.slice(0, 200)}`)
  })
}

function configuration(apiVersion: string, namespace: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'List',
    items: [
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
      {
        apiVersion,
        kind: 'IPAddressPool',
        metadata: { name: 'bench', namespace },
        spec: { addresses: ['10.64.0.0/12'] },
      },
      { apiVersion, kind: 'L2Advertisement', metadata: { name: 'bench', namespace }, spec: {} },
    ],
  })
}

async function measureBerth(
  lab: Lab,
  api: BenchApi,
  services: number,
  progress: (line: string) => void,
): Promise<SpeakerResult> {
  await lab.controlPlane.kubectl(['apply', '-f', '-'], { input: configuration('berth.dev/v1beta1', 'berth-system') })
  await served(api, berthStatusPath)
  const command = [...bundle('speaker'), '--namespace', 'berth-system', '--node-name', 'node-1', '--port', '0']
  const environment = await podEnvironment(lab.controlPlane, 'berth-system', apiServer)
  const start = { command, environment }
  return measure(lab, api, 'Berth', start, berthStatusPath, services, progress)
}

async function measureMetalLB(
  lab: Lab,
  api: BenchApi,
  services: number,
  progress: (line: string) => void,
): Promise<SpeakerResult> {
  for (const file of await metallbCRDs()) await lab.controlPlane.kubectl(['apply', '--server-side', '-f', file])
  await lab.controlPlane.kubectl(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=30s'])
  await lab.controlPlane.kubectl(['apply', '-f', '-'], { input: configuration('metallb.io/v1beta1', 'metallb-system') })
  await served(api, metallbStatusPath)
  const pod = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"speaker-0","namespace":"metallb-system"},"spec":{"containers":[{"name":"speaker","image":"none"}]}}`
  await lab.controlPlane.kubectl(['apply', '-f', '-'], { input: pod })
  const command = [
    await binary('metallb-speaker'),
    '--namespace=metallb-system',
    '--node-name=node-1',
    '--pod-name=speaker-0',
    '--port=0',
    '--health-probe-port=0',
  ]
  const environment = { KUBECONFIG: await lab.kubeconfig() }
  return measure(lab, api, 'MetalLB', { command, environment }, metallbStatusPath, services, progress)
}

async function measure(
  lab: Lab,
  api: BenchApi,
  name: string,
  start: { readonly command: readonly string[]; readonly environment: Record<string, string> },
  statusPath: string,
  services: number,
  progress: (line: string) => void,
): Promise<SpeakerResult> {
  const [node] = lab.nodes
  if (!node) throw new Error('the lab has no node')
  const startedAt = performance.now()
  const environment = Object.entries(start.environment).map(([key, value]) => `${key}=${value}`)
  const child = node.spawn(['env', ...environment, ...start.command], { stdio: 'ignore' })
  const program = programOf(name, child, startedAt)
  try {
    const recorded = await allRecorded(api, statusPath, services)
    const allAnnouncedSeconds = (recorded - startedAt) / 1000
    progress(`${name}: ${services} announcements recorded after ${allAnnouncedSeconds.toFixed(1)} s`)
    const settledSeconds = await untilAtRest(program)
    progress(`${name}: at rest ${settledSeconds.toFixed(0)} s later`)
    const result = {
      name,
      allAnnouncedSeconds,
      peakResidentMB: await program.peakResidentMB(),
      residentMB: await program.residentMB(),
      idleCpuShare: await idleCpuShare(program),
    }
    progress(`${name}: ${result.peakResidentMB.toFixed(0)} MB at its peak, ${result.residentMB.toFixed(0)} MB at rest`)
    return result
  } finally {
    await program.stop()
  }
}

// Gratuitous packets go on for some seconds, and conditions and Events are written after what matters more.
const restTimeoutSeconds = 120

/** Waits until a program has nothing left to do: two seconds with less than a twentieth of a core, twice in a row. */
async function untilAtRest(program: Program): Promise<number> {
  const beganAt = performance.now()
  for (let calm = 0; calm < 2 && performance.now() - beganAt < restTimeoutSeconds * 1000; ) {
    const before = await program.cpuSeconds()
    await new Promise(wake => setTimeout(wake, 2_000))
    calm = (await program.cpuSeconds()) - before < 0.1 ? calm + 1 : 0
  }
  return (performance.now() - beganAt) / 1000
}

async function idleCpuShare(program: Program): Promise<number> {
  const before = await program.cpuSeconds()
  await new Promise(wake => setTimeout(wake, 10_000))
  return ((await program.cpuSeconds()) - before) / 10
}

/** Waits until a kind that was just defined can be watched. */
async function served(api: BenchApi, path: string): Promise<void> {
  const giveUpAt = performance.now() + 30_000
  while (performance.now() < giveUpAt) {
    const answer = await api.call('GET', `${path}?watch=true&timeoutSeconds=1`)
    if (answer.status === 200) return
    await new Promise(wake => setTimeout(wake, 500))
  }
  throw new Error(`${path} cannot be watched`)
}

/** Resolves with the moment at which so many objects stand under the path. */
async function allRecorded(api: BenchApi, path: string, count: number): Promise<number> {
  const seen = new Set<string>()
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const watch = await api.watch(`${path}?watch=true`, (_type, object) => {
    seen.add((object as { metadata: { name: string } }).metadata.name)
    if (seen.size === count) resolve(performance.now())
  })
  const timer = setTimeout(
    () => reject(new Error(`${seen.size} of ${count} announcements were recorded after ten minutes`)),
    600_000,
  )
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    watch.close()
  }
}
