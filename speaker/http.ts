import { type FastifyInstance, fastify } from 'fastify'
import { createMetrics } from './metrics.ts'
import { type SpeakerHealth, whyNotHealthy, whyNotReady } from './status.ts'

/**
 * /metrics, /healthz and /readyz of a speaker. Ready means that it takes part: it has listed everything, its Lease is seen
 * and it has decided at least once; it stays so while the API server is away, since owners go on. Healthy means that its
 * loop looks at what happens; a wire thread that ends ends the process.
 */
export function createHttp(health: () => SpeakerHealth): FastifyInstance {
  const http = fastify({ forceCloseConnections: true })
  const metrics = createMetrics(health)
  http.get('/metrics', async (_request, reply) => {
    await reply.type(metrics.contentType).send(await metrics.metrics())
  })
  http.get('/healthz', async (_request, reply) => {
    const reasons = whyNotHealthy(health(), performance.now())
    await reply.code(reasons.length === 0 ? 200 : 503).send(answer(reasons))
  })
  http.get('/readyz', async (_request, reply) => {
    const reasons = whyNotReady(health())
    await reply.code(reasons.length === 0 ? 200 : 503).send(answer(reasons))
  })
  return http
}

function answer(reasons: readonly string[]): string {
  return reasons.length === 0 ? 'ok\n' : `${reasons.join('\n')}\n`
}
