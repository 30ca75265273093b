import { type Address, addressToBytes } from '../../net/address.ts'
import { type MacAddress, multicastMacForIPv6 } from '../../net/mac.ts'
import { ETH_P_IPV6 } from '../rawsock/linux.ts'
import type { AddressCounter } from '../wire/counters.ts'
import { createGuard } from '../wire/guard.ts'
import { openPacketSocket } from '../wire/packet-socket.ts'
import type { Responder, ResponderOptions } from '../wire/responder.ts'
import { answerNeighbor, type NdpStation, unsolicitedAdvertisement } from './answer.ts'
import { longestNdpPacket, ndpFilter } from './filter.ts'
import { createGroupMemberships } from './groups.ts'
import { decodeNeighborPacket, encodeNeighborPacket, type NeighborPacket } from './message.ts'
import { neighborProbe } from './probe.ts'

/** Answers Neighbor Solicitations for IPv6 addresses on one interface. */
export function openNdpResponder(options: ResponderOptions): Responder {
  const { counter } = options
  const guard = createGuard()
  const announced = new Map<bigint, { readonly address: Address; readonly counter: AddressCounter }>()
  const station: NdpStation = {
    mac: options.interface.mac,
    isOwn: options.isOwn,
    announces: address => announced.has(address.value),
  }

  const handle = (bytes: Uint8Array, sender: MacAddress): void => {
    const decoded = decodeNeighborPacket(bytes)
    if (!decoded.ok) {
      counter.malformed()
      return
    }
    const verdict = answerNeighbor(decoded.value, sender, station)
    switch (verdict.kind) {
      case 'ignore':
        counter.ignored(verdict.reason)
        break
      case 'seen':
        options.onClaim(verdict.address, verdict.mac)
        break
      case 'reply': {
        if (!options.mayAnswer()) {
          counter.ignored('withheld')
          break
        }
        const asked = announced.get(verdict.packet.source.value)
        asked?.counter.requestReceived()
        if (send(verdict.packet, verdict.to)) asked?.counter.responseSent()
        // Not for a probe, which everybody was answered: two of us would go on asking each other.
        const { source, message } = verdict.packet
        const probed = message.kind === 'advertisement' && !message.solicited
        if (!probed && guard.isDue(source, performance.now())) send(neighborProbe(source), undefined)
      }
    }
  }

  const send = (packet: NeighborPacket, to: MacAddress | undefined): boolean =>
    socket.send(encodeNeighborPacket(packet), to ?? multicastMacForIPv6(addressToBytes(packet.destination)))

  const socket = openPacketSocket({
    protocol: ETH_P_IPV6,
    interfaceIndex: options.interface.index,
    longestPacket: longestNdpPacket,
    filter: mostRanges =>
      ndpFilter(
        Array.from(announced.values(), ({ address }) => address),
        mostRanges,
      ),
    onPacket: handle,
    counter,
  })
  const groups = createGroupMemberships(options.interface.index, (group, error) => {
    const reason = error instanceof Error ? error.message : String(error)
    options.onProblem(`${options.interface.name} cannot join the group ${group}: ${reason}`)
  })

  return {
    announce(address) {
      if (!announced.has(address.value)) groups.join(address)
      announced.set(address.value, { address, counter: options.addressCounter(address) })
      socket.refilter()
    },
    withdraw(address) {
      if (announced.delete(address.value)) groups.leave(address)
      guard.forget(address)
      socket.refilter()
    },
    gratuitousPackets: 1,
    sendGratuitous(address) {
      const sent = send(unsolicitedAdvertisement(address, options.interface.mac), undefined)
      if (sent) announced.get(address.value)?.counter.gratuitousSent()
      return sent
    },
    countLosses: () => socket.countLosses(),
    close() {
      socket.close()
      groups.close()
    },
  }
}
