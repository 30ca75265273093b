import { type Address, parseAddress } from '../../net/address.ts'
import { type MacAddress, parseMac } from '../../net/mac.ts'

/** The address that a test names; a typing error fails the test, not the comparison. */
export function ip(text: string): Address {
  const address = parseAddress(text)
  if (!address) throw new Error(`not an address: ${text}`)
  return address
}

/** The MAC that a test names. */
export function mac(text: string): MacAddress {
  const parsed = parseMac(text)
  if (!parsed) throw new Error(`not a MAC: ${text}`)
  return parsed
}
