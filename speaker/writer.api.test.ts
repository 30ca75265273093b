import { pino } from 'pino'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { type OwnCluster, servicesPath, startCluster, until } from '../controller/test-cluster.ts'
import { createEventRecorder } from '../kube/events.ts'
import type { Service } from '../kube/service.ts'
import { type Standing, settledCondition, settledConditionOf } from '../kube/settled.ts'
import { createStore } from '../kube/store.ts'
import type { OwnershipRecord } from './layer2/record.ts'
import { createWriter, type WriteAction } from './writer.ts'

let cluster: OwnCluster

beforeAll(async () => {
  cluster = await startCluster()
})

afterAll(async () => await cluster?.stop())

/** A speaker's writer, and the Services that it knows. */
function startWriter() {
  const { transport } = cluster
  const log = pino({ level: 'silent' })
  const services = createStore<Service>()
  const records = createStore<OwnershipRecord>()
  const reporting = { reportingController: 'berth-speaker', reportingInstance: 'a', busy: () => false } as const
  const events = createEventRecorder({ transport, ...reporting, log })
  const writer = createWriter({ transport, sources: { services, records }, events, namespace: 'berth-system', log })
  const stop = new AbortController()
  const runs = writer.run(stop.signal)
  onTestFinished(async () => {
    stop.abort()
    await runs
  })
  const isIdle = async (): Promise<true | undefined> =>
    await Promise.resolve(writer.queue.depth + writer.queue.running === 0 ? true : undefined)
  return {
    services,
    want: (actions: readonly WriteAction[]) => writer.want(actions),
    done: async () => await until(isIdle, 'all is written'),
  }
}

/** What a plan says that found the address announced. */
function announced(service: Service, address: string): WriteAction {
  const standing: Standing = { kind: 'announced', address }
  const condition = { type: 'berth.dev/Announced', status: 'True', reason: 'Announced', message: 'x' } as const
  return { kind: 'setCondition', service, condition, settled: settledConditionOf([standing]), event: undefined }
}

async function conditions(name: string): Promise<Readonly<Record<string, string>>> {
  const all = (await cluster.get(name)).conditions
  return Object.fromEntries(all.map(({ type, message }) => [type, message]))
}

it('says that an address was announced beside the condition that says so, in one write', async () => {
  await cluster.service('web')
  const { services, want, done } = startWriter()
  const web = await cluster.get('web')
  services.accept(web)
  want([announced(web, '192.0.2.1')])
  await done()
  const told = { 'berth.dev/Announced': 'x', [settledCondition]: '192.0.2.1 has been announced' }
  expect(await conditions('web')).toEqual(told)
  expect(services.get('default/web')?.conditions).toHaveLength(2)
})

it('says nothing of addresses that may have been replaced since it looked', async () => {
  await cluster.service('late')
  const { services, want, done } = startWriter()
  const before = await cluster.get('late')
  services.accept(before)
  // The controller has given it another one, and the watch has not told yet.
  const replaced = { type: settledCondition, status: 'Unknown', reason: 'NotAnnouncedYet' }
  const message = '192.0.2.2 has not been announced yet'
  const lastTransitionTime = new Date().toISOString()
  await cluster.patchStatus('late', { conditions: [{ ...replaced, message, lastTransitionTime }] })
  want([announced(before, '192.0.2.1')])
  await done()
  expect(await conditions('late')).toEqual({ [settledCondition]: message })

  // Nor once the watch has told: what is to be said of the new one is the next plan's.
  services.accept(await cluster.get('late'))
  want([])
  want([announced(before, '192.0.2.1')])
  await done()
  expect(await conditions('late')).toEqual({ [settledCondition]: message })
  const now = await cluster.get('late')
  want([announced(now, '192.0.2.2')])
  await done()
  expect(await conditions('late')).toMatchObject({ [settledCondition]: '192.0.2.2 has been announced' })
  await cluster.remove(`${servicesPath}/late`)
})
