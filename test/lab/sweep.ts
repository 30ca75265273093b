/** What clients see of hundreds of addresses at a time. */
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { LabHost } from './node.ts'

/** What is asked for, again and again. */
export interface SweepTarget {
  readonly address: string
  readonly port: number
  readonly protocol: 'TCP' | 'UDP'
  /** Whether a connection is held open as well, and talked over. */
  readonly held?: boolean
}

export interface SweepReport extends Omit<SweepTarget, 'held'> {
  readonly asked: number
  readonly lost: number
  /** The longest time from a question that was lost to the next that was not. */
  readonly outageMs: number
}

export interface Swept {
  readonly reports: readonly SweepReport[]
  /** Connections that were held open, and why one was not any more. */
  readonly kept: readonly { readonly address: string; readonly broken?: string; readonly lines: number }[]
}

/** Lets a host ask every target each `everyMs`; the answer tells. */
export function startSweep(host: LabHost, targets: readonly SweepTarget[], everyMs: number): () => Promise<Swept> {
  const script = join(import.meta.dirname, 'sweep-process.ts')
  const child = host.spawn([process.execPath, script, String(everyMs)], { stdio: ['pipe', 'pipe', 'inherit'] })
  const { stdin, stdout } = child
  if (!stdin || !stdout) throw new Error('the sweep has no input or output')
  stdin.write(`${JSON.stringify(targets)}\n`)
  const told = text(stdout)
  return async () => {
    const ended = once(child, 'close')
    stdin.end('stop\n')
    await ended
    return JSON.parse(await told) as Swept
  }
}
