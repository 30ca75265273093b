import { setTimeout as delay } from 'node:timers/promises'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type ControllerProcess, startController, until } from '../../controller/test-cluster.ts'
import { createOddServices } from '../../controller/test-odd-services.ts'
import { type FuzzedObject, fuzzedObject } from '../../crds/arbitrary.ts'
import type { ConfigKind } from '../../crds/config.ts'
import { apiVersion, configLists, resourcePath } from '../../crds/resources.ts'
import { fieldOf, identityOf, listOf } from '../../kube/json.ts'
import { parseService } from '../../kube/service.ts'
import { ApiError, type ApiRequest } from '../../kube/transport.ts'
import { formatAddress } from '../../net/address.ts'
import { createTestCluster, type RunningSpeaker, type TestCluster } from '../../speaker/test-cluster.ts'
import { type ControlPlane, startControlPlane } from '../control-plane/control-plane.ts'

/*
 * A real controller and two speakers at work while objects that nobody would write come, change and go in the namespace
 * of their configuration, and odd Services beside: everything that the API server lets through.
 */

let controlPlane: ControlPlane
let cluster: TestCluster
let controller: ControllerProcess
let speakers: readonly RunningSpeaker[]

beforeAll(async () => {
  controlPlane = await startControlPlane()
  const kubeconfig = await controlPlane.kubeconfig()
  cluster = await createTestCluster(kubeconfig, '198.18.0')
  // Older than all that is to come, so that what overlaps it is in the wrong.
  await cluster.configure('IPAddressPool', 'plain', { spec: { addresses: ['198.18.7.0/29'], autoAssign: false } })
  await cluster.configure('L2Advertisement', 'plain', { spec: { ipAddressPools: ['plain'] } })
  for (const node of ['node-1', 'node-2']) await cluster.addNode(node)
  controller = startController(kubeconfig, ['--namespace', cluster.namespace])
  await controller.logged('took over what is assigned')
  speakers = [await cluster.start('node-1'), await cluster.start('node-2')]
})

afterAll(async () => {
  await controller?.end('SIGTERM')
  await cluster?.end()
  await controlPlane?.stop()
})

/** Whether the API server takes it; that it fails is no answer. */
async function takes(request: ApiRequest): Promise<boolean> {
  try {
    await cluster.api.request({ query: { fieldValidation: 'Ignore' }, ...request })
    return true
  } catch (error) {
    if (!(error instanceof ApiError) || error.status >= 500) throw error
    return false
  }
}

/** A BGPPeer for no node at all: the speakers read it and dial nobody, for this is no place to dial strangers from. */
function nowhere(kind: ConfigKind, spec: unknown): unknown {
  if (kind !== 'BGPPeer' || typeof spec !== 'object' || spec === null || Array.isArray(spec)) return spec
  return { ...spec, nodeSelectors: [{ matchLabels: { no: 'node' } }] }
}

interface Accepted {
  readonly kind: ConfigKind
  readonly path: string
}

/** Creates the objects, the first of each kind by names that others refer to; answers with those that are there now. */
async function createFuzzed(objects: readonly FuzzedObject[]): Promise<readonly Accepted[]> {
  const named = Object.values(Object.groupBy(objects, ({ kind }) => kind)).flatMap(ofKind =>
    ofKind.map((object, index) => ({ ...object, name: ['a', 'b', 'c'][index] ?? `object-${index}` })),
  )
  const created = await Promise.all(
    named.map(async ({ kind, name, spec, labels }) => {
      const path = resourcePath(kind, cluster.namespace)
      const body = { apiVersion, kind, metadata: { name, labels }, spec: nowhere(kind, spec) }
      return (await takes({ method: 'POST', path, body })) ? [{ kind, path: `${path}/${name}` }] : []
    }),
  )
  return created.flat()
}

/** Gives a third of the objects the spec of another, and removes a third. */
async function changeFuzzed(accepted: readonly Accepted[], objects: readonly FuzzedObject[]): Promise<void> {
  const changes = accepted.map(async ({ kind, path }, index) => {
    if (index % 3 === 0) await takes({ method: 'DELETE', path })
    if (index % 3 !== 1) return
    const spec = objects.slice(index).find(other => other.kind === kind)?.spec
    await takes({
      method: 'PATCH',
      path,
      contentType: 'application/merge-patch+json',
      body: { spec: nowhere(kind, spec) },
    })
  })
  await Promise.all(changes)
}

/** A plain Service of the plain pool: it gets its address, and the address is answered for. */
async function isServed(name: string): Promise<void> {
  await cluster.addService(name, [], ['elsewhere'], {}, { 'berth.dev/address-pool': 'plain' })
  await until(async () => {
    const address = await addressOf(name)
    const condition = await cluster.condition(name)
    return (
      (address !== undefined && cluster.segment.answerers(address).length > 0 && condition?.status === 'True') ||
      undefined
    )
  }, `${name} is announced`)
}

async function addressOf(name: string): Promise<string | undefined> {
  const path = `/api/v1/namespaces/${cluster.namespace}/services/${name}`
  const [first] = parseService(await cluster.api.request({ method: 'GET', path }))?.ingress ?? []
  return first?.kind === 'address' ? formatAddress(first.address) : undefined
}

/** The objects that nobody has said yet whether they are in use as they are now. */
async function unjudged(): Promise<readonly string[]> {
  const kinds = Object.keys(configLists) as ConfigKind[]
  const lists = await Promise.all(
    kinds.map(kind => cluster.api.request<unknown>({ method: 'GET', path: resourcePath(kind, cluster.namespace) })),
  )
  return lists
    .flatMap(list => listOf(fieldOf(list, 'items')))
    .filter(item => {
      const generation = fieldOf(fieldOf(item, 'metadata'), 'generation')
      const conditions = listOf(fieldOf(fieldOf(item, 'status'), 'conditions'))
      return !conditions.some(one => fieldOf(one, 'observedGeneration') === generation)
    })
    .map(item => `${String(fieldOf(item, 'kind'))} ${identityOf(item)?.name}`)
}

it('objects and Services that nobody would write crash no program and hold up no other Service', async () => {
  const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31)
  console.info(`FUZZ_SEED=${seed}`)
  const objects = fc.sample(fuzzedObject, { numRuns: 800, seed })
  await isServed('early')
  const early = await addressOf('early')
  // Who is older is told by whole seconds.
  await delay(1_000)

  const services = `/api/v1/namespaces/${cluster.namespace}/services`
  const coming = Promise.all([createFuzzed(objects), createOddServices(cluster.api, services, 200, seed)])
  await isServed('meanwhile')
  const [accepted, odd] = await coming
  expect(accepted.length).toBeGreaterThan(200)
  expect(odd.length).toBeGreaterThan(100)
  await Promise.all(odd.map(name => cluster.addEndpoints(name, ['elsewhere'])))
  await isServed('afterwards')
  await changeFuzzed(accepted, objects)
  await isServed('last')

  await until(async () => ((await unjudged()).length === 0 ? true : undefined), 'every object is judged')
  expect(await addressOf('early')).toBe(early)
  expect(controller.log.filter(({ level = 0 }) => level >= 50)).toEqual([])
  expect(speakers.flatMap(({ errors }) => errors)).toEqual([])
  // Whoever has crashed cannot end as it should.
  expect(await controller.end('SIGTERM')).toBe(0)
  expect(controller.noise).toEqual([])
  await Promise.all(speakers.map(speaker => speaker.stop()))
}, 90_000)
