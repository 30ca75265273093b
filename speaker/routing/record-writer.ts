import { isConflict, isNotFound } from '../../kube/api-error.ts'
import type { Store, Stored } from '../../kube/store.ts'
import type { Transport } from '../../kube/transport.ts'

/** The requests that objects of one kind are written with; answers go into the store at once. */
export interface RecordWriter<T extends Stored> {
  /** The object as it is: made, or found where somebody was faster. */
  create(metadata: object): Promise<T | undefined>
  /** Undefined where the object is gone. */
  setMetadata(key: string, metadata: object): Promise<T | undefined>
  /** The whole status, whatever stood there. Undefined where the object is gone. */
  setStatus(key: string, status: object, limit?: { readonly timeoutMs: number }): Promise<T | undefined>
  /** A merge patch; nothing happens where the object has changed meanwhile. */
  mergeStatus(record: T, status: object): Promise<void>
  remove(record: T): Promise<void>
}

export interface RecordKind<T extends Stored> {
  readonly api: { readonly group: string; readonly version: string; readonly kind: string; readonly plural: string }
  readonly store: Store<T>
  readonly parse: (object: unknown) => T | undefined
}

const fieldManager = 'berth-speaker'

export function createRecordWriter<T extends Stored>(transport: Transport, kind: RecordKind<T>): RecordWriter<T> {
  const { api, store, parse } = kind

  function collection(namespace: string): string {
    return `/apis/${api.group}/${api.version}/namespaces/${namespace}/${api.plural}`
  }

  function pathOf(key: string): string {
    const [namespace = '', name = ''] = key.split('/')
    return `${collection(namespace)}/${name}`
  }

  function take(answer: unknown): T | undefined {
    const record = parse(answer)
    if (record) store.accept(record)
    return record
  }

  function gone(key: string): void {
    const known = store.get(key)
    if (known) store.acceptDeletion(key, known.uid)
  }

  async function patch(
    key: string,
    path: string,
    contentType: string,
    body: object,
    limit?: object,
  ): Promise<T | undefined> {
    try {
      const query = { fieldManager }
      return take(await transport.request<unknown>({ method: 'PATCH', path, query, contentType, body, ...limit }))
    } catch (error) {
      if (!isNotFound(error)) throw error
      gone(key)
      return undefined
    }
  }

  return {
    async create(metadata) {
      const { namespace, name } = metadata as { readonly namespace: string; readonly name: string }
      const body = { apiVersion: `${api.group}/${api.version}`, kind: api.kind, metadata }
      try {
        return take(
          await transport.request({ method: 'POST', path: collection(namespace), query: { fieldManager }, body }),
        )
      } catch (error) {
        if (!isConflict(error)) throw error
        return take(await transport.request({ method: 'GET', path: `${collection(namespace)}/${name}` }))
      }
    },
    setMetadata: (key, metadata) => patch(key, pathOf(key), 'application/merge-patch+json', { metadata }),
    setStatus(key, status, limit) {
      // As a whole: in a merge patch every field that is absent now would have to be named.
      const body = [{ op: 'add', path: '/status', value: status }]
      return patch(key, `${pathOf(key)}/status`, 'application/json-patch+json', body, limit)
    },
    async mergeStatus({ key, resourceVersion }, status) {
      const body = { metadata: { resourceVersion }, status }
      try {
        await patch(key, `${pathOf(key)}/status`, 'application/merge-patch+json', body)
      } catch (error) {
        // The watch brings what it is now.
        if (!isConflict(error)) throw error
      }
    },
    async remove({ key, uid }) {
      try {
        await transport.request({ method: 'DELETE', path: pathOf(key), body: { preconditions: { uid } } })
        store.acceptDeletion(key, uid)
      } catch (error) {
        if (isNotFound(error)) store.acceptDeletion(key, uid)
        // Another object has the name by now: the watch brings it.
        else if (!isConflict(error)) throw error
      }
    },
  }
}
