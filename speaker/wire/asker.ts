import type { Address } from '../../net/address.ts'
import { addressToBytes } from '../../net/address.ts'
import type { MacAddress } from '../../net/mac.ts'
import { broadcastMac, multicastMacForIPv6 } from '../../net/mac.ts'
import { arpFilter } from '../arp/filter.ts'
import { arpPacketSize, decodeArpPacket, encodeArpPacket } from '../arp/packet.ts'
import { arpProbe, readArp } from '../arp/probe.ts'
import { longestNdpPacket, ndpFilter } from '../ndp/filter.ts'
import { decodeNeighborPacket, encodeNeighborPacket } from '../ndp/message.ts'
import { neighborProbe, readNeighbor } from '../ndp/probe.ts'
import { ETH_P_ARP, ETH_P_IPV6 } from '../rawsock/linux.ts'
import type { InterfaceCounter } from './counters.ts'
import type { Found } from './found.ts'
import { openPacketSocket } from './packet-socket.ts'

/** Asks one segment who has addresses of one family, over a socket of its own: the answering of others' questions goes on undisturbed. */
export interface Asker {
  /** Answers about these are heard from the next turn of the loop on, besides those asked for before. */
  hear(addresses: readonly Address[]): void
  /** Asks once; what the queue has no room for is asked the next time. */
  ask(address: Address): void
  /** Nothing is heard any more. */
  deafen(): void
  close(): void
}

/** What an asker needs to know, and whom it tells. */
export interface AskerOptions {
  readonly interface: { readonly index: number; readonly mac: MacAddress }
  readonly isOwn: (mac: MacAddress) => boolean
  /** Somebody has it. The MAC is a view of a buffer that is used again. */
  readonly onHolder: (address: Address, mac: MacAddress) => void
  /** Somebody else asks the same (RFC 5227 §2.1.1). */
  readonly onProbe: (address: Address, mac: MacAddress) => void
  readonly counter: InterfaceCounter
}

/** Opens an asker for IPv4 (ARP) or IPv6 (NDP). */
export function openAsker(family: Address['family'], options: AskerOptions): Asker {
  const heard = new Map<bigint, Address>()
  const { isOwn, counter } = options
  const { index: interfaceIndex, mac } = options.interface

  const take = (found: Found | undefined): void => {
    if (!found || !heard.has(found.address.value)) return
    if (found.kind === 'holder') options.onHolder(found.address, found.mac)
    else options.onProbe(found.address, found.mac)
  }

  const socket =
    family === 'IPv4'
      ? openPacketSocket({
          protocol: ETH_P_ARP,
          interfaceIndex,
          longestPacket: Math.ceil(arpPacketSize / 8) * 8,
          filter: mostRanges => arpFilter(heard.values(), mostRanges),
          onPacket: bytes => {
            const decoded = decodeArpPacket(bytes)
            if (decoded.ok) take(readArp(decoded.value, isOwn))
          },
          counter,
        })
      : openPacketSocket({
          protocol: ETH_P_IPV6,
          interfaceIndex,
          longestPacket: longestNdpPacket,
          filter: mostRanges => ndpFilter(heard.values(), mostRanges),
          onPacket: (bytes, sender) => {
            const decoded = decodeNeighborPacket(bytes)
            if (decoded.ok) take(readNeighbor(decoded.value, sender, isOwn))
          },
          counter,
        })

  return {
    hear(addresses) {
      for (const address of addresses) heard.set(address.value, address)
      socket.refilter()
    },
    ask(address) {
      if (family === 'IPv4') socket.send(encodeArpPacket(arpProbe(address, mac)), broadcastMac)
      else {
        const packet = neighborProbe(address)
        socket.send(encodeNeighborPacket(packet), multicastMacForIPv6(addressToBytes(packet.destination)))
      }
    },
    deafen() {
      heard.clear()
      socket.refilter()
    },
    close: () => socket.close(),
  }
}
