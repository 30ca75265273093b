import { execFileSync, spawn } from 'node:child_process'
import { chown, mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, expect, it, onTestFinished } from 'vitest'
import { buildRawsock } from '../../speaker/rawsock/build.ts'
import { binary } from '../control-plane/binaries.ts'
import { dieWithUs, kill, labEnvironment } from './namespace.ts'
import { whyNoLab } from './tools.ts'

const nobody = 65_534
const asNobody: readonly [string, ...string[]] = [
  'setpriv',
  `--reuid=${nobody}`,
  `--regid=${nobody}`,
  '--clear-groups',
  '--',
]
const checkout = join(import.meta.dirname, '../..')

const obstacle = (await whyNoLab(console.warn)) ?? whyNotByNobody()
if (obstacle !== undefined) console.warn(`Skipped, no lab without root on this machine: ${obstacle}`)

/** Why nobody cannot have on this machine what a lab needs. */
function whyNotByNobody(): string | undefined {
  if (process.getuid?.() !== 0) return 'root is needed to give up root; lab.net.test.ts runs without it as it is'
  const [program, ...rest] = [...asNobody, 'unshare', '--user', '--map-root-user', '--net', '--mount', 'true']
  try {
    execFileSync(program, rest, { env: labEnvironment, stdio: ['ignore', 'ignore', 'pipe'] })
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message.trim() : String(error)
  }
}

/** The programs that the lab runs; built by root, since nobody has no cache to build in. */
async function programs(): Promise<readonly string[]> {
  const names = ['etcd', 'kube-apiserver', 'kubectl', 'kube-proxy'] as const
  return await Promise.all(names.map(async name => await binary(name, { progress: console.warn })))
}

/**
 * Runs a program of this checkout as nobody, with a folder of its own. What root can read may lie where nobody can go, so
 * it is mounted into that folder, where no other process sees it.
 */
async function runAsNobody(program: string): Promise<string> {
  await buildRawsock()
  const built = await programs()
  const own = await realpath(await mkdtemp(join(tmpdir(), 'berth-rootless-')))
  onTestFinished(async () => await rm(own, { recursive: true, force: true }))
  for (const name of ['checkout', 'assets', 'tmp']) await mkdir(join(own, name))
  for (const path of [own, join(own, 'tmp')]) await chown(path, nobody, nobody)
  const mounts = [
    [checkout, 'checkout'],
    [process.execPath, 'node'],
    ...built.map(path => [path, `assets/${basename(path)}`] as const),
  ] as const
  for (const [, target] of mounts.slice(1)) await writeFile(join(own, target), '')
  const mount = mounts.map(([source, target]) => `mount --bind ${source} ${join(own, target)} && `).join('')
  const argv = [...dieWithUs, `${own}/node`, `${own}/checkout/${program}`]
  const child = spawn('unshare', ['--mount', '--', 'sh', '-c', `${mount}exec "$@"`, 'sh', ...asNobody, ...argv], {
    cwd: '/',
    env: { ...labEnvironment, HOME: own, TMPDIR: join(own, 'tmp'), KUBEBUILDER_ASSETS: join(own, 'assets') },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(async () => await kill(child))
  const [said, complained] = await Promise.all([text(child.stdout), text(child.stderr)])
  if (said === '') throw new Error(`${program} said nothing: ${complained}`)
  return said
}

describe.skipIf(obstacle !== undefined)('a lab started by one who is not root', () => {
  it('has nodes, a control plane and a kube-proxy by which a client gets its answer in both families', async () => {
    const said: unknown = JSON.parse(await runAsNobody('test/lab/rootless-process.ts'))
    const answer: unknown = expect.stringMatching(/^node-1\b/)
    expect(said).toEqual({ rootless: true, answers: [answer, answer] })
  }, 120_000)
})
