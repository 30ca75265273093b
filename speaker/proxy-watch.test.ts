import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pino } from 'pino'
import { expect, test, vi } from 'vitest'
import { afterAnswer, createProxyWatch, type ProxyHealth } from './proxy-watch.ts'

/** The verdict after each of the answers: + good, - bad. */
function verdicts(answers: string): string {
  let health: ProxyHealth = { healthy: true, against: 0 }
  return Array.from(answers, answer => {
    health = afterAnswer(health, answer === '+')
    return health.healthy ? '+' : '-'
  }).join('')
}

test.each([
  { situation: 'one bad answer, and another one later', answers: '+-+-+', verdict: '+++++' },
  { situation: 'two bad answers in a row', answers: '+--', verdict: '++-' },
  { situation: 'one good answer among bad ones', answers: '--+--+', verdict: '+-----' },
  { situation: 'two good answers in a row', answers: '--++', verdict: '+--+' },
])('$situation', ({ answers, verdict }) => {
  expect(verdicts(answers)).toBe(verdict)
})

test('a kube-proxy that says 503, goes, and comes back; one that is not asked is healthy', async () => {
  let status = 200
  const server = createServer((_, response) => response.writeHead(status).end())
  const listen = async (port: number) => await new Promise<void>(done => server.listen(port, '127.0.0.1', done))
  await listen(0)
  const { port } = server.address() as AddressInfo
  const log = pino({ level: 'silent' })
  const onChange = vi.fn<() => void>()
  const url = new URL(`http://127.0.0.1:${port}/healthz`)
  const watch = createProxyWatch({ url, onChange, log, periodMs: 20 })
  const stop = new AbortController()
  const running = watch.run(stop.signal)
  try {
    status = 503
    await vi.waitFor(() => expect(watch.isHealthy()).toBe(false))
    status = 200
    await vi.waitFor(() => expect(watch.isHealthy()).toBe(true))
    await new Promise(done => server.close(done))
    await vi.waitFor(() => expect(watch.isHealthy()).toBe(false))
    await listen(port)
    await vi.waitFor(() => expect(watch.isHealthy()).toBe(true))
    expect(onChange).toHaveBeenCalledTimes(4)
  } finally {
    stop.abort()
    await running
    server.close()
  }
  const unasked = createProxyWatch({ url: undefined, onChange, log })
  await unasked.run(new AbortController().signal)
  expect(unasked.isHealthy()).toBe(true)
})
