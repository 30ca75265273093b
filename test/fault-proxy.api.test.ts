import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { Agent, type RequestOptions, request } from 'node:https'
import { text } from 'node:stream/consumers'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { parse } from 'yaml'
import { type ControlPlane, startControlPlane } from './control-plane/control-plane.ts'
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts'

let controlPlane: ControlPlane
let proxy: FaultProxy
let admin: Agent
const leave = new Set<() => void>()

beforeAll(async () => {
  controlPlane = await startControlPlane({ crds: false })
  proxy = await startFaultProxy(controlPlane)
  admin = await agentOf('admin')
})

afterEach(() => {
  proxy.set({})
  for (const go of leave) go()
  leave.clear()
})

afterAll(async () => {
  admin?.destroy()
  await proxy?.[Symbol.asyncDispose]()
  await controlPlane?.stop()
})

function decode(base64: string): string {
  return Buffer.from(base64, 'base64').toString()
}

async function agentOf(user: string): Promise<Agent> {
  const { users, clusters } = parse(await readFile(await proxy.kubeconfig(user), 'utf8'))
  return new Agent({
    ca: decode(clusters[0].cluster['certificate-authority-data']),
    cert: decode(users[0].user['client-certificate-data']),
    key: decode(users[0].user['client-key-data']),
    keepAlive: true,
  })
}

async function send(path: string, o: RequestOptions & { body?: object } = {}): Promise<IncomingMessage> {
  const sent = request(`${proxy.url}${path}`, { agent: admin, ...o })
  sent.end(o.body ? JSON.stringify(o.body) : undefined)
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  return response
}

async function ask(path: string, o: RequestOptions & { body?: object } = {}): Promise<{ code: number; body: string }> {
  const response = await send(path, o)
  return { code: response.statusCode ?? 0, body: await text(response) }
}

const configMaps = '/api/v1/namespaces/default/configmaps'

function createConfigMap(name: string): Promise<{ code: number; body: string }> {
  return ask(configMaps, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: { metadata: { name }, data: { text: 'x'.repeat(200) } },
  })
}

/** An open watch: the lines so far, and how it ended. */
async function watch(): Promise<{ lines: string[]; ended: Promise<'properly' | 'broken off'> }> {
  const response = await send(`${configMaps}?watch=1`, {
    agent: false,
    ca: admin.options.ca,
    cert: admin.options.cert,
    key: admin.options.key,
  })
  leave.add(() => response.destroy())
  const lines: string[] = []
  let all = ''
  response.setEncoding('utf8').on('data', (chunk: string) => {
    all += chunk
    lines.splice(0, lines.length, ...all.split('\n').filter(Boolean))
  })
  const ended = new Promise<'properly' | 'broken off'>(resolve => {
    response.on('error', () => {}).on('close', () => resolve(response.complete ? 'properly' : 'broken off'))
  })
  return { lines, ended }
}

test('without faults every user is who he is behind it: RBAC decides as if it were not there', async () => {
  const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' }
  const whoAmI = async (o: RequestOptions): Promise<unknown> => {
    const headers = { 'content-type': 'application/json', ...(o.headers as object) }
    const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews'
    const { body } = await ask(path, { ...o, method: 'POST', headers, body: review })
    const { status } = JSON.parse(body)
    return [status?.userInfo.username, status?.userInfo.groups.toSorted()]
  }
  using agents = new DisposableStack()
  const alice = agents.adopt(await agentOf('alice'), agent => agent.destroy())
  const nobody = agents.adopt(new Agent({ ca: admin.options.ca ?? '' }), agent => agent.destroy())

  expect(await whoAmI({ agent: admin })).toEqual(['admin', ['system:authenticated', 'system:masters']])
  expect(await whoAmI({ agent: alice })).toEqual(['alice', ['system:authenticated']])
  // Claiming to be somebody else is for front proxies.
  const claims = { 'x-remote-user': 'admin', 'x-remote-group': 'system:masters' }
  expect(await whoAmI({ agent: alice, headers: claims })).toEqual(['alice', ['system:authenticated']])
  expect((await ask(configMaps, { agent: alice })).code).toBe(403)
  expect((await ask(configMaps, { agent: nobody })).code).toBe(403)
  expect((await ask(configMaps, { agent: nobody, headers: claims })).code).toBe(403)

  await controlPlane.kubectl(['create', 'serviceaccount', 'robot'])
  const token = (await controlPlane.kubectl(['create', 'token', 'robot'])).trim()
  expect(await whoAmI({ agent: nobody, headers: { authorization: `Bearer ${token}` } })).toEqual([
    'system:serviceaccount:default:robot',
    ['system:authenticated', 'system:serviceaccounts', 'system:serviceaccounts:default'],
  ])
})

