import type { AddressConflict } from '../crds/parsed.ts'
import type { Labels } from '../crds/selector.ts'
import type { Service, ServiceKey } from '../kube/service.ts'
import type { Address } from '../net/address.ts'
import { compareAge, createLedger, type Grant, type LedgerView } from './ledger.ts'
import { adoptable, planService, type ServiceAction, type Snapshot } from './plan.ts'
import { namespacesFrom, type PoolBook } from './pool-choice.ts'

/*
 * Where decisions become binding: the one holder of the ledger. All of it is synchronous, so between the look at the
 * ledger and the entry in it nothing else can happen; writes to the API server come after, in any number at once, and
 * carry out what stands here already.
 */

/** The Services that the desk looks at: a store, or a map in tests. */
export interface Services {
  get(key: string): Service | undefined
  values(): IterableIterator<Service>
}

export interface DeskOptions {
  readonly services: Services
  readonly loadBalancerClass: string | undefined
  /** Called for every Service for which the desk has decided something that is not written yet. */
  readonly onWork: (key: ServiceKey) => void
  /** Milliseconds since the epoch; without it nothing that other stations have is ever tried again. */
  readonly now?: () => number
  /** Called when the use of a pool changes. */
  readonly onUse?: (pool: string) => void
}

export interface Desk {
  readonly ledger: LedgerView
  readonly grants: ReadonlyMap<ServiceKey, Grant>
  readonly waiting: number
  /** The order that the API server's objects are brought in: first of all, what is assigned already is taken over. */
  adopt(): void
  /** What other stations had when it was last written down: what was seen not long ago is given to nobody. */
  recall(conflicts: Iterable<AddressConflict>): void
  /** Time has passed: what other stations had long ago is tried again. To be called now and then. */
  retryConflicts(): void
  /** Decides about every Service, oldest first. */
  reviewAll(): void
  /** Decides about one Service and returns what is to be written to it. Others may become work through what it frees. */
  decide(key: ServiceKey): readonly ServiceAction[]
  /** The pools were edited: from now on decisions follow the new ones. Call `reviewAll` soon. */
  setPools(book: PoolBook): void
  /** A namespace has these labels now; undefined = it is gone. Its Services are decided about anew. */
  setNamespace(name: string, labels: Labels | undefined): void
}

/** For so long nobody gets an address that another station had when a speaker looked. */
export const conflictLastsMs = 600_000

