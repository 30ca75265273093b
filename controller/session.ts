import type { Logger } from 'pino'
import { createEventRecorder, type EventRecorder } from '../kube/events.ts'
import { identityOf } from '../kube/json.ts'
import { type KubeNamespace, parseNamespace } from '../kube/namespace.ts'
import { createQueue, type Queue } from '../kube/queue.ts'
import { parseService, type Service, type ServiceKey } from '../kube/service.ts'
import { createStore } from '../kube/store.ts'
import type { Transport } from '../kube/transport.ts'
import { type Task, type WatchHealth, watchResource } from '../kube/watch.ts'
import { createConfigStatus } from './config-status.ts'
import { type ConfigWatch, watchConfig } from './config-watch.ts'
import { createDesk, type Desk } from './desk.ts'
import { allocatedCondition } from './plan.ts'
import { createReconciler, type WriteCounts } from './reconcile.ts'

/*
 * One term of leadership, from the first list to the last write. A standby keeps no stores: who begins to lead lists
 * everything anew, so that no decision rests on what an earlier leader has overtaken. Then, in this order:
 *
 *   lists of Services, namespaces and configuration → assignments taken over → what waits decided, oldest first → writes
 */

export interface SessionOptions {
  readonly transport: Transport
  readonly namespace: string
  readonly loadBalancerClass: string | undefined
  /** Name of this replica, for Events. */
  readonly instance: string
  readonly isLeader: () => boolean
  readonly log: Logger
}

export interface Session {
  readonly desk: Desk
  readonly config: ConfigWatch
  readonly queue: Queue<ServiceKey>
  readonly events: EventRecorder
  readonly watches: readonly (Task & { readonly health: () => WatchHealth })[]
  readonly counts: WriteCounts
  /** Everything was listed and taken over; addresses are being given out. */
  readonly isServing: boolean
  /** Works until the signal aborts; resolves when the last write has been answered. */
  run(signal: AbortSignal): Promise<void>
}

// Parallel patches: beyond this the API server only queues them.
const writesAtOnce = 24
// Pools are often applied several at a time: the walk over all Services comes after this, or when one asks to be decided about.
const reviewDelayMs = 20
/** How often it is looked whether what other stations had may be tried again. */
const retryEveryMs = 5_000

export function createSession(options: SessionOptions): Session {
  const { transport, namespace, loadBalancerClass, instance, isLeader, log } = options
  const services = createStore<Service>()
  const namespaces = createStore<KubeNamespace>()
  const counts: WriteCounts = { updates: 0, conflicts: 0, errors: 0 }
  let isServing = false
  let isStopping = false
  let reviewTimer: NodeJS.Timeout | undefined
  let retryTimer: NodeJS.Timeout | undefined
  let hasNewPools = false

  const mayWrite = (): boolean => isLeader() && !isStopping
  const isMine = (service: Service): boolean =>
    service.type === 'LoadBalancer'
      ? (service.loadBalancerClass ?? '') === (loadBalancerClass ?? '')
      : service.allocatedFromPool !== undefined || service.conditions.some(one => one.type === allocatedCondition)

  const desk = createDesk({
    services,
    loadBalancerClass,
    now: Date.now,
    onWork: key => queue.add(key),
    onUse: pool => configStatus.poolUsed(pool),
  })
  const queue = createQueue<ServiceKey>({
    name: 'services',
    concurrency: writesAtOnce,
    process: key => {
      reviewNewPools()
      return reconcile(key)
    },
    onError: (key, err, attempt) => log.warn({ service: key, attempt, err }, 'cannot write the status; trying again'),
  })
  const events = createEventRecorder({
    transport,
    reportingController: 'berth-controller',
    reportingInstance: instance,
    busy: () => queue.depth + queue.running > 0,
    log,
  })
  const reconcile = createReconciler({ transport, services, desk, events, counts, mayWrite, log })
  const config = watchConfig({ transport, namespace, log, onChange: poolsChanged })
  const configStatus = createConfigStatus({ transport, namespace, config, ledger: desk.ledger, mayWrite, log })
  const watches = [
    watchResource({
      transport,
      path: '/api/v1/services',
      store: services,
      log,
      parse(object) {
        // Half of what the watch brings is the echo of our own writes, whose answers have been read already.
        const identity = identityOf(object)
        const known = identity && services.get(identity.key)
        if (known?.resourceVersion === identity?.resourceVersion && known?.uid === identity?.uid) return known
        const service = parseService(object)
        return service && isMine(service) ? service : undefined
      },
    }),
    watchResource({ transport, path: '/api/v1/namespaces', parse: parseNamespace, store: namespaces, log }),
    ...config.tasks,
  ]

  services.subscribe(({ key, after }) => {
    if (!isServing) return
    // What went is released before anything else is decided; what came or changed waits for its turn.
    if (after) queue.add(key as ServiceKey)
    else desk.decide(key as ServiceKey)
  })
  namespaces.subscribe(({ key, before, after }) => {
    if (before && after && JSON.stringify(before.labels) === JSON.stringify(after.labels)) return
    reviewNewPools()
    desk.setNamespace(key, after?.labels)
  })

  function poolsChanged(): void {
    hasNewPools = true
    if (!isServing) return
    reviewTimer ??= setTimeout(review, reviewDelayMs)
  }

  function usePools(): void {
    if (!hasNewPools) return
    hasNewPools = false
    desk.setPools(config.book())
  }

  /** Before one Service is decided about by new pools, those that have waited longer than it are. */
  function reviewNewPools(): void {
    if (!hasNewPools) return
    if (isServing) review()
    else usePools()
  }

  function review(): void {
    clearTimeout(reviewTimer)
    reviewTimer = undefined
    usePools()
    desk.reviewAll()
    configStatus.verdictsChanged()
  }

  async function open(signal: AbortSignal): Promise<void> {
    const stopped = new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
    await Promise.race([Promise.all(watches.map(watch => watch.ready)), stopped])
    if (signal.aborted) return
    usePools()
    desk.recall(config.resolved().conflicts)
    desk.adopt()
    isServing = true
    retryTimer = setInterval(() => desk.retryConflicts(), retryEveryMs)
    log.info(
      { services: services.size, adopted: desk.grants.size, pools: config.resolved().config.pools.length },
      'took over what is assigned',
    )
    review()
  }

  async function run(signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => (isStopping = true), { once: true })
    if (signal.aborted) return
    await Promise.all([
      ...watches.map(watch => watch.run(signal)),
      queue.run(signal),
      configStatus.run(signal),
      events.run(signal),
      open(signal),
    ])
    clearTimeout(reviewTimer)
    clearInterval(retryTimer)
    isServing = false
    if (isLeader()) await events.flush(1_000)
  }

  return {
    desk,
    config,
    queue,
    events,
    watches,
    counts,
    get isServing() {
      return isServing
    },
    run,
  }
}