test('kubectl works through it', async () => {
  const kubeconfig = await proxy.kubeconfig('admin')
  expect(await controlPlane.kubectl([`--kubeconfig=${kubeconfig}`, 'get', 'namespace', 'default', '-o', 'name'])).toBe(
    'namespace/default\n',
  )
})

test.each([
  [410, 'Expired', undefined],
  [429, 'TooManyRequests', '1'],
  [500, 'InternalError', undefined],
  [503, 'ServiceUnavailable', undefined],
] as const)(
  'it answers %i as the API server would, and the request has not been carried out',
  async (code, reason, retryAfter) => {
    proxy.set({ status: { code, probability: 1 }, methods: ['POST'] })
    const response = await send(configMaps, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: { metadata: { name: `refused-${code}` } },
    })
    expect(response.statusCode).toBe(code)
    expect(response.headers['retry-after']).toBe(retryAfter)
    expect(JSON.parse(await text(response))).toMatchObject({
      kind: 'Status',
      apiVersion: 'v1',
      status: 'Failure',
      reason,
      code,
    })
    // Other methods pass.
    expect((await ask(`${configMaps}/refused-${code}`)).code).toBe(404)
  },
)

/** Which of 60 requests got the status, as crosses. */
async function struck(seed: number): Promise<string> {
  await using seeded = await startFaultProxy(controlPlane, { seed })
  seeded.set({ status: { code: 503, probability: 0.5 } })
  let pattern = ''
  for (let i = 0; i < 60; i++) {
    const sent = request(`${seeded.url}/readyz`, { agent: admin }).end()
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    await text(response)
    pattern += response.statusCode === 503 ? 'x' : '.'
  }
  return pattern
}

test('a status of probability one half strikes about half of the requests, the same ones for the same seed', async () => {
  const [first, again, other] = [await struck(7), await struck(7), await struck(8)]
  expect(again).toBe(first)
  expect(other).not.toBe(first)
  expect(first.replaceAll('.', '').length).toBeGreaterThan(15)
  expect(first.replaceAll('x', '').length).toBeGreaterThan(15)
})

test('a delay holds up answers and watch events, and keeps their order', async () => {
  const watched = await watch()
  proxy.set({ delayMs: [100, 400] })
  const started = performance.now()
  expect((await ask('/readyz')).code).toBe(200)
  expect(performance.now() - started).toBeGreaterThanOrEqual(99)

  const names = Array.from({ length: 5 }, (_, index) => `delayed-${index}`)
  for (const name of names) await controlPlane.kubectl(['create', 'configmap', name])
  await vi.waitFor(() => expect(watched.lines.join()).toContain(names.at(-1)), { timeout: 10_000 })
  const seen = watched.lines.map(line => JSON.parse(line).object.metadata.name)
  expect(seen.filter(name => names.includes(name))).toEqual(names)
})

