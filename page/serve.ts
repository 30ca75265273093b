import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import type { Transport } from '../kube/transport.ts'
import { type Access, createGatekeeper } from './access.ts'
import { isOwnHost, type PageAddress } from './address.ts'
import { loadAssets } from './assets.ts'
import { foreverCached, privateRevalidated, revalidated, securityHeaders } from './headers.ts'
import { createStreams, type Stream } from './stream.ts'
import { createWatcher, Unavailable, type Watcher, type WatcherOptions } from './watcher.ts'

/*
 * The status page's HTTP. It only reads, and only the API server decides who may:
 *
 *   /                     the document, and under /assets/ what belongs to it: no secret in them, no token needed
 *   /api/views/NAME?…     a view as JSON (answer.ts), with an ETag
 *   /api/stream           server-sent events: `overview` whenever something has changed
 *
 * Here are decisions about who and how often; what is to be seen is made by a thread of its own (watcher.ts).
 */

export interface PageOptions {
  readonly address: PageAddress
  /** For the reviews of tokens. */
  readonly transport: Pick<Transport, 'request'>
  readonly watcher: Omit<WatcherOptions, 'log'>
  readonly log: Logger
  /** How long an answer about a token is good; see access.ts. */
  readonly rememberMs?: number
}

export interface Page {
  readonly server: FastifyInstance
  /** Where it really listens. */
  readonly port: number
  readonly watcher: Watcher
  close(): Promise<void>
}

/** A stream's token is looked at again so often: a stream must not outlive the right to it for long. */
const reviewStreamEveryMs = 30_000

/** Listens, and serves the page until it is closed. */
export async function servePage({ address, transport, watcher: how, log, rememberMs }: PageOptions): Promise<Page> {
  // The default export, as in program/http.ts.
  const { default: fastify } = await import('fastify')
  const watcher = createWatcher({ ...how, log })
  const streams = createStreams()
  const gatekeeper = createGatekeeper({ transport, log, ...(rememberMs === undefined ? {} : { rememberMs }) })
  const server = fastify({ logger: false, forceCloseConnections: true, bodyLimit: 1_024, requestTimeout: 10_000 })
  const assets = await loadAssets()

  server.addHook('onRequest', async (_, reply) => {
    reply.headers(securityHeaders)
  })
  server.setNotFoundHandler((_, reply) => refuse(reply, 404, 'there is nothing here'))
  server.setErrorHandler((error, _, reply) => {
    if (error instanceof Unavailable) return refuse(reply.header('retry-after', '2'), 503, error.message)
    log.error({ err: error }, 'the status page cannot answer')
    return refuse(reply, 500, 'the page has failed; the log of the controller says why')
  })

  for (const { path, contentType, text, tag } of assets) {
    const cached = path === '/' ? revalidated : foreverCached
    server.get(path, (request, reply) => {
      // Whoever gets the document asks for a view next.
      if (path === '/' && address.isLoopback && withoutToken(request).kind === 'granted') watcher.warm()
      reply.headers({ 'cache-control': cached, etag: tag })
      return isKnown(request, tag) ? reply.code(304).send() : reply.type(contentType).send(text)
    })
  }

  server.get<{ Params: { view: string }; Querystring: Record<string, string | readonly string[]> }>(
    '/api/views/:view',
    async (request, reply) => {
      const access = await accessOf(request)
      if (access.kind !== 'granted') return refuseAccess(reply, access)
      const query = Object.fromEntries(
        Object.entries(request.query).map(([name, value]) => [name, typeof value === 'string' ? value : '']),
      )
      const { answer, tag } = await watcher.ask({ view: request.params.view, query })
      if (answer.status !== 200) return refuse(reply, answer.status, answer.problem)
      reply.headers({ 'cache-control': privateRevalidated, etag: tag, vary: 'authorization' })
      if (isKnown(request, tag)) return reply.code(304).send()
      return reply.type('application/json; charset=utf-8').send(answer.body)
    },
  )

  server.get('/api/stream', async (request, reply) => {
    const access = await accessOf(request)
    if (access.kind !== 'granted') return refuseAccess(reply, access)
    // Whoever left while the API server was asked is not answered, and takes no place.
    if (reply.raw.destroyed) return reply.hijack()
    const stream = streams.open(reply.raw)
    if (!stream) return refuse(reply.header('retry-after', '10'), 503, 'too many look at this page already')
    reply.hijack()
    reply.raw.writeHead(200, {
      ...securityHeaders,
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    })
    const unfollow = watcher.follow(({ overview, nowMs }) => {
      stream.send('overview', `{"nowMs":${nowMs},"overview":${overview}}`)
    })
    const review = setInterval(() => {
      void closeWhenRefused(request, stream)
    }, reviewStreamEveryMs)
    reply.raw.once('close', () => {
      clearInterval(review)
      unfollow()
    })
    return undefined
  })

  async function closeWhenRefused(request: FastifyRequest, stream: Stream): Promise<void> {
    const { kind } = await accessOf(request)
    if (kind === 'unknown' || kind === 'forbidden') stream.close()
  }

  async function accessOf(request: FastifyRequest): Promise<Access> {
    const [, token] = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '') ?? []
    if (token !== undefined) return await gatekeeper.decide(token)
    return address.isLoopback ? withoutToken(request) : { kind: 'unknown', problem: 'this page wants a token' }
  }

  await server.listen({ host: address.host, port: address.port })
  const bound = server.server.address()
  const port = typeof bound === 'object' && bound ? bound.port : address.port
  log.info({ host: address.host, port, token: !address.isLoopback }, 'serving the status page')
  return {
    server,
    port,
    watcher,
    async close() {
      streams.close()
      await server.close()
      await watcher.stop()
    },
  }
}

/** On loopback: whoever got there has the cluster's leave to forward a port, or to run programs in the pod. */
function withoutToken({ headers }: FastifyRequest): Access {
  const isForwarded = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'].some(name => headers[name] !== undefined)
  if (isForwarded) {
    return { kind: 'unknown', problem: 'this came through a proxy, and through a proxy the page wants a token' }
  }
  const site = headers['sec-fetch-site']
  const isForeign = site !== undefined && site !== 'same-origin' && site !== 'none'
  if (isForeign || !isOwnHost(headers.host)) {
    return {
      kind: 'forbidden',
      problem: 'without a token the page is for http://localhost alone, and for its own files',
    }
  }
  return { kind: 'granted', user: 'port-forward' }
}

function isKnown(request: FastifyRequest, tag: string): boolean {
  return (request.headers['if-none-match'] ?? '').split(/\s*,\s*/).some(one => one.replace(/^W\//, '') === tag)
}

function refuseAccess(reply: FastifyReply, access: Exclude<Access, { kind: 'granted' }>): FastifyReply {
  switch (access.kind) {
    case 'unknown':
      return refuse(reply.header('www-authenticate', 'Bearer'), 401, access.problem)
    case 'forbidden':
      return refuse(reply, 403, access.problem)
    case 'undecided':
      return refuse(reply.header('retry-after', '2'), 503, access.problem)
  }
}

function refuse(reply: FastifyReply, status: number, problem: string): FastifyReply {
  return reply
    .code(status)
    .header('cache-control', 'no-store')
    .type('application/json')
    .send(JSON.stringify({ problem }))
}
