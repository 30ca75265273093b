import { networkInterfaces } from 'node:os'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  type Cluster,
  type ControllerProcess,
  openCluster,
  startController,
  until,
} from '../controller/test-cluster.ts'
import { apartInTime, expectation, observation, possible, withOneCreation } from '../test/cli/agreement.ts'
import { bgpTurns } from '../test/cli/bgp-changes.ts'
import { namespace } from '../test/cli/changes.ts'
import { type Live, openLive } from '../test/cli/live.ts'
import { identifierOf, type LoopbackRouter, startRouter } from '../test/cli/routers.ts'
import { type Speakers, type StandingSession, startSpeakers } from '../test/cli/speakers.ts'
import { type ControlPlane, startControlPlane } from '../test/control-plane/control-plane.ts'
import { formatObjectName, type Step } from './change.ts'
import { type Preview, previewOf } from './preview.ts'
import { readLists } from './read.ts'
import { snapshotOf } from './snapshot.ts'

/*
 * What preview says of routes and sessions is what routers then see: a hundred changes, one after the other, against the real
 * controller, whole speakers on two nodes, and routers on loopback that read every message. Seeded: PREVIEW_SEED=… repeats a
 * run, as far as the API server's clock and UIDs do.
 */

const seed = Number(process.env['PREVIEW_SEED'] ?? 20_261_124)
const changes = Number(process.env['PREVIEW_CHANGES'] ?? 100)

let controlPlane: ControlPlane
let cluster: Cluster
let controller: ControllerProcess
let live: Live
let routers: readonly LoopbackRouter[] = []
let speakers: Speakers

beforeAll(async () => {
  controlPlane = await startControlPlane()
  cluster = await openCluster(controlPlane)
  const kubeconfig = await controlPlane.kubeconfig()
  controller = startController(kubeconfig)
  await controller.logged('took over what is assigned', 120_000)
  live = await openLive(cluster)
  for (const [name, team] of Object.entries({ shop: 'a', bank: 'b' })) {
    await live.post('/api/v1/namespaces', { metadata: { name, labels: { team } } })
  }
  await postEndpoints()
  routers = await startRouters()
  speakers = await startSpeakers(live, kubeconfig, routers)
})

afterAll(async () => {
  await speakers?.stop()
  await Promise.all(routers.map(router => router.close()))
  await controller?.end('SIGTERM')
  cluster?.transport.close()
  await controlPlane?.stop()
})

/** Two of other ASes, one of ours, and one that takes IPv6 routes, where loopback has both families. */
async function startRouters(): Promise<readonly LoopbackRouter[]> {
  const hasBoth = Object.values(networkInterfaces()).some(list => list?.some(({ address }) => address === '::1'))
  if (!hasBoth) console.warn('loopback has no ::1: IPv6 routes are told to nobody')
  const all: readonly (readonly [string, number])[] = [
    ['127.1.0.1', 64513],
    ['127.1.0.2', 64514],
    ['127.1.0.3', 64512],
    ...(hasBoth ? ([['::1', 64515]] as const) : []),
  ]
  return await Promise.all(
    all.map(([address, as], index) => startRouter(address, as, identifierOf('203.0.113.200') + index)),
  )
}

/** Endpoints of all Services that there may be: on one node, on both in unlike numbers, on none. */
async function postEndpoints(): Promise<void> {
  const places = [['node-1'], ['node-1', 'node-2', 'node-2'], ['node-2', 'node-2'], [], ['node-1', 'node-1', 'node-2']]
  for (const where of ['default', 'shop', 'bank']) {
    for (const [index, own] of places.entries()) {
      const endpoints = own.map((nodeName, number) => ({ addresses: [`10.200.${index}.${number + 1}`], nodeName }))
      const metadata = { name: `s${index}-1`, labels: { 'kubernetes.io/service-name': `s${index}` } }
      const path = `/apis/discovery.k8s.io/v1/namespaces/${where}/endpointslices`
      await live.post(path, { metadata, addressType: 'IPv4', endpoints })
    }
  }
}

