import type { IpFamily } from '../../net/address.ts'
import { assemble, packetFact } from '../rawsock/bpf.ts'
import { packetTypes } from '../rawsock/linux.ts'
import type { Path } from './demultiplex.ts'
import { longestPacket } from './packet.ts'

/** SKF_NET_OFF: offsets from here on are those of the IP header; a UDP socket's packet begins behind it. */
const networkHeader = -0x100000
const ttlOffset = { IPv4: 8, IPv6: 7 } as const satisfies Record<IpFamily, number>
const udpHeaderSize = 8

/**
 * The kernel's filter of a socket that BFD listens on: packets to this station alone and, over a single hop, with a TTL
 * of 255, which no router lets through (RFC 5082). IP_MINTTL would say that in a word, but is for TCP only. A flood from
 * elsewhere so wakes nobody.
 */
export function bfdFilter(family: IpFamily, hops: Path['hops']): Uint8Array {
  return assemble([
    { kind: 'load', size: 4, offset: packetFact.packetType },
    { kind: 'jump', when: '≠', value: packetTypes.host, to: 'drop' },
    { kind: 'load', size: 1, offset: networkHeader + ttlOffset[family] },
    { kind: 'jump', when: '<', value: hops === 'single' ? 255 : 1, to: 'drop' },
    { kind: 'return', octets: udpHeaderSize + longestPacket },
    { kind: 'label', name: 'drop' },
    { kind: 'return', octets: 0 },
  ])
}

/** Lets nothing through: for a socket that only sends. */
export const deafFilter: Uint8Array = assemble([{ kind: 'return', octets: 0 }])
