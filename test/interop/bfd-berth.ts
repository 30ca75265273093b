import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { BfdCounters, BfdSessionSettings, BfdSessionStatus } from '../../speaker/bfd/messages.ts'
import type { ThreadPriority } from '../../speaker/rawsock/priority.ts'
import { kill } from '../lab/namespace.ts'
import type { LabHost } from '../lab/node.ts'
import type { FromBfdProcess, ToBfdProcess } from './bfd-process.ts'

/** A status and when it was told, by the machine's clock. */
export interface Told {
  readonly status: BfdSessionStatus
  readonly atMs: number
}

/** Berth's BFD in a process of its own on a host. */
export interface BfdBerth {
  /** Everything told so far. */
  readonly told: readonly Told[]
  readonly problems: readonly string[]
  setSessions(...sessions: readonly BfdSessionSettings[]): void
  /** Waits until the last status of the session is one that `accept` takes. */
  until(what: string, accept: (status: BfdSessionStatus) => boolean, name?: string): Promise<Told>
  counters(): Promise<BfdCounters>
  /** Puts its thread before all others, as far as that is allowed here. */
  raise(): Promise<ThreadPriority>
  sendDatagram(datagram: Omit<Extract<ToBfdProcess, { kind: 'datagram' }>, 'kind'>): void
  /** Its thread is busy with something else for so long. */
  block(ms: number): void
  freeze(): void
  thaw(): void
  stop(): Promise<void>
  kill(): Promise<void>
}

export async function startBfdBerth(host: LabHost): Promise<BfdBerth> {
  const child: ChildProcess = host.spawn([process.execPath, join(import.meta.dirname, 'bfd-process.ts')], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    serialization: 'advanced',
  })
  const told: Told[] = []
  const problems: string[] = []
  const heard = new Set<(message: FromBfdProcess) => void>()
  child.on('message', (message: FromBfdProcess) => {
    if (message.kind === 'status') told.push({ status: message.status, atMs: message.atMs })
    if (message.kind === 'problem') problems.push(message.text)
    for (const listener of heard) listener(message)
  })
  const post = (message: ToBfdProcess): void => void child.send(message)
  const hear = async <T>(what: string, pick: () => T | undefined, fromMessage: (m: FromBfdProcess) => T | undefined) =>
    await new Promise<T>((resolve, reject) => {
      const late = setTimeout(() => {
        heard.delete(look)
        reject(new Error(`${what}: not within 20 s; told: ${JSON.stringify(told.slice(-5))} ${problems.join('; ')}`))
      }, 20_000)
      const take = (found: T | undefined): void => {
        if (found === undefined) return
        clearTimeout(late)
        heard.delete(look)
        resolve(found)
      }
      const look = (message: FromBfdProcess): void => take(fromMessage(message))
      heard.add(look)
      take(pick())
    })
  await hear(
    'Berth’s BFD starts',
    () => undefined,
    ({ kind }) => (kind === 'ready' ? true : undefined),
  )
  return {
    told,
    problems,
    setSessions: (...sessions) => post({ kind: 'sessions', sessions }),
    until(what, accept, name = 'router') {
      const pick = (): Told | undefined => {
        const last = told.findLast(({ status }) => status.name === name)
        return last && accept(last.status) ? last : undefined
      }
      return hear(what, pick, pick)
    },
    counters() {
      const counters = hear(
        'counters',
        () => undefined,
        message => (message.kind === 'counters' ? message.counters : undefined),
      )
      post({ kind: 'counters' })
      return counters
    },
    raise() {
      const raised = hear(
        'its priority',
        () => undefined,
        message => (message.kind === 'raised' ? message.to : undefined),
      )
      post({ kind: 'raise' })
      return raised
    },
    sendDatagram: datagram => post({ kind: 'datagram', ...datagram }),
    block: ms => post({ kind: 'block', ms }),
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    async stop() {
      const closed = once(child, 'close')
      post({ kind: 'stop' })
      await closed
    },
    kill: () => kill(child),
  }
}

/** A session by the name of `router` with 192.0.2.2, 50 ms × 3. */
export function bfdSession(more: Partial<BfdSessionSettings> = {}): BfdSessionSettings {
  return {
    name: 'router',
    remote: '192.0.2.2',
    local: undefined,
    device: undefined,
    hops: 'single',
    minimumTtl: 254,
    transmitIntervalMs: 50,
    receiveIntervalMs: 50,
    detectMultiplier: 3,
    passiveMode: false,
    authentication: undefined,
    ...more,
  }
}
