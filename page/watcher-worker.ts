import { createHash } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'
import { pictureOf } from '../cli/picture.ts'
import { clusterTimeMs } from '../cli/read.ts'
import { statusOf } from '../cli/status.ts'
import { loadCredentials } from '../kube/credentials.ts'
import { aborted, sleep } from '../kube/task.ts'
import { createTransport } from '../kube/transport.ts'
import { createLog } from '../program/log.ts'
import { answer, type ViewAnswer, type ViewRequest } from './answer.ts'
import { watchCluster } from './cluster.ts'
import { createHistory } from './history.ts'
import type { WatcherCommand, WatcherData, WatcherReport } from './messages.ts'
import type { Scene } from './views/scene.ts'

/*
 * The page's own thread: it watches the cluster and makes the views, so that the controller's decisions never wait for
 * somebody who looks. It lives as long as anybody does. A new look at the cluster is taken when something has changed, at
 * most twice a second and for at most a fifth of the time, however large the cluster and however much happens in it. What
 * has not changed since the last look is taken from there.
 */

/** Between two looks. */
const shortestMs = 500
/** A look that took so long is followed by a pause of four times that. */
const pausePerLook = 4
/** Without any change: for Leases that are no longer renewed. */
const longestMs = 5_000
/** Views wait for the first lists so long; then they are made of what is there. */
const patienceMs = 8_000
const clockEveryMs = 300_000
/** Answers that are kept for others who ask the same of the same scene. */
const mostAnswers = 64

const { kubeconfig, namespace, loadBalancerClass, logLevel } = workerData as WatcherData
const port = parentPort
if (!port) throw new Error('page/watcher-worker.ts runs as a worker thread of the controller')
const log = createLog(logLevel).child({ part: 'page' })
const stop = new AbortController()
const transport = createTransport(await loadCredentials(kubeconfig), { maxSockets: 4, userAgent: 'berth-status-page' })

let hasChanged = new AbortController()
const cluster = watchCluster({ transport, namespace, log, onChange: () => hasChanged.abort() })
const history = createHistory(cluster.events)
let scene: Scene | undefined
let clockOffsetMs = 0
let wasChanged = true
const answers = new Map<string, { readonly answer: ViewAnswer; readonly tag: string }>()
const { promise: firstLook, resolve: looked } = Promise.withResolvers<void>()

port.on('message', (command: WatcherCommand) => {
  switch (command.kind) {
    case 'ask':
      void respond(command.id, command.request)
      return
    case 'stop':
      stop.abort()
      transport.close()
      return
  }
})

void keepClock()
const watching = cluster.run(stop.signal)
await Promise.race([cluster.ready, sleep(patienceMs, stop.signal)])
await keepLooking()
await watching
port.close()

async function keepLooking(): Promise<void> {
  let last = ''
  while (!stop.signal.aborted) {
    hasChanged = new AbortController()
    const startMs = performance.now()
    scene = look()
    answers.clear()
    looked()
    const overview = answer(scene, { view: 'overview', query: {} })
    const body = overview.status === 200 ? overview.body : ''
    // The time line counts too: what happened belongs to what is seen, even where nothing else has changed.
    const tag = `${body} ${scene.timeLine.length} ${scene.timeLine[0]?.id ?? ''}`
    const isNews = tag !== last || wasChanged
    wasChanged = false
    last = tag
    if (isNews) report({ kind: 'changed', overview: body, nowMs: nowMs() })
    const tookMs = performance.now() - startMs
    await sleep(Math.max(shortestMs, tookMs * pausePerLook), stop.signal)
    if (!hasChanged.signal.aborted) await sleep(longestMs - shortestMs, stop.signal, hasChanged.signal)
    wasChanged = hasChanged.signal.aborted
  }
}

function look(): Scene {
  const picture = pictureOf(cluster.snapshot(nowMs()), loadBalancerClass, scene?.picture)
  const status = statusOf(picture)
  return { picture, status, timeLine: history.look(picture, status), trouble: cluster.trouble() }
}

async function respond(id: number, request: ViewRequest): Promise<void> {
  await Promise.race([firstLook, aborted(stop.signal)])
  if (!scene) return
  const key = JSON.stringify(request)
  const known = answers.get(key)
  if (known) return report({ kind: 'answer', id, ...known })
  const made = answer(scene, request)
  const text = made.status === 200 ? made.body : made.problem
  const kept = { answer: made, tag: `"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"` }
  if (answers.size < mostAnswers) answers.set(key, kept)
  report({ kind: 'answer', id, ...kept })
}

function report(message: WatcherReport): void {
  port?.postMessage(message)
}

/** The cluster's time: Leases are renewed by it, and a node's own clock may be wrong. */
function nowMs(): number {
  return Date.now() + clockOffsetMs
}

async function keepClock(): Promise<void> {
  while (!stop.signal.aborted) {
    const offset = (await clusterTimeMs(transport)) - Date.now()
    // The server's time has whole seconds: what is less than one is no difference.
    clockOffsetMs = Math.abs(offset) < 1_500 ? 0 : offset
    await sleep(clockEveryMs, stop.signal)
  }
}
