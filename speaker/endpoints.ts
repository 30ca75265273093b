import { type EndpointSliceFacts, endpointsOf, type ServiceEndpoints, type ServiceKey } from '../kube/service.ts'
import type { Store } from '../kube/store.ts'

/** The endpoints of every Service, put together from its slices. */
export interface EndpointIndex {
  /** The same object as long as nothing that counts has changed. */
  of(service: ServiceKey): ServiceEndpoints
  /** The Service is gone: nobody will ask for it again. */
  forget(service: ServiceKey): void
}

/** Follows a store of slices; calls `onChange` with each Service whose endpoints may have changed. */
export function createEndpointIndex(
  slices: Store<EndpointSliceFacts>,
  onChange: (service: ServiceKey) => void,
): EndpointIndex {
  const byService = new Map<ServiceKey, Map<string, EndpointSliceFacts>>()
  const known = new Map<ServiceKey, ServiceEndpoints>()
  const stale = new Set<ServiceKey>()

  slices.subscribe(({ key, before, after }) => {
    if (before?.service !== undefined && before.service !== after?.service) {
      byService.get(before.service)?.delete(key)
      if (byService.get(before.service)?.size === 0) byService.delete(before.service)
      changed(before.service)
    }
    if (after?.service !== undefined) {
      const own = byService.get(after.service) ?? new Map<string, EndpointSliceFacts>()
      byService.set(after.service, own.set(key, after))
      changed(after.service)
    }
  })

  function changed(service: ServiceKey): void {
    // Nobody has asked for it yet: nothing to bring up to date.
    if (known.has(service)) stale.add(service)
    onChange(service)
  }

  return {
    of(service) {
      const before = known.get(service)
      // Asked of every Service in every run of every loop.
      if (before && (stale.size === 0 || !stale.delete(service))) return before
      const after = endpointsOf({ key: service }, byService.get(service)?.values() ?? [])
      if (before && sameEndpoints(before, after)) return before
      known.set(service, after)
      return after
    },
    forget(service) {
      known.delete(service)
      stale.delete(service)
    },
  }
}

function sameEndpoints(one: ServiceEndpoints, other: ServiceEndpoints): boolean {
  if (one.usable > 0 !== other.usable > 0 || one.usableByNode.size !== other.usableByNode.size) return false
  // How many there are on a node counts, since BGP's weights go by it; those that are on none count together.
  for (const [node, count] of one.usableByNode) if (other.usableByNode.get(node) !== count) return false
  return true
}
