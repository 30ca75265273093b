import { get } from 'node:http'
import type { Logger } from 'pino'
import { sleep } from '../kube/task.ts'

/*
 * Whether this node's kube-proxy forwards: it says so on its health port, when asked. One answer that is late, and one
 * that is good by chance, change nothing. Before anything is known it counts as healthy, and so it does where nobody asks.
 */

/** Asks this node's kube-proxy how it is, every second. */
export interface ProxyWatch {
  isHealthy(): boolean
  run(signal: AbortSignal): Promise<void>
}

/** The verdict, and how many answers in a row have spoken against it. */
export interface ProxyHealth {
  readonly healthy: boolean
  readonly against: number
}

/** Answers in a row that change the verdict. */
const enough = 2

/** The verdict after one more answer. */
export function afterAnswer({ healthy, against }: ProxyHealth, good: boolean): ProxyHealth {
  if (good === healthy) return { healthy, against: 0 }
  return against + 1 < enough ? { healthy, against: against + 1 } : { healthy: good, against: 0 }
}

export function createProxyWatch(options: {
  /** Undefined: it is not asked. */
  readonly url: URL | undefined
  readonly onChange: () => void
  readonly log: Logger
  readonly periodMs?: number
}): ProxyWatch {
  const { url, onChange, log, periodMs = 1_000 } = options
  let health: ProxyHealth = { healthy: true, against: 0 }

  async function look(asked: URL): Promise<void> {
    const problem = await ask(asked, periodMs)
    const before = health
    health = afterAnswer(before, problem === undefined)
    if (health.healthy === before.healthy) return
    if (health.healthy) log.info('kube-proxy of this node is healthy again')
    else log.warn({ url: asked.href, problem }, 'kube-proxy of this node is not healthy: other nodes are preferred')
    onChange()
  }

  return {
    isHealthy: () => health.healthy,
    async run(signal) {
      if (!url) return
      while (!signal.aborted) {
        const startMs = performance.now()
        await look(url)
        await sleep(Math.max(0, startMs + periodMs - performance.now()), signal)
      }
    },
  }
}

/** What speaks against kube-proxy's health: another status than 200, or no answer in time. */
async function ask(url: URL, timeoutMs: number): Promise<string | undefined> {
  return await new Promise(resolve => {
    const request = get(url, { agent: false, signal: AbortSignal.timeout(timeoutMs) }, response => {
      response.resume()
      resolve(response.statusCode === 200 ? undefined : `status ${response.statusCode}`)
    })
    request.on('error', error => resolve(error.message))
  })
}