type Sessions = ReadonlyMap<string, StandingSession>

test(`routers see what preview says, for ${changes} changes (seed ${seed})`, { timeout: 600_000 }, async () => {
  const tally: Record<string, number> = {}
  const count = (what: string): number => (tally[what] = (tally[what] ?? 0) + 1)
  for (const [index, { occurrences, change }] of bgpTurns(seed, changes, routers).entries()) {
    const { lists: atFirst } = await readLists(cluster.transport, namespace)
    for (const step of occurrences) await live.take(possible(step, atFirst))
    const start = await rest()
    const steps = withOneCreation(change, start.lists).map(step => possible(step, start.lists))
    const whole = previewed(start, steps)
    await apartInTime(whole)
    let before = start
    for (const step of steps) {
      const preview = previewed(before, [step])
      await live.take(step)
      const expected = expectation(before.lists, preview)
      const after = await rest(expected)
      const words = `${step.kind} ${formatObjectName(step.name)}\n${JSON.stringify({ step, preview }, undefined, 1)}`
      const seen = {
        ...observation(after.lists),
        routes: routesIn(after.sessions),
        otherwise: sessionsOtherThanSaid(before.sessions, after.sessions, preview),
      }
      const said = { ...expected, routes: expectedRoutes(before.sessions, preview), otherwise: [] }
      expect(seen, `change ${index}: ${words}`).toEqual(said)
      tell(preview, step, count)
      before = after
    }
    if (steps.length < 2 || whole.oneByOne.length > 0) continue
    const words = JSON.stringify({ steps, whole }, undefined, 1)
    expect(routesIn(before.sessions), `change ${index} as a whole: ${words}`).toEqual(
      expectedRoutes(start.sessions, whole),
    )
    count('several')
  }
  // A run in which nothing happens proves nothing.
  const least = Math.floor(changes / 100) * 3
  for (const what of [
    'announced',
    'withdrawn',
    'changed',
    'begins',
    'ends',
    'restarts',
    'bfd',
    'unheard',
    'several',
    'drained',
  ]) {
    expect(tally[what] ?? 0, `${what} of ${JSON.stringify(tally)}`).toBeGreaterThanOrEqual(least)
  }
  expect(tally['drained'] ?? 0).toBeGreaterThanOrEqual(Math.floor(changes / 100))
})

interface Moment extends Awaited<ReturnType<typeof readLists>> {
  readonly sessions: Sessions
}

/** Waits until all programs have done what is to be done; conditions may come a moment later, if they come as expected. */
async function rest(expected?: ReturnType<typeof observation>): Promise<Moment> {
  await speakers.settle(await live.settle())
  let read = await readLists(cluster.transport, namespace)
  await until(async () => {
    read = await readLists(cluster.transport, namespace)
    return isToldWhoIsDrained(read) || undefined
  }, 'the Leases say which nodes are being drained')
  if (expected) {
    await until(async () => {
      read = await readLists(cluster.transport, namespace)
      return JSON.stringify(observation(read.lists)) === JSON.stringify(expected) || undefined
    }, 'the conditions are as they were said').catch(() => undefined)
  }
  return { ...read, sessions: speakers.sessions() }
}

function isToldWhoIsDrained({ lists, takenAtMs }: Awaited<ReturnType<typeof readLists>>): boolean {
  const { speakers, nodes } = snapshotOf(lists, namespace, takenAtMs)
  const drained = speakers.flatMap(({ lease }) => (lease.facts.reluctance?.kind === 'drained' ? [lease.node] : []))
  const cordoned = [...nodes.values()].filter(({ unschedulable }) => unschedulable).map(({ name }) => name)
  return drained.toSorted().join() === cordoned.toSorted().join()
}

function previewed({ lists, takenAtMs }: Moment, steps: readonly Step[]): Preview {
  return previewOf(lists, steps, { namespace, nowMs: takenAtMs, loadBalancerClass: undefined })
}

