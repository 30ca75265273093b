import { fieldOf, identityOf, numberOf, textOf } from '../kube/json.ts'
import { createStore, type Store, type Stored, type StoreWriter } from '../kube/store.ts'

/** A Kubernetes Event of Berth's own, as the time line shows it. */
export interface LoggedEvent extends Stored {
  /** When it happened last. */
  readonly atMs: number
  readonly warning: boolean
  readonly reason: string
  readonly note: string
  /** How often. */
  readonly count: number
  readonly kind: string
  /** `namespace/name`, or the name. */
  readonly regarding: string
  /** `controller`, or the node whose speaker said it. */
  readonly by: string
}

/** Events of both programs; of more than so many the oldest are forgotten. */
export interface EventLog {
  readonly stores: Readonly<Record<'controller' | 'speaker', Store<LoggedEvent> & StoreWriter<LoggedEvent>>>
  /** Latest first. */
  latest(): readonly LoggedEvent[]
}

/** How many of each program are kept: 5,000 Services applied at once are as many Events, and an hour of history. */
const longest = 4_000

export function createEventLog(limit: number = longest): EventLog {
  const stores = { controller: boundedStore(limit), speaker: boundedStore(limit) }
  return {
    stores,
    latest: () =>
      [...stores.controller.values(), ...stores.speaker.values()].sort(
        (one, other) => other.atMs - one.atMs || (one.key < other.key ? -1 : 1),
      ),
  }
}

/** A store that lets the oldest go when it is too full. */
function boundedStore(limit: number): Store<LoggedEvent> & StoreWriter<LoggedEvent> {
  const store = createStore<LoggedEvent>()
  const trim = (): void => {
    // A tenth at a time, so that a flood is not sorted once for each of its Events.
    if (store.size <= limit * 1.1) return
    const oldest = [...store.values()].sort((one, other) => one.atMs - other.atMs).slice(0, store.size - limit)
    for (const { key, uid, resourceVersion } of oldest) store.observeDeletion(key, uid, resourceVersion)
  }
  return {
    ...store,
    get size() {
      return store.size
    },
    get hasSynced() {
      return store.hasSynced
    },
    observe(observed) {
      store.observe(observed)
      trim()
    },
    replace(list, resourceVersion) {
      const value = (one: (typeof list)[number]): number =>
        one.value === undefined || one.value === 'unreadable' ? 0 : one.value.atMs
      store.replace([...list].sort((one, other) => value(other) - value(one)).slice(0, limit), resourceVersion)
    },
  }
}

/** The Event that an object is, as core/v1 has it, whichever API it was written by. */
export function parseEvent(object: unknown): LoggedEvent | undefined {
  const identity = identityOf(object)
  if (identity === undefined) return undefined
  const { key, uid, resourceVersion } = identity
  const series = fieldOf(object, 'series')
  const about = fieldOf(object, 'involvedObject')
  const times = [
    fieldOf(series, 'lastObservedTime'),
    fieldOf(object, 'eventTime'),
    fieldOf(object, 'lastTimestamp'),
    fieldOf(fieldOf(object, 'metadata'), 'creationTimestamp'),
  ]
  const atMs = times.map(time => Date.parse(textOf(time) ?? '')).find(time => !Number.isNaN(time))
  const name = textOf(fieldOf(about, 'name')) ?? ''
  const namespace = textOf(fieldOf(about, 'namespace'))
  const program = textOf(fieldOf(object, 'reportingComponent')) ?? ''
  return {
    key,
    uid,
    resourceVersion,
    atMs: atMs ?? 0,
    warning: fieldOf(object, 'type') === 'Warning',
    reason: textOf(fieldOf(object, 'reason')) ?? '',
    note: textOf(fieldOf(object, 'message')) ?? '',
    count: numberOf(fieldOf(series, 'count')) ?? 1,
    kind: textOf(fieldOf(about, 'kind')) ?? '',
    regarding: namespace && fieldOf(about, 'kind') !== 'Node' ? `${namespace}/${name}` : name,
    by: program === 'berth-controller' ? 'controller' : (textOf(fieldOf(object, 'reportingInstance')) ?? 'speaker'),
  }
}
