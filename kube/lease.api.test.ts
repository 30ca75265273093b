import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type ControlPlane, startControlPlane } from '../test/control-plane/control-plane.ts'
import { type FaultProxy, startFaultProxy } from '../test/fault-proxy.ts'
import { loadCredentials } from './credentials.ts'
import { electLeader, type Leadership } from './leader-election.ts'
import { holdLease } from './lease.ts'
import { type LeaseFacts, parseLease } from './lease-record.ts'
import type { Task } from './task.ts'
import { createTransport, type Transport } from './transport.ts'

const log = pino({ level: 'silent' })
const namespace = 'default'
const leases = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`
const leaseDurationMs = 3_000
const renewPeriodMs = 500

let controlPlane: ControlPlane
let proxy: FaultProxy
let direct: Transport
let throughProxy: Transport
let made = 0

beforeAll(async () => {
  controlPlane = await startControlPlane({ crds: false })
  proxy = await startFaultProxy(controlPlane)
  direct = createTransport(await loadCredentials(await controlPlane.kubeconfig()))
  throughProxy = createTransport(await loadCredentials(await proxy.kubeconfig()))
})

afterAll(async () => {
  direct.close()
  throughProxy.close()
  await proxy[Symbol.asyncDispose]()
  await controlPlane.stop()
})

const read = async (name: string): Promise<LeaseFacts | undefined> =>
  parseLease(await direct.request({ method: 'GET', path: `${leases}/${name}` }))

interface Candidate extends Leadership {
  readonly changes: readonly boolean[]
  stop(): Promise<void>
}

function start(name: string, identity: string, transport: Transport): Candidate {
  const changes: boolean[] = []
  const onChange = (leading: boolean): void => void changes.push(leading)
  const election = electLeader({ transport, namespace, name, identity, leaseDurationMs, renewPeriodMs, onChange, log })
  return running(election, { changes })
}

/** Runs a task until its `stop`. */
function running<T extends Task, M extends object>(task: T, more: M): T & M & { stop(): Promise<void> } {
  const stop = new AbortController()
  const run = task.run(stop.signal)
  return Object.assign(Object.create(task) as T, more, {
    stop: async () => {
      stop.abort()
      await run
    },
  })
}

/** Looks again and again whether two lead at once. */
function guard(candidates: readonly Leadership[]): { readonly mostAtOnce: number; end(): void } {
  let mostAtOnce = 0
  const timer = setInterval(() => {
    mostAtOnce = Math.max(mostAtOnce, candidates.filter(candidate => candidate.isLeader).length)
  }, 1)
  return {
    get mostAtOnce() {
      return mostAtOnce
    },
    end: () => clearInterval(timer),
  }
}

const leads = (candidate: Leadership): Promise<void> =>
  vi.waitFor(() => expect(candidate.isLeader).toBe(true), { timeout: 20_000, interval: 2 })

describe('an election', () => {
  it('has a leader at once, and the other takes over at once when the lease is given back', async () => {
    const name = `released-${++made}`
    const one = start(name, 'one', direct)
    await leads(one)
    const two = start(name, 'two', throughProxy)
    await vi.waitFor(() => expect(two.holder).toBe('one'), 5_000)
    const startMs = performance.now()
    await one.stop()
    expect(one.isLeader).toBe(false)
    await leads(two)
    const tookMs = performance.now() - startMs
    console.log(`hand-over after a release: ${Math.round(tookMs)} ms`)
    expect(tookMs).toBeLessThan(2_000)
    expect(await read(name)).toMatchObject({ holderIdentity: 'two', leaseTransitions: 1 })
    await two.stop()
    expect(await read(name)).toMatchObject({ holderIdentity: '' })
    expect([one.changes, two.changes]).toEqual([
      [true, false],
      [true, false],
    ])
  })

  it('never has two leaders when the network of one freezes, and the other leads before long', async () => {
    const name = `frozen-${++made}`
    const cut = start(name, 'cut', throughProxy)
    await leads(cut)
    const standby = start(name, 'standby', direct)
    await vi.waitFor(() => expect(standby.holder).toBe('cut'), 5_000)
    const watched = guard([cut, standby])
    proxy.set({ silent: true })
    const startMs = performance.now()
    await vi.waitFor(() => expect(cut.isLeader).toBe(false), { timeout: 10_000, interval: 2 })
    const stoppedMs = performance.now() - startMs
    await leads(standby)
    const tookMs = performance.now() - startMs
    console.log(`frozen leader stopped after ${Math.round(stoppedMs)} ms, standby led after ${Math.round(tookMs)} ms`)
    expect(tookMs - stoppedMs).toBeGreaterThan(0)
    expect(tookMs).toBeLessThan(leaseDurationMs + 2 * renewPeriodMs)
    proxy.set({})
    await vi.waitFor(() => expect(cut.holder).toBe('standby'), 10_000)
    expect(cut.isLeader).toBe(false)
    expect(standby.isLeader).toBe(true)
    watched.end()
    expect(watched.mostAtOnce).toBe(1)
    expect(cut.changes).toEqual([true, false])
    await Promise.all([cut.stop(), standby.stop()])
  })

  it('goes on with the same leader through errors that are shorter than the lease', async () => {
    const name = `errors-${++made}`
    const one = start(name, 'one', throughProxy)
    const two = start(name, 'two', direct)
    await vi.waitFor(() => expect([one.holder, two.holder]).not.toContain(undefined), 10_000)
    const leader = one.isLeader ? one : two
    const watched = guard([one, two])
    for (const code of [500, 429, 503] as const) {
      proxy.set({ status: { code, probability: 0.5 }, truncateProbability: 0.3 })
      await new Promise(resolve => setTimeout(resolve, 1_000))
    }
    proxy.set({})
    expect(leader.isLeader).toBe(true)
    expect(leader.changes).toEqual([true])
    watched.end()
    expect(watched.mostAtOnce).toBe(1)
    await Promise.all([one.stop(), two.stop()])
  })

  it('survives that somebody writes to the lease, or deletes it under its leader', async () => {
    const name = `meddled-${++made}`
    const one = start(name, 'one', direct)
    await leads(one)
    const two = start(name, 'two', throughProxy)
    await vi.waitFor(() => expect(two.holder).toBe('one'), 5_000)
    const watched = guard([one, two])
    await controlPlane.kubectl(['annotate', 'lease', name, 'note=mine'])
    await vi.waitFor(async () => expect((await read(name))?.annotations).toEqual({ note: 'mine' }), 5_000)
    await new Promise(resolve => setTimeout(resolve, 2 * renewPeriodMs))
    expect(one.changes).toEqual([true])
    await direct.request({ method: 'DELETE', path: `${leases}/${name}` })
    await vi.waitFor(async () => expect((await read(name))?.holderIdentity).toMatch(/one|two/), {
      timeout: 10_000,
    })
    await vi.waitFor(() => expect(one.isLeader || two.isLeader).toBe(true), 10_000)
    watched.end()
    expect(watched.mostAtOnce).toBe(1)
    await Promise.all([one.stop(), two.stop()])
  })
})

function hold(name: string, holderIdentity: string, annotations: () => Record<string, string>, transport = direct) {
  const labels = { 'berth.dev/component': 'speaker' }
  const times = { leaseDurationSeconds: 3, renewPeriodMs: 1_000 }
  return running(holdLease({ transport, namespace, name, labels, annotations, holderIdentity, ...times, log }), {})
}

describe('a lease with facts', () => {
  it('is made, renewed, rewritten at once when touched, and released at the end', async () => {
    const name = `facts-${++made}`
    let facts: Record<string, string> = { 'berth.dev/subnets': 'a', 'berth.dev/old': 'x' }
    const lease = hold(name, 'run-1', () => facts)
    await lease.ready
    const first = await read(name)
    expect(first).toMatchObject({
      holderIdentity: 'run-1',
      leaseDurationSeconds: 3,
      labels: { 'berth.dev/component': 'speaker' },
      annotations: facts,
    })
    const renewedAtMs = lease.renewedAtMs
    facts = { 'berth.dev/subnets': 'b' }
    lease.touch()
    await vi.waitFor(async () => expect((await read(name))?.annotations).toEqual(facts), { timeout: 700, interval: 20 })
    await vi.waitFor(() => expect(lease.renewedAtMs).toBeGreaterThan(renewedAtMs + 900), 3_000)
    await lease.stop()
    expect(await read(name)).toMatchObject({ holderIdentity: '', annotations: facts })
  })

  it('belongs to the later run, and the earlier leaves it alone, also when it ends', async () => {
    const name = `runs-${++made}`
    const earlier = hold(name, 'run-1', () => ({}))
    await earlier.ready
    const later = hold(name, 'run-2', () => ({}))
    await later.ready
    // Two periods, so that the earlier run has met the other's write and looked.
    const fromMs = performance.now()
    await vi.waitFor(() => expect(later.renewedAtMs).toBeGreaterThan(fromMs + 1_500), 10_000)
    const { renewedAtMs } = earlier
    await vi.waitFor(() => expect(later.renewedAtMs).toBeGreaterThan(fromMs + 2_500), 10_000)
    expect(earlier.renewedAtMs).toBe(renewedAtMs)
    await earlier.stop()
    expect(await read(name)).toMatchObject({ holderIdentity: 'run-2' })
    await later.stop()
    expect(await read(name)).toMatchObject({ holderIdentity: '' })
  })

  it('is taken over from a run that died, also when the first write is refused', async () => {
    const name = `died-${++made}`
    const labels = { 'berth.dev/component': 'speaker' }
    const body = { metadata: { name, labels }, spec: { holderIdentity: 'run-1', leaseDurationSeconds: 3 } }
    const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', ...body }
    await direct.request({ method: 'POST', path: leases, body: lease })
    proxy.set({ status: { code: 500, probability: 1 } })
    const later = hold(name, 'run-2', () => ({}), throughProxy)
    await new Promise(resolve => setTimeout(resolve, 300))
    expect(await read(name)).toMatchObject({ holderIdentity: 'run-1' })
    proxy.set({})
    await vi.waitFor(async () => expect(await read(name)).toMatchObject({ holderIdentity: 'run-2' }), 5_000)
    await later.stop()
  })

  it('is made anew when somebody deletes it, and goes on after errors', async () => {
    const name = `deleted-${++made}`
    const lease = hold(name, 'run-1', () => ({}), throughProxy)
    await lease.ready
    await direct.request({ method: 'DELETE', path: `${leases}/${name}` })
    lease.touch()
    await vi.waitFor(async () => expect(await read(name)).toMatchObject({ holderIdentity: 'run-1' }), 5_000)
    proxy.set({ status: { code: 500, probability: 1 } })
    lease.touch()
    await new Promise(resolve => setTimeout(resolve, 300))
    proxy.set({})
    const { renewedAtMs } = lease
    await vi.waitFor(() => expect(lease.renewedAtMs).toBeGreaterThan(renewedAtMs), 5_000)
    await lease.stop()
  })
})
