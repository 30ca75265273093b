import { Worker } from 'node:worker_threads'
import type { Logger } from 'pino'
import type { ViewAnswer, ViewRequest } from './answer.ts'
import type { WatcherCommand, WatcherData, WatcherReport } from './messages.ts'

/** The thread that watches the cluster, as the page's server sees it: there while it is wanted. */
export interface Watcher {
  /** The view, made by the thread, which is started if it does not run; throws `Unavailable` where there is none. */
  ask(request: ViewRequest): Promise<Viewed>
  /** Somebody looks until the function that is returned is called; the last overview is told at once, if there is one. */
  follow(listener: (change: OverviewChange) => void): () => void
  /** Somebody is about to look. */
  warm(): void
  readonly isRunning: boolean
  /** Ends the thread for good. */
  stop(): Promise<void>
}

export interface Viewed {
  readonly answer: ViewAnswer
  /** Changes with the answer. */
  readonly tag: string
}

/** The overview as JSON, at the cluster's time. */
export type OverviewChange = Omit<Extract<WatcherReport, { kind: 'changed' }>, 'kind'>

/** Why no view can be had now, for the one who asked. */
export class Unavailable extends Error {}

export interface WatcherOptions extends WatcherData {
  readonly log: Logger
  /** How long the thread lives on when nobody looks any more. Default a minute. */
  readonly idleMs?: number
}

const answerWithinMs = 20_000
/** Questions on their way at once, of all who look. */
const mostQuestions = 64
const stopWithinMs = 2_000
/** Next to the controller's own heap in one container: some 30,000 Services. */
const heapMegabytes = 192

interface Question {
  readonly askedOf: Worker
  resolve(viewed: Viewed): void
  reject(error: Error): void
}

export function createWatcher({ log, idleMs = 60_000, ...data }: WatcherOptions): Watcher {
  const questions = new Map<number, Question>()
  const listeners = new Set<(change: OverviewChange) => void>()
  let worker: Worker | undefined
  let last: OverviewChange | undefined
  let idle: NodeJS.Timeout | undefined
  let nextId = 0
  let hasStopped = false

  function running(): Worker {
    if (hasStopped) throw new Unavailable('the controller is stopping')
    clearTimeout(idle)
    idle = undefined
    worker ??= start()
    return worker
  }

  function start(): Worker {
    const started = new Worker(workerFile(), {
      name: 'page',
      workerData: data satisfies WatcherData,
      resourceLimits: { maxOldGenerationSizeMb: heapMegabytes, maxYoungGenerationSizeMb: 8 },
    })
    let failure = 'it has ended'
    started.on('message', (report: WatcherReport) => take(report, started))
    started.on('error', error => {
      failure = error instanceof Error ? error.message : String(error)
      log.error({ err: error }, 'the thread of the status page has failed; the controller goes on')
    })
    started.once('exit', () => {
      if (worker === started) worker = last = undefined
      const error = new Unavailable(`the thread that watches the cluster for this page does not run: ${failure}`)
      // A successor may have been asked already: one that was idle takes a moment to end.
      for (const [id, question] of questions) {
        if (question.askedOf !== started) continue
        questions.delete(id)
        question.reject(error)
      }
    })
    return started
  }

  function take(report: WatcherReport, from: Worker): void {
    switch (report.kind) {
      case 'answer':
        questions.get(report.id)?.resolve(report)
        questions.delete(report.id)
        return
      case 'changed':
        if (from !== worker) return
        last = report
        for (const listener of listeners) listener(report)
        return
    }
  }

  function restWhenAlone(): void {
    if (listeners.size > 0 || questions.size > 0 || hasStopped) return
    clearTimeout(idle)
    idle = setTimeout(() => void end(), idleMs)
    idle.unref()
  }

  async function end(): Promise<void> {
    const ending = worker
    if (!ending) return
    worker = last = undefined
    const ended = new Promise(resolve => ending.once('exit', resolve))
    ending.postMessage({ kind: 'stop' } satisfies WatcherCommand)
    const timer = setTimeout(() => void ending.terminate(), stopWithinMs)
    await ended
    clearTimeout(timer)
  }

  return {
    get isRunning() {
      return worker !== undefined
    },
    async ask(request) {
      if (questions.size >= mostQuestions) throw new Unavailable('too many ask at once; try again in a moment')
      const thread = running()
      const id = nextId++
      const { promise, resolve, reject } = Promise.withResolvers<Viewed>()
      questions.set(id, { askedOf: thread, resolve, reject })
      const timer = setTimeout(() => {
        questions.delete(id)
        reject(new Unavailable(`no answer within ${answerWithinMs / 1000} s`))
      }, answerWithinMs)
      thread.postMessage({ kind: 'ask', id, request } satisfies WatcherCommand)
      try {
        return await promise
      } finally {
        clearTimeout(timer)
        restWhenAlone()
      }
    },
    warm() {
      running()
      restWhenAlone()
    },
    follow(listener) {
      running()
      listeners.add(listener)
      if (last) listener(last)
      return () => {
        if (listeners.delete(listener)) restWhenAlone()
      }
    },
    async stop() {
      hasStopped = true
      clearTimeout(idle)
      await end()
    },
  }
}

/** watcher-worker.ts beside this file, or what the build made of it beside the controller's bundle. */
function workerFile(): URL {
  return new URL(import.meta.url.endsWith('.ts') ? './watcher-worker.ts' : './page-watcher.js', import.meta.url)
}
