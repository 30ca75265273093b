import type { MacAddress } from '../../net/mac.ts'
import {
  AF_PACKET,
  decodePacketDrops,
  decodePacketSender,
  PACKET_STATISTICS,
  packetAddress,
  packetTypes,
  SO_DETACH_FILTER,
  SOCK_DGRAM,
  SOL_PACKET,
  SOL_SOCKET,
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
 * How finely a filter may know the addresses: as finely as the kernel has memory for (net.core.optmem_max, 20 kB on old
 * kernels, and whatever an administrator made of it). A coarse one wakes us for some requests that are not ours.
 */
const ranges = [128, 16, 1]

/**
 * Opens the socket. It is filtered before it is bound, so no packet of anybody else's is ever queued. SO_LOCK_FILTER is
 * not set, on purpose: the filter follows the announced addresses, which keeps everyone else's traffic from waking us.
 */
export function openPacketSocket(options: {
  readonly protocol: number
  readonly interfaceIndex: number
  readonly longestPacket: number
  /** The kernel's filter, knowing the announced addresses as that many ranges at most. */
  readonly filter: (mostRanges: number) => Uint8Array
  /** `direct`: the frame was for this station alone. */
  readonly onPacket: (packet: Uint8Array, sender: MacAddress, direct: boolean) => void
  readonly counter: InterfaceCounter
}): PacketSocket {
  const { protocol, interfaceIndex, counter } = options
  const socket = openRawSocket(AF_PACKET, SOCK_DGRAM, 0)
  let open = true
  let refiltering = false
  /** Whether a filter of any fineness has found room. */
  const attachFinest = (): boolean =>
    ranges.some(mostRanges => {
      try {
        socket.attachFilter(options.filter(mostRanges))
        return true
      } catch (error) {
        if (!hasCode(error) || error.code !== 'ENOMEM') throw error
        return false
      }
    })
  const attach = (): void => {
    if (attachFinest()) return
    // The kernel counts the old filter until the new one is in place. Without any for a moment, others' packets wake us,
    // and none of ours is lost.
    socket.setOption(SOL_SOCKET, SO_DETACH_FILTER, 0)
    if (!attachFinest()) throw new Error('the kernel has no memory for a socket filter (net.core.optmem_max)')
  }
  try {
    attach()
    socket.bind(packetAddress(protocol, interfaceIndex))
    socket.receive({
      dataSize: options.longestPacket,
      slots: 64,
      onDatagram({ data, from }) {
        const { mac, packetType } = decodePacketSender(from)
        options.onPacket(data, mac, packetType === packetTypes.host)
      },
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
        if (!hasCode(error)) throw error
        counter.dropped(error.code)
        return true
      }
    },
    refilter() {
      if (refiltering) return
      refiltering = true
      queueMicrotask(() => {
        refiltering = false
        if (open) attach()
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

/** An error of the kernel's, named by its errno. */
function hasCode(error: unknown): error is Error & { readonly code: string } {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
}
