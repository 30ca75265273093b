import http from 'node:http'
import https from 'node:https'
import { createSecureContext } from 'node:tls'
import { apiErrorFrom } from './api-error.ts'
import type { Credentials } from './credentials.ts'
import { createLineSplitter } from './lines.ts'

export { ApiError } from './api-error.ts'

/*
 * Berth's own HTTP to the API server: node:https, two keep-alive agents, JSON, and nothing else. A client library opens a
 * TLS connection per request or costs tens of megabytes; this process patches thousands of Services while it shares its
 * cores with the API server that it patches.
 *
 * Two agents: the bounded one carries the bulk of the requests; the other, without a limit, carries watches (which hold a
 * connection each for minutes) and urgent requests (a lease renewal must never wait behind five thousand patches).
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
  /** Connections that carry requests at once. Default 32. */
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
  const basePath = server.pathname.replace(/\/$/, '')
  const maxBodyBytes = options.maxBodyBytes ?? 64 * 1024 * 1024
  const userAgent = options.userAgent ?? 'berth'
  const sockets = new Set<object>()
  const running = new Set<http.ClientRequest>()
  const bounded = createAgent(options.maxSockets ?? 32)
  const unbounded = createAgent(Number.POSITIVE_INFINITY)
  let closed = false

  function createAgent(maxSockets: number): http.Agent {
    const common = { keepAlive: true, keepAliveMsecs: 10_000, maxSockets, timeout: idleSocketMs }
    const agent = secure ? new https.Agent({ ...common, ...tlsOptions(credentials) }) : new http.Agent(common)
    const create = agent.createConnection.bind(agent)
    agent.createConnection = (...parameters: Parameters<typeof create>) => {
      const socket = create(...parameters)
      if (socket) {
        sockets.add(socket)
        socket.once('close', () => sockets.delete(socket))
        // The agent still connects for requests that were waiting in it when it was destroyed.
        if (closed) socket.destroy()
      }
      return socket
    }
    return agent
  }

  /** Sends, and resolves with the head of the answer; ends early where `cancel` says so. */
  function open(call: Call, token: string | undefined, cancel: Cancel, agent: http.Agent): Sent {
    const headers: Record<string, string | number> = { accept: 'application/json', 'user-agent': userAgent }
    if (token !== undefined) headers['authorization'] = `Bearer ${token}`
    if (call.payload !== undefined) {
      headers['content-type'] = call.contentType
      headers['content-length'] = Buffer.byteLength(call.payload)
    }
    const request = (secure ? https : http).request({
      agent,
      host: server.hostname.replace(/^\[|\]$/g, ''),
      port: server.port || (secure ? 443 : 80),
      method: call.method,
      path: basePath + call.target,
      headers,
    })
    running.add(request)
    request.once('close', () => running.delete(request))
    const head = new Promise<http.IncomingMessage>((resolve, reject) => {
      request.once('response', resolve)
      // Stays for the request's whole life: an error after the head (a cut connection) reaches the reader of the body too.
      request.on('error', reject)
      // A request that waits for a connection reports that it was destroyed only when it gets one.
      cancel.use(request, reject)
    })
    request.end(call.payload)
    return { head, request }
  }

  /** One try: head and body. */
  async function attempt(call: Call, token: string | undefined, cancel: Cancel, agent: http.Agent): Promise<Answer> {
    const { head, request } = open(call, token, cancel, agent)
    try {
      const response = await head
      const body = await readBody(response, maxBodyBytes)
      return { status: response.statusCode ?? 0, retryAfter: response.headers['retry-after'], body }
    } catch (error) {
      request.destroy()
      throw new TryFailed(error, request.reusedSocket)
    }
  }

  async function request<T>(asked: ApiRequest): Promise<T> {
    if (closed) throw new Error('the transport is closed')
    asked.signal?.throwIfAborted()
    const call = callOf(asked)
    const agent = asked.urgent ? unbounded : bounded
    const cancel = createCancel(call.name, asked.signal, asked.timeoutMs ?? defaultTimeoutMs)
    try {
      let answer = await tryTwice(call, cancel, agent)
      if (answer.status === 401) {
        const token = await credentials.token({ fresh: true })
        if (token !== undefined) answer = await attempt(call, token, cancel, agent)
      }
      if (answer.status >= 300) throw apiErrorFrom(call.name, answer.status, answer.body, answer.retryAfter)
      return parseAnswer(call.name, answer.body) as T
    } catch (error) {
      throw cancel.reason ?? described(call.name, error)
    } finally {
      cancel.done()
    }
  }

  /** A connection that the server closed while it lay idle is noticed only by writing to it: that alone is tried once more. */
  async function tryTwice(call: Call, cancel: Cancel, agent: http.Agent): Promise<Answer> {
    const token = await credentials.token()
    cancel.throwIfCancelled()
    try {
      return await attempt(call, token, cancel, agent)
    } catch (error) {
      const stale = error instanceof TryFailed && error.reusedSocket && isReset(error.cause)
      if (!stale || cancel.reason || call.method === 'POST' || closed) throw error
      return attempt(call, token, cancel, agent)
    }
  }

  async function* watch(
    path: string,
    query: Query,
    signal: AbortSignal,
    onOpen?: () => void,
  ): AsyncGenerator<WatchEvent> {
    if (closed) throw new Error('the transport is closed')
    signal.throwIfAborted()
    const call = callOf({ method: 'GET', path, query: { ...query, watch: true } })
    // The head must come soon; after it a watch may be quiet for long, and its reader decides how long is too long.
    const cancel = createCancel(call.name, signal, defaultTimeoutMs)
    try {
      const token = await credentials.token()
      cancel.throwIfCancelled()
      const response = await open(call, token, cancel, unbounded).head
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
      cancel.abandon()
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
      for (const request of running) request.destroy(new Error('the transport was closed'))
      bounded.destroy()
      unbounded.destroy()
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
    const search = new URLSearchParams()
    for (const [name, value] of Object.entries(request.query)) {
      if (value !== undefined) search.set(name, String(value))
    }
    if (search.size > 0) target += `?${search.toString()}`
  }
  return {
    name: `${request.method} ${request.path}`,
    method: request.method,
    target,
    payload: request.body === undefined ? undefined : JSON.stringify(request.body),
    contentType: request.contentType ?? 'application/json',
  }
}

