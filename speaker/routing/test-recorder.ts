import { pino } from 'pino'
import { loadCredentials } from '../../kube/credentials.ts'
import { createEventRecorder } from '../../kube/events.ts'
import { fieldOf, listOf, textOf } from '../../kube/json.ts'
import type { ServiceKey } from '../../kube/service.ts'
import { createTransport, type Transport } from '../../kube/transport.ts'
import { PersistentMap } from '../../net/persistent-map.ts'
import type { Member } from '../layer2/membership.ts'
import { createSources } from '../sources.ts'
import { createRecorder, type Recorder } from './recorder.ts'
import { planRoutes, type RoutePlan } from './route-plan.ts'
import type { PeerView, RouterView } from './router.ts'
import { routingSurveyOf } from './routes.ts'

/*
 * A recorder with its stores and watches and a view that the test makes, on a real API server: no router, no packets.
 */

export interface RunningRecorder {
  readonly recorder: Recorder
  /** This is so from now on. */
  show(view: Partial<Pick<RouterView, 'peers' | 'plan'>>): void
  /** These are the speakers from now on; resolves when the recorder has looked at its records by them. */
  showMembers(members: readonly Member[]): Promise<void>
  /** As SIGTERM. */
  stop(): Promise<void>
}

export async function startRecorder(options: {
  readonly kubeconfig: string
  readonly namespace: string
  readonly node: string
  readonly peers: readonly PeerView[]
  readonly plan?: RoutePlan
}): Promise<RunningRecorder> {
  const { namespace, node } = options
  const log = pino({ level: process.env['BERTH_TEST_LOG'] ?? 'silent' })
  const transport = createTransport(await loadCredentials(options.kubeconfig))
  const sources = createSources({ transport, namespace, node, leaseDurationMs: 10_000, log })
  const events = createEventRecorder({
    transport,
    reportingController: 'berth-speaker',
    reportingInstance: node,
    log,
  })
  let view: RouterView = { node, peers: options.peers, plan: options.plan }
  let members: ReadonlyMap<string, Member> = new Map()
  let looked = Promise.withResolvers<void>()
  const recorder = createRecorder({
    transport,
    sources,
    events,
    node,
    namespace,
    view: () => view,
    members: () => {
      looked.resolve()
      looked = Promise.withResolvers()
      return members
    },
    log,
  })
  const stop = new AbortController()
  const running = Promise.all([
    ...sources.watches.map(({ task }) => task.run(stop.signal)),
    events.run(stop.signal),
    recorder.run(stop.signal),
  ])
  await Promise.all(sources.watches.map(({ task }) => task.ready))
  recorder.update()
  return {
    recorder,
    show(next) {
      view = { ...view, ...next }
      recorder.update()
    },
    async showMembers(next) {
      members = new Map(next.map(one => [one.node, one]))
      if (sources.sessionRecords.size === 0) return
      recorder.update()
      await looked.promise
    },
    async stop() {
      stop.abort()
      await running
      await events.flush(1_000)
      transport.close()
    },
  }
}

/** A plan that tells these peers of each Service. */
export function planOf(peersByService: Readonly<Record<ServiceKey, readonly string[]>>): RoutePlan {
  const survey = routingSurveyOf({ config: { pools: [], bgpAdvertisements: [], bgpPeers: [] }, nodes: new Map() })
  const empty = planRoutes({ survey, services: [], node: 'node-1', leaving: false, before: undefined })
  const entries = Object.entries(peersByService) as [ServiceKey, readonly string[]][]
  return { ...empty, peersByService: PersistentMap.of(entries) }
}

/** One object as it stands in the API. */
export interface Found {
  readonly name: string
  readonly resourceVersion: string
  readonly status: Readonly<Record<string, unknown>>
  readonly metadata: unknown
}

export async function list(api: Transport, namespace: string, plural: string): Promise<readonly Found[]> {
  const path = `/apis/berth.dev/v1beta1/namespaces/${namespace}/${plural}`
  const answer = await api.request<unknown>({ method: 'GET', path })
  return listOf(fieldOf(answer, 'items')).map(item => {
    const metadata = fieldOf(item, 'metadata')
    return {
      name: textOf(fieldOf(metadata, 'name')) ?? '',
      resourceVersion: textOf(fieldOf(metadata, 'resourceVersion')) ?? '',
      status: (fieldOf(item, 'status') ?? {}) as Found['status'],
      metadata,
    }
  })
}
