import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { startControlPlane } from '../control-plane/control-plane.ts'
import { startLab } from '../lab/lab.ts'
import { type BenchApi, benchApi } from './api.ts'
import { type Program, untilAtRest } from './program.ts'
import { number, table } from './report.ts'
import { createEndpoints, createPending, rawStatusPatchesPerSecond } from './services.ts'
import { apiServer, benchPool, type ConfigObject, prepareBerth, prepareMetalLB, type StartSpeaker } from './speakers.ts'

interface SpeakerResult {
  readonly name: string
  readonly allAnnouncedSeconds: number
  readonly peakResidentMB: number
  readonly residentMB: number
  readonly idleCpuShare: number
}

const berthStatusPath = '/apis/berth.dev/v1beta1/servicel2statuses'
const metallbStatusPath = '/apis/metallb.io/v1beta1/servicel2statuses'

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
  const berth = await prepareBerth(lab, configuration)
  const ours = await measure(api, berth, berthStatusPath, services, options.progress)
  const metallb = await prepareMetalLB(lab, configuration)
  const theirs = await measure(api, metallb, metallbStatusPath, services, options.progress)
  const results = [ours, theirs]
  api.close()
  const floor = await nodeItself()
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

Of Berth's, ${number(floor.bareMB)} MB are Node itself before the first line runs, and ${number(floor.threadMB)} MB a second thread before its first line: that is the
price for answering while the first one parses. The rest is the bundle, and what is known of ${number(services)} Services and their endpoints.
At rest Berth makes each address known again about once a minute, here ${number(services / 60)} packets a second, for stations and switches
that missed or forgot it; MetalLB does not.
`
}

/** The Services are announced by layer 2. */
const configuration: readonly ConfigObject[] = [benchPool, { kind: 'L2Advertisement', name: 'bench', spec: {} }]

async function measure(
  api: BenchApi,
  start: StartSpeaker,
  statusPath: string,
  services: number,
  progress: (line: string) => void,
): Promise<SpeakerResult> {
  await served(api, statusPath)
  const program = start()
  const { name, startedAt } = program
  try {
    const recorded = await allRecorded(api, statusPath, services)
    const allAnnouncedSeconds = (recorded - startedAt) / 1000
    progress(`${name}: ${services} announcements recorded after ${allAnnouncedSeconds.toFixed(1)} s`)
    // Gratuitous packets go on for some seconds, and conditions and Events are written after what matters more.
    const settledSeconds = await untilAtRest([program])
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

async function idleCpuShare(program: Program): Promise<number> {
  const before = await program.cpuSeconds()
  await new Promise(wake => setTimeout(wake, 10_000))
  return ((await program.cpuSeconds()) - before) / 10
}

/** What a Node takes that does nothing, and what a thread that does nothing adds to it. */
async function nodeItself(): Promise<{ readonly bareMB: number; readonly threadMB: number }> {
  const tell = 'console.log(process.memoryUsage().rss); process.exit()'
  const idle = JSON.stringify('setInterval(() => {}, 1e6)')
  const threaded = `new (require('node:worker_threads').Worker)(${idle}, { eval: true }).once('online', () => { ${tell} })`
  const megabytes = async (script: string): Promise<number> =>
    Number((await promisify(execFile)(process.execPath, ['-e', script])).stdout) / 1e6
  const bareMB = await megabytes(tell)
  return { bareMB, threadMB: (await megabytes(threaded)) - bareMB }
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
