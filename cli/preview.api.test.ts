import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type Cluster,
  type ControllerProcess,
  openCluster,
  startController,
  until,
} from '../controller/test-cluster.ts'
import { resourcePath } from '../crds/resources.ts'
import { isNotFound } from '../kube/api-error.ts'
import { fieldOf, identityOf, listOf, numberOf, textOf } from '../kube/json.ts'
import { runBerth } from '../test/cli/berth.ts'
import { berthKind, namespace, turns } from '../test/cli/changes.ts'
import { type ControlPlane, startControlPlane } from '../test/control-plane/control-plane.ts'
import { formatObjectName, type ObjectName, type Step } from './change.ts'
import { type Preview, previewOf } from './preview.ts'
import { listAll, readLists } from './read.ts'
import { settledController } from './settle.ts'
import { type Lists, snapshotOf } from './snapshot.ts'

/*
 * What preview says is what then happens: a hundred changes, one after the other, of a cluster that goes on changing in
 * between, against the real controller. Seeded: PREVIEW_SEED=… repeats a run, as far as the API server's clock and UIDs do.
 */

const seed = Number(process.env['PREVIEW_SEED'] ?? 20_261_123)
const changes = Number(process.env['PREVIEW_CHANGES'] ?? 100)

let controlPlane: ControlPlane
let cluster: Cluster
let controller: ControllerProcess

beforeAll(async () => {
  controlPlane = await startControlPlane()
  cluster = await openCluster(controlPlane)
  const teams = { shop: 'a', bank: 'b', sentinel: 'none' }
  for (const [name, team] of Object.entries(teams)) {
    await post('/api/v1/namespaces', { metadata: { name, labels: { team } } })
  }
  controller = startController(await controlPlane.kubeconfig())
  await controller.logged('took over what is assigned', 120_000)
  await postSentinels()
})

afterAll(async () => {
  await controller?.end('SIGTERM')
  cluster?.transport.close()
  await controlPlane?.stop()
})

test(`preview agrees with what then happens, for ${changes} changes (seed ${seed})`, { timeout: 400_000 }, async () => {
  const tally: Record<string, number> = {}
  const count = (what: string): number => (tally[what] = (tally[what] ?? 0) + 1)
  for (const [index, { occurrences, change }] of turns(seed, changes).entries()) {
    for (const step of occurrences) await take(possible(step, (await readLists(cluster.transport, namespace)).lists))
    await settle()
    const { lists, takenAtMs } = await readLists(cluster.transport, namespace)
    const steps = withOneCreation(change, lists).map(step => possible(step, lists))
    const preview = previewOf(lists, steps, { namespace, nowMs: takenAtMs, loadBalancerClass: undefined })
    // Whoever is made in one second is older or younger by chance.
    if (preview.objects.some(({ outcome }) => outcome === 'created')) await nextSecond()
    const familiesBefore = familiesIn(lists)
    for (const step of steps) {
      await take(step)
      await settle()
    }
    const { lists: listsAfter } = await readLists(cluster.transport, namespace)
    for (const [key, families] of familiesIn(listsAfter)) {
      if ((familiesBefore.get(key) ?? families) !== families) count('families')
    }
    const expected = expectation(lists, preview)
    const described = steps.map(step => `${step.kind} ${formatObjectName(step.name)}`).join(', ')
    let observed = await observe()
    await until(async () => {
      observed = await observe()
      return JSON.stringify(observed) === JSON.stringify(expected) || undefined
    }, 'the cluster is as it was said').catch(() => undefined)
    expect(observed, `change ${index}: ${described}\n${JSON.stringify({ steps, preview }, undefined, 1)}`).toEqual(
      expected,
    )
    for (const { effect } of preview.services) count(effect)
    for (const { ready } of preview.verdicts) count(ready ? 'ready' : 'notReady')
    if (preview.oneByOne.length > 0) count('otherwiseOneByOne')
    if (preview.affected.length === 0) count('nobody')
  }
  // A run in which nothing happens proves nothing.
  for (const what of ['loses', 'changes', 'gets', 'notReady', 'ready', 'nobody']) {
    expect(tally[what] ?? 0, `${what} of ${JSON.stringify(tally)}`).toBeGreaterThanOrEqual(
      Math.floor(changes / 100) * 5,
    )
  }
  expect(tally['families'] ?? 0).toBeGreaterThanOrEqual(Math.floor(changes / 100))
})

