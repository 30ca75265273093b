import type { Address } from '../../net/address.ts'
import type { MacAddress } from '../../net/mac.ts'

/** What a packet of another station says of an address: that it has it, or that it wants to know who does. */
export interface Found {
  readonly kind: 'holder' | 'probe'
  readonly address: Address
  readonly mac: MacAddress
}
