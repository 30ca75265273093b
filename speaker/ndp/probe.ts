import type { Address } from '../../net/address.ts'
import type { MacAddress } from '../../net/mac.ts'
import type { Found } from '../wire/found.ts'
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

/** A packet of another station, in a frame from `sender`, that says it has an address, or probes for one. */
export function readNeighbor(
  { source, message }: NeighborPacket,
  sender: MacAddress,
  isOwn: (mac: MacAddress) => boolean,
): Found | undefined {
  if (isOwn(sender)) return undefined
  const { targetAddress: address } = message
  if (message.kind === 'solicitation') {
    return source.value === unspecifiedAddress.value ? { kind: 'probe', address, mac: sender } : undefined
  }
  const mac = linkLayerAddress(message.options, 'targetLinkLayerAddress') ?? sender
  return isOwn(mac) ? undefined : { kind: 'holder', address, mac }
}
