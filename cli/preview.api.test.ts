import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type Cluster,
  type ControllerProcess,
  openCluster,
  startController,
  until,
} from '../controller/test-cluster.ts'
import { fieldOf, identityOf, listOf } from '../kube/json.ts'
import { apartInTime, expectation, observation, possible, withOneCreation } from '../test/cli/agreement.ts'
import { runBerth } from '../test/cli/berth.ts'
import { berthKind, namespace, turns } from '../test/cli/changes.ts'
import { type Live, openLive } from '../test/cli/live.ts'
import { type ControlPlane, startControlPlane } from '../test/control-plane/control-plane.ts'
import { formatObjectName } from './change.ts'
import { previewOf } from './preview.ts'
import { readLists } from './read.ts'
import type { Lists } from './snapshot.ts'

/*
 * What preview says is what then happens: a hundred changes, one after the other, of a cluster that goes on changing in
 * between, against the real controller. Seeded: PREVIEW_SEED=… repeats a run, as far as the API server's clock and UIDs do.
 */

const seed = Number(process.env['PREVIEW_SEED'] ?? 20_261_123)
const changes = Number(process.env['PREVIEW_CHANGES'] ?? 100)

let controlPlane: ControlPlane
let cluster: Cluster
let controller: ControllerProcess
let live: Live

beforeAll(async () => {
  controlPlane = await startControlPlane()
  cluster = await openCluster(controlPlane)
  controller = startController(await controlPlane.kubeconfig())
  await controller.logged('took over what is assigned', 120_000)
  live = await openLive(cluster)
  for (const [name, team] of Object.entries({ shop: 'a', bank: 'b' })) {
    await live.post('/api/v1/namespaces', { metadata: { name, labels: { team } } })
  }
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
    for (const step of occurrences)
      await live.take(possible(step, (await readLists(cluster.transport, namespace)).lists))
    await live.settle()
    const { lists, takenAtMs } = await readLists(cluster.transport, namespace)
    const steps = withOneCreation(change, lists).map(step => possible(step, lists))
    const preview = previewOf(lists, steps, { namespace, nowMs: takenAtMs, loadBalancerClass: undefined })
    await apartInTime(preview)
    const familiesBefore = familiesIn(lists)
    for (const step of steps) {
      await live.take(step)
      await live.settle()
    }
    const { lists: listsAfter } = await readLists(cluster.transport, namespace)
    for (const [key, families] of familiesIn(listsAfter)) {
      if ((familiesBefore.get(key) ?? families) !== families) count('families')
    }
    const expected = expectation(lists, preview)
    const described = steps.map(step => `${step.kind} ${formatObjectName(step.name)}`).join(', ')
    let observed = observation(listsAfter)
    await until(async () => {
      observed = observation((await readLists(cluster.transport, namespace)).lists)
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

function familiesIn({ services }: Lists): ReadonlyMap<string, string> {
  const ofService = (one: unknown): string => String(listOf(fieldOf(fieldOf(one, 'spec'), 'ipFamilies')))
  return new Map(services.map(one => [identityOf(one)?.key ?? '', ofService(one)]))
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
