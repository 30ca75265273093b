import { formatAddress, parseAddress } from '../net/address.ts'
import { firstAddress, prefixRange } from '../net/range.ts'
import type { InterfaceFacts, Reluctance, SpeakerFacts } from './layer2/facts.ts'
import type { NetworkInterface } from './wire/messages.ts'

/** What this node's speaker says of itself, from what the wire thread says of the interfaces. */
export function factsOf(
  self: { readonly node: string; readonly run: string },
  interfaces: readonly NetworkInterface[],
  leaving: boolean,
  reluctance?: Reluctance,
  rpFilterOf: (name: string) => number | undefined = () => undefined,
): SpeakerFacts {
  const own = interfaces.filter(one => one.layer2).map(one => interfaceFacts(one, rpFilterOf(one.name)))
  return { ...self, leaving, interfaces: own, ...(reluctance && { reluctance }) }
}

function interfaceFacts(
  { name, mac, up, carrier, mtu, addresses }: NetworkInterface,
  rpFilter: number | undefined,
): InterfaceFacts {
  return { name, mac, carrier: up && carrier, subnets: [...new Set(addresses.flatMap(subnetOf))].sort(), mtu, rpFilter }
}

/** The network of an interface's address; none for link-local addresses and for host routes, which say nothing about the segment. */
function subnetOf({ address: text, prefixLength }: NetworkInterface['addresses'][number]): readonly string[] {
  const address = parseAddress(text)
  if (!address || /^(fe80:|169\.254\.)/i.test(text)) return []
  if (prefixLength >= (address.family === 'IPv4' ? 32 : 128) || prefixLength === 0) return []
  const network = firstAddress(prefixRange({ address, length: prefixLength }))
  return [`${formatAddress(network)}/${prefixLength}`]
}