function tell({ routes, sessions, objects }: Preview, { name }: Step, count: (what: string) => void): void {
  for (const { effect } of [...routes, ...sessions]) count(effect)
  const isChanged = objects.length > 0
  if (routes.some(({ attributes }) => attributes.some(one => one.includes('gracefulShutdown')))) count('drained')
  if (isChanged && name.kind === 'BGPAdvertisement' && routes.length === 0) count('unheard')
}

/** By node, peer and prefix, what is said of it. */
function routesIn(sessions: Sessions): Readonly<Record<string, string>> {
  const all = [...sessions].flatMap(([session, { routes }]) => {
    return Array.from(routes, ([prefix, said]) => [`${session} ${prefix}`, textOf(said)] as const)
  })
  return sorted(all.filter(([key]) => !isTests(key)))
}

/** Of the peer, or of the Services, by which the test knows how far the programs have seen. */
function isTests(key: string): boolean {
  return / zz-| 203\.0\.113\./.test(key)
}

function expectedRoutes(before: Sessions, { routes }: Preview): Readonly<Record<string, string>> {
  const after = new Map(Object.entries(routesIn(before)))
  for (const { prefix, effect, peers, nodes: tellers, attributes } of routes) {
    for (const key of tellers.flatMap(node => peers.map(peer => `${node} ${peer} ${prefix}`))) {
      if (isTests(key)) continue
      if (effect === 'withdrawn') {
        after.set(key, after.has(key) ? '' : 'withdrawn, and was not there')
        if (after.get(key) === '') after.delete(key)
      } else if (effect === 'announced') {
        after.set(key, after.has(key) ? 'announced, and was there' : textOf(new Map(attributes.map(nameAndRest))))
      } else {
        after.set(key, changedText(after.get(key), attributes))
      }
    }
  }
  return sorted([...after])
}

/** What is said after `med 5 → 6` and the like. */
function changedText(before: string | undefined, changes: readonly string[]): string {
  const said = new Map((before ?? 'changed, and was not there').split('; ').filter(Boolean).map(nameAndRest))
  for (const [name, rest] of changes.map(nameAndRest)) {
    const [was = '', is = ''] = rest.split(' → ')
    if ((said.get(name) ?? 'unset') !== was) said.set(name, `${said.get(name)}, and not ${was}`)
    else if (is === 'unset') said.delete(name)
    else said.set(name, is)
  }
  return textOf(said)
}

const attributeNames = ['localPref', 'med', 'asPathPrepend', 'communities', 'link bandwidth']

function nameAndRest(text: string): readonly [string, string] {
  const name = attributeNames.find(one => text.startsWith(`${one} `)) ?? text
  return [name, text.slice(name.length + 1)]
}

function textOf(said: ReadonlyMap<string, string>): string {
  return Array.from(said, ([name, text]) => `${name} ${text}`)
    .sort()
    .join('; ')
}

/** Sessions of which something else has become than was said, in words. */
function sessionsOtherThanSaid(before: Sessions, after: Sessions, { sessions }: Preview): readonly string[] {
  const said = new Map<string, string>(
    sessions.flatMap(one => one.nodes.map(node => [`${node} ${one.peer}`, one.effect] as const)),
  )
  const keys = new Set([...before.keys(), ...after.keys(), ...said.keys()])
  return [...keys].flatMap(key => {
    const [effect, was, is] = [said.get(key) ?? 'nothing', before.get(key), after.get(key)]
    const seen =
      was && is ? (was.serial !== is.serial ? 'restarts' : was.bfd !== is.bfd ? 'bfd' : 'nothing') : undefined
    const happened = seen ?? (was ? 'ends' : is ? 'begins' : 'nothing')
    return isTests(key) || happened === effect ? [] : [`${key}: ${happened}, and ${effect} was said`]
  })
}

function sorted(entries: readonly (readonly [string, string])[]): Readonly<Record<string, string>> {
  return Object.fromEntries([...entries].sort(([one], [other]) => (one < other ? -1 : 1)))
}
