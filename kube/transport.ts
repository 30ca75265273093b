import http from 'node:http'
import https from 'node:https'
import { createSecureContext } from 'node:tls'
import { apiErrorFrom } from './api-error.ts'
import { type Cancel, createCancel } from './cancel.ts'
import type { Credentials } from './credentials.ts'
import { createGate } from './gate.ts'
import { createLineSplitter } from './lines.ts'

export { ApiError } from './api-error.ts'

/*
 * Berth's own HTTP to the API server: node:https, one keep-alive agent, JSON, and nothing else. A client library opens a
 * TLS connection per request or costs tens of megabytes; this process patches thousands of Services while it shares its
 * cores with the API server that it patches.
 *
 * The bulk of the requests goes through a gate that lets so many through at once. Watches (which hold a connection each
 * for minutes) and urgent requests (a lease renewal must never wait behind five thousand patches) pass beside it. The gate
 * is ours, and not the agent's own queue, since a request that waits in the agent can neither time out nor be closed.
 */

/** One request to the API server. */
export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Absolute path of the API, e.g. `/api/v1/services`. */
  readonly path: string
  readonly query?: Query
  readonly body?: unknown
  /** Default `application/json`. */
  readonly contentType?: string
  readonly signal?: AbortSignal
  /** From the call to the last byte of the answer, waiting for a connection included. Default 30 s. */
  readonly timeoutMs?: number
  /** The answer is taken as the text that it is: what the API server passes on from others need not be JSON. */
  readonly asText?: boolean
  /** Do not wait behind the bulk of requests for a connection. */
  readonly urgent?: boolean
}

/** Parameters of a query; those that are undefined are left out. */
export type Query = Readonly<Record<string, string | number | boolean | undefined>>

/** One event of a watch as it came. */
export interface WatchEvent {
  /** ADDED, MODIFIED, DELETED, BOOKMARK or ERROR. */
  readonly type: string
  readonly object: unknown
}

/** The way to the API server. */
export interface Transport {
  /** The parsed answer; throws `ApiError` where the server said no, another `Error` where nothing sensible was heard. */
  request<T>(request: ApiRequest): Promise<T>
  /**
   * The events of a watch until the server ends it (the iteration ends), it fails or `signal` aborts it (the iteration
   * throws). `onOpen` is called when the server has agreed to it.
   */
  watch(path: string, query: Query, signal: AbortSignal, onOpen?: () => void): AsyncIterable<WatchEvent>
  /** Closes every connection; requests that still run fail. */
  close(): void
  /** Connections that are open now, idle ones included. */
  readonly openSockets: number
}

export interface TransportOptions {
  /** Requests at once, urgent ones not counted. Default 32. */
  readonly maxSockets?: number
  /** Sent as User-Agent. */
  readonly userAgent?: string
  /** An answer longer than this is an error. Default 64 MiB. */
  readonly maxBodyBytes?: number
}

const defaultTimeoutMs = 30_000
// Below the 90 s after which the API server closes an idle connection, so that we are hardly ever surprised by that.
const idleSocketMs = 45_000

