import type { Logger } from 'pino'
import { isConflict, isNotFound } from '../kube/api-error.ts'
import { setCondition } from '../kube/conditions.ts'
import type { EventRecorder } from '../kube/events.ts'
import { createQueue, type Queue } from '../kube/queue.ts'
import { parseService, type Service } from '../kube/service.ts'
import type { Transport } from '../kube/transport.ts'
import {
  claimMetadata,
  formatBecause,
  type OwnershipRecord,
  parseRecord,
  publishedStatus,
  recordApi,
  recordKey,
  recordName,
} from './layer2/record.ts'
import type { SpeakerAction, SpeakerEvent } from './situation.ts'
import type { Sources } from './sources.ts'

/*
 * Writes to the API server what plans say: records, conditions, Events. Each plan replaces what the one before wanted
 * written; what is under way, or waits for its next try, is not begun again. The answers go into the stores at once, so
 * that the next plan knows of them. A conflict means that somebody else wrote: look, and let the next plan decide.
 */

/** The actions that are writes. */
export type WriteAction = Exclude<SpeakerAction, { readonly kind: 'announce' | 'withdraw' }>

export interface Writer {
  /** Everything that is to be written now, and nothing else is. */
  want(actions: Iterable<WriteAction>): void
  readonly queue: Pick<Queue<string>, 'depth' | 'running'>
  run(signal: AbortSignal): Promise<void>
}

const fieldManager = 'berth-speaker'
// One speaker of many writes to one API server: enough to take over five hundred Services in a second or two.
const concurrency = 8

