import { once } from 'node:events'
import { get as httpGet, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type Cluster, openCluster, startController } from '../controller/test-cluster.ts'
import { loadCredentials } from '../kube/credentials.ts'
import { createTransport, type Transport } from '../kube/transport.ts'
import { type ControlPlane, startControlPlane } from '../test/control-plane/control-plane.ts'
import { freePort } from '../test/control-plane/free-port.ts'
import { pagePath } from './access.ts'
import { parsePageAddress } from './address.ts'
import { type Page, servePage } from './serve.ts'
import type { Overview } from './views/overview.ts'

/** The page before a real API server: who may see it, and that what is seen is alive. */

const log = pino({ level: 'silent' })
const soon = { timeout: 20_000, interval: 50 }
let controlPlane: ControlPlane
let cluster: Cluster
let kubeconfig: string
let transport: Transport
const pages: Page[] = []

beforeAll(async () => {
  controlPlane = await startControlPlane()
  kubeconfig = await controlPlane.kubeconfig()
  cluster = await openCluster(controlPlane)
  transport = createTransport(await loadCredentials(kubeconfig))
  for (const name of ['viewer', 'stranger']) await controlPlane.kubectl(['create', 'serviceaccount', name])
  await controlPlane.kubectl(['create', 'clusterrole', 'viewer', '--verb=get', `--non-resource-url=${pagePath}`])
  await controlPlane.kubectl([
    'create',
    'clusterrolebinding',
    'viewer',
    '--clusterrole=viewer',
    '--serviceaccount=default:viewer',
  ])
  await cluster.pool('public', { addresses: ['10.0.0.0/16', '2001:db8::/64'] })
})
afterAll(async () => {
  await Promise.all(pages.map(page => page.close()))
  transport?.close()
  cluster?.transport.close()
  await controlPlane?.stop()
})

async function open(address: string, reviews: Pick<Transport, 'request'> = transport): Promise<Page> {
  const parsed = parsePageAddress(address)
  if (!parsed) throw new Error(`${address} is no address`)
  const watcher = {
    kubeconfig,
    namespace: 'berth-system',
    loadBalancerClass: undefined,
    logLevel: 'silent',
    idleMs: 500,
  }
  const page = await servePage({ address: parsed, transport: reviews, watcher, log, rememberMs: 300 })
  pages.push(page)
  return page
}

async function ask(page: Page, path: string, headers: Record<string, string> = {}) {
  const [response] = (await once(httpGet({ host: '127.0.0.1', port: page.port, path, headers }), 'response')) as [
    IncomingMessage,
  ]
  return { status: response.statusCode, headers: response.headers, body: await text(response) }
}