/** Of what would be made by one change only the first: which of two that are made in one second is older, nobody can say. */
function withOneCreation(steps: readonly Step[], lists: Lists): readonly Step[] {
  const known = new Set([...lists.ipAddressPools, ...lists.l2Advertisements, ...lists.services].map(nameText))
  const seen = new Set<string>()
  let created = 0
  return steps.filter(step => {
    const { kind, name } = step.name
    const id = `${kind} ${step.name.namespace}/${name}`
    // One object twice in a change is refused; and what is not there cannot be removed, nor can a Service be half made.
    if (seen.has(id)) return false
    seen.add(id)
    if (kind === 'Namespace' || known.has(id)) return true
    if (step.kind === 'remove') return false
    const spec = fieldOf(step.object, 'spec')
    if (spec === undefined || (kind === 'Service' && fieldOf(spec, 'ports') === undefined)) return false
    created++
    return created === 1
  })
}

/** The first family of a Service is for good: where another is asked for, no family is. */
function possible(step: Step, { services }: Lists): Step {
  if (step.kind === 'remove' || step.name.kind !== 'Service') return step
  const live = services.find(one => nameText(one) === `Service ${step.name.namespace}/${step.name.name}`)
  const { ipFamilies, ipFamilyPolicy: _, ...rest } = { ...(fieldOf(step.object, 'spec') as Record<string, unknown>) }
  const [now] = listOf(fieldOf(fieldOf(live, 'spec'), 'ipFamilies'))
  const [asked = now] = listOf(ipFamilies)
  return live === undefined || asked === now ? step : { ...step, object: { ...(step.object as object), spec: rest } }
}

function nameText(object: unknown): string {
  const kinds = { pools: 'IPAddressPool', l2: 'L2Advertisement' }
  const kind = textOf(fieldOf(object, 'kind')) ?? kindBySpec(object, kinds)
  return `${kind} ${identityOf(object)?.key}`
}

function familiesIn({ services }: Lists): ReadonlyMap<string, string> {
  return new Map(services.map(one => [nameText(one), String(listOf(fieldOf(fieldOf(one, 'spec'), 'ipFamilies')))]))
}

/** Items of a list do not carry their kind. */
function kindBySpec(object: unknown, kinds: { readonly pools: string; readonly l2: string }): string {
  const spec = fieldOf(object, 'spec')
  if (fieldOf(spec, 'addresses') !== undefined) return kinds.pools
  return fieldOf(spec, 'clusterIPs') === undefined ? kinds.l2 : 'Service'
}

interface Observed {
  /** Addresses by Service. */
  readonly services: Readonly<Record<string, string>>
  /** Reasons of the condition Ready by object. */
  readonly ready: Readonly<Record<string, string>>
}

/** What stands in the cluster now. */
async function observe(): Promise<Observed> {
  const paths = [
    '/api/v1/services',
    resourcePath('IPAddressPool', namespace),
    resourcePath('L2Advertisement', namespace),
  ]
  const [services = [], ipAddressPools = [], l2Advertisements = []] = await Promise.all(
    paths.map(path => listAll(cluster.transport, path)),
  )
  return observation({ services, ipAddressPools, l2Advertisements })
}

