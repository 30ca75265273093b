import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { access, constants, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'

/**
 * Kubernetes publishes no package of its API server, but its Go modules build with one command. Each folder beside this
 * file pins one set of them (go.mod, go.sum); what is built stays in a cache outside the checkout, keyed by those pins.
 */

const recipes = {
  etcd: { pins: 'etcd', command: 'go.etcd.io/etcd/server/v3', coldSeconds: 35 },
  'kube-apiserver': { pins: 'kubernetes', command: 'k8s.io/kubernetes/cmd/kube-apiserver', coldSeconds: 215 },
  kubectl: { pins: 'kubernetes', command: 'k8s.io/kubernetes/cmd/kubectl', coldSeconds: 20 },
  'kube-controller-manager': {
    pins: 'kubernetes',
    command: 'k8s.io/kubernetes/cmd/kube-controller-manager',
    coldSeconds: 60,
  },
  'kube-scheduler': { pins: 'kubernetes', command: 'k8s.io/kubernetes/cmd/kube-scheduler', coldSeconds: 20 },
  'kube-proxy': { pins: 'kubernetes', command: 'k8s.io/kubernetes/cmd/kube-proxy', coldSeconds: 10 },
  kubelet: { pins: 'kubernetes', command: 'k8s.io/kubernetes/cmd/kubelet', coldSeconds: 130 },
  'metallb-controller': { pins: 'metallb', command: 'go.universe.tf/metallb/controller', coldSeconds: 75 },
  'metallb-speaker': { pins: 'metallb', command: 'go.universe.tf/metallb/speaker', coldSeconds: 15 },
  helm: { pins: 'helm', command: 'helm.sh/helm/v4/cmd/helm', coldSeconds: 150 },
  promtool: { pins: 'prometheus', command: 'github.com/prometheus/prometheus/cmd/promtool', coldSeconds: 140 },
} as const

/** The module of each set of pins whose version names the set. */
const pinnedModule = {
  etcd: 'go.etcd.io/etcd/server/v3',
  kubernetes: 'k8s.io/kubernetes',
  metallb: 'go.universe.tf/metallb',
  helm: 'helm.sh/helm/v4',
  prometheus: 'github.com/prometheus/prometheus',
} as const

type Pins = keyof typeof pinnedModule

/** A program that tests, demo or benchmarks run and that is built from Go modules. */
export type BinaryName = keyof typeof recipes

export interface BinaryOptions {
  /** Told what is being built, how long it has taken and how long it may take. */
  readonly progress?: ((line: string) => void) | undefined
  readonly signal?: AbortSignal | undefined
  /** Where to look for the go command: on the PATH, then where its installer puts it. */
  readonly goCommands?: readonly string[] | undefined
}

const oldestGo = [1, 26] as const
const building = new Map<BinaryName, Promise<string>>()

/**
 * The path of a program that can be run, built first if this machine does not have it yet. Any number of processes may
 * ask at once: one builds, the others wait for it. `KUBEBUILDER_ASSETS` goes first for what it holds.
 */
export async function binary(name: BinaryName, options: BinaryOptions = {}): Promise<string> {
  const assets = process.env['KUBEBUILDER_ASSETS']
  if (assets && (await isExecutable(join(assets, name)))) return join(assets, name)
  const pending = building.get(name)
  if (pending) return await pending
  const found = findOrBuild(name, options)
  building.set(name, found)
  try {
    return await found
  } finally {
    building.delete(name)
  }
}

async function findOrBuild(name: BinaryName, options: BinaryOptions): Promise<string> {
  const { pins } = recipes[name]
  const version = await pinnedVersion(pins)
  const folder = join(cacheFolder(), `${pins}-${version}-${await fingerprint(pins)}-${process.arch}`)
  const path = join(folder, name)
  if (await isExecutable(path)) return path

  const go = await findGo(name, pins, options.goCommands ?? ['go', '/usr/local/go/bin/go'])
  await mkdir(folder, { recursive: true })
  // One build at a time on this machine, whatever it builds: two would compile the same packages twice.
  await using _lock = await takeLock(join(cacheFolder(), 'build.lock'), name, options)
  if (await isExecutable(path)) return path
  await removeAbandoned(folder, name)
  const unfinished = join(folder, `.${name}.${process.pid}`)
  try {
    await build(go, name, version, unfinished, options)
    await rename(unfinished, path)
  } finally {
    await rm(unfinished, { force: true })
  }
  return path
}

/** What a build that was killed has left; the lock is ours, so nobody is writing it any more. */
async function removeAbandoned(folder: string, name: BinaryName): Promise<void> {
  for (const entry of await readdir(folder)) {
    if (entry.startsWith(`.${name}.`)) await rm(join(folder, entry), { force: true })
  }
}

async function build(go: string, name: BinaryName, version: string, target: string, o: BinaryOptions): Promise<void> {
  const { pins, command, coldSeconds } = recipes[name]
  const started = performance.now()
  o.progress?.(
    `Building ${name} ${version} from its Go modules: about ${duration(coldSeconds)} the first time (minutes for the first of all, which builds what they share), seconds once Go's cache is warm`,
  )
  const arguments_ = [
    'build',
    '-mod=readonly',
    ...buildTags(pins),
    '-ldflags',
    `-s -w ${versionFlags(pins, version)}`,
    '-o',
    target,
    command,
  ]
  const child = spawn(go, arguments_, {
    cwd: join(import.meta.dirname, pins),
    env: { ...process.env, CGO_ENABLED: '0', GOFLAGS: '' },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const every = setInterval(() => {
    o.progress?.(`  … still building ${name}, ${duration((performance.now() - started) / 1000)} so far`)
  }, 15_000)
  // An interrupted go command takes its compilers with it.
  const interrupt = (): void => void child.kill('SIGINT')
  o.signal?.addEventListener('abort', interrupt)
  try {
    const { code, errors } = await outcome(child)
    o.signal?.throwIfAborted()
    if (code !== 0)
      throw new Error(`Building ${name} ${version} failed: \`${go} ${arguments_.join(' ')}\` said\n${errors}`)
  } finally {
    clearInterval(every)
    o.signal?.removeEventListener('abort', interrupt)
  }
  o.progress?.(`Built ${name} in ${duration((performance.now() - started) / 1000)}`)
}

function outcome(child: ChildProcess): Promise<{ code: number | null; errors: string }> {
  return new Promise((resolve, reject) => {
    let errors = ''
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      errors = (errors + chunk).slice(-4000)
    })
    child.once('error', reject)
    child.once('close', code => resolve({ code, errors }))
  })
}

/** Prometheus finds its targets in two dozen clouds, whose clients would be most of the build; the tests need none. */
function buildTags(pins: Pins): readonly string[] {
  return pins === 'prometheus' ? ['-tags', 'remove_all_sd'] : []
}

/** A program built without these calls itself v0.0.0 and its own clients distrust it. */
function versionFlags(pins: Pins, version: string): string {
  if (pins === 'prometheus') return `-X github.com/prometheus/common/version.Version=${version}`
  if (pins === 'helm') return `-X helm.sh/helm/v4/internal/version.version=${version}`
  if (pins !== 'kubernetes') return ''
  const [major, minor] = version.slice(1).split('.')
  const variable = 'k8s.io/component-base/version'
  return `-X ${variable}.gitVersion=${version} -X ${variable}.gitMajor=${major} -X ${variable}.gitMinor=${minor}`
}

function cacheFolder(): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'berth')
}

