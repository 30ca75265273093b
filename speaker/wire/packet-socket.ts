import type { MacAddress } from '../../net/mac.ts'
import {
  AF_PACKET,
  decodePacketDrops,
  decodePacketSender,
  PACKET_STATISTICS,
  packetAddress,
  SOCK_DGRAM,
  SOL_PACKET,
} from '../rawsock/linux.ts'
import { openRawSocket } from '../rawsock/rawsock.ts'
import type { InterfaceCounter } from './counters.ts'

/** One protocol's packets on one interface, without their Ethernet headers: the kernel takes them off and puts them on. */
export interface PacketSocket {
  /** False = the queue is full (counted). What the kernel refuses for good is counted too, and true. */
  send(packet: Uint8Array, to: MacAddress): boolean
  /** Sets the filter that `filter` makes, behind whatever else happens now: many changes become one. */
  refilter(): void
  countLosses(): void
  close(): void
}

/**
 * Opens the socket. It is filtered before it is bound, so no packet of anybody else's is ever queued. SO_LOCK_FILTER is
 * not set, on purpose: the filter follows the announced addresses, which keeps everyone else's traffic from waking us.
 */
export function openPacketSocket(options: {
  readonly protocol: number
  readonly interfaceIndex: number
  readonly longestPacket: number
  readonly filter: () => Uint8Array
  readonly onPacket: (packet: Uint8Array, sender: MacAddress) => void
  readonly counter: InterfaceCounter
}): PacketSocket {
  const { protocol, interfaceIndex, counter } = options
  const socket = openRawSocket(AF_PACKET, SOCK_DGRAM, 0)
  let open = true
  let refiltering = false
  try {
    socket.attachFilter(options.filter())
    socket.bind(packetAddress(protocol, interfaceIndex))
    socket.receive({
      dataSize: options.longestPacket,
      slots: 64,
      onDatagram: ({ data, from }) => options.onPacket(data, decodePacketSender(from).mac),
      // The link went down, says the socket once; netlink says it too, and there it is acted on.
      onError: code => counter.dropped(code),
    })
  } catch (error) {
    socket.close()
    throw error
  }
  return {
    send(packet, to) {
      try {
        const sent = socket.send(packet, packetAddress(protocol, interfaceIndex, to))
        if (!sent) counter.dropped('queueFull')
        return sent
      } catch (error) {
        if (!(error instanceof Error && 'code' in error)) throw error
        counter.dropped(String(error.code))
        return true
      }
    },
    refilter() {
      if (refiltering) return
      refiltering = true
      queueMicrotask(() => {
        refiltering = false
        if (open) socket.attachFilter(options.filter())
      })
    },
    countLosses() {
      const drops = decodePacketDrops(socket.getOption(SOL_PACKET, PACKET_STATISTICS))
      if (drops > 0) counter.dropped('receiveBufferFull', drops)
    },
    close() {
      open = false
      socket.close()
    },
  }
}
