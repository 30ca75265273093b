import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type ControlPlane, startControlPlane } from '../test/control-plane/control-plane.ts'
import { type FaultProxy, type Faults, startFaultProxy } from '../test/fault-proxy.ts'
import { createRandom, type Random } from '../test/seeded-random.ts'
import { patchStatus } from './apply.ts'
import { loadCredentials } from './credentials.ts'
import { fieldOf, identityOf, listOf, textOf } from './json.ts'
import { createQueue } from './queue.ts'
import { parseService, type Service } from './service.ts'
import { type Change, createStore, type Store, type Stored } from './store.ts'
import { createTransport, type Transport } from './transport.ts'
import { type WatchHealth, type WatchOptions, watchResource } from './watch.ts'

interface ConfigMap extends Stored {
  readonly text: string
}

function parseConfigMap(object: unknown): ConfigMap | undefined {
  const identity = identityOf(object)
  const text = textOf(fieldOf(fieldOf(object, 'data'), 'text'))
  if (identity === undefined || text === undefined) return undefined
  const { key, uid, resourceVersion } = identity
  return { key, uid, resourceVersion, text }
}

function parseUnlessPoison(object: unknown): ConfigMap | undefined {
  const parsed = parseConfigMap(object)
  if (parsed?.text === 'poison') throw new Error('cannot read this')
  return parsed
}

const hurried = { silenceMs: 1_500, backoff: { minMs: 10, maxMs: 300 } }

let controlPlane: ControlPlane
let direct: Transport
let made = 0

beforeAll(async () => {
  controlPlane = await startControlPlane({ crds: false })
  direct = createTransport(await loadCredentials(await controlPlane.kubeconfig()))
})

afterAll(async () => {
  direct.close()
  await controlPlane.stop()
})

/** A namespace of the test's own, so that what one leaves behind is nothing to the next. */
async function freshNamespace(): Promise<string> {
  const name = `kube-${process.pid}-${++made}`
  await direct.request({ method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name } } })
  return name
}

const pathOf = (namespace: string, name?: string): string =>
  `/api/v1/namespaces/${namespace}/configmaps${name === undefined ? '' : `/${name}`}`

const put = (transport: Transport, namespace: string, name: string, text: string): Promise<unknown> =>
  transport.request({
    method: 'PATCH',
    path: pathOf(namespace, name),
    query: { fieldManager: 'test', force: true },
    contentType: 'application/apply-patch+yaml',
    body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { text } },
  })

const remove = (transport: Transport, namespace: string, name: string): Promise<unknown> =>
  transport.request({ method: 'DELETE', path: pathOf(namespace, name) })

async function freshList(namespace: string): Promise<readonly ConfigMap[]> {
  const list = await direct.request({ method: 'GET', path: pathOf(namespace) })
  return sorted(listOf(fieldOf(list, 'items')).flatMap(item => parseConfigMap(item) ?? []))
}

const sorted = (values: Iterable<ConfigMap>): readonly ConfigMap[] =>
  [...values].sort((one, other) => (one.key < other.key ? -1 : 1))

/** A proxy, a transport through it and a running watch; checks at the end that nothing stays open. */
async function withWatch(
  options: { readonly seed?: number } & Omit<WatchOptions<ConfigMap>, 'transport' | 'store' | 'parse'> & {
      readonly parse?: WatchOptions<ConfigMap>['parse']
    },
  use: (tools: {
    proxy: FaultProxy
    transport: Transport
    store: Store<ConfigMap>
    health: () => WatchHealth
    ready: Promise<void>
  }) => Promise<void>,
): Promise<void> {
  const { seed = 1, ...watchOptions } = options
  await using proxy = await startFaultProxy(controlPlane, { seed })
  const transport = createTransport(await loadCredentials(await proxy.kubeconfig()))
  const store = createStore<ConfigMap>()
  const watch = watchResource({ ...hurried, parse: parseConfigMap, ...watchOptions, transport, store })
  const stop = new AbortController()
  const running = watch.run(stop.signal)
  try {
    await use({ proxy, transport, store, health: watch.health, ready: watch.ready })
  } finally {
    stop.abort()
    await running
    transport.close()
  }
  await vi.waitFor(() => {
    expect(transport.openSockets).toBe(0)
    expect(proxy.openConnections).toBe(0)
  })
}

const mishaps: readonly Faults[] = [
  {},
  { status: { code: 410, probability: 0.6 } },
  { status: { code: 429, probability: 0.5 } },
  { status: { code: 500, probability: 0.7 } },
  { status: { code: 503, probability: 0.7 } },
  { delayMs: [0, 80] },
  { truncateProbability: 0.4 },
  { silent: true },
  { refuse: true },
]

/** Something bad a few times a second, for as long as asked. */
async function misfortune(proxy: FaultProxy, random: Random, forMs: number): Promise<void> {
  const untilMs = performance.now() + forMs
  while (performance.now() < untilMs) {
    const luck = random.integer(0, mishaps.length + 3)
    if (luck < mishaps.length) proxy.set(mishaps[luck] ?? {})
    else if (luck % 2 === 0) proxy.cutWatches()
    else proxy.expireWatches()
    await delay(random.integer(50, 349))
  }
  proxy.set({})
}