async function pinnedVersion(pins: Pins): Promise<string> {
  const goMod = await readFile(join(import.meta.dirname, pins, 'go.mod'), 'utf8')
  for (const line of goMod.split('\n')) {
    const [module, version] = line
      .replace(/^require /, '')
      .trim()
      .split(' ')
    if (module === pinnedModule[pins] && version) return version
  }
  throw new Error(`test/control-plane/${pins}/go.mod requires no ${pinnedModule[pins]}`)
}

async function fingerprint(pins: Pins): Promise<string> {
  const hash = createHash('sha256')
  for (const file of ['go.mod', 'go.sum']) hash.update(await readFile(join(import.meta.dirname, pins, file)))
  return hash.digest('hex').slice(0, 12)
}

/** Asked in the folder of the pins, where an older go command may fetch the toolchain that go.mod asks for. */
async function findGo(name: BinaryName, pins: Pins, candidates: readonly string[]): Promise<string> {
  let found = 'there is none on the PATH'
  for (const go of candidates) {
    try {
      const { stdout } = await promisify(execFile)(go, ['version'], { cwd: join(import.meta.dirname, pins) })
      const [, major, minor] = /go(\d+)\.(\d+)/.exec(stdout) ?? []
      if (Number(major) > oldestGo[0] || Number(minor) >= oldestGo[1]) return go
      found = `${go} is ${stdout.trim()}`
    } catch (error) {
      const problem = error as NodeJS.ErrnoException & { stderr?: string }
      if (problem.code !== 'ENOENT') found = `${go} says: ${problem.stderr?.trim() || problem.message}`
    }
  }
  throw new Error(
    `${name} has to be built, which needs Go ${oldestGo.join('.')} or newer: ${found}.\n` +
      'Install it from https://go.dev/dl/ and put its bin folder on the PATH, or set KUBEBUILDER_ASSETS to a folder that\n' +
      'holds etcd, kube-apiserver and kubectl. It is a build tool of the tests only; Berth itself does not use Go.',
  )
}

async function takeLock(path: string, name: BinaryName, { progress, signal }: BinaryOptions): Promise<AsyncDisposable> {
  await mkdir(join(path, '..'), { recursive: true })
  for (let waited = 0; ; waited++) {
    try {
      await writeFile(path, String(process.pid), { flag: 'wx' })
      return { [Symbol.asyncDispose]: () => rm(path, { force: true }) }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const owner = Number(await readFile(path, 'utf8').catch(() => ''))
    // Two that find a dead owner's lock at once may both go on: they build twice, and each renames a whole file.
    if (owner > 0 && !isAlive(owner)) await rm(path, { force: true })
    else if (waited % 150 === 0)
      progress?.(`Waiting for process ${owner}, which is building, before ${name} can be built`)
    await delay(100, undefined, signal ? { signal } : {})
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
}

/** `45 s`, `3 min 35 s`. */
export function duration(seconds: number): string {
  const whole = Math.round(seconds)
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`
}
