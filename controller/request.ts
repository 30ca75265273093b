import type { Service } from '../kube/service.ts'
import { type Address, sameAddress } from '../net/address.ts'
import { type AllocationRequest, type FamilyWish, otherFamily, type Refusal } from './allocator.ts'
import { claimOf } from './sharing.ts'

/*
 * What a Service says: what it asks for, which addresses it shows, whether it is Berth's at all.
 */

/** What the Service asks of the allocator; or why there is nothing that it could be given. */
export function requestOf(service: Service): AllocationRequest | Refusal {
  const wish = wishOf(service)
  if (isRefusal(wish)) return wish
  const { request } = service
  const isReadable = request.problem === undefined
  return {
    service: service.key,
    namespace: service.namespace,
    labels: service.labels,
    wish,
    addresses: isReadable ? request.addresses : [],
    pool: isReadable ? request.pool : undefined,
    claim: claimOf(service),
  }
}

/** The API server has given the Service its cluster IPs by its families and policy; the addresses follow them. */
function wishOf({ clusterIPFamilies, ipFamilyPolicy }: Service): FamilyWish | Refusal {
  const [primary, secondary] = clusterIPFamilies
  if (!primary) return { kind: 'noClusterIP' }
  if (!secondary)
    return ipFamilyPolicy === 'RequireDualStack'
      ? { kind: 'secondClusterIPMissing', family: otherFamily(primary) }
      : { kind: 'one', family: primary }
  switch (ipFamilyPolicy) {
    case 'SingleStack':
      return { kind: 'one', family: primary }
    case 'PreferDualStack':
      return { kind: 'preferBoth', primary }
    case 'RequireDualStack':
      return { kind: 'both', primary }
  }
}

/** Whether a request could not even be put together. */
export function isRefusal(value: AllocationRequest | FamilyWish | Refusal): value is Refusal {
  return 'kind' in value && (value.kind === 'noClusterIP' || value.kind === 'secondClusterIPMissing')
}

/** Whether the Service is for a controller of this class; undefined = for those without one. */
export function isOfClass(service: Service, wanted: string | undefined): boolean {
  return (service.loadBalancerClass ?? '') === (wanted ?? '')
}

/** The addresses in its status; names that others wrote there are left out. */
export function shownAddresses(service: Service): readonly Address[] {
  return service.ingress.flatMap(element => (element.kind === 'address' ? [element.address] : []))
}

/** Whether its status is these addresses in this order and nothing else. */
export function showsExactly(service: Service, addresses: readonly Address[]): boolean {
  const { ingress } = service
  return (
    ingress.length === addresses.length &&
    ingress.every((element, index) => {
      const address = addresses[index]
      return element.kind === 'address' && address !== undefined && sameAddress(element.address, address)
    })
  )
}