describe('a store behind an API server that misbehaves', () => {
  it.each([1, 2, 3])('equals a fresh list when all is over (seed %d)', async seed => {
    const namespace = await freshNamespace()
    const random = createRandom(seed)
    for (let index = 0; index < 25; index++) await put(direct, namespace, `old-${index}`, 'old')
    await withWatch(
      { seed, path: pathOf(namespace), pageSize: 7 },
      async ({ proxy, store, transport, health, ready }) => {
        const accepted = new Map<string, bigint>()
        const undone: string[] = []
        store.subscribe(({ key, after }) => {
          const least = after && accepted.get(`${key} ${after.uid}`)
          if (after && least !== undefined && BigInt(after.resourceVersion) < least) undone.push(key)
        })
        const over = new AbortController()
        const changes = async (): Promise<void> => {
          while (!over.signal.aborted) {
            const name = random.chance(1 / 3) ? `old-${random.integer(0, 24)}` : `new-${random.integer(0, 14)}`
            // A third of the writes are one's own: through the same rude proxy, and their answers are taken in.
            const mine = random.chance(1 / 3)
            try {
              const transportUsed = mine ? transport : direct
              if (random.chance(1 / 3)) await remove(transportUsed, namespace, name)
              else {
                const answer = parseConfigMap(
                  await put(transportUsed, namespace, name, `text-${random.integer(0, 999_999)}`),
                )
                if (mine && answer !== undefined) {
                  accepted.set(`${answer.key} ${answer.uid}`, BigInt(answer.resourceVersion))
                  store.accept(answer)
                }
              }
            } catch {
              // Not there, or the proxy had its way.
            }
            await delay(random.integer(0, 14))
          }
        }
        const writers = [changes(), changes()]
        await misfortune(proxy, random, 8_000)
        over.abort()
        await Promise.all(writers)
        await ready
        const expected = await freshList(namespace)
        expect(expected.length).toBeGreaterThan(10)
        await vi.waitFor(() => expect(sorted(store.values())).toEqual(expected), { timeout: 30_000, interval: 50 })
        expect(undone).toEqual([])
        expect(health().failures).toBeGreaterThan(3)
      },
    )
  })

  it('notices a watch that only pretends to be one', async () => {
    const namespace = await freshNamespace()
    await withWatch({ path: pathOf(namespace) }, async ({ proxy, store, health, ready }) => {
      await ready
      proxy.set({ silent: true })
      await put(direct, namespace, 'quiet', 'written in the silence')
      await vi.waitFor(() => expect(health().watches).toBeGreaterThan(1), { timeout: 10_000 })
      proxy.set({})
      await vi.waitFor(async () => expect(sorted(store.values())).toEqual(await freshList(namespace)), 15_000)
      expect([...store.values()].map(({ text }) => text)).toEqual(['written in the silence'])
    })
  })

  it('resumes after a cut without a list, and lists again when the server has forgotten', async () => {
    const namespace = await freshNamespace()
    await withWatch({ path: pathOf(namespace) }, async ({ proxy, store, health, ready }) => {
      await ready
      const expectStored = (name: string): Promise<void> =>
        vi.waitFor(() => expect(store.get(`${namespace}/${name}`)).toBeDefined(), 10_000)
      await put(direct, namespace, 'one', '1')
      await expectStored('one')
      expect(proxy.cutWatches()).toBe(1)
      await put(direct, namespace, 'two', '2')
      await expectStored('two')
      expect(health()).toMatchObject({ lists: 1, watches: 2, failuresInARow: 0 })
      proxy.expireWatches()
      await remove(direct, namespace, 'one')
      await vi.waitFor(() => expect(store.get(`${namespace}/one`)).toBeUndefined(), 10_000)
      await vi.waitFor(() => expect(health().lists).toBe(2), 10_000)
    })
  })

  it('keeps an own write while the watch stands still, and never goes back behind it', async () => {
    const namespace = await freshNamespace()
    await put(direct, namespace, 'mine', 'before')
    await withWatch({ path: pathOf(namespace), silenceMs: 60_000 }, async ({ proxy, store, ready }) => {
      await ready
      const seen: (string | undefined)[] = []
      proxy.set({ silent: true })
      await put(direct, namespace, 'mine', 'someone else’s')
      const answer = parseConfigMap(await put(direct, namespace, 'mine', 'my own'))
      if (answer === undefined) throw new Error('no answer')
      store.accept(answer)
      expect(store.get(answer.key)?.text).toBe('my own')
      store.subscribe(change => seen.push(change.after?.text))
      await put(direct, namespace, 'last', 'so that we know when the watch has caught up')
      proxy.set({})
      await vi.waitFor(() => expect(seen).toContain('so that we know when the watch has caught up'), 10_000)
      expect(seen).not.toContain('someone else’s')
      expect(store.get(answer.key)?.text).toBe('my own')
    })
  })
})

