import type { BGPAdvertisement } from '../../crds/config.ts'
import { type Labels, matchesAny } from '../../crds/selector.ts'
import type { IpFamily } from '../../net/address.ts'

/** Whether an advertisement speaks for an address of the pool that a Service with these labels has, or what of it says no. */
export function speaksFor(
  { pools, serviceSelectors, addressFamilies }: BGPAdvertisement,
  { pool, labels, family }: { readonly pool: string; readonly labels: Labels; readonly family: IpFamily },
): 'yes' | 'ipAddressPools' | 'addressFamilies' | 'serviceSelectors' {
  if (pools.kind === 'named' && !pools.pools.has(pool)) return 'ipAddressPools'
  if (!addressFamilies.includes(family)) return 'addressFamilies'
  return serviceSelectors.length === 0 || matchesAny(serviceSelectors, labels) ? 'yes' : 'serviceSelectors'
}
