import type { Address } from '../../net/address.ts'
import { assemble, packetFact } from '../rawsock/bpf.ts'
import { coveringRanges, jumpIfMember } from '../rawsock/bpf-set.ts'
import { packetTypes } from '../rawsock/linux.ts'
import { arpPacketSize } from './packet.ts'

/**
 * The kernel's filter of an ARP socket: packets for IPv4 over Ethernet that speak of an announced address, as target
 * (someone asks for it) or as sender (someone claims it). Other hosts' requests, which are nearly all of a segment's
 * ARP, wake nobody.
 *
 * Frames for other stations are dropped first. Among them are those of VLANs that this interface knows nothing of: the
 * kernel hands them on with the tag already removed, and packet type `otherHost` is all that tells them apart.
 *
 * The addresses are known as `mostRanges` ranges at most; where that is too few, it lets through some others as well.
 * Offsets count from the ARP packet: the socket is of type SOCK_DGRAM and the Ethernet header is not its business.
 */
export function arpFilter(announced: Iterable<Address>, mostRanges: number): Uint8Array {
  const numbers = Array.from(announced, address => Number(address.value))
  const ranges = coveringRanges(numbers, mostRanges)
  return assemble([
    { kind: 'load', size: 4, offset: packetFact.packetType },
    { kind: 'jump', when: '≥', value: packetTypes.otherHost, to: 'drop' },
    { kind: 'load', size: 4, offset: 0 },
    { kind: 'jump', when: '≠', value: 0x0001_0800, to: 'drop' }, // Ethernet, IPv4
    { kind: 'load', size: 2, offset: 4 },
    { kind: 'jump', when: '≠', value: 0x0604, to: 'drop' }, // lengths of their addresses
    { kind: 'load', size: 4, offset: 24 },
    ...jumpIfMember(ranges, 'take', 'sender', 'target'),
    { kind: 'label', name: 'sender' },
    { kind: 'load', size: 4, offset: 14 },
    ...jumpIfMember(ranges, 'take', 'drop', 'sender'),
    { kind: 'label', name: 'take' },
    { kind: 'return', octets: arpPacketSize },
    { kind: 'label', name: 'drop' },
    { kind: 'return', octets: 0 },
  ])
}
