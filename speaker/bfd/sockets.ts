import {
  anyAddress,
  bindToDevice,
  onlyIPv6,
  reuseAddress,
  setOption,
  socketAddress,
  socketDomains,
  timeToLive,
} from '../rawsock/inet.ts'
import { openRawSocket } from '../rawsock/rawsock.ts'
import type { Arrival, Door, Path } from './demultiplex.ts'
import { bfdFilter, deafFilter } from './filter.ts'
import { longestPacket } from './packet.ts'
import {
  boundDevice,
  controlSize,
  datagramSocket,
  decodeControl,
  decodeDrops,
  destinationPorts,
  memoryInfo,
  networkControl,
  protocolUdp,
  receivePacketInfo,
  receiveTtl,
  senderOf,
} from './udp.ts'

/** A socket that control packets arrive at. */
export interface Listener {
  readonly door: Door
  /** Lets a socket for another device take the same port beside this one. */
  share(on: boolean): void
  /** Whether its device is gone, perhaps replaced by another of the same name. */
  isStale(): boolean
  /** Packets that the kernel dropped so far. */
  drops(): number
  close(): void
}

/**
 * Listens at a door; throws where the kernel refuses the port or the device. The bytes are valid during the call only.
 *
 * For the kernel a socket for any device is in the way of one for a single device, though packets of that device then
 * go to the latter. Both must agree to share, and do so for this moment only: some other BFD of the node must get an
 * error, and not half of our packets.
 */
export function openListener(
  door: Door,
  others: readonly Listener[],
  onPacket: (bytes: Uint8Array, arrival: Arrival) => void,
): Listener {
  const neighbours = others.filter(other => other.door.family === door.family && other.door.hops === door.hops)
  for (const neighbour of neighbours) neighbour.share(true)
  try {
    const listener = listen(door, neighbours.length > 0, onPacket)
    listener.share(false)
    return listener
  } finally {
    for (const neighbour of neighbours) neighbour.share(false)
  }
}

function listen(door: Door, shared: boolean, onPacket: (bytes: Uint8Array, arrival: Arrival) => void): Listener {
  const { family, hops, device } = door
  const socket = openRawSocket(socketDomains[family], datagramSocket, protocolUdp)
  try {
    socket.attachFilter(bfdFilter(family, hops))
    if (family === 'IPv6') setOption(socket, onlyIPv6())
    if (device !== undefined) setOption(socket, bindToDevice(device))
    setOption(socket, receiveTtl(family))
    setOption(socket, receivePacketInfo(family))
    if (shared) setOption(socket, reuseAddress())
    socket.bind(socketAddress(anyAddress[family], destinationPorts[hops], 0))
    socket.receive({
      dataSize: longestPacket,
      controlSize,
      slots: 64,
      onDatagram({ data, from, control }) {
        const sender = senderOf(from, family)
        const facts = decodeControl(control, family)
        if (sender && facts) onPacket(data, { door, from: sender, ...facts })
      },
      // What was lost is in drops(); a device that went down is noticed by silence.
      onError: () => {},
    })
  } catch (error) {
    socket.close()
    throw error
  }
  return {
    door,
    share: on => setOption(socket, reuseAddress(on)),
    isStale() {
      if (device === undefined) return false
      try {
        const name = socket.getOption(boundDevice.level, boundDevice.name)
        return new TextDecoder().decode(name).replace(/\0.*$/, '') !== device
      } catch {
        return true
      }
    },
    drops: () => decodeDrops(socket.getOption(memoryInfo.level, memoryInfo.name)),
    close: () => socket.close(),
  }
}

/** A socket that one session's packets leave from. */
export interface Sender {
  /** Undefined when it has left, else why not, by the name of an errno. */
  send(packet: Uint8Array): string | undefined
  close(): void
}

/** Opens the socket; throws where the kernel refuses the address, the port or the device. */
export function openSender(path: Path, sourcePort: number): Sender {
  const { remote, local, hops, device } = path
  const { family } = remote
  const socket = openRawSocket(socketDomains[family], datagramSocket, protocolUdp)
  try {
    socket.attachFilter(deafFilter)
    setOption(socket, timeToLive(family, 255))
    setOption(socket, networkControl(family))
    if (family === 'IPv6') setOption(socket, onlyIPv6())
    // With the device chosen, addresses of the link need no index besides.
    if (device !== undefined) setOption(socket, bindToDevice(device))
    socket.bind(socketAddress(local ?? anyAddress[family], sourcePort, 0))
  } catch (error) {
    socket.close()
    throw error
  }
  const to = socketAddress(remote, destinationPorts[hops], 0)
  return {
    send(packet) {
      try {
        return socket.send(packet, to) ? undefined : 'queueFull'
      } catch (error) {
        return errorCode(error)
      }
    },
    close: () => socket.close(),
  }
}

/** The name of the errno with which the kernel refused; what is no refusal of its is a bug and passes through. */
export function errorCode(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string' && /^E[A-Z0-9]+$/.test(error.code)) {
    return error.code
  }
  throw error
}
