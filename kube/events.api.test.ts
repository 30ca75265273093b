import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { type ControlPlane, startControlPlane } from '../test/control-plane/control-plane.ts'
import { loadCredentials } from './credentials.ts'
import { createEventRecorder, type EventRecorder, type EventToRecord } from './events.ts'
import { fieldOf, listOf } from './json.ts'
import type { Task } from './task.ts'
import { createTransport, type Transport } from './transport.ts'

let controlPlane: ControlPlane
let transport: Transport

beforeAll(async () => {
  controlPlane = await startControlPlane({ crds: false })
  transport = createTransport(await loadCredentials(await controlPlane.kubeconfig()))
})

afterAll(async () => {
  transport.close()
  await controlPlane.stop()
})

function happening(name: string, note: string): EventToRecord {
  return {
    regarding: { apiVersion: 'v1', kind: 'Service', namespace: 'default', name, uid: `uid-${name}` },
    type: 'Warning',
    reason: 'NoAddress',
    action: 'Assign',
    note,
  }
}

async function eventsOf(name: string): Promise<readonly unknown[]> {
  const list = await transport.request({ method: 'GET', path: '/apis/events.k8s.io/v1/namespaces/default/events' })
  return listOf(fieldOf(list, 'items')).filter(event => fieldOf(fieldOf(event, 'regarding'), 'name') === name)
}

/** How often each happened by its series; undefined where it has none. */
async function countsOf(name: string): Promise<ReadonlySet<unknown>> {
  return new Set((await eventsOf(name)).map(event => fieldOf(fieldOf(event, 'series'), 'count')))
}

async function withRecorder(
  options: { readonly busy?: () => boolean; readonly maxWaiting?: number },
  use: (recorder: EventRecorder) => Promise<void>,
): Promise<void> {
  const recorder: EventRecorder & Task = createEventRecorder({
    transport,
    reportingController: 'berth-controller',
    reportingInstance: 'test',
    ...options,
  })
  const stop = new AbortController()
  const running = recorder.run(stop.signal)
  try {
    await use(recorder)
  } finally {
    stop.abort()
    await running
  }
}

it('an Event is there for kubectl describe', async () => {
  const body = { metadata: { name: 'told' }, spec: { type: 'LoadBalancer', ports: [{ port: 80 }] } }
  const service = await transport.request({ method: 'POST', path: '/api/v1/namespaces/default/services', body })
  const event = happening('told', 'no pool has a free address')
  const uid = String(fieldOf(fieldOf(service, 'metadata'), 'uid'))
  await withRecorder({}, async recorder => {
    recorder.record({ ...event, regarding: { ...event.regarding, uid } })
    await vi.waitFor(async () => {
      const described = await controlPlane.kubectl(['describe', 'service', 'told'])
      expect(described).toMatch(/Warning\s+NoAddress\s+.*berth-controller.*no pool has a free address/)
    }, 10_000)
  })
})

it('repeats become a series of one Event, other words another Event', async () => {
  await withRecorder({}, async recorder => {
    recorder.record(happening('again', 'same'))
    await vi.waitFor(async () => expect(await eventsOf('again')).toHaveLength(1), 5_000)
    recorder.record(happening('again', 'same'))
    recorder.record(happening('again', 'other'))
    await vi.waitFor(async () => expect(await countsOf('again')).toEqual(new Set([2, undefined])), 5_000)
    // The third and later repeats wait for a while, but not beyond the end.
    for (let more = 0; more < 5; more++) recorder.record(happening('again', 'same'))
    await recorder.flush(5_000)
    expect(await countsOf('again')).toEqual(new Set([7, undefined]))
  })
})

it('an Event that has run out in the API server is told anew', async () => {
  await withRecorder({}, async recorder => {
    recorder.record(happening('gone', 'same'))
    await vi.waitFor(async () => expect(await countsOf('gone')).toEqual(new Set([undefined])), 5_000)
    await controlPlane.kubectl(['delete', 'events', '--all'])
    expect(await eventsOf('gone')).toHaveLength(0)
    recorder.record(happening('gone', 'same'))
    await vi.waitFor(async () => expect(await countsOf('gone')).toEqual(new Set([2])), 5_000)
  })
})

it('nothing is sent while the main job is busy, and all of it at the end', async () => {
  await withRecorder({ busy: () => true }, async recorder => {
    for (let index = 0; index < 5; index++) recorder.record(happening('busy', `note ${index}`))
    await recorder.flush(5_000)
    expect(recorder.waiting).toBe(0)
    expect(recorder.dropped).toBe(0)
  })
  expect(await eventsOf('busy')).toHaveLength(5)
})

it('a main job that is never done does not silence it for ever', async () => {
  await withRecorder({ busy: () => true }, async recorder => {
    recorder.record(happening('patient', 'at last'))
    expect(await eventsOf('patient')).toHaveLength(0)
    await vi.waitFor(async () => expect(await eventsOf('patient')).toHaveLength(1), 10_000)
  })
})

it('too many are dropped and counted, and so is what the API server refuses', async () => {
  await withRecorder({ busy: () => true, maxWaiting: 3 }, async recorder => {
    for (let index = 0; index < 5; index++) recorder.record(happening('many', `note ${index}`))
    expect(recorder.dropped).toBe(2)
    await recorder.flush(5_000)
  })
  expect(await eventsOf('many')).toHaveLength(3)
  await withRecorder({}, async recorder => {
    const event = happening('nowhere', 'x')
    recorder.record({ ...event, regarding: { ...event.regarding, namespace: 'does-not-exist' } })
    recorder.record(happening('somewhere', 'the next is not held up'))
    await vi.waitFor(async () => expect(await eventsOf('somewhere')).toHaveLength(1), 5_000)
    expect(recorder.dropped).toBe(1)
  })
})

it('a long note is cut so that the API server takes it', async () => {
  await withRecorder({}, async recorder => {
    recorder.record(happening('long', 'überlang '.repeat(500)))
    await vi.waitFor(async () => expect(await eventsOf('long')).toHaveLength(1), 5_000)
  })
})