test('a truncated answer breaks off in the middle although the request was carried out', async () => {
  proxy.set({ truncateProbability: 1, methods: ['POST'] })
  const response = await send(configMaps, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: { metadata: { name: 'half-told' } },
  })
  expect(response.statusCode).toBe(201)
  let received = ''
  response.setEncoding('utf8').on('data', (chunk: string) => (received += chunk))
  await expect(once(response, 'end')).rejects.toThrow(/aborted/)
  expect(received.length).toBeGreaterThan(0)
  expect(received.length).toBeLessThan(Number(response.headers['content-length']))
  expect((await ask(`${configMaps}/half-told`)).code).toBe(200)
})

test('a truncated watch breaks off in the middle of a line', async () => {
  const watched = await watch()
  proxy.set({ truncateProbability: 1, methods: ['GET'] })
  await createConfigMap('cut-short')
  expect(await watched.ended).toBe('broken off')
  const last = watched.lines.at(-1) ?? ''
  expect(last).toMatch(/^\{/)
  expect(() => JSON.parse(last)).toThrow(SyntaxError)
})

test('silence answers nothing and freezes watches, and what was held back comes when it is over', async () => {
  const watched = await watch()
  proxy.set({ silent: true })
  let answered = false
  const asking = ask('/readyz').finally(() => (answered = true))
  await controlPlane.kubectl(['create', 'configmap', 'unheard'])
  const before = watched.lines.length
  expect(answered).toBe(false)
  expect(watched.lines.join()).not.toContain('unheard')

  proxy.set({})
  expect((await asking).code).toBe(200)
  await vi.waitFor(() => expect(watched.lines.length).toBeGreaterThan(before))
  expect(watched.lines.at(-1)).toContain('unheard')
})

test('cutting watches breaks every open one and nothing else', async () => {
  const [one, other] = [await watch(), await watch()]
  expect(proxy.cutWatches()).toBe(2)
  expect(await one.ended).toBe('broken off')
  expect(await other.ended).toBe('broken off')
  expect(proxy.cutWatches()).toBe(0)
  expect((await ask('/readyz')).code).toBe(200)
})

test('an expired watch gets the ERROR event 410 and a proper end', async () => {
  const watched = await watch()
  await createConfigMap('seen-before')
  await vi.waitFor(() => expect(watched.lines.join()).toContain('seen-before'))
  proxy.expireWatches()
  expect(await watched.ended).toBe('properly')
  expect(JSON.parse(watched.lines.at(-1) ?? '')).toMatchObject({
    type: 'ERROR',
    object: { kind: 'Status', code: 410, reason: 'Expired' },
  })
})

test('while it refuses, nobody is connected and nobody can connect; afterwards all is well at the same place', async () => {
  const watched = await watch()
  expect(proxy.openConnections).toBeGreaterThan(0)
  proxy.set({ refuse: true })
  expect(await watched.ended).toBe('broken off')
  await expect(ask('/readyz', { agent: false, ca: admin.options.ca })).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  await vi.waitFor(() => expect(proxy.openConnections).toBe(0))

  proxy.set({})
  await vi.waitFor(async () => expect((await ask('/readyz')).code).toBe(200))
})

test('setting faults in quick succession leaves the last one standing', async () => {
  for (let i = 0; i < 10; i++) {
    proxy.set({ refuse: true })
    proxy.set({})
    proxy.set({ refuse: true })
  }
  await vi.waitFor(() =>
    expect(ask('/readyz', { agent: false, ca: admin.options.ca })).rejects.toMatchObject({ code: 'ECONNREFUSED' }),
  )
  for (let i = 0; i < 10; i++) {
    proxy.set({ refuse: true })
    proxy.set({})
  }
  await vi.waitFor(async () => expect((await ask('/readyz')).code).toBe(200))
})

test('stopping it closes every connection', async () => {
  const stopped = await startFaultProxy(controlPlane)
  const sent = request(`${stopped.url}${configMaps}?watch=1`, { agent: admin }).end()
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  response.on('error', () => {}).resume()
  await stopped[Symbol.asyncDispose]()
  await vi.waitFor(() => expect(response.destroyed).toBe(true))
  expect(stopped.openConnections).toBe(0)
})