const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token.trim()}` })
const tokenOf = (name: string): Promise<string> => controlPlane.kubectl(['create', 'token', name])

test('a token decides where the page can be reached from outside: 401, 403, 200', async () => {
  const page = await open(':0')
  const views = '/api/views/overview'
  const none = await ask(page, views)
  expect(none).toMatchObject({ status: 401, headers: { 'www-authenticate': 'Bearer' } })
  expect(await ask(page, views, bearer('nonsense'))).toMatchObject({ status: 401 })
  const stranger = await ask(page, views, bearer(await tokenOf('stranger')))
  expect(stranger.status).toBe(403)
  expect(stranger.body).toContain('system:serviceaccount:default:stranger may not see this page')
  const viewer = await ask(page, views, bearer(await tokenOf('viewer')))
  expect(viewer.status).toBe(200)
  expect((JSON.parse(viewer.body) as Overview).pools).toMatchObject([{ name: 'public' }])
  expect(await ask(page, '/api/stream')).toMatchObject({ status: 401 })
  // The files have no secrets in them, and are wanted before anybody can show a token.
  expect(await ask(page, '/')).toMatchObject({ status: 200 })
})

test('who loses the right to look is refused once the answer is forgotten', async () => {
  const page = await open(':0')
  const token = await tokenOf('viewer')
  const status = async (): Promise<number | undefined> => (await ask(page, '/api/views/pools', bearer(token))).status
  expect(await status()).toBe(200)
  await controlPlane.kubectl(['delete', 'clusterrolebinding', 'viewer'])
  await vi.waitFor(async () => expect(await status()).toBe(403), soon)
  await controlPlane.kubectl([
    'create',
    'clusterrolebinding',
    'viewer',
    '--clusterrole=viewer',
    '--serviceaccount=default:viewer',
  ])
  await vi.waitFor(async () => expect(await status()).toBe(200), soon)
})

test('503 where the API server does not say, and nobody is let in meanwhile', async () => {
  const page = await open(':0', { request: () => Promise.reject(new Error('connection refused')) })
  const answer = await ask(page, '/api/views/overview', bearer(await tokenOf('viewer')))
  expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '2' } })
})

test('readers who leave while their token is looked at take no place from others', async () => {
  const { promise: looked, resolve: answer } = Promise.withResolvers<void>()
  const slow: Pick<Transport, 'request'> = {
    async request(question) {
      await looked
      return transport.request(question)
    },
  }
  const page = await open(':0', slow)
  const headers = bearer(await tokenOf('viewer'))
  // More than there are places.
  const many = 40
  let arrived = 0
  page.server.server.on('request', () => void arrived++)
  const path = { host: '127.0.0.1', port: page.port, path: '/api/stream', headers }
  const requests = Array.from({ length: many }, () => httpGet(path).on('error', () => {}))
  await vi.waitFor(() => expect(arrived).toBe(many), soon)
  for (const request of requests) request.destroy()
  await vi.waitFor(async () => expect(await connectionsOf(page)).toBe(0), soon)
  answer()
  const request = httpGet(path)
  const [stream] = (await once(request, 'response')) as [IncomingMessage]
  expect(stream.statusCode).toBe(200)
  request.destroy()
})

const connectionsOf = (page: Page): Promise<number> =>
  new Promise((resolve, reject) => {
    page.server.server.getConnections((error, count) => (error ? reject(error) : resolve(count)))
  })

test('on loopback no token is needed, but a name of one’s own, and no proxy between', async () => {
  const page = await open('127.0.0.1:0')
  expect(await ask(page, '/api/views/overview')).toMatchObject({ status: 200 })
  const view = '/api/views/overview'
  expect(await ask(page, view, { host: 'attacker.example:7474' })).toMatchObject({ status: 403 })
  expect(await ask(page, view, { 'sec-fetch-site': 'cross-site' })).toMatchObject({ status: 403 })
  expect(await ask(page, view, { 'x-forwarded-for': '192.0.2.1' })).toMatchObject({ status: 401 })
  expect(await ask(page, view, bearer('nonsense'))).toMatchObject({ status: 401 })
})

test('every answer carries the policy, and what is unchanged is not sent again', async () => {
  const page = await open('127.0.0.1:0')
  const document = await ask(page, '/')
  expect(document.headers['content-security-policy']).toContain("default-src 'none'")
  expect(document.headers['content-security-policy']).not.toContain('unsafe')
  expect(document.body).not.toMatch(/<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|https?:/)
  const script = /src="([^"]+)"/.exec(document.body)?.[1] ?? ''
  const file = await ask(page, `/${script}`)
  expect(file.headers).toMatchObject({
    'cache-control': 'public, max-age=31536000, immutable',
    'x-content-type-options': 'nosniff',
  })
  const { headers } = await ask(page, '/api/views/pools')
  expect(headers).toMatchObject({ 'cache-control': 'private, no-cache', 'x-frame-options': 'DENY' })
  expect(await ask(page, '/api/views/pools', { 'if-none-match': headers.etag ?? '' })).toMatchObject({
    status: 304,
    body: '',
  })
  for (const path of ['/api/views/nothing', '/api/views/pool?name=none', '/../package.json', '/assets/']) {
    expect(await ask(page, path)).toMatchObject({ status: 404 })
  }
  expect(await ask(page, '/api/views/services?limit=100000')).toMatchObject({ status: 400 })
})

test('a change is pushed, and the thread that watches ends when nobody looks any more', async () => {
  const page = await open('127.0.0.1:0')
  expect(page.watcher.isRunning).toBe(false)
  const request = httpGet({ host: '127.0.0.1', port: page.port, path: '/api/stream' })
  const [stream] = (await once(request, 'response')) as [IncomingMessage]
  let heard = ''
  stream.setEncoding('utf8').on('data', (part: string) => void (heard += part))
  await vi.waitFor(() => expect(heard).toContain('"total":0'), soon)
  await cluster.service('late')
  await vi.waitFor(() => expect(heard).toContain('"total":1'), soon)
  expect(page.watcher.isRunning).toBe(true)
  request.destroy()
  await vi.waitFor(() => expect(page.watcher.isRunning).toBe(false), soon)
})

test('who comes while a thread that was idle is ending is answered by the next one', async () => {
  const page = await open('127.0.0.1:0')
  expect(await ask(page, '/api/views/pools')).toMatchObject({ status: 200 })
  await vi.waitFor(() => expect(page.watcher.isRunning).toBe(false), { timeout: 20_000, interval: 1 })
  expect(await ask(page, '/api/views/pools')).toMatchObject({ status: 200 })
})

test('the controller serves it by its flag, to whoever asks a standby too', async () => {
  const ports = [await freePort(), await freePort()]
  const controllers = ports.map(port => startController(kubeconfig, ['--status-page-address', `127.0.0.1:${port}`]))
  try {
    for (const port of ports) {
      await vi.waitFor(async () => {
        const response = await fetch(`http://127.0.0.1:${port}/api/views/overview`)
        expect(((await response.json()) as Overview).controller.alive).toBe(true)
      }, soon)
    }
    expect(await Promise.all(controllers.map(controller => controller.end('SIGTERM')))).toEqual([0, 0])
  } finally {
    await Promise.all(controllers.map(controller => controller.end('SIGKILL')))
  }
})
