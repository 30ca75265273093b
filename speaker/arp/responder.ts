import type { Address } from '../../net/address.ts'
import { broadcastMac, type MacAddress } from '../../net/mac.ts'
import { ETH_P_ARP } from '../rawsock/linux.ts'
import type { AddressCounter } from '../wire/counters.ts'
import { createGuard } from '../wire/guard.ts'
import { openPacketSocket } from '../wire/packet-socket.ts'
import type { Responder, ResponderOptions } from '../wire/responder.ts'
import { type SharedAddress, sharedAnew } from '../wire/shared-address.ts'
import { type ArpStation, answerArp, gratuitousArp } from './answer.ts'
import { arpFilter } from './filter.ts'
import { type ArpPacket, arpPacketSize, decodeArpPacket, encodeArpPacket } from './packet.ts'
import { arpProbe } from './probe.ts'

/** Answers ARP for IPv4 addresses on one interface. */
export function openArpResponder(options: ResponderOptions): Responder {
  const { counter } = options
  const guard = createGuard()
  const announced = new Map<
    bigint,
    { readonly address: Address; readonly counter: AddressCounter; readonly shared: SharedAddress | undefined }
  >()
  const station: ArpStation = {
    mac: options.interface.mac,
    isOwn: options.isOwn,
    announces: address => announced.has(address.value),
  }

  const handle = (bytes: Uint8Array, _: MacAddress, direct: boolean): void => {
    const decoded = decodeArpPacket(bytes)
    if (!decoded.ok) {
      counter.malformed()
      return
    }
    const verdict = answerArp(decoded.value, station)
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
        const asked = announced.get(verdict.packet.senderProtocolAddress.value)
        if (asked?.shared && !asked.shared.isOurs(verdict.packet.targetHardwareAddress, direct)) {
          counter.ignored('otherNodesClient')
          break
        }
        asked?.counter.requestReceived()
        const sent = socket.send(encodeArpPacket(verdict.packet), verdict.packet.targetHardwareAddress)
        if (sent) asked?.counter.responseSent()
        guardAgainstOthers(verdict.packet)
      }
    }
  }

  /** Not for a probe: two of us would go on asking each other. */
  const guardAgainstOthers = ({ senderProtocolAddress: address, targetProtocolAddress: asker }: ArpPacket): void => {
    if (asker.value === 0n || !guard.isDue(address, performance.now())) return
    socket.send(encodeArpPacket(arpProbe(address, options.interface.mac)), broadcastMac)
  }

  const socket = openPacketSocket({
    protocol: ETH_P_ARP,
    interfaceIndex: options.interface.index,
    longestPacket: Math.ceil(arpPacketSize / 8) * 8,
    filter: mostRanges =>
      arpFilter(
        Array.from(announced.values(), ({ address }) => address),
        mostRanges,
      ),
    onPacket: handle,
    counter,
  })

  return {
    announce(address, sharing) {
      const shared = sharedAnew(address, announced.get(address.value)?.shared, sharing, options.nodeOf)
      announced.set(address.value, { address, counter: options.addressCounter(address), shared })
      socket.refilter()
    },
    withdraw(address) {
      announced.delete(address.value)
      guard.forget(address)
      socket.refilter()
    },
    gratuitousPackets: 2,
    sendGratuitous(address, packet) {
      const chosen = gratuitousArp(address, options.interface.mac)[packet]
      if (!chosen) throw new RangeError(`gratuitous ARP has 2 forms, not ${packet + 1}`)
      const known = announced.get(address.value)
      const send = (to: MacAddress): boolean => {
        const sent = socket.send(encodeArpPacket(chosen), to)
        if (sent) known?.counter.gratuitousSent()
        return sent
      }
      if (!known?.shared || known.shared.isAlone()) return send(broadcastMac)
      // The form that Linux takes at once, however young what it has in its cache is.
      return packet > 0 || known.shared.tell(send)
    },
    countLosses: () => socket.countLosses(),
    close: () => socket.close(),
  }
}