export function createDesk(options: DeskOptions): Desk {
  const { services, loadBalancerClass, now = () => 0, onWork, onUse } = options
  const ledger = createLedger()
  const labelsByNamespace = new Map<string, Labels>()
  let namespaces = namespacesFrom(labelsByNamespace)
  let book: PoolBook = { pools: [], setAside: [] }
  // Nothing is given out before everything that is assigned has been taken over.
  let isOpen = false
  const toHandOn: Freed[] = []

  function observe(key: ServiceKey): Snapshot {
    return { service: services.get(key), ledger, book, namespaces, loadBalancerClass }
  }

  function decide(key: ServiceKey): readonly ServiceAction[] {
    const actions = take(key)
    handOn()
    return actions
  }

  /** Plans and enters the plan in the ledger; what it frees is noted for those who wait. */
  function take(key: ServiceKey): readonly ServiceAction[] {
    if (!isOpen) return []
    const grant = ledger.grantOf(key)
    // The Service was deleted and made anew under its name: the new one has no part in what the old one held.
    if (grant && grant.uid !== services.get(key)?.uid) release(grant)
    const actions = planService(observe(key), key)
    for (const action of actions) enter(action)
    // What was not held could not be replaced yet; it is now.
    if (!grant && actions.some(({ kind }) => kind === 'avoid')) onWork(key)
    return actions.filter(isWritten)
  }

  function enter(action: ServiceAction): void {
    switch (action.kind) {
      case 'hold': {
        const before = ledger.grantOf(action.grant.service)
        ledger.hold(action.grant)
        if (before) noteFreed(before, action.grant)
        onUse?.(action.grant.pool)
        return
      }
      case 'release': {
        const grant = ledger.grantOf(action.service)
        if (grant) release(grant)
        return
      }
      case 'avoid': {
        ledger.avoid({ ...action.taken, seenAtMs: now() })
        onUse?.(action.taken.pool)
        return
      }
      case 'wait':
        return ledger.wait(action.waiter)
      case 'stopWaiting':
        return ledger.stopWaiting(action.service)
      case 'setIngress':
      case 'clearIngress':
      case 'setPoolAnnotation':
      case 'setCondition':
      case 'setSettled':
      case 'recordEvent':
        return
    }
  }

  function release(grant: Grant): void {
    ledger.release(grant.service)
    noteFreed(grant, undefined)
    onUse?.(grant.pool)
  }

  /** An address that was let go, or whose holder now shares it otherwise, can help those who wait for its pool. */
  function noteFreed(before: Grant, after: Grant | undefined): void {
    for (const address of before.addresses) {
      const pool = ledger.place(address)?.space.pool.name
      if (pool === undefined) continue
      const stays = after?.addresses.some(one => one.family === address.family && one.value === address.value)
      if (!stays || after?.claim !== before.claim) toHandOn.push({ pool, address })
    }
  }

  /** Gives what was freed to whoever waited longest for it, before anybody new can ask. */
  function handOn(): void {
    for (let freed = toHandOn.shift(); freed; freed = toHandOn.shift()) {
      for (const key of ledger.waitersFor({ pool: freed.pool, family: freed.address.family })) {
        if (take(key).length > 0) onWork(key)
        const holders = ledger.holdersOf(freed.address)
        // A free address serves the first who can use it; one that is held may still be shared by any of them.
        if (holders.some(holder => holder.service === key && holder.claim.key === undefined)) break
      }
    }
  }

  function retryConflicts(): void {
    const lookedAt = new Set<ServiceKey>()
    for (const { address, seenAtMs } of ledger.conflicts) {
      if (now() < seenAtMs + conflictLastsMs) continue
      ledger.retry(address)
      const holders = ledger.holdersOf(address)
      for (const { service } of holders) lookedAt.add(service)
      const pool = ledger.place(address)?.space.pool.name
      if (pool === undefined || holders.length > 0) continue
      toHandOn.push({ pool, address })
      onUse?.(pool)
    }
    // Whoever has one of them still is looked at: it may be in use elsewhere as ever.
    for (const key of lookedAt) if (take(key).length > 0) onWork(key)
    handOn()
  }

  function servicesByAge(which: (service: Service) => boolean): Service[] {
    return [...services.values()].filter(which).sort(compareAge)
  }

  function reviewSome(which: (service: Service) => boolean): void {
    for (const { key } of servicesByAge(which)) {
      if (take(key).length > 0) onWork(key)
      handOn()
    }
  }

  return {
    ledger,
    grants: ledger.grants,
    get waiting() {
      return ledger.waiting
    },
    adopt() {
      for (const service of servicesByAge(one => one.ingress.length > 0)) {
        const grant = adoptable(observe(service.key))
        if (grant) ledger.hold(grant)
      }
      isOpen = true
    },
    recall(conflicts) {
      for (const conflict of conflicts) {
        if (now() < conflict.seenAtMs + conflictLastsMs) ledger.avoid(conflict)
      }
    },
    retryConflicts,
    reviewAll() {
      for (const key of ledger.grants.keys()) if (!services.get(key)) take(key)
      reviewSome(() => true)
    },
    decide,
    setPools(edited) {
      book = edited
      ledger.setPools(edited.pools)
    },
    setNamespace(name, labels) {
      if (labels) labelsByNamespace.set(name, labels)
      else labelsByNamespace.delete(name)
      namespaces = namespacesFrom(labelsByNamespace)
      if (isOpen) reviewSome(service => service.namespace === name)
    },
  }
}

interface Freed {
  readonly pool: string
  readonly address: Address
}

/** Whether the action is about the Service itself, not only about the ledger. */
function isWritten(action: ServiceAction): boolean {
  switch (action.kind) {
    case 'hold':
    case 'avoid':
    case 'release':
    case 'wait':
    case 'stopWaiting':
      return false
    case 'setIngress':
    case 'clearIngress':
    case 'setPoolAnnotation':
    case 'setCondition':
    case 'setSettled':
    case 'recordEvent':
      return true
  }
}
