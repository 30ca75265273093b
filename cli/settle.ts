import { createDesk } from '../controller/desk.ts'
import { allocatedCondition, type ServiceAction } from '../controller/plan.ts'
import { bookOf } from '../controller/pool-choice.ts'
import type { Condition, Service, ServiceKey } from '../kube/service.ts'
import { settledCondition } from '../kube/settled.ts'
import type { Snapshot } from './snapshot.ts'

/*
 * The controller without its shell: its desk decides as it does in the cluster, every decision is written at once into the
 * Services in memory, and what is written is seen at once, until nothing is left to do.
 */

export interface SettledController {
  /** As they stand now, with what the controller has written. */
  readonly services: ReadonlyMap<string, Service>
  /** What it has written and told since the last move, by Service. */
  readonly actions: ReadonlyMap<string, readonly ServiceAction[]>
  /** The cluster is as in this snapshot now; of Services only these are others than before. */
  moveTo(snapshot: Snapshot, services: ReadonlySet<string>): void
}

/** A controller that has taken over the snapshot and done all that is to be done there. */
export function settledController(snapshot: Snapshot, loadBalancerClass: string | undefined): SettledController {
  const services = new Map(snapshot.services)
  const work = new Set<ServiceKey>()
  const actions = new Map<string, ServiceAction[]>()
  const labels = new Map<string, string>()
  const desk = createDesk({
    services,
    loadBalancerClass,
    now: () => snapshot.takenAtMs,
    onWork: key => work.add(key),
  })

  function use({ resolved, labelsByNamespace }: Snapshot): void {
    desk.setPools(bookOf(resolved))
    for (const [name, own] of labelsByNamespace) {
      const text = JSON.stringify(own)
      if (labels.get(name) === text) continue
      labels.set(name, text)
      desk.setNamespace(name, own)
    }
  }

  function settle(): void {
    // A decision can make work for others; each takes away from what is left to do, so there is an end.
    for (const key of work) {
      work.delete(key)
      const decided = desk.decide(key)
      const service = services.get(key)
      if (!service || decided.length === 0) continue
      const after = written(service, decided)
      services.set(key, after)
      actions.set(key, [...(actions.get(key) ?? []), ...decided])
      if (after !== service) work.add(key)
    }
  }

  use(snapshot)
  desk.recall(snapshot.resolved.conflicts)
  desk.adopt()
  desk.reviewAll()
  settle()

  return {
    services,
    actions,
    moveTo(next, changed) {
      actions.clear()
      for (const key of changed) {
        const before = services.get(key)
        const after = next.services.get(key)
        if (!after) {
          services.delete(key)
          desk.decide(key as ServiceKey)
          continue
        }
        const { ingress, allocatedFromPool, conditions } = before ?? after
        services.set(key, { ...after, ingress, allocatedFromPool, conditions })
        work.add(after.key)
      }
      use(next)
      settle()
      desk.reviewAll()
      settle()
    },
  }
}

/** The Service as it stands in the cluster once this is written; the same where nothing of it decides anything. */
function written(service: Service, actions: readonly ServiceAction[]): Service {
  let after = service
  for (const action of actions) {
    if (action.kind === 'setIngress') {
      after = { ...after, ingress: action.addresses.map(address => ({ kind: 'address', address })) }
    }
    if (action.kind === 'clearIngress') after = { ...after, ingress: [] }
    if (action.kind === 'setPoolAnnotation') after = { ...after, allocatedFromPool: action.pool }
    if (action.kind === 'setCondition') after = withCondition(after, allocatedCondition, action.condition)
    if (action.kind === 'setSettled') after = withCondition(after, settledCondition, action.condition)
  }
  return after
}

function withCondition(service: Service, type: string, condition: Omit<Condition, 'type'> | undefined): Service {
  const others = service.conditions.filter(one => one.type !== type)
  return { ...service, conditions: condition ? [...others, { ...condition, type }] : others }
}
