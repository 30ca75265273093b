import { cp, mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { gatherImage } from '../../image/assemble.ts'
import { targets } from '../../image/contents.ts'
import { writeImage } from '../../image/oci.ts'
import { unpackImage } from '../../image/unpack.ts'
import { type BinaryName, binary } from '../control-plane/binaries.ts'
import { startControlPlane } from '../control-plane/control-plane.ts'
import { startLab } from '../lab/lab.ts'
import { ownArchitecture } from '../real-cluster/image.ts'
import { podEnvironment } from './pod.ts'
import { number, table } from './report.ts'
import { apiServer, berthKinds } from './speakers.ts'
import { median } from './statistics.ts'

type Progress = (line: string) => void

/** What a node fetches, and how long the programs take from their start until they do their job. */
export async function imageSection({ quick, progress }: { quick: boolean; progress: Progress }): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'berth-bench-image-'))
  try {
    const gathered = await gatherImage({ target: targets[ownArchitecture], say: progress })
    const image = writeImage({ name: 'localhost/berth:bench', ...gathered })
    const root = await unpackImage(image.archive, folder)
    const sizes = [
      ['Berth: the image, both programs', image.compressedBytes, image.uncompressedBytes],
      ['of it Node itself', ...(await sizeOf(join(root, 'usr/bin/node')))],
      ['MetalLB: its controller, without an image', ...(await programSize('metallb-controller', progress))],
      ['MetalLB: its speaker, without an image', ...(await programSize('metallb-speaker', progress))],
    ] as const
    const starts = await measureStarts(root, quick ? 3 : 11, progress)
    const megabytes = (bytes: number): string => `${number(bytes / 1e6, 1)} MB`
    return `## Image: its size, and the start of its programs

One image holds both programs; a node that runs the controller and the speaker fetches it once, and a new version of Berth
is a new upper layer, without Node. To fetch is gzipped, on disk is unpacked. MetalLB's two images add a base to its programs.

${table(
  ['what', 'to fetch', 'on disk'],
  sizes.map(([what, fetched, unpacked]) => [what, megabytes(fetched), megabytes(unpacked)]),
)}

From the start of the process, with the image's files as its root, to its answer (\`--version\`) or until /readyz says yes: then it
has read the cluster, and the controller is the leader. Medians of ${quick ? 3 : 11} starts, on an empty cluster. Node that is told to do nothing is the
limit.

${table(
  ['what is started', 'until it answers', 'until /readyz'],
  starts.map(({ what, answerMs, readyMs }) => [what, `${number(answerMs)} ms`, readyMs ? `${number(readyMs)} ms` : '']),
)}
`
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function sizeOf(path: string): Promise<[fetched: number, unpacked: number]> {
  return [gzipSync(await readFile(path)).length, (await stat(path)).size]
}

async function programSize(name: BinaryName, progress: Progress): Promise<[fetched: number, unpacked: number]> {
  return await sizeOf(await binary(name, { progress }))
}

interface Start {
  readonly what: string
  readonly answerMs: number
  readonly readyMs: number | undefined
}

/** In a machine of the lab, which reaches a real API server and has raw sockets of its own. */
async function measureStarts(root: string, times: number, progress: Progress): Promise<readonly Start[]> {
  await using controlPlane = await startControlPlane({ addresses: [apiServer.host], progress })
  await using lab = await startLab({ nodes: 1, controlPlane, progress })
  const [node] = lab.nodes
  if (!node) throw new Error('the lab has no node')
  const { BERTH_SERVICE_ACCOUNT: account = '', ...environment } = await podEnvironment(
    controlPlane,
    berthKinds.namespace,
    apiServer,
  )
  // Where a pod has it.
  const inside = 'var/run/secrets/kubernetes.io/serviceaccount'
  await cp(account, join(root, inside), { recursive: true })

  const chroot = ['chroot', root, '/usr/bin/node']
  const answer = async (...command: readonly string[]): Promise<number> => {
    const startedMs = performance.now()
    await node.namespace.run([...chroot, ...command])
    return performance.now() - startedMs
  }
  const ready = async (port: number, ...command: readonly string[]): Promise<number> => {
    const startedMs = performance.now()
    const child = node.spawn([...chroot, ...command], { stdio: 'ignore', env: environment })
    const probe = `until curl --silent --fail --output /dev/null http://127.0.0.1:${port}/readyz; do sleep 0.002; done`
    await node.namespace.run(['sh', '-c', probe], { timeoutMs: 60_000 })
    const tookMs = performance.now() - startedMs
    const ended = new Promise(resolve => child.once('exit', resolve))
    child.kill('SIGTERM')
    await ended
    return tookMs
  }
  const medianOf = async (measure: () => Promise<number>): Promise<number> => {
    const samples: number[] = []
    for (let count = 0; count < times; count++) samples.push(await measure())
    return median(samples)
  }
  const common = ['--namespace', berthKinds.namespace, '--log-level', 'warn']
  const controller = ['--max-semi-space-size=4', '--max-old-space-size=192', '/app/controller.js']
  const speaker = ['--max-semi-space-size=1', '--max-old-space-size=192', '/app/speaker.js']
  progress('starting the programs of the image again and again')
  return [
    { what: 'Node, told to do nothing', answerMs: await medianOf(() => answer('-e', '0')), readyMs: undefined },
    {
      what: 'controller',
      answerMs: await medianOf(() => answer(...controller, '--version')),
      readyMs: await medianOf(() => ready(7472, ...controller, ...common, '--port', '7472')),
    },
    {
      what: 'speaker',
      answerMs: await medianOf(() => answer(...speaker, '--version')),
      readyMs: await medianOf(() => ready(7473, ...speaker, ...common, '--port', '7473', '--node-name', node.name)),
    },
  ]
}
