import type { Address } from '../../net/address.ts'
import type { MacAddress } from '../../net/mac.ts'
import { linkLayerAddress } from './answer.ts'
import { type NeighborPacket, solicitedNodeGroup, unspecifiedAddress } from './message.ts'

/**
 * "Does anybody have this address?": the solicitation of Duplicate Address Detection (RFC 4862 §5.4.2). It comes from the
 * unspecified address, so that the question itself changes nobody's cache; whoever has the address tells all nodes.
 */
export function neighborProbe(address: Address): NeighborPacket {
  return {
    source: unspecifiedAddress,
    destination: solicitedNodeGroup(address),
    message: { kind: 'solicitation', targetAddress: address, options: [] },
  }
}

/** Who says, with this packet that a frame from `sender` carried, that it has an address. */
export function neighborHolder(
  { message }: NeighborPacket,
  sender: MacAddress,
  isOwn: (mac: MacAddress) => boolean,
): { readonly address: Address; readonly mac: MacAddress } | undefined {
  if (message.kind !== 'advertisement') return undefined
  const mac = linkLayerAddress(message.options, 'targetLinkLayerAddress') ?? sender
  return isOwn(sender) || isOwn(mac) ? undefined : { address: message.targetAddress, mac }
}
