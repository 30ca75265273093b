import type { Logger } from 'pino'
import { isConflict, isNotFound } from '../kube/api-error.ts'
import type { EventRecorder } from '../kube/events.ts'
import { parseService, type Service, type ServiceKey } from '../kube/service.ts'
import type { Store } from '../kube/store.ts'
import type { Transport } from '../kube/transport.ts'
import type { Desk } from './desk.ts'
import type { ServiceAction } from './plan.ts'
import { statusPatch } from './status-patch.ts'

/** Who writes the status, as `managedFields` shows it. */
export const fieldManager = 'berth-controller'

/** Counts for /metrics. */
export interface WriteCounts {
  updates: number
  conflicts: number
  errors: number
}

export interface ReconcilerOptions {
  readonly transport: Transport
  readonly services: Store<Service>
  readonly desk: Desk
  readonly events: EventRecorder
  readonly counts: WriteCounts
  /** Asked before every write: false once another controller may lead. */
  readonly mayWrite: () => boolean
  readonly log: Logger
}

// A Service that changes faster than it can be patched goes back to the end of the queue.
const attemptsInARow = 4
// Far below the time in which a lease can change hands, so that no write of an old leader is still on its way then.
const writeTimeoutMs = 4_000

/** Brings one Service to where the desk wants it: key → decision → one patch → its Events and a line in the log. */
export function createReconciler(options: ReconcilerOptions): (key: ServiceKey) => Promise<void> {
  const { transport, services, desk, events, counts, mayWrite, log } = options

  async function reconcile(key: ServiceKey): Promise<void> {
    for (let attempt = 1; mayWrite(); attempt++) {
      const actions = desk.decide(key)
      const service = services.get(key)
      const patch = service && statusPatch(service, actions, new Date())
      if (!service || !patch) return
      try {
        await write(service, patch)
        tell(service, actions)
        return
      } catch (error) {
        // Deleted in between: the watch says so soon, and what it held is freed then.
        if (isNotFound(error)) return
        if (!isConflict(error) || attempt >= attemptsInARow) {
          counts.errors++
          throw error
        }
        counts.conflicts++
        await lookAgain(service)
      }
    }
  }

  async function write(service: Service, body: object): Promise<void> {
    const answer = await transport.request<unknown>({
      method: 'PATCH',
      path: `${pathOf(service)}/status`,
      query: { fieldManager },
      contentType: 'application/strategic-merge-patch+json',
      body,
      timeoutMs: writeTimeoutMs,
    })
    counts.updates++
    take(answer)
  }

  /** Somebody changed the Service since it was read: read it anew rather than wait for the watch. */
  async function lookAgain(service: Service): Promise<void> {
    try {
      take(await transport.request<unknown>({ method: 'GET', path: pathOf(service), timeoutMs: writeTimeoutMs }))
    } catch (error) {
      if (!isNotFound(error)) throw error
    }
  }

  function take(answer: unknown): void {
    const seen = parseService(answer)
    if (seen) services.accept(seen)
  }

  function tell(service: Service, actions: readonly ServiceAction[]): void {
    const regarding = {
      apiVersion: 'v1',
      kind: 'Service',
      namespace: service.namespace,
      name: service.name,
      uid: service.uid,
    }
    let hasTold = false
    for (const action of actions) {
      if (action.kind !== 'recordEvent') continue
      const { type, reason, note } = action
      events.record({ regarding, type, reason, action: 'Allocate', note })
      log.info({ service: service.key, reason }, note)
      hasTold = true
    }
    if (!hasTold) log.info({ service: service.key, changes: actions.map(action => action.kind) }, 'status put right')
  }

  return reconcile
}

function pathOf({ namespace, name }: Service): string {
  return `/api/v1/namespaces/${namespace}/services/${name}`
}