/** Why and how a request ends early: by its signal, by its time-out. */
interface Cancel {
  /** What to throw, once it was cancelled. */
  readonly reason: unknown
  /** The request that is under way now, and whom to tell when it is cancelled. */
  use(request: http.ClientRequest, reject: (reason: unknown) => void): void
  throwIfCancelled(): void
  stopClock(): void
  done(): void
  /** Done, and the request must not go on either. */
  abandon(): void
}

function createCancel(name: string, signal: AbortSignal | undefined, timeoutMs: number): Cancel {
  let current: http.ClientRequest | undefined
  let tell: ((reason: unknown) => void) | undefined
  let reason: unknown
  function cancel(why: unknown): void {
    reason ??= why
    current?.destroy(why instanceof Error ? why : new Error('aborted'))
    tell?.(why)
  }
  const onAbort = (): void => cancel(signal?.reason ?? new Error('aborted'))
  signal?.addEventListener('abort', onAbort, { once: true })
  const timer = setTimeout(() => cancel(new Error(`${name}: no answer within ${timeoutMs} ms`)), timeoutMs)
  function done(): void {
    clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
  }
  return {
    get reason() {
      return reason
    },
    use(request, reject) {
      current = request
      tell = reject
      if (reason !== undefined) cancel(reason)
    },
    throwIfCancelled() {
      if (reason !== undefined) throw reason
    },
    stopClock: () => clearTimeout(timer),
    done,
    abandon() {
      done()
      current?.destroy()
    },
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
