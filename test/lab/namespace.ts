/**
 * Network namespaces that no file holds, only processes.
 *
 * `ip netns add` leaves a mount behind when its owner is killed with -9; the next run then meets it. Here a namespace lives exactly as
 * long as one small process (`cat`, which ends when its input does), and that process, like everything started inside, is killed by the
 * kernel as soon as the process that started it is gone (PR_SET_PDEATHSIG). So nothing survives, however the run ends, and two runs
 * never meet: names inside a namespace cannot clash with anything.
 *
 * Without root the first namespace is a user namespace, in which one may do all this; the others are made inside it.
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** What a program that has ended left behind. */
export interface Executed {
  readonly stdout: string
  readonly stderr: string
  /** The exit code; 128 + the signal's number when a signal ended it, as a shell counts. */
  readonly code: number
}

export interface ExecOptions {
  readonly input?: string
  /** After this the program is killed and the call fails. */
  readonly timeoutMs?: number
}

/** One network namespace and the processes started in it. */
export interface Namespace {
  /** The process that holds it: `nsenter --target PID --net` enters it. */
  readonly pid: number
  /** Where the kernel shows it. */
  readonly path: string
  /** What stands before a command to run it in here, for a person to type. */
  readonly enterCommand: readonly string[]
  readonly spawn: (argv: readonly string[], options?: SpawnOptions) => ChildProcess
  /** Runs a program to its end; a code other than 0 is an answer, not a failure. */
  readonly exec: (argv: readonly string[], options?: ExecOptions) => Promise<Executed>
  /** As `exec`, but fails with what the program wrote unless its code is 0; answers with its stdout. */
  run(argv: readonly string[], options?: ExecOptions): Promise<string>
  /** Stops everything that was spawned here, in the middle of whatever it does. */
  freezeAll(): void
  /** Kills everything that was spawned here and is not the holder. */
  killAll(): Promise<void>
  /** Kills everything, and with the last process the namespace goes. */
  end(): Promise<void>
}

/** Where namespaces are made: as root directly, else in a user namespace of its own. */
export interface World {
  readonly rootless: boolean
  createNamespace(): Promise<Namespace>
  end(): Promise<void>
}

const searchPath = `${process.env['PATH'] ?? ''}:/usr/local/sbin:/usr/sbin:/sbin`

/** The environment of everything that is started: as ours, with the folders where Debian keeps `ip` and `nft`. */
export const labEnvironment: NodeJS.ProcessEnv = { ...process.env, PATH: searchPath }

/** Killed by the kernel when we are gone. Last in the chain, since entering a user namespace forgets it. */
export const dieWithUs: readonly string[] = ['setpriv', '--pdeathsig', 'KILL', '--']

/** Prepares to make namespaces; fails with the reason where neither root nor a user namespace can be had. */
export async function createWorld(): Promise<World> {
  const rootless = process.getuid?.() !== 0
  const outer = rootless ? await hold(['unshare', '--user', '--map-root-user', '--net', '--mount', '--']) : undefined
  const enterOuter =
    outer === undefined ? [] : ['nsenter', '--target', String(outer.pid), '--user', '--preserve-credentials', '--']
  const namespaces = new Set<Namespace>()
  return {
    rootless,
    async createNamespace() {
      const holder = await hold([...enterOuter, 'unshare', '--net', '--'])
      const namespace = namespaceOf(holder, outer?.pid)
      namespaces.add(namespace)
      await namespace.run(['ip', 'link', 'set', 'lo', 'up'])
      return namespace
    },
    async end() {
      await Promise.all([...namespaces].map(namespace => namespace.end()))
      if (outer !== undefined) await kill(outer)
    },
  }
}

/** A part of a world, which ends alone; at the latest with the whole. */
export function partOf(world: World): World {
  const namespaces: Namespace[] = []
  return {
    rootless: world.rootless,
    async createNamespace() {
      const namespace = await world.createNamespace()
      namespaces.push(namespace)
      return namespace
    },
    async end() {
      await Promise.all(namespaces.map(namespace => namespace.end()))
    },
  }
}

type Holder = ChildProcess & { readonly pid: number }

/** Starts the process that holds a namespace and waits until it stands inside: `cat` says back what it is told. */
async function hold(enter: readonly string[]): Promise<Holder> {
  const argv = [...enter, ...dieWithUs, 'cat']
  const child = spawn(argv[0] ?? '', argv.slice(1), { stdio: ['pipe', 'pipe', 'pipe'], env: labEnvironment })
  child.stdin.on('error', () => {}) // EPIPE when it could not start: its stderr says why
  let problem = ''
  child.stderr.on('data', chunk => {
    problem += String(chunk)
  })
  child.stdin.write('inside\n')
  const lines = createInterface({ input: child.stdout })
  const started = await Promise.race([
    once(lines, 'line').then(() => true),
    once(child, 'close').then(
      () => false,
      error => {
        problem += String(error)
        return false
      },
    ),
  ])
  if (!started || child.pid === undefined) throw new Error(`${argv.join(' ')}: ${problem.trim() || 'ended at once'}`)
  return child as unknown as Holder
}

function namespaceOf(holder: Holder, outerPid: number | undefined): Namespace {
  const path = `/proc/${holder.pid}/ns/net`
  const enterCommand = [
    'nsenter',
    ...(outerPid === undefined ? [] : ['--target', String(outerPid), '--user', '--preserve-credentials']),
    `--net=${path}`,
    '--',
  ]
  const running = new Set<ChildProcess>()

  function start(argv: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const [program = '', ...rest] = [...enterCommand, ...dieWithUs, ...argv]
    const child = spawn(program, rest, { ...options, env: { ...labEnvironment, ...options.env } })
    running.add(child)
    child.once('close', () => running.delete(child))
    child.once('error', () => running.delete(child))
    return child
  }

  async function exec(argv: readonly string[], options: ExecOptions = {}): Promise<Executed> {
    const child = start(argv, { stdio: ['pipe', 'pipe', 'pipe'] })
    return await collect(child, argv, options)
  }

  async function killAll(): Promise<void> {
    await Promise.all([...running].map(child => kill(child)))
  }

  return {
    pid: holder.pid,
    path,
    enterCommand,
    spawn: start,
    exec,
    async run(argv, options) {
      const { stdout, stderr, code } = await exec(argv, options)
      if (code !== 0) throw new Error(`${argv.join(' ')} ended with ${code}: ${(stderr || stdout).trim()}`)
      return stdout
    },
    freezeAll: () => running.forEach(child => child.kill('SIGSTOP')),
    killAll,
    async end() {
      await killAll()
      await kill(holder)
    },
  }
}

async function collect(child: ChildProcess, argv: readonly string[], options: ExecOptions): Promise<Executed> {
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', chunk => {
    stdout += String(chunk)
  })
  child.stderr?.on('data', chunk => {
    stderr += String(chunk)
  })
  child.stdin?.on('error', () => {}) // it may end before it has read everything
  child.stdin?.end(options.input ?? '')
  let late = false
  const timeout =
    options.timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          late = true
          child.kill('SIGKILL')
        }, options.timeoutMs)
  try {
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
    if (late) throw new Error(`${argv.join(' ')} was not done after ${options.timeoutMs} ms: ${stderr.trim()}`)
    return { stdout, stderr, code: code ?? 128 + (signal === 'SIGKILL' ? 9 : 15) }
  } finally {
    clearTimeout(timeout)
  }
}

/** Kills one process and waits until it is gone. */
export async function kill(child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill(signal)
  await exited
}