export function createWriter(options: {
  readonly transport: Transport
  readonly sources: Pick<Sources, 'records' | 'services'>
  readonly events: EventRecorder
  /** Berth's own. */
  readonly namespace: string
  readonly log: Logger
}): Writer {
  const { transport, sources, events, log } = options
  const { records, services } = sources
  let wanted = new Map<string, Job>()
  const queue = createQueue<string>({
    name: 'writes',
    concurrency,
    process,
    onError: (key, error, attempt) =>
      log[attempt === 1 ? 'debug' : 'warn']({ key, attempt, err: error }, 'cannot write; trying again'),
  })

  async function process(key: string, signal: AbortSignal): Promise<void> {
    const job = wanted.get(key)
    for (const action of job?.actions ?? []) {
      if (!signal.aborted && wanted.get(key) === job) await write(action, signal)
    }
  }

  async function write(action: WriteAction, signal: AbortSignal): Promise<void> {
    switch (action.kind) {
      case 'claim':
        return await claim(action, signal)
      case 'publish':
        return await publish(action, signal)
      case 'deleteRecord':
        return await deleteRecord(action.record, signal)
      case 'setCondition':
        return await writeCondition(action, signal)
    }
  }

  async function claim(action: WriteAction & { readonly kind: 'claim' }, signal: AbortSignal): Promise<void> {
    const { service, record, claim } = action
    if (records.get(recordKey(service))?.resourceVersion !== record?.resourceVersion) return
    const metadata = claimMetadata(service, claim, record, options.namespace)
    const collection = collectionPath(service.namespace)
    try {
      const answer = await transport.request<unknown>({
        method: record ? 'PATCH' : 'POST',
        path: record ? `${collection}/${record.name}` : collection,
        query: { fieldManager },
        ...(record && { contentType: 'application/merge-patch+json' }),
        body: { apiVersion: `${recordApi.group}/${recordApi.version}`, kind: 'ServiceL2Status', metadata },
        signal,
      })
      take(answer)
      log.info({ service: service.key, from: claim.from, because: claim.because }, `claimed; ${formatBecause(claim)}`)
    } catch (error) {
      if (record && isNotFound(error)) records.acceptDeletion(record.key, record.uid)
      else if (isConflict(error)) await look(service, signal)
      else throw error
    }
  }

  async function publish(action: WriteAction & { readonly kind: 'publish' }, signal: AbortSignal): Promise<void> {
    const { service, record, published, event } = action
    const before = records.get(record.key)
    if (before?.resourceVersion !== record.resourceVersion) return
    const moved = before.published?.node !== published.node
    const since = moved ? `${new Date().toISOString().slice(0, 19)}Z` : undefined
    try {
      take(
        await transport.request<unknown>({
          method: 'PATCH',
          path: `${collectionPath(record.namespace)}/${record.name}/status`,
          query: { fieldManager },
          contentType: 'application/merge-patch+json',
          body: {
            metadata: { resourceVersion: before.resourceVersion },
            status: publishedStatus(service, published, since),
          },
          signal,
        }),
      )
      report(service, event)
    } catch (error) {
      if (isNotFound(error)) records.acceptDeletion(record.key, record.uid)
      else if (isConflict(error)) await look(service, signal)
      else throw error
    }
  }

  async function deleteRecord(record: OwnershipRecord, signal: AbortSignal): Promise<void> {
    if (records.get(record.key)?.resourceVersion !== record.resourceVersion) return
    try {
      await transport.request({
        method: 'DELETE',
        path: `${collectionPath(record.namespace)}/${record.name}`,
        body: { preconditions: { uid: record.uid, resourceVersion: record.resourceVersion } },
        signal,
      })
      records.acceptDeletion(record.key, record.uid)
    } catch (error) {
      if (isNotFound(error)) records.acceptDeletion(record.key, record.uid)
      // Changed meanwhile: the watch brings it, and the next plan looks at it again.
      else if (!isConflict(error)) throw error
    }
  }

  async function writeCondition(
    { service, condition, settled, event }: WriteAction & { readonly kind: 'setCondition' },
    signal: AbortSignal,
  ): Promise<void> {
    const now = services.get(service.key)
    if (!now || now.uid !== service.uid) return
    // Who replaces an address looks at what was said of it; so that is said of the Service that was looked at, or not at all.
    const since = settled && service.resourceVersion
    if (since !== undefined && since !== now.resourceVersion) return
    const changed = setCondition(now.conditions, condition, new Date())
    const after = settled ? setCondition(changed, settled, new Date()) : changed
    if (after === now.conditions) return
    try {
      const answer = await transport.request<unknown>({
        method: 'PATCH',
        path: `/api/v1/namespaces/${service.namespace}/services/${service.name}/status`,
        query: { fieldManager },
        // Strategic: conditions are merged by their type, so that those of others stay as they are.
        contentType: 'application/strategic-merge-patch+json',
        body: {
          metadata: { uid: service.uid, resourceVersion: since },
          status: { conditions: after.filter(({ type }) => type === condition.type || type === settled?.type) },
        },
        signal,
      })
      const written = parseService(answer)
      if (written) services.accept(written)
      if (event) {
        log.info({ service: service.key, reason: condition.reason }, condition.message)
        report(service, event)
      }
    } catch (error) {
      // A Service that is gone, or another of the same name, has no use for this condition.
      if (!isNotFound(error) && !isConflict(error)) throw error
    }
  }

  /** Brings in what somebody else wrote. */
  async function look(service: Service, signal: AbortSignal): Promise<void> {
    const path = `${collectionPath(service.namespace)}/${recordName(service)}`
    try {
      take(await transport.request<unknown>({ method: 'GET', path, signal }))
    } catch (error) {
      if (!isNotFound(error)) throw error
      const known = records.get(recordKey(service))
      if (known) records.acceptDeletion(known.key, known.uid)
    }
  }

  function take(answer: unknown): void {
    const record = parseRecord(answer)
    if (record) records.accept(record)
  }

  function report(service: Service, { type, reason, note }: SpeakerEvent): void {
    const { namespace, name, uid } = service
    const regarding = { apiVersion: 'v1', kind: 'Service', namespace, name, uid }
    events.record({ regarding, type, reason, action: 'Announce', note })
  }

  return {
    queue,
    want(actions) {
      const before = wanted
      wanted = new Map()
      for (const [key, list] of Map.groupBy(actions, keyOf)) {
        const version = list.map(versionOf).join('\n')
        const known = before.get(key)
        if (known?.version === version) wanted.set(key, known)
        else {
          wanted.set(key, { version, actions: list })
          queue.add(key)
        }
      }
    },
    run: signal => queue.run(signal),
  }
}

interface Job {
  /** What it wants and of which versions of the objects: the same text is the same job. */
  readonly version: string
  readonly actions: readonly WriteAction[]
}

function keyOf(action: WriteAction): string {
  return action.kind === 'deleteRecord' ? `record ${action.record.key}` : action.service.key
}

function versionOf(action: WriteAction): string {
  switch (action.kind) {
    case 'claim':
      return `claim ${action.service.uid} ${action.record?.resourceVersion}`
    case 'publish':
      return `publish ${action.record.resourceVersion} ${JSON.stringify(action.published)}`
    case 'deleteRecord':
      return `delete ${action.record.resourceVersion}`
    case 'setCondition':
      return `condition ${action.service.uid} ${JSON.stringify(action.condition)} ${action.settled && `${action.service.resourceVersion} ${action.settled.message}`}`
  }
}

function collectionPath(namespace: string): string {
  return `/apis/${recordApi.group}/${recordApi.version}/namespaces/${namespace}/${recordApi.plural}`
}
