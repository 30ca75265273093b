/**
 * Run inside a namespace: asks a URL again and again, each time over a new connection, and prints one line of JSON per request.
 *
 *     node request-process.ts URL EVERY_MS TIMEOUT_MS
 *
 * A process of its own, so that a busy test does not count as an outage.
 */
import { get } from 'node:http'
import type { Request } from './probe.ts'

const [url = '', every = '', timeout = ''] = process.argv.slice(2)
const now = (): number => performance.timeOrigin + performance.now()

function ask(): void {
  const sentAtMs = now()
  let told = false
  const tell = (outcome: Pick<Request, 'node' | 'problem'>): void => {
    if (told) return
    told = true
    process.stdout.write(`${JSON.stringify({ sentAtMs, doneAtMs: now(), ...outcome })}\n`)
  }
  const request = get(url, { agent: false }, response => {
    let body = ''
    response.on('data', chunk => {
      body += String(chunk)
    })
    response.on('end', () => tell({ node: body.split(' ')[0] ?? '', problem: undefined }))
  })
  const patience = setTimeout(() => request.destroy(new Error('no answer in time')), Number(timeout))
  request.on('close', () => clearTimeout(patience))
  request.on('error', error => tell({ node: undefined, problem: error.message }))
}

ask()
const asking = setInterval(ask, Number(every))
// Asked to stop: no more requests, but those under way are waited for.
process.once('SIGTERM', () => clearInterval(asking))