/** Connects to the API server; nothing is opened before the first request. */
export function createTransport(credentials: Credentials, options: TransportOptions = {}): Transport {
  const { server } = credentials
  const secure = server.protocol === 'https:'
  const host = server.hostname.replace(/^\[|\]$/g, '')
  const port = server.port || (secure ? 443 : 80)
  const basePath = server.pathname.replace(/\/$/, '')
  const maxBodyBytes = options.maxBodyBytes ?? 64 * 1024 * 1024
  const userAgent = options.userAgent ?? 'berth'
  const gate = createGate(options.maxSockets ?? 32)
  const agent = createAgent()
  const sockets = new Set<object>()
  const running = new Set<Cancel>()
  let closed = false

  function createAgent(): http.Agent {
    const common = { keepAlive: true, keepAliveMsecs: 10_000, timeout: idleSocketMs }
    const agent = secure ? new https.Agent({ ...common, ...tlsOptions(credentials) }) : new http.Agent(common)
    const create = agent.createConnection.bind(agent)
    agent.createConnection = (...parameters: Parameters<typeof create>) => {
      const socket = create(...parameters)
      if (socket) {
        sockets.add(socket)
        socket.once('close', () => sockets.delete(socket))
      }
      return socket
    }
    return agent
  }

  function start(name: string, signal: AbortSignal | undefined, timeoutMs: number): Cancel {
    if (closed) throw new Error(`${name}: the transport is closed`)
    signal?.throwIfAborted()
    const cancel = createCancel(name, signal, timeoutMs)
    running.add(cancel)
    return cancel
  }

  function end(cancel: Cancel): void {
    cancel.done()
    running.delete(cancel)
  }

  /** Sends, and resolves with the head of the answer; ends early where `cancel` says so. */
  function open(call: Call, token: string | undefined, cancel: Cancel): Sent {
    const headers: Record<string, string | number> = { accept: 'application/json', 'user-agent': userAgent }
    if (token !== undefined) headers['authorization'] = `Bearer ${token}`
    if (call.payload !== undefined) {
      headers['content-type'] = call.contentType
      headers['content-length'] = Buffer.byteLength(call.payload)
    }
    const request = (secure ? https : http).request({
      agent,
      host,
      port,
      method: call.method,
      path: basePath + call.target,
      headers,
    })
    const head = new Promise<http.IncomingMessage>((resolve, reject) => {
      request.once('response', resolve)
      // Stays for the request's whole life: an error after the head (a cut connection) reaches the reader of the body too.
      request.on('error', reject)
      cancel.tell(reason => request.destroy(reason))
    })
    request.end(call.payload)
    return { head, request }
  }

  /** One try: head and body. */
  async function attempt(call: Call, token: string | undefined, cancel: Cancel): Promise<Answer> {
    const { head, request } = open(call, token, cancel)
    try {
      const response = await head
      const body = await readBody(response, maxBodyBytes)
      return { status: response.statusCode ?? 0, retryAfter: response.headers['retry-after'], body }
    } catch (error) {
      request.destroy()
      throw new TryFailed(error, request.reusedSocket)
    }
  }

  /** A connection that the server closed while it lay idle is noticed only by writing to it: that alone is tried once more. */
  async function tryTwice(call: Call, cancel: Cancel): Promise<Answer> {
    const token = await credentials.token()
    cancel.throwIfCancelled()
    try {
      return await attempt(call, token, cancel)
    } catch (error) {
      const stale = error instanceof TryFailed && error.reusedSocket && isReset(error.cause)
      if (!stale || cancel.reason !== undefined || call.method === 'POST') throw error
      return attempt(call, token, cancel)
    }
  }

  async function request<T>(asked: ApiRequest): Promise<T> {
    const call = callOf(asked)
    const cancel = start(call.name, asked.signal, asked.timeoutMs ?? defaultTimeoutMs)
    let entered = false
    try {
      if (!asked.urgent) {
        await gate.enter(giveUp => cancel.tell(giveUp))
        entered = true
      }
      let answer = await tryTwice(call, cancel)
      if (answer.status === 401) {
        const token = await credentials.token({ fresh: true })
        if (token !== undefined) answer = await attempt(call, token, cancel)
      }
      if (answer.status >= 300) throw apiErrorFrom(call.name, answer.status, answer.body, answer.retryAfter)
      return (asked.asText ? answer.body : parseAnswer(call.name, answer.body)) as T
    } catch (error) {
      throw cancel.reason ?? described(call.name, error)
    } finally {
      end(cancel)
      if (entered) gate.leave()
    }
  }

  async function* watch(
    path: string,
    query: Query,
    signal: AbortSignal,
    onOpen?: () => void,
  ): AsyncGenerator<WatchEvent> {
    const call = callOf({ method: 'GET', path, query: { ...query, watch: true } })
    // The head must come soon; after it a watch may be quiet for long, and its reader decides how long is too long.
    const cancel = start(call.name, signal, defaultTimeoutMs)
    let sent: Sent | undefined
    try {
      const token = await credentials.token()
      cancel.throwIfCancelled()
      sent = open(call, token, cancel)
      const response = await sent.head
      cancel.stopClock()
      const status = response.statusCode ?? 0
      if (status !== 200) {
        if (status === 401) await credentials.token({ fresh: true })
        const body = await readBody(response, maxBodyBytes)
        throw apiErrorFrom(call.name, status, body, response.headers['retry-after'])
      }
      onOpen?.()
      const split = createLineSplitter()
      for await (const chunk of response) {
        for (const line of split(chunk as Buffer)) yield parseAnswer(call.name, line) as WatchEvent
      }
    } catch (error) {
      throw cancel.reason ?? described(call.name, error)
    } finally {
      end(cancel)
      sent?.request.destroy()
    }
  }

  return {
    request,
    watch,
    get openSockets() {
      return sockets.size
    },
    close() {
      closed = true
      for (const cancel of running) cancel.cancel(new Error('the transport was closed'))
      agent.destroy()
    },
  }
}

