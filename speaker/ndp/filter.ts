import type { Address } from '../../net/address.ts'
import { assemble, packetFact } from '../rawsock/bpf.ts'
import { coveringRanges, jumpIfMember } from '../rawsock/bpf-set.ts'
import { packetTypes } from '../rawsock/linux.ts'
import { ndpHopLimit, neighborAdvertisementType, neighborSolicitationType } from './message.ts'

/** Longer than any solicitation or advertisement that is worth reading. */
export const longestNdpPacket = 512

/**
 * The kernel's filter of an NDP socket: solicitations and advertisements with hop limit 255 whose target has the last 32
 * bits of an announced address. All other IPv6 traffic of the interface wakes nobody.
 *
 * Frames for other stations are dropped first. Among them are those of VLANs that this interface knows nothing of: the
 * kernel hands them on with the tag already removed, and packet type `otherHost` is all that tells them apart.
 *
 * The addresses are known as `mostRanges` ranges at most; where that is too few, it lets through some others as well.
 * Offsets count from the IPv6 header: the socket is of type SOCK_DGRAM and the Ethernet header is not its business.
 */
export function ndpFilter(announced: Iterable<Address>, mostRanges: number): Uint8Array {
  const lastBits = Array.from(announced, address => Number(address.value & 0xffff_ffffn))
  return assemble([
    { kind: 'load', size: 4, offset: packetFact.packetType },
    { kind: 'jump', when: '≥', value: packetTypes.otherHost, to: 'drop' },
    { kind: 'load', size: 2, offset: 6 },
    { kind: 'jump', when: '≠', value: (58 << 8) | ndpHopLimit, to: 'drop' }, // ICMPv6
    { kind: 'load', size: 2, offset: 40 },
    { kind: 'jump', when: '=', value: neighborSolicitationType << 8, to: 'target' }, // the low octet is code 0
    { kind: 'jump', when: '≠', value: neighborAdvertisementType << 8, to: 'drop' },
    { kind: 'label', name: 'target' },
    { kind: 'load', size: 4, offset: 60 },
    ...jumpIfMember(coveringRanges(lastBits, mostRanges), 'take', 'drop', 'target'),
    { kind: 'label', name: 'take' },
    { kind: 'return', octets: longestNdpPacket },
    { kind: 'label', name: 'drop' },
    { kind: 'return', octets: 0 },
  ])
}
