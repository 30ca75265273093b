import { Worker } from 'node:worker_threads'
import type { Logger } from 'pino'
import { excludedByDefault } from '../netlink/interfaces.ts'
import type { WireCommand, WireReport } from './messages.ts'
import type { WireWorkerData } from './worker.ts'

/** The thread that answers the segment, as main sees it. */
export interface Wire {
  send(command: WireCommand): void
  /** Ends the thread; resolves when it has ended. */
  stop(): Promise<void>
}

/** How long the thread may take to close its sockets. */
const stopWithinMs = 2_000

/** Starts the wire thread. `onExit` is called when it ends without having been asked to: then nobody answers any more. */
export function startWire(options: {
  readonly log: Logger
  readonly onReport: (report: WireReport) => void
  readonly onExit: (error: Error) => void
  /** Regular expressions over names of interfaces on which nothing is ever announced; `excludedByDefault` if undefined. */
  readonly excludeInterfaces?: readonly string[]
}): Wire {
  const { log } = options
  const workerData: WireWorkerData = { excludeInterfaces: options.excludeInterfaces ?? excludedByDefault }
  const worker = new Worker(workerFile(), {
    name: 'wire',
    workerData,
    // It holds a few numbers per address; a small young generation keeps what it costs every node small.
    resourceLimits: { maxYoungGenerationSizeMb: 2 },
  })
  let stopping = false
  let failure: Error | undefined
  const ended = new Promise<void>(resolve => {
    worker.once('exit', code => {
      resolve()
      if (!stopping) options.onExit(failure ?? new Error(`the wire thread has ended with code ${code}`))
    })
  })
  worker.on('error', error => {
    failure = error instanceof Error ? error : new Error(String(error))
  })
  worker.on('message', (report: WireReport) => {
    if (report.kind === 'problem') log.warn({ problem: report.text }, 'the wire thread has a problem')
    options.onReport(report)
  })
  return {
    send: command => worker.postMessage(command),
    async stop() {
      stopping = true
      worker.postMessage({ kind: 'stop' } satisfies WireCommand)
      const timer = setTimeout(() => {
        log.warn('the wire thread does not end by itself and is terminated')
        void worker.terminate()
      }, stopWithinMs)
      await ended
      clearTimeout(timer)
    },
  }
}

/** worker.ts beside this file, or what the build made of it beside the speaker's bundle. */
function workerFile(): URL {
  return new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './speaker-wire.js', import.meta.url)
}
