import { compareResourceVersions, laterResourceVersion } from './resource-version.ts'

/*
 * A store is what a program knows of one kind of object: the parsed values that a watch (watch.ts) and the answers to
 * one's own writes brought. The rule that the rest stands on is read-your-writes: what the API server answered to a write
 * holds at once, and neither an event nor a list that is older than it may undo it.
 *
 * One number carries that rule: how far the watch has come. A watch brings its events in the order of their
 * resourceVersions, so an answer below that number was overtaken by what the store knows already, and an answer above it
 * stays until an event or a list with a greater number says otherwise.
 */

/** What every stored value carries. */
export interface Stored {
  /** `namespace/name`, or the name alone where there is no namespace. */
  readonly key: string
  readonly resourceVersion: string
  readonly uid: string
}

/** One object came (`before` undefined), changed, or went (`after` undefined). */
export interface Change<T> {
  readonly key: string
  readonly before: T | undefined
  readonly after: T | undefined
}

/** The reading side. */
export interface Store<T extends Stored> {
  get(key: string): T | undefined
  values(): IterableIterator<T>
  readonly size: number
  /** Resolves after the first full list. */
  readonly synced: Promise<void>
  readonly hasSynced: boolean
  /** Calls the listener on every change from now on, until the function that it returns is called. */
  subscribe(listener: (change: Change<T>) => void): () => void
  /** Takes the answer to a write of one's own; it counts unless something newer is known. */
  accept(value: T): void
  /** Takes the answer to a deletion of one's own: the object with this uid is gone, whatever older events still say. */
  acceptDeletion(key: string, uid: string): void
}

/** One object as a watch or a list showed it. */
export interface Observed<T> {
  readonly key: string
  readonly uid: string
  readonly resourceVersion: string
  /** Undefined: not for this store. `'unreadable'`: what was known of the same object stays. */
  readonly value: T | undefined | 'unreadable'
}

/** The writing side, for watch.ts. */
export interface StoreWriter<T extends Stored> {
  /** An ADDED or MODIFIED event. */
  observe(observed: Observed<T>): void
  /** A DELETED event; `resourceVersion` is that of the deletion. */
  observeDeletion(key: string, uid: string, resourceVersion: string): void
  /** A bookmark: the watch has shown everything up to here. */
  progress(resourceVersion: string): void
  /** A full list, as of `resourceVersion`; what is not in it is deleted. */
  replace(list: readonly Observed<T>[], resourceVersion: string): void
  /** Where exceptions of listeners go; without this they end the process. */
  onListenerError(handler: (error: unknown) => void): void
}

/** An empty store. */
export function createStore<T extends Stored>(): Store<T> & StoreWriter<T> {
  const known = new Map<string, T>()
  const listeners = new Set<(change: Change<T>) => void>()
  // By key, the objects that we deleted and whose DELETED event has not come yet, as they were last known. Whatever is
  // older, of them or of a predecessor with the same name, the watch has still to tell, and it is over already.
  const deleted = new Map<string, Stored>()
  let shownUpTo = ''
  let hasSynced = false
  let listenerError = throwLater
  const { promise: synced, resolve: resolveSynced } = Promise.withResolvers<void>()

  function notify(key: string, before: T | undefined, after: T | undefined): void {
    for (const listener of listeners) {
      try {
        listener({ key, before, after })
      } catch (error) {
        listenerError(error)
      }
    }
  }

  function set(after: T): void {
    const before = known.get(after.key)
    if (before !== undefined && before.uid !== after.uid) {
      remove(after.key)
      set(after)
      return
    }
    known.set(after.key, after)
    notify(after.key, before, after)
  }

  function remove(key: string): void {
    const before = known.get(key)
    if (before === undefined) return
    known.delete(key)
    notify(key, before, undefined)
  }

  /** Whether this is of an object that we deleted, or of one before it. */
  function isOver({ key, uid, resourceVersion }: Stored): boolean {
    const last = deleted.get(key)
    return (
      last !== undefined && (last.uid === uid || compareResourceVersions(resourceVersion, last.resourceVersion) < 0)
    )
  }

  /** Brings in what was observed, unless the store knows the same or better. */
  function takeIn(observed: Observed<T>, serverWentBack: boolean): void {
    const before = known.get(observed.key)
    if (isOver(observed)) return
    if (before !== undefined && !serverWentBack) {
      const age = compareResourceVersions(observed.resourceVersion, before.resourceVersion)
      if (age < 0 || (age === 0 && observed.uid === before.uid)) return
    }
    if (observed.value === 'unreadable') {
      if (before?.uid !== observed.uid) remove(observed.key)
    } else if (observed.value === undefined) {
      remove(observed.key)
    } else {
      set(observed.value)
    }
  }

  return {
    get: key => known.get(key),
    values: () => known.values(),
    get size() {
      return known.size
    },
    synced,
    get hasSynced() {
      return hasSynced
    },
    subscribe(listener) {
      // A function may subscribe twice; each subscription is its own.
      const own = (change: Change<T>): void => listener(change)
      listeners.add(own)
      return () => listeners.delete(own)
    },
    accept(value) {
      if (isOver(value) || compareResourceVersions(value.resourceVersion, shownUpTo) <= 0) return
      const before = known.get(value.key)
      if (before !== undefined && compareResourceVersions(value.resourceVersion, before.resourceVersion) <= 0) return
      set(value)
    },
    acceptDeletion(key, uid) {
      // Without a value of that uid the DELETED event was faster than the answer, or is still to come for an object that
      // was never for us: nothing to hide in either case.
      const last = known.get(key)
      if (last?.uid !== uid) return
      deleted.set(key, { key, uid, resourceVersion: last.resourceVersion })
      remove(key)
    },
    observe(observed) {
      takeIn(observed, false)
      shownUpTo = laterResourceVersion(shownUpTo, observed.resourceVersion)
    },
    observeDeletion(key, uid, resourceVersion) {
      shownUpTo = laterResourceVersion(shownUpTo, resourceVersion)
      if (deleted.get(key)?.uid === uid) deleted.delete(key)
      const before = known.get(key)
      if (before !== undefined && compareResourceVersions(resourceVersion, before.resourceVersion) >= 0) remove(key)
    },
    progress(resourceVersion) {
      shownUpTo = laterResourceVersion(shownUpTo, resourceVersion)
    },
    replace(list, resourceVersion) {
      // A server restored from a backup counts from a lower number. Then nothing that is known here is newer than its list.
      const serverWentBack = compareResourceVersions(resourceVersion, shownUpTo) < 0
      const listedKeys = new Set<string>()
      const listedUids = new Set<string>()
      for (const observed of list) {
        listedKeys.add(observed.key)
        listedUids.add(observed.uid)
      }
      for (const { key, uid, resourceVersion: lastVersion } of deleted.values()) {
        // A list from before it was made does not have it either, and says nothing of its end.
        const later = compareResourceVersions(resourceVersion, lastVersion) >= 0
        if (serverWentBack || (later && !listedUids.has(uid))) deleted.delete(key)
      }
      for (const [key, value] of known) {
        const older = compareResourceVersions(value.resourceVersion, resourceVersion) <= 0
        if (!listedKeys.has(key) && (older || serverWentBack)) remove(key)
      }
      for (const observed of list) takeIn(observed, serverWentBack)
      shownUpTo = resourceVersion
      hasSynced = true
      resolveSynced()
    },
    onListenerError(handler) {
      listenerError = handler
    },
  }
}

function throwLater(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}