function observation(lists: Pick<Lists, 'services' | 'ipAddressPools' | 'l2Advertisements'>): Observed {
  const services = lists.services.filter(one => identityOf(one)?.namespace !== 'sentinel')
  const objects = [...lists.ipAddressPools, ...lists.l2Advertisements].filter(
    one => !identityOf(one)?.name.startsWith('zz-'),
  )
  const sorted = (entries: readonly (readonly [string, string])[]): Record<string, string> =>
    Object.fromEntries([...entries].sort(([one], [other]) => (one < other ? -1 : 1)))
  return {
    services: sorted(services.map(one => [identityOf(one)?.key ?? '', ingressOf(one)])),
    ready: sorted(objects.map(one => [nameText(one), readyOf(one)])),
  }
}

function ingressOf(service: unknown): string {
  const ingress = listOf(fieldOf(fieldOf(fieldOf(service, 'status'), 'loadBalancer'), 'ingress'))
  return ingress.map(one => textOf(fieldOf(one, 'ip'))).join()
}

function readyOf(object: unknown): string {
  const conditions = listOf(fieldOf(fieldOf(object, 'status'), 'conditions'))
  const ready = conditions.find(condition => fieldOf(condition, 'type') === 'Ready')
  const [status, reason, message] = ['status', 'reason', 'message'].map(field => textOf(fieldOf(ready, field)))
  return `${status} ${reason} ${message}`
}

/** What the cluster must look like after the change, objects taken one by one. */
function expectation(lists: Lists, preview: Preview): Observed {
  const { services, ready } = observation(lists)
  const after = new Map(Object.entries(services))
  for (const change of [...preview.services, ...preview.oneByOne]) after.set(change.service, change.after.join())
  const verdicts = new Map(Object.entries(ready))
  for (const { name, outcome } of preview.objects) {
    const id = `${name.kind} ${name.namespace}/${name.name}`
    const isConfig = name.kind !== 'Service' && name.kind !== 'Namespace'
    if (outcome === 'created') {
      if (isConfig) verdicts.set(id, 'True Accepted In use as written.')
      else after.set(`${name.namespace}/${name.name}`, after.get(`${name.namespace}/${name.name}`) ?? '')
    }
    if (outcome === 'removed') (isConfig ? verdicts : after).delete(isConfig ? id : `${name.namespace}/${name.name}`)
  }
  for (const { kind, name, ready, reason, message } of preview.verdicts) {
    verdicts.set(`${kind} ${namespace}/${name}`, `${ready ? 'True' : 'False'} ${reason} ${message}`)
  }
  const sorted = (map: ReadonlyMap<string, string>): Record<string, string> =>
    Object.fromEntries([...map].sort(([one], [other]) => (one < other ? -1 : 1)))
  return { services: sorted(after), ready: sorted(verdicts) }
}

