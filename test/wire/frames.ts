import { addressToBytes } from '../../net/address.ts'
import { broadcastMac, multicastMacForIPv6, zeroMac } from '../../net/mac.ts'
import { encodeArpPacket } from '../../speaker/arp/packet.ts'
import { encodeNeighborPacket, solicitedNodeGroup } from '../../speaker/ndp/message.ts'
import { ip, mac } from '../packets/values.ts'

/** An ARP request or Neighbor Solicitation for `address` as a broadcast or multicast frame in hexadecimal. */
export function requestFrame(
  address: string,
  from: { mac: string; ipv4: string; ipv6: string },
  vlan?: number,
): string {
  const target = ip(address)
  const source = mac(from.mac)
  const tag = vlan === undefined ? [] : [0x81, 0x00, vlan >> 8, vlan & 0xff]
  if (target.family === 'IPv4') {
    const packet = encodeArpPacket({
      operation: 'request',
      senderHardwareAddress: source,
      senderProtocolAddress: ip(from.ipv4),
      targetHardwareAddress: zeroMac,
      targetProtocolAddress: target,
    })
    return Buffer.from([...broadcastMac, ...source, ...tag, 0x08, 0x06, ...packet]).toString('hex')
  }
  const group = solicitedNodeGroup(target)
  const packet = encodeNeighborPacket({
    source: ip(from.ipv6),
    destination: group,
    message: {
      kind: 'solicitation',
      targetAddress: target,
      options: [{ kind: 'sourceLinkLayerAddress', mac: source }],
    },
  })
  const destination = multicastMacForIPv6(addressToBytes(group))
  return Buffer.from([...destination, ...source, ...tag, 0x86, 0xdd, ...packet]).toString('hex')
}
