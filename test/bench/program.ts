import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** A program under measurement. */
export interface Program {
  readonly name: string
  readonly pid: number
  /** performance.now() just before the process was started. */
  readonly startedAt: number
  /** Highest resident memory so far, in MB (10^6 bytes), as the kernel counts it (VmHWM). */
  peakResidentMB(): Promise<number>
  /** Resident memory now, in MB (10^6 bytes). */
  residentMB(): Promise<number>
  /** Processor time so far, user and system, in seconds. */
  cpuSeconds(): Promise<number>
  stop(): Promise<void>
}

/** Starts a program with its output in a file of the given folder, so that nothing it prints costs the measurement. */
export function startProgram(
  name: string,
  command: readonly string[],
  environment: Record<string, string>,
  logFolder: string,
): Program {
  const [file = '', ...args] = command
  const logFile = join(logFolder, `${name}.log`)
  const startedAt = performance.now()
  const child = spawn(file, args, { env: { ...process.env, ...environment }, stdio: ['ignore', 'pipe', 'pipe'] })
  const log = createWriteStream(logFile, { flags: 'a' })
  child.stdout.pipe(log, { end: false })
  child.stderr.pipe(log, { end: false })
  return programOf(name, child, startedAt)
}

/** Measures a process that runs already; it is told where nobody asked it to end. */
export function programOf(name: string, child: ChildProcess, startedAt: number): Program {
  let stopping = false
  child.on('exit', (code, signal) => {
    if (!stopping) process.stderr.write(`${name} ended by itself (${signal ?? `exit code ${code}`})\n`)
  })
  const takeAlong = (): void => void child.kill('SIGKILL')
  process.once('exit', takeAlong)
  child.once('exit', () => process.off('exit', takeAlong))
  const pid = child.pid
  if (pid === undefined) throw new Error(`${name} could not be started`)

  const statusMB = async (field: string) => {
    const line = (await readFile(`/proc/${pid}/status`, 'utf8')).split('\n').find(text => text.startsWith(`${field}:`))
    return (Number(line?.match(/\d+/)?.[0]) * 1024) / 1e6
  }
  return {
    name,
    pid,
    startedAt,
    peakResidentMB: () => statusMB('VmHWM'),
    residentMB: () => statusMB('VmRSS'),
    cpuSeconds: async () => {
      const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? []
      // utime and stime, in ticks of a hundredth of a second (USER_HZ)
      return (Number(fields[11]) + Number(fields[12])) / 100
    },
    stop: async () => {
      stopping = true
      await stopChild(child)
    },
  }
}

const restTimeoutSeconds = 400

/** Waits until programs have nothing left to do, two seconds with less than a twentieth of a core twice in a row; how long that took. */
export async function untilAtRest(programs: readonly Program[]): Promise<number> {
  const used = async (): Promise<number> => {
    const seconds = await Promise.all(programs.map(program => program.cpuSeconds()))
    return seconds.reduce((sum, one) => sum + one, 0)
  }
  const beganAt = performance.now()
  for (let calm = 0; calm < 2 && performance.now() - beganAt < restTimeoutSeconds * 1000; ) {
    const before = await used()
    await new Promise(wake => setTimeout(wake, 2_000))
    calm = (await used()) - before < 0.1 ? calm + 1 : 0
  }
  return (performance.now() - beganAt) / 1000
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), 5_000)
  await gone
  clearTimeout(timer)
}
