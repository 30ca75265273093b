import type { FastifyInstance } from 'fastify'

/** What the HTTP side asks the program. */
export interface Probes {
  /** Why the program should be restarted; undefined = it works. */
  whyUnhealthy(): string | undefined
  /** Why it cannot do its job yet; undefined = it can. */
  whyNotReady(): string | undefined
  metrics(): Promise<{ readonly contentType: string; readonly text: string }>
}

/** /metrics, /healthz, /readyz. The server is loaded on demand: a program without a port does without it. */
export async function createHttp(probes: Probes): Promise<FastifyInstance> {
  // Its default export: all that esbuild leaves of a package in the old module format that is loaded on demand.
  const { default: fastify } = await import('fastify')
  const server = fastify({ logger: false, forceCloseConnections: true })
  server.get('/healthz', (_, reply) => answer(reply, probes.whyUnhealthy()))
  server.get('/readyz', (_, reply) => answer(reply, probes.whyNotReady()))
  server.get('/metrics', async (_, reply) => {
    const { contentType, text } = await probes.metrics()
    return reply.type(contentType).send(text)
  })
  return server
}

interface Reply {
  code(status: number): Reply
  type(contentType: string): Reply
  send(text: string): unknown
}

function answer(reply: Reply, problem: string | undefined): unknown {
  return reply
    .code(problem === undefined ? 200 : 503)
    .type('text/plain; charset=utf-8')
    .send(`${problem ?? 'ok'}\n`)
}
