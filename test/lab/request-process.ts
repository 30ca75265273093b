/**
 * Run inside a namespace: asks a URL again and again, each time over a new connection, and prints one line of JSON per request.
 *
 *     node request-process.ts URL EVERY_MS TIMEOUT_MS [again]
 *
 * With `again`, a request whose connection is reset is made once more, as HTTP clients do with those that change nothing.
 *
 * A process of its own, so that a busy test does not count as an outage.
 */
import { get } from 'node:http'
import type { Request } from './probe.ts'

const [url = '', every = '', timeout = '', again] = process.argv.slice(2)
const now = (): number => performance.timeOrigin + performance.now()

function ask(): void {
  attempt(now(), again !== undefined)
}

function attempt(sentAtMs: number, mayAskAgain: boolean): void {
  let told = false
  const tell = (outcome: Pick<Request, 'node' | 'problem'>): void => {
    if (told) return
    told = true
    const askedAgain = again !== undefined && !mayAskAgain
    process.stdout.write(`${JSON.stringify({ sentAtMs, doneAtMs: now(), ...outcome, askedAgain })}\n`)
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
  request.on('error', (error: NodeJS.ErrnoException) => {
    if (mayAskAgain && !told && error.code === 'ECONNRESET') {
      told = true
      attempt(sentAtMs, false)
    } else {
      tell({ node: undefined, problem: error.message })
    }
  })
}

ask()
const asking = setInterval(ask, Number(every))
// Asked to stop: no more requests, but those under way are waited for.
process.once('SIGTERM', () => clearInterval(asking))