/** A request, made ready to be sent more than once. */
interface Call {
  readonly name: string
  readonly method: string
  readonly target: string
  readonly payload: string | undefined
  readonly contentType: string
}

interface Sent {
  readonly head: Promise<http.IncomingMessage>
  readonly request: http.ClientRequest
}

interface Answer {
  readonly status: number
  readonly retryAfter: string | undefined
  readonly body: string
}

class TryFailed extends Error {
  readonly reusedSocket: boolean
  constructor(cause: unknown, reusedSocket: boolean) {
    super('', { cause })
    this.reusedSocket = reusedSocket
  }
}

function callOf(request: ApiRequest): Call {
  let target = request.path
  if (request.query) {
    let separator = '?'
    for (const [name, value] of Object.entries(request.query)) {
      if (value === undefined) continue
      target += `${separator}${name}=${encodeURIComponent(value)}`
      separator = '&'
    }
  }
  return {
    name: `${request.method} ${request.path}`,
    method: request.method,
    target,
    payload: request.body === undefined ? undefined : JSON.stringify(request.body),
    contentType: request.contentType ?? 'application/json',
  }
}

function readBody(response: http.IncomingMessage, maxBytes: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let bytes = 0
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > maxBytes) {
        reject(new RangeError(`the answer is longer than ${maxBytes} bytes`))
        response.destroy()
        return
      }
      chunks.push(chunk)
    })
    response.on('end', () => {
      const [first] = chunks
      resolve(chunks.length === 1 && first ? first.toString('utf8') : Buffer.concat(chunks, bytes).toString('utf8'))
    })
    response.on('error', reject)
    // A connection that was cut in the middle ends without 'end'.
    response.on('close', () => reject(new Error('the connection was cut in the middle of the answer')))
  })
}

function parseAnswer(name: string, text: string): unknown {
  if (text === '') return undefined
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Error(`${name}: the answer is not JSON: ${text.slice(0, 100)}`, { cause: error })
  }
}

function described(name: string, error: unknown): unknown {
  const cause = error instanceof TryFailed ? error.cause : error
  if (!(cause instanceof Error) || cause.message.startsWith(name)) return cause
  // Node has no text for some errors, e.g. when all of a name's addresses refuse.
  return new Error(`${name}: ${cause.message || String((cause as NodeJS.ErrnoException).code ?? cause)}`, { cause })
}

function isReset(error: unknown): boolean {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
  return code === 'ECONNRESET' || code === 'EPIPE'
}

function tlsOptions(credentials: Credentials): https.AgentOptions {
  const { ca, cert, key, servername, insecureSkipTlsVerify } = credentials
  // One context for all connections: parsing the certificates anew for each costs a millisecond and 100 KB.
  const secureContext = createSecureContext({
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  })
  return {
    secureContext,
    ...(servername !== undefined && { servername }),
    ...(insecureSkipTlsVerify && { rejectUnauthorized: false }),
  }
}
