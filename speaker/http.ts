import type { FastifyInstance } from 'fastify'
import { createHttp } from '../program/http.ts'
import { type SpeakerHealth, whyNotHealthy, whyNotReady } from './status.ts'

/**
 * /metrics, /healthz and /readyz of a speaker. Ready means that it takes part: it has listed everything, its Lease is seen
 * and it has decided at least once; it stays so while the API server is away, since owners go on. Healthy means that its
 * loop looks at what happens; a wire thread that ends ends the process.
 */
export async function createSpeakerHttp(health: () => SpeakerHealth): Promise<FastifyInstance> {
  const { createMetrics } = await import('./metrics.ts')
  const registry = createMetrics(health)
  return createHttp({
    whyUnhealthy: () => joined(whyNotHealthy(health(), performance.now())),
    whyNotReady: () => joined(whyNotReady(health())),
    metrics: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
  })
}

function joined(reasons: readonly string[]): string | undefined {
  return reasons.length === 0 ? undefined : reasons.join('\n')
}
