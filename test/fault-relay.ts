import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'

/** How the fault proxy passes answers of the API server on: in order, late, and now and then only half of one. */

/** Does one thing after another, each when the patience that began with it is over, until the client has left. */
export type Pass = (act: () => void) => void

export function inOrder(patience: () => Promise<void>, response: ServerResponse): Pass {
  let last: Promise<unknown> = Promise.resolve()
  return act => {
    last = Promise.all([last, patience()]).then(() => response.destroyed || response.writableEnded || act())
  }
}

/** An answer that ends: collected, then passed on at once, or broken off in its middle. */
export async function passWhole(
  answer: IncomingMessage,
  response: ServerResponse,
  { pass, breaksOff }: { pass: Pass; breaksOff: boolean },
): Promise<void> {
  const body = await buffer(answer).catch(() => undefined)
  pass(() => {
    if (!body) return response.destroy()
    const length = answer.headers['content-length'] ?? body.length
    response.writeHead(answer.statusCode ?? 500, { ...onwardHeaders(answer.headers), 'content-length': length })
    if (!breaksOff || body.length < 2) return response.end(body)
    return response.write(body.subarray(0, body.length >> 1), () => response.destroy())
  })
}

/** What a watch that is passed on meets. */
export interface WatchPassing {
  readonly pass: Pass
  /** Where it is found as long as it is open. */
  readonly watches: Set<ServerResponse>
  readonly chance: () => number
  /** Asked at each piece. */
  readonly breaksOff: () => boolean
}

/** A watch in JSON goes on in whole lines, so that another line can be put between. */
export function passWatch(answer: IncomingMessage, response: ServerResponse, o: WatchPassing): void {
  const inLines = answer.headers['content-type']?.includes('json') ?? false
  let rest: Buffer = Buffer.alloc(0)
  response.on('close', () => o.watches.delete(response))
  o.pass(() => {
    response.writeHead(answer.statusCode ?? 500, onwardHeaders(answer.headers)).flushHeaders()
    if (answer.statusCode === 200) o.watches.add(response)
  })
  answer.on('data', (chunk: Buffer) => {
    const all = Buffer.concat([rest, chunk])
    const end = inLines ? all.lastIndexOf(newline) + 1 : all.length
    rest = all.subarray(end)
    const piece = all.subarray(0, end)
    if (piece.length === 0) return
    o.pass(() => {
      if (!o.breaksOff()) return response.write(piece)
      const lastLine = piece.lastIndexOf(newline, -2) + 1
      const cut = lastLine + 1 + Math.floor(o.chance() * (piece.length - lastLine - 2))
      return response.write(piece.subarray(0, cut), () => response.destroy())
    })
  })
  answer.on('end', () => o.pass(() => response.end(rest)))
  answer.on('error', () => o.pass(() => response.destroy()))
}

const newline = 0x0a

/** Without what is between two neighbours only (RFC 9110 §7.6.1), and what a client must not say of itself. */
export function onwardHeaders(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const ours = /^(connection|keep-alive|transfer-encoding|host|x-remote-.*)$/
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !ours.test(name)))
}
