import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { startGuard } from './guard.ts'

/** The processes that share one folder: their working directory, where each writes `<name>.log`. */
export interface Programs {
  start(name: string, path: string, flags: readonly string[]): Promise<void>
  /** Asks again and again until the answer is no exception; gives up when a program ends or `withinMs` are over. */
  until(what: string, ask: () => Promise<unknown>, signal: AbortSignal | undefined): Promise<void>
  /** Kills all of them, which is safe for data that is thrown away, and removes the folder. */
  stop(): Promise<void>
}

const withinMs = 60_000
const askEveryMs = 50

/** `directory` is an absolute path without symbolic links, made for these programs alone. */
export function createPrograms(directory: string): Programs {
  const guard = startGuard(directory)
  const running = new Map<string, ChildProcess>()
  let stopping: Promise<void> | undefined

  return {
    start: async (name, path, flags) => {
      const refuse = (): void => {
        if (stopping) throw new Error(`${name} is not started: the programs of ${directory} have been stopped`)
      }
      refuse()
      const log = await open(join(directory, `${name}.log`), 'a')
      try {
        refuse()
        const child = spawn(path, flags, { cwd: directory, detached: true, stdio: ['ignore', log.fd, log.fd] })
        running.set(name, child)
        await once(child, 'spawn')
        if (child.pid !== undefined) guard.adopt(child.pid)
        child.unref()
      } finally {
        await log.close()
      }
    },
    until: async (what, ask, signal) => {
      const giveUpAt = performance.now() + withinMs
      for (;;) {
        try {
          return void (await ask())
        } catch (error) {
          signal?.throwIfAborted()
          if (stopping) throw new Error('The control plane was stopped before it was ready', { cause: error })
          const ended = [...running].filter(([, child]) => hasEnded(child)).map(([name]) => name)
          if (ended.length > 0 || performance.now() > giveUpAt) {
            const blame =
              ended.length > 0 ? `${ended.join(', ')} ended` : `${what} is not there after ${withinMs / 1000} s`
            throw new Error(`${blame}\n${await lastWords(directory, ended[0] ?? 'kube-apiserver')}`, { cause: error })
          }
        }
        await delay(askEveryMs)
      }
    },
    stop: () => {
      stopping ??= (async () => {
        await Promise.all([...running.values()].map(kill))
        await guard.release()
      })()
      return stopping
    },
  }
}

async function kill(child: ChildProcess): Promise<void> {
  if (hasEnded(child) || child.pid === undefined) return
  child.ref()
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

async function lastWords(directory: string, name: string): Promise<string> {
  const log = await readFile(join(directory, `${name}.log`), 'utf8').catch(() => '')
  return `The end of its log:\n${log.trimEnd().split('\n').slice(-12).join('\n')}`
}
