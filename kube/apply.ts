import type { ApiRequest, Transport } from './transport.ts'

/** A change of an object's status. */
export interface StatusPatch {
  /** Path of the object, without `/status`. */
  readonly path: string
  /** The write is refused (409) where the object is no longer at this version. */
  readonly resourceVersion?: string
  /** A merge patch; may carry `metadata.annotations` beside `status`. */
  readonly patch: object
  readonly fieldManager: string
  readonly signal?: AbortSignal
}

/** Patches the status and returns the whole object as it is then. A conflict is an `ApiError` with status 409. */
export function patchStatus<T>(transport: Transport, change: StatusPatch): Promise<T> {
  const { patch, resourceVersion, signal } = change
  const metadata = {
    ...(patch as { readonly metadata?: object }).metadata,
    ...(resourceVersion && { resourceVersion }),
  }
  const request: ApiRequest = {
    method: 'PATCH',
    path: `${change.path}/status`,
    query: { fieldManager: change.fieldManager },
    contentType: 'application/merge-patch+json',
    body: Object.keys(metadata).length === 0 ? patch : { ...patch, metadata },
    ...(signal && { signal }),
  }
  return transport.request<T>(request)
}
