import { resourcePath } from '../../crds/resources.ts'
import { fieldOf, listOf } from '../../kube/json.ts'
import { createQueue } from '../../kube/queue.ts'
import type { ServiceKey } from '../../kube/service.ts'
import { aborted, sleep } from '../../kube/task.ts'
import { spokesman } from '../layer2/membership.ts'
import { installationLabel, labelValueOf, nodeLabel } from '../record-metadata.ts'
import { createRecordWriter } from './record-writer.ts'
import type { RecorderOptions } from './recorder.ts'
import type { RoutePlan } from './route-plan.ts'
import {
  parseServiceRecord,
  peersInOneLine,
  type ServiceRecord,
  serviceApi,
  serviceMetadata,
  serviceRecordKey,
  serviceStatusOf,
} from './service-record.ts'

/*
 * There are as many ServiceBGPStatuses as there are Services times nodes, and all nodes begin to write them at the same
 * moment, for instance when an advertisement is made. So the pace is one for the whole cluster: each node takes its share.
 */

/** Keeps the ServiceBGPStatuses of this node. */
export interface ServiceRecorder {
  take(plan: RoutePlan): void
  run(signal: AbortSignal): Promise<void>
  readonly waiting: number
}

interface Wanted {
  readonly service: ServiceKey
  readonly peers: readonly string[]
}

/** Requests a second: of one node, however few there are, and of all together. */
const requestsPerNode = 50
const requestsPerCluster = 200
/** Endpoints come and go; what is gone in a second need not be written. */
const takeAfterMs = 1_000
/** Of keys in the queue that are nodes; those of records have a slash and no space. */
const forgetPrefix = 'forget '

export function createServiceRecorder(options: RecorderOptions): ServiceRecorder {
  const { transport, node, namespace, members, log } = options
  const { serviceRecords: store, services, nodes } = options.sources
  const writer = createRecordWriter<ServiceRecord>(transport, { api: serviceApi, store, parse: parseServiceRecord })
  let plan: RoutePlan | undefined
  let takenPlan: RoutePlan | undefined
  let timer: NodeJS.Timeout | undefined
  /** By the key of the record. */
  const wanted = new Map<string, Wanted>()
  const queue = createQueue<string>({
    name: 'BGP Services',
    concurrency: 2,
    process: settle,
    // Thousands may fail together; why they do is in the log already, from watches and sessions.
    onError: (key, error, attempt) =>
      log.debug({ key, attempt, err: error }, 'cannot write the ServiceBGPStatus; trying again'),
    backoff: { minMs: 1_000, maxMs: 60_000 },
  })
  const turn = createPacer(() => {
    const share = requestsPerCluster / Math.max(1, nodes.size)
    return 1000 / Math.min(requestsPerNode, share)
  })

  function takePlan(): void {
    timer = undefined
    if (!plan || plan === takenPlan) return
    const isFirst = takenPlan === undefined
    takenPlan = plan
    const kept = new Set<string>()
    for (const [serviceKey, peers] of plan.peersByService) {
      const service = services.get(serviceKey)
      if (!service) continue
      const key = serviceRecordKey(service, node)
      kept.add(key)
      if (wanted.get(key)?.peers === peers) continue
      wanted.set(key, { service: serviceKey, peers })
      look(key)
    }
    for (const key of wanted.keys()) {
      if (kept.has(key)) continue
      wanted.delete(key)
      look(key)
    }
    if (isFirst) for (const { key } of store.values()) look(key)
  }

  function look(key: string): void {
    if (takenPlan && isOutdated(key)) queue.add(key)
  }

  function isOutdated(key: string): boolean {
    const { peers } = wanted.get(key) ?? {}
    const record = store.get(key)
    return peers ? record?.peers !== peersInOneLine(peers) : record !== undefined
  }

  async function settle(key: string, signal: AbortSignal): Promise<void> {
    if (key.startsWith(forgetPrefix)) return await forget(key.slice(forgetPrefix.length), signal)
    if (!isOutdated(key)) return
    await turn(signal)
    const target = wanted.get(key)
    const record = store.get(key)
    if (signal.aborted || !isOutdated(key)) return
    if (!target) {
      if (record) await writer.remove(record)
      return
    }
    const service = services.get(target.service)
    // Of a Service that is made anew a plan will tell.
    if (!service || serviceRecordKey(service, node) !== key) return
    if (!record) {
      await writer.create(serviceMetadata(service, node, namespace))
      await turn(signal)
    }
    if (!signal.aborted) await writer.setStatus(key, serviceStatusOf(service, node, target.peers, Date.now()))
  }

  /** The records of a node that is no more: their owners are the Services, and no speaker is left to remove them. */
  async function forget(gone: string, signal: AbortSignal): Promise<void> {
    const labelSelector = `${installationLabel}=${namespace},${nodeLabel}=${labelValueOf(gone)}`
    while (!signal.aborted && !nodes.get(gone)) {
      const path = resourcePath('ServiceBGPStatus')
      const page = await transport.request<unknown>({
        method: 'GET',
        path,
        query: { labelSelector, limit: 500 },
        signal,
      })
      const records = listOf(fieldOf(page, 'items')).flatMap(item => parseServiceRecord(item) ?? [])
      if (records.length === 0) return
      for (const record of records) {
        await turn(signal)
        if (signal.aborted || nodes.get(gone)) return
        await writer.remove(record)
      }
    }
  }

  store.subscribe(({ key }) => look(key))
  nodes.subscribe(({ key, before, after }) => {
    if (before && !after && key !== node && spokesman(members()) === node) queue.add(`${forgetPrefix}${key}`)
  })

  return {
    take(next) {
      plan = next
      timer ??= setTimeout(takePlan, takeAfterMs)
      timer.unref()
    },
    async run(signal) {
      signal.addEventListener('abort', () => clearTimeout(timer), { once: true })
      // A restart finds what it would write: it must look before it writes.
      await Promise.race([store.synced, aborted(signal)])
      await queue.run(signal)
    },
    get waiting() {
      return queue.depth + queue.running
    },
  }
}

/** Lets one through at a time, so many milliseconds apart. */
function createPacer(intervalMs: () => number): (signal: AbortSignal) => Promise<void> {
  let nextMs = 0
  return async signal => {
    const nowMs = performance.now()
    const atMs = Math.max(nowMs, nextMs)
    nextMs = atMs + intervalMs()
    if (atMs > nowMs) await sleep(atMs - nowMs, signal)
  }
}
