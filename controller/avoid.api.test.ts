import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { fieldOf } from '../kube/json.ts'
import { type Standing, settledCondition, settledConditionOf } from '../kube/settled.ts'
import {
  type ControllerProcess,
  type OwnCluster,
  poolsPath,
  servicesPath,
  startCluster,
  startController,
  until,
} from './test-cluster.ts'

let cluster: OwnCluster
let controller: ControllerProcess

beforeAll(async () => {
  cluster = await startCluster()
})

afterAll(async () => await cluster?.stop())

afterEach(async () => {
  const exit = await controller.end('SIGTERM')
  await cluster.clear()
  if (exit !== 0 || controller.noise.length > 0)
    throw new Error(`the controller ended with ${exit}: ${controller.noise.join('\n')}`)
})

async function start(): Promise<void> {
  controller = startController(cluster.kubeconfig)
  await controller.logged('took over what is assigned')
}

async function startAnew(): Promise<void> {
  expect(await controller.end('SIGTERM')).toBe(0)
  await start()
}

/** What a speaker writes that has looked at the segment. */
async function says(name: string, ...standings: readonly Standing[]): Promise<void> {
  const condition = { ...settledConditionOf(standings), lastTransitionTime: new Date().toISOString() }
  await cluster.transport.request({
    method: 'PATCH',
    path: `${servicesPath}/${name}/status`,
    contentType: 'application/strategic-merge-patch+json',
    body: { status: { conditions: [condition] } },
  })
}

async function shows(name: string, addresses: string): Promise<void> {
  await until(async () => ((await cluster.addressesOf(name)) === addresses ? true : undefined), `${name} ${addresses}`)
}

async function settled(name: string): Promise<string | undefined> {
  return (await cluster.get(name)).conditions.find(({ type }) => type === settledCondition)?.message
}

async function statusOf(pool: string): Promise<unknown> {
  const object = await cluster.transport.request<unknown>({ method: 'GET', path: `${poolsPath}/${pool}` })
  return fieldOf(object, 'status')
}

const inUse = (address: string): Standing => ({
  kind: 'inUse',
  address,
  mac: '02:00:00:00:00:66',
  interface: 'eth0',
})

it('replaces what a stranger has and nobody announced, counts it in the pool, and knows of it after a restart', async () => {
  await start()
  await cluster.pool('a', { addresses: ['192.0.2.0/29'], avoidConflicts: true })
  await cluster.service('web')
  await shows('web', '192.0.2.0')
  expect(await settled('web')).toBe('192.0.2.0 has not been announced yet')
  await says('web', inUse('192.0.2.0'))
  await shows('web', '192.0.2.1')
  expect(await settled('web')).toBe('192.0.2.1 has not been announced yet')
  const event = await until(
    async () => (await cluster.eventsOf('web')).find(text => text.startsWith('AddressAvoided: ')),
    'the Event',
  )
  expect(event).toContain('192.0.2.0 was replaced by 192.0.2.1')
  expect(event).toContain('(02:00:00:00:00:66 on eth0)')

  await until(async () => (fieldOf(await statusOf('a'), 'conflicting') === 1 ? true : undefined), 'the pool counts it')
  expect(await statusOf('a')).toMatchObject({
    assigned: '1',
    available: '6',
    conflicts: [{ address: '192.0.2.0', macAddress: '02:00:00:00:00:66', interface: 'eth0' }],
  })
  const table = await cluster.controlPlane.kubectl(['get', 'ipaddresspools', '-n', 'berth-system', '-o', 'wide'])
  expect(table).toMatch(/CONFLICTING/)
  await startAnew()
  await cluster.service('second')
  await shows('second', '192.0.2.2')

  // Without the option it is an address like any other, and the status says nothing of it.
  await cluster.pool('a', { avoidConflicts: false })
  await cluster.service('third')
  await shows('third', '192.0.2.0')
  expect(await settled('third')).toBeUndefined()
  await until(async () => (fieldOf(await statusOf('a'), 'conflicts') === undefined ? true : undefined), 'it is gone')
})

it('never replaces what was announced once, nor what it knows nothing of, over any restart', async () => {
  await cluster.pool('a', { addresses: ['192.0.2.0/29'] })
  await start()
  await cluster.service('older')
  await shows('older', '192.0.2.0')
  expect(await settled('older')).toBeUndefined()
  await cluster.pool('a', { avoidConflicts: true })
  await until(async () => (fieldOf(await statusOf('a'), 'conflicting') === 0 ? true : undefined), 'the option is seen')
  await cluster.service('web')
  await shows('web', '192.0.2.1')
  await says('web', { kind: 'announced', address: '192.0.2.1' })
  await startAnew()
  // All that a Service does not get its address for stands before this one in the queue.
  await cluster.service('asks', {}, { 'berth.dev/loadBalancerIPs': '192.0.2.5' })
  await shows('asks', '192.0.2.5')
  expect(await settled('asks')).toBeUndefined()
  await says('asks', inUse('192.0.2.5'))
  await cluster.service('last')
  await shows('last', '192.0.2.2')
  await says('last', inUse('192.0.2.2'))
  await shows('last', '192.0.2.3')
  const others = ['older', 'web', 'asks']
  expect(await Promise.all(others.map(name => cluster.addressesOf(name)))).toEqual([
    '192.0.2.0',
    '192.0.2.1',
    '192.0.2.5',
  ])
})