describe('the program', () => {
  const berth = async (args: readonly string[], input?: string) =>
    runBerth(await controlPlane.kubeconfig(), args, input)
  const manifest = (spec: object) =>
    JSON.stringify({ ...berthKind('IPAddressPool'), metadata: { name: 'p', namespace }, spec })

  beforeAll(async () => {
    const { lists } = await readLists(cluster.transport, namespace)
    const paths = lists.services.map(
      one => `/api/v1/namespaces/${identityOf(one)?.namespace}/services/${identityOf(one)?.name}`,
    )
    for (const path of paths) if (!path.endsWith('/default/services/kubernetes')) await cluster.remove(path)
    await cluster.clear()
    await controlPlane.kubectl(['apply', '-f', '-'], {
      input: manifest({ addresses: ['198.51.100.0/31'], autoAssign: true }),
    })
    await cluster.service('web')
    await until(async () => (await cluster.addressesOf('web')) === '198.51.100.0' || undefined, 'web is served')
  })

  test('ends with 0 where nobody would notice, with 2 where somebody would, with 1 where there is no answer', async () => {
    const harmless = await berth(['preview', '-f', '-'], manifest({ addresses: ['198.51.100.0/30'] }))
    expect(harmless).toMatchObject({ code: 0, err: '' })
    expect(harmless.out).toContain('changed  IPAddressPool p')
    const harmful = await berth(['preview', '-f', '-'], manifest({ addresses: ['198.51.100.1/32'] }))
    expect(harmful).toMatchObject({ code: 2, err: '' })
    expect(harmful.out).toContain('default/web  changes from 198.51.100.0 to 198.51.100.1  Reassigned')
    const removed = await berth(['preview', '--delete', 'ipaddresspool/p', '-o', 'json'])
    expect(removed.code).toBe(2)
    expect(JSON.parse(removed.out)).toMatchObject({ affected: ['default/web'], services: [{ effect: 'loses' }] })
    const refused = await berth(['preview', '-f', '-'], manifest({ addresses: ['198.51.100.0/33'] }))
    expect(refused).toMatchObject({ code: 1, out: '' })
    expect(refused.err).toContain('The change cannot be applied:\n(standard input):1  IPAddressPool p')
    expect((await berth(['preview', '--delete', 'ipaddresspool/q'])).err).toContain(
      'There is no IPAddressPool q to delete',
    )
    expect((await berth(['preview'])).err).toContain('Name a change')
  })

  test('is right about what kubectl apply takes out of an object', async () => {
    const { out } = await berth(
      ['preview', '-f', '-', '-o', 'json'],
      manifest({ addresses: ['198.51.100.0/31'], avoidBuggyIPs: true }),
    )
    // autoAssign, which was applied before, goes and is true again by default.
    expect(JSON.parse(out)).toMatchObject({ services: [{ service: 'default/web', after: ['198.51.100.1'] }] })
    await controlPlane.kubectl(['apply', '-f', '-'], {
      input: manifest({ addresses: ['198.51.100.0/31'], avoidBuggyIPs: true }),
    })
    await until(async () => (await cluster.addressesOf('web')) === '198.51.100.1' || undefined, 'web has moved')
  })

  test('needs no cluster where it is given a dump', async () => {
    const kinds = 'services,endpointslices.discovery.k8s.io,nodes,namespaces,leases,ipaddresspools.berth.dev'
    const dump = await controlPlane.kubectl(['get', kinds, '-A', '-o', 'yaml'])
    const folder = await mkdtemp(join(tmpdir(), 'berth-dump-'))
    try {
      await writeFile(join(folder, 'dump.yaml'), dump)
      const said = await runBerth('/nonexistent', ['preview', '--from', folder, '--delete', 'ipaddresspool/p'])
      expect(said).toMatchObject({ code: 2, err: '' })
      expect(said.out).toContain('default/web  loses 198.51.100.1  ')
      expect(said.out).toContain('Not known\n')
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})

// What the test does to the cluster.

async function post(path: string, body: object): Promise<void> {
  await cluster.transport.request({ method: 'POST', path, body })
}

async function patch(path: string, body: object): Promise<unknown> {
  return cluster.transport.request({ method: 'PATCH', path, contentType: 'application/merge-patch+json', body })
}

function pathOf({ kind, namespace }: ObjectName): string {
  if (kind === 'Namespace') return '/api/v1/namespaces'
  if (kind === 'Node') return '/api/v1/nodes'
  return kind === 'Service' ? `/api/v1/namespaces/${namespace}/services` : resourcePath(kind, namespace)
}

/** Applies or removes an object in the real cluster: objects of Berth's are replaced, others patched. */
async function take(step: Step): Promise<void> {
  const folder = pathOf(step.name)
  const path = `${folder}/${step.name.name}`
  if (step.kind === 'remove') return cluster.remove(path)
  const body = step.object as { readonly metadata: object; readonly spec?: object }
  try {
    if (!folder.includes('berth.dev')) {
      await patch(path, { metadata: body.metadata, ...(body.spec && { spec: body.spec }) })
      return
    }
    const replace = [{ op: 'replace', path: '/spec', value: body.spec }]
    await cluster.transport.request({
      method: 'PATCH',
      path,
      contentType: 'application/json-patch+json',
      body: replace,
    })
  } catch (error) {
    if (!isNotFound(error)) throw error
    if (body.spec) await post(folder, body)
  }
}

async function nextSecond(): Promise<void> {
  await delay(1_010 - (Date.now() % 1_000))
}

let ticks = 0
const sentinelServices = '/api/v1/namespaces/sentinel/services'

/** Pools and Services of which the test can tell when the controller has seen everything up to a point. */
async function postSentinels(): Promise<void> {
  const pools = resourcePath('IPAddressPool', namespace)
  const only = (tick: number) => ({ priority: 1, namespaceSelectors: [{ matchLabels: { tick: String(tick) } }] })
  const made = [
    ['zz-pool', { addresses: ['203.0.113.4/30'], autoAssign: false }],
    ['zz-tick-0', { addresses: ['203.0.113.8/32'], serviceAllocation: only(0) }],
    ['zz-tick-1', { addresses: ['203.0.113.9/32'], serviceAllocation: only(1) }],
  ] as const
  for (const [name, spec] of made) await post(pools, { ...berthKind('IPAddressPool'), metadata: { name }, spec })
  for (const name of ['asks', 'ticks']) {
    const spec = { type: 'LoadBalancer', allocateLoadBalancerNodePorts: false, ports: [{ port: 80 }] }
    await post(sentinelServices, { metadata: { name }, spec })
  }
}

/**
 * Waits until the controller has seen all that was done before, has written what it made of it, and has nothing in its queue:
 * an event that is still on its way could make it look at one Service before the others when the pools change next. Of each
 * kind that it watches something is changed, the last of all, and the answer awaited; then its own functions find nothing left
 * to do; then a Service goes through its queue once more.
 */
async function settle(): Promise<void> {
  const tick = ++ticks
  const poolPath = `${resourcePath('IPAddressPool', namespace)}/zz-pool`
  const [pool, address] = await Promise.all([
    patch(poolPath, { metadata: { labels: { tick: String(tick) } }, spec: { avoidBuggyIPs: tick % 2 === 0 } }),
    askAnew(),
    patch('/api/v1/namespaces/sentinel', { metadata: { labels: { tick: String(tick % 2) } } }),
  ])
  const generation = numberOf(fieldOf(fieldOf(pool, 'metadata'), 'generation')) ?? 0
  await until(async () => {
    const [pool, asks, moves] = await Promise.all([get(poolPath), get(asking), get(`${sentinelServices}/ticks`)])
    const observed = numberOf(fieldOf(fieldOf(pool, 'status'), 'observedGeneration')) ?? 0
    const isSeen =
      observed >= generation && ingressOf(asks) === address && ingressOf(moves) === `203.0.113.${8 + (tick % 2)}`
    return isSeen || undefined
  }, `the controller has seen everything up to ${tick}`)
  await until(async () => ((await isAtRest()) ? true : undefined), 'nothing is left to do')
  const again = await askAnew()
  await until(async () => ingressOf(await get(asking)) === again || undefined, 'the queue is worked off')
}

const asking = `${sentinelServices}/asks`
let asked = 0

/** A Service asks for another address than before; which it is. */
async function askAnew(): Promise<string> {
  const address = `203.0.113.${4 + (++asked % 4)}`
  await patch(asking, { metadata: { annotations: { 'berth.dev/loadBalancerIPs': address } } })
  return address
}

function get(path: string): Promise<unknown> {
  return cluster.transport.request({ method: 'GET', path })
}

/** Whether a controller that began now would change no address. */
async function isAtRest(): Promise<boolean> {
  const { lists, takenAtMs } = await readLists(cluster.transport, namespace)
  const { actions } = settledController(snapshotOf(lists, namespace, takenAtMs), undefined)
  return [...actions.values()].flat().every(({ kind }) => kind === 'setCondition' || kind === 'recordEvent')
}
