import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Program } from '../lab/berth.ts'
import { type Lab, startLab } from '../lab/lab.ts'
import type { LabHost } from '../lab/node.ts'
import type { Narrator } from './narrator.ts'

export interface StoryOptions {
  readonly stay: boolean
  readonly kubeProxyMode: 'nftables' | 'iptables'
  readonly signal: AbortSignal
}

const root = join(import.meta.dirname, '../..')
const manifests = join(import.meta.dirname, 'manifests')
const patienceMs = 60_000

/** Everything that the steps of a story share. */
export interface Stage {
  readonly narrator: Narrator
  readonly signal: AbortSignal
  readonly lab: Lab
  /** Of Berth, by name. */
  readonly programs: Program[]
}

/** Starts a lab of three nodes and plays in it; whatever was started has ended when it returns or throws. */
export async function onStage(
  narrator: Narrator,
  { kubeProxyMode, signal }: StoryOptions,
  play: (stage: Stage) => Promise<void>,
): Promise<void> {
  const lab = await startLab({ nodes: 3, kubeProxyMode, signal, progress: line => narrator.progress(line) })
  const stage: Stage = { narrator, signal, lab, programs: [] }
  const stopped = once(signal, 'abort').then(() => lab.stop())
  stopped.catch(() => {})
  try {
    await play(stage)
  } catch (error) {
    signal.throwIfAborted()
    throw await withLogs(error, stage)
  } finally {
    await lab.stop()
  }
  narrator.done('All of it has ended; nothing is left on this machine but the programs in the cache')
}

/** Runs kubectl, and shows the command and what it printed. */
export async function kubectl(stage: Stage, args: readonly string[]): Promise<void> {
  stage.signal.throwIfAborted()
  stage.narrator.command(['kubectl', ...args].join(' '))
  stage.narrator.output(await stage.lab.controlPlane.kubectl(args))
}

export async function apply(stage: Stage, manifest: string): Promise<void> {
  const path = join(manifests, manifest)
  const shown = relative(root, path)
  stage.narrator.command(`cat ${shown}`)
  stage.narrator.output(await readFile(path, 'utf8'))
  stage.narrator.command(`kubectl apply -f ${shown}`)
  stage.narrator.output(await stage.lab.controlPlane.kubectl(['apply', '-f', path]))
}

/** Runs a program on a machine of the lab, and shows the command and what it printed. */
export async function onHost(stage: Stage, host: LabHost, argv: readonly string[]): Promise<void> {
  stage.signal.throwIfAborted()
  stage.narrator.command(argv.join(' '), host.name)
  const { stdout, stderr } = await host.exec(argv, { timeoutMs: 10_000 })
  stage.narrator.output(stdout + stderr)
}

/** Waits for a condition; fails, with what was waited for, when it takes too long or a program has ended. */
export async function until(stage: Stage, what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + patienceMs
  while (!(await condition())) {
    if (performance.now() > deadlineMs) throw new Error(`Waited ${patienceMs / 1000} s in vain until ${what}.`)
    const ended = stage.programs.find(({ running }) => !running)
    if (ended !== undefined) throw new Error(`The ${ended.name} has ended; the demo was waiting until ${what}.`)
    await delay(50, undefined, { signal: stage.signal })
  }
}

export async function inTime<T>(stage: Stage, what: string, promise: Promise<T>): Promise<T> {
  const giveUp = new AbortController()
  const late = delay(patienceMs, undefined, { signal: AbortSignal.any([giveUp.signal, stage.signal]) }).then(() => {
    throw new Error(`Waited ${patienceMs / 1000} s in vain until ${what}.`)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    giveUp.abort()
    late.catch(() => {})
  }
}

/** The error, with the last words of the programs that have ended, or of all: what a person needs to see what is wrong. */
async function withLogs(error: unknown, { programs }: Stage): Promise<Error> {
  const ended = programs.filter(({ running }) => !running)
  const parts = [error instanceof Error ? error.message : String(error)]
  for (const program of ended.length > 0 ? ended.slice(0, 1) : programs) {
    parts.push('', `The last lines of the ${program.name}:`, await program.logTail(10))
  }
  return new Error(parts.join('\n'), { cause: error })
}