describe('a watch', () => {
  it('lives on when an object cannot be parsed and when a subscriber throws', async () => {
    const namespace = await freshNamespace()
    await withWatch({ path: pathOf(namespace), parse: parseUnlessPoison }, async ({ store, health, ready }) => {
      await ready
      store.subscribe(() => {
        throw new Error('a subscriber’s own mistake')
      })
      await put(direct, namespace, 'one', 'good')
      await vi.waitFor(() => expect(store.get(`${namespace}/one`)?.text).toBe('good'), 10_000)
      await put(direct, namespace, 'one', 'poison')
      await put(direct, namespace, 'two', 'after it')
      await vi.waitFor(() => expect(store.get(`${namespace}/two`)).toBeDefined(), 10_000)
      expect(store.get(`${namespace}/one`)?.text).toBe('good')
      expect(health()).toMatchObject({ unreadableObjects: 1, watches: 1 })
      expect(health().listenerErrors).toBeGreaterThanOrEqual(2)
    })
  })

  it('shows an object that was deleted and made again as two', async () => {
    const namespace = await freshNamespace()
    await put(direct, namespace, 'phoenix', 'first')
    await withWatch({ path: pathOf(namespace) }, async ({ proxy, store, ready }) => {
      await ready
      const seen: Change<ConfigMap>[] = []
      store.subscribe(change => change.key === `${namespace}/phoenix` && seen.push(change))
      // The deletion happens where no watch sees it, and the server has forgotten it when one comes back.
      proxy.set({ refuse: true })
      await remove(direct, namespace, 'phoenix')
      await put(direct, namespace, 'phoenix', 'second')
      proxy.set({ status: { code: 410, probability: 0.5 } })
      await vi.waitFor(() => expect(seen).toHaveLength(2), 10_000)
      proxy.set({})
      expect(seen.map(({ before, after }) => [before?.text, after?.text])).toEqual([
        ['first', undefined],
        [undefined, 'second'],
      ])
    })
  })

  it('asks only for what its selectors choose', async () => {
    const namespace = await freshNamespace()
    const fieldSelector = 'metadata.name=chosen'
    await withWatch({ path: pathOf(namespace), fieldSelector }, async ({ store, ready }) => {
      await ready
      await put(direct, namespace, 'other', 'no')
      await put(direct, namespace, 'chosen', 'yes')
      await vi.waitFor(() => expect(store.size).toBe(1), 10_000)
      expect([...store.values()].map(({ text }) => text)).toEqual(['yes'])
    })
  })
})

describe('a queue that writes through a rude proxy', () => {
  it('does the writes of each key in order and loses none', async () => {
    const namespace = await freshNamespace()
    await using proxy = await startFaultProxy(controlPlane, { seed: 7 })
    const transport = createTransport(await loadCredentials(await proxy.kubeconfig()))
    const wanted = new Map<string, number>()
    const written = new Map<string, number[]>()
    const running = new Set<string>()
    const process = async (name: string): Promise<void> => {
      expect(running.has(name)).toBe(false)
      running.add(name)
      try {
        const value = wanted.get(name) ?? 0
        await put(transport, namespace, name, String(value))
        written.set(name, [...(written.get(name) ?? []), value])
      } finally {
        running.delete(name)
      }
    }
    const queue = createQueue<string>({ name: 'test', concurrency: 8, process, backoff: { minMs: 5, maxMs: 200 } })
    const stop = new AbortController()
    const work = queue.run(stop.signal)
    const trouble = misfortune(proxy, createRandom(7), 4_000)
    for (let round = 1; round <= 40; round++) {
      for (let index = 0; index < 10; index++) {
        wanted.set(`key-${index}`, round)
        queue.add(`key-${index}`)
      }
      await delay(80)
    }
    await trouble
    await queue.idle
    stop.abort()
    await work
    transport.close()
    for (const values of written.values()) expect(values).toEqual([...values].sort((one, other) => one - other))
    const stored = (await freshList(namespace)).filter(({ key }) => key.includes('/key-'))
    expect(stored.map(({ text }) => text)).toEqual(Array.from({ length: 10 }, () => '40'))
  })
})

describe('a status patch', () => {
  it('writes status and annotations of a Service, and is refused where it had changed', async () => {
    const namespace = await freshNamespace()
    const collection = `/api/v1/namespaces/${namespace}/services`
    const body = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web' },
      spec: { type: 'LoadBalancer', ports: [{ port: 80 }] },
    }
    const created = parseService(await direct.request({ method: 'POST', path: collection, body }))
    if (created === undefined) throw new Error('not created')
    const change = {
      path: `${collection}/web`,
      fieldManager: 'test',
      resourceVersion: created.resourceVersion,
      patch: {
        metadata: { annotations: { 'berth.dev/ip-allocated-from-pool': 'front' } },
        status: { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } },
      },
    }
    const after: Service | undefined = parseService(await patchStatus(direct, change))
    expect(after).toMatchObject({ allocatedFromPool: 'front', ingress: [{ kind: 'address' }] })
    await expect(patchStatus(direct, change)).rejects.toMatchObject({ status: 409, reason: 'Conflict' })
  })
})
