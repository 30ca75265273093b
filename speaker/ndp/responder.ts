import { type Address, addressToBytes } from '../../net/address.ts'
import { type MacAddress, multicastMacForIPv6 } from '../../net/mac.ts'
import { ETH_P_IPV6 } from '../rawsock/linux.ts'
import type { AddressCounter } from '../wire/counters.ts'
import { createGuard } from '../wire/guard.ts'
import { openPacketSocket } from '../wire/packet-socket.ts'
import type { Responder, ResponderOptions } from '../wire/responder.ts'
import { type SharedAddress, sharedAnew } from '../wire/shared-address.ts'
import { answerNeighbor, type NdpStation, unsolicitedAdvertisement } from './answer.ts'
import { longestNdpPacket, ndpFilter } from './filter.ts'
import { createGroupMemberships } from './groups.ts'
import { decodeNeighborPacket, encodeNeighborPacket, type NeighborPacket } from './message.ts'
import { neighborProbe } from './probe.ts'

/** Answers Neighbor Solicitations for IPv6 addresses on one interface. */
export function openNdpResponder(options: ResponderOptions): Responder {
  const { counter } = options
  const guard = createGuard()
  const announced = new Map<
    bigint,
    { readonly address: Address; readonly counter: AddressCounter; readonly shared: SharedAddress | undefined }
  >()
  const station: NdpStation = {
    mac: options.interface.mac,
    isOwn: options.isOwn,
    announces: address => announced.has(address.value),
  }

  const handle = (bytes: Uint8Array, sender: MacAddress, direct: boolean): void => {
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
        if (asked?.shared && !asked.shared.isOurs(verdict.to ?? sender, direct)) {
          counter.ignored('otherNodesClient')
          break
        }
        asked?.counter.requestReceived()
        const answer = asked?.shared ? withoutPull(verdict.packet) : verdict.packet
        if (send(answer, verdict.to)) asked?.counter.responseSent()
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
    announce(address, sharing) {
      const known = announced.get(address.value)
      if (!known) groups.join(address)
      const shared = sharedAnew(address, known?.shared, sharing, options.nodeOf)
      announced.set(address.value, { address, counter: options.addressCounter(address), shared })
      socket.refilter()
    },
    withdraw(address) {
      if (announced.delete(address.value)) groups.leave(address)
      guard.forget(address)
      socket.refilter()
    },
    gratuitousPackets: 1,
    sendGratuitous(address) {
      const known = announced.get(address.value)
      const sendTo = (to: MacAddress | undefined): boolean => {
        const sent = send(unsolicitedAdvertisement(address, options.interface.mac), to)
        if (sent) known?.counter.gratuitousSent()
        return sent
      }
      // To all nodes, but in a frame to one of them (RFC 6085).
      return !known?.shared || known.shared.isAlone() ? sendTo(undefined) : known.shared.tell(sendTo)
    },
    countLosses: () => socket.countLosses(),
    close() {
      socket.close()
      groups.close()
    },
  }
}

/**
 * The answer to a probe goes to everybody (RFC 4861 §7.2.4). It must not replace what the clients of other nodes have in their
 * caches; whoever probes takes it for what it is without the flag, too (RFC 4862 §5.4.4).
 */
function withoutPull(packet: NeighborPacket): NeighborPacket {
  const { message } = packet
  if (message.kind !== 'advertisement' || message.solicited) return packet
  return { ...packet, message: { ...message, override: false } }
}
