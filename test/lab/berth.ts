/** Berth's own programs in a lab, started as an admin would start them: from source, with the flags of their help. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { buildRawsock } from '../../speaker/rawsock/build.ts'
import type { Lab } from './lab.ts'
import { dieWithUs, kill, labEnvironment } from './namespace.ts'
import type { LabNode } from './node.ts'

/** Where Berth keeps its configuration and its Leases. */
export const berthNamespace = 'berth-system'

const root = join(import.meta.dirname, '../..')

/** A program of Berth that runs, or has. */
export interface Program {
  /** `controller`, or `speaker on node-1`. */
  readonly name: string
  readonly pid: number
  /** As one would type it. */
  readonly commandLine: string
  readonly running: boolean
  /** Resolves when it has ended, however. */
  readonly ended: Promise<unknown>
  /** SIGTERM, and waits until it is gone; answers with its exit code. */
  stop(): Promise<number | null>
  /** SIGKILL. */
  kill(): Promise<void>
  /** SIGSTOP and SIGCONT: a program that hangs. */
  freeze(): void
  thaw(): void
  /** The last lines that it wrote. */
  logTail(lines?: number): Promise<string>
}

export interface ProgramOptions {
  readonly logLevel?: string
  /** The user that it is for the API server; `admin`, who may do everything, unless said otherwise. */
  readonly user?: string
  /** A kubeconfig to use instead of the direct one, such as a fault proxy's. */
  readonly kubeconfig?: string
  /** More flags. */
  readonly flags?: readonly string[]
}

/** Makes the namespace that Berth lives in. */
export async function createBerthNamespace(lab: Lab): Promise<void> {
  const object = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: berthNamespace } }
  await lab.controlPlane.kubectl(['apply', '-f', '-'], { input: JSON.stringify(object) })
}

/** A controller, outside the nodes. */
export async function startController(lab: Lab, options: ProgramOptions = {}): Promise<Program> {
  const kubeconfig = options.kubeconfig ?? (await lab.controlPlane.kubeconfig(options.user))
  const argv = argvOf('controller/main.ts', kubeconfig, options)
  const [program = '', ...rest] = [...dieWithUs, ...argv]
  return launch('controller', lab, argv, stdio => spawn(program, rest, { cwd: root, env: labEnvironment, stdio }))
}

/** A speaker on a node. */
export async function startSpeaker(lab: Lab, node: LabNode, options: ProgramOptions = {}): Promise<Program> {
  await buildRawsock()
  const kubeconfig = options.kubeconfig ?? (await lab.kubeconfig(options.user))
  const own = ['--node-name', node.name, '--speaker-key-file', await speakerKeyFile(lab)]
  const argv = [...argvOf('speaker/main.ts', kubeconfig, options), ...own]
  return launch(`speaker on ${node.name}`, lab, argv, stdio => node.spawn(argv, { cwd: root, stdio }))
}

/** The secret that all speakers of a lab share, as the chart would mount it. */
async function speakerKeyFile(lab: Lab): Promise<string> {
  const path = join(lab.directory, 'speaker-key')
  // Whoever comes second finds it.
  await writeFile(path, randomBytes(32).toString('hex'), { flag: 'wx', mode: 0o600 }).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  })
  return path
}

/** The controller and a speaker on every node. */
export async function startBerth(
  lab: Lab,
  speaker: ProgramOptions = {},
): Promise<{ controller: Program; speakers: Map<string, Program> }> {
  await createBerthNamespace(lab)
  const controller = await startController(lab)
  const speakers = new Map<string, Program>()
  for (const node of lab.nodes) speakers.set(node.name, await startSpeaker(lab, node, speaker))
  return { controller, speakers }
}

function argvOf(script: string, kubeconfig: string, { logLevel = 'info', flags = [] }: ProgramOptions): string[] {
  const common = ['--kubeconfig', kubeconfig, '--namespace', berthNamespace, '--port', '0', '--log-level', logLevel]
  return [process.execPath, script, ...common, ...flags]
}

type Stdio = ['ignore', number, number]

function launch(name: string, lab: Lab, argv: readonly string[], start: (stdio: Stdio) => ChildProcess): Program {
  const logFile = join(lab.directory, `${name.replaceAll(' ', '-')}.log`)
  const log = openSync(logFile, 'a')
  const child = start(['ignore', log, log])
  closeSync(log)
  const exited = once(child, 'exit')
  lab.onStop(() => kill(child))
  // Signals go to the program itself: everything that stands before it in its command line replaces itself by the next.
  return {
    name,
    pid: child.pid ?? 0,
    commandLine: ['node', ...argv.slice(1)].join(' '),
    get running() {
      return child.exitCode === null && child.signalCode === null
    },
    ended: exited,
    async stop() {
      child.kill('SIGTERM')
      await exited
      return child.exitCode
    },
    async kill() {
      await kill(child)
    },
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    async logTail(lines = 20) {
      return (await readFile(logFile, 'utf8')).trimEnd().split('\n').slice(-lines).join('\n')
    },
  }
}
