/**
 * Run inside a namespace: asks the segment for addresses again and again, by ARP requests and Neighbor Solicitations, and pings
 * them to wherever the kernel's neighbour table says. Tells its parent everything when asked to stop.
 *
 *     node watch-process.ts INTERFACE_INDEX MAC IPV4 IPV6 EVERY_MS ADDRESS…
 *
 * A process of its own with sockets of its own, so that neither a busy test nor the start of a program counts as an outage.
 */
import { addressToBytes } from '../../net/address.ts'
import {
  AF_INET6,
  AF_PACKET,
  ETH_P_ARP,
  ETH_P_IPV6,
  IPPROTO_ICMPV6,
  packetAddress,
  packetTypes,
  SOCK_DGRAM,
  SOCK_RAW,
} from '../../speaker/rawsock/linux.ts'
import { type Datagram, openRawSocket, type RawSocket } from '../../speaker/rawsock/rawsock.ts'
import { ip } from '../packets/values.ts'
import { requestFrame } from '../wire/frames.ts'
import { socketAddress } from './sctp.ts'
import type { FromWatch, WatchedAddress } from './watch.ts'

const [index = '', mac = '', ipv4 = '', ipv6 = '', every = '', ...addresses] = process.argv.slice(2)
const segment = Number(index)
const AF_INET = 2
const IPPROTO_ICMP = 1
/** Numbers of pings are 16 bits; those that came so long ago are over. */
const sequences = 0x10000

interface Watched {
  readonly address: string
  readonly frame: Uint8Array
  readonly to: Uint8Array
  readonly echo: Uint8Array
  readonly sockets: { readonly echo: RawSocket; readonly frame: RawSocket }
  readonly answers: (readonly [atMs: number, mac: string])[]
  readonly announcements: (readonly [atMs: number, mac: string])[]
  readonly echoes: [sentAtMs: number, doneAtMs: number | null][]
}

const now = (): number => performance.timeOrigin + performance.now()
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

const frames = openRawSocket(AF_PACKET, SOCK_RAW, 0)
const watched = addresses.map((address, ordinal): Watched => {
  const is6 = address.includes(':')
  const echo = openRawSocket(is6 ? AF_INET6 : AF_INET, SOCK_RAW, is6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP)
  const frame = Buffer.from(requestFrame(address, { mac, ipv4, ipv6 }), 'hex')
  const sockets = { echo, frame: frames }
  // Type, code, checksum, identifier, sequence.
  const packet = Uint8Array.of(is6 ? 128 : 8, 0, 0, 0, 0x4c, ordinal, 0, 0)
  const to = socketAddress(address)
  return { address, frame, to, echo: packet, sockets, answers: [], announcements: [], echoes: [] }
})
const byOctets = new Map(watched.map(one => [hex(addressToBytes(ip(one.address))), one]))

function listen(socket: RawSocket, onDatagram: (datagram: Datagram) => void): void {
  socket.receive({ dataSize: 256, slots: 32, onDatagram, onError: code => process.stderr.write(`watching: ${code}\n`) })
}

/** Neither answer is decoded by the code that is tested. */
function take(claimed: Uint8Array, { from, data }: Datagram, isReply: boolean): void {
  const one = byOctets.get(hex(claimed))
  const source = hex(from.subarray(12, 18)).replaceAll(/..(?=.)/g, '$&:')
  const toUs = from[10] === packetTypes.host
  if (one && data.length > 0) (toUs && isReply ? one.answers : one.announcements).push([now(), source])
}

const arp = openRawSocket(AF_PACKET, SOCK_DGRAM, 0)
arp.bind(packetAddress(ETH_P_ARP, segment))
listen(arp, datagram => {
  const { data, from } = datagram
  if (from[10] !== packetTypes.outgoing) take(data.subarray(14, 18), datagram, data[7] === 2)
})
const ndp = openRawSocket(AF_PACKET, SOCK_DGRAM, 0)
ndp.bind(packetAddress(ETH_P_IPV6, segment))
listen(ndp, datagram => {
  const { data, from } = datagram
  if (from[10] !== packetTypes.outgoing && data[6] === 58 && data[40] === 136) {
    take(data.subarray(48, 64), datagram, true)
  }
})

for (const one of watched) {
  listen(one.sockets.echo, ({ data }) => {
    // An IPv4 raw socket delivers the IP header too.
    const is6 = one.address.includes(':')
    const message = is6 ? data : data.subarray(((data[0] ?? 0) & 15) * 4)
    if (message[0] !== (is6 ? 129 : 0) || message[5] !== one.echo[5] || message[4] !== one.echo[4]) return
    const sequence = ((message[6] ?? 0) << 8) | (message[7] ?? 0)
    const rounds = Math.floor((one.echoes.length - 1 - sequence) / sequences)
    const echo = one.echoes[rounds * sequences + sequence]
    if (echo) echo[1] ??= now()
  })
}

function ask(): void {
  for (const one of watched) {
    frames.send(one.frame, packetAddress(0, segment))
    const sequence = one.echoes.length % sequences
    one.echo.set([sequence >> 8, sequence & 255], 6)
    one.echo.set([0, 0], 2)
    if (one.echo[0] === 8) one.echo.set(checksum(one.echo), 2)
    one.echoes.push([now(), null])
    try {
      one.sockets.echo.send(one.echo, one.to)
    } catch {
      // No neighbour by that address: it counts as lost.
    }
  }
}

/** RFC 1071; the kernel makes ICMPv6's itself. */
function checksum(bytes: Uint8Array): readonly [number, number] {
  let sum = 0
  for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16)
  return [(~sum >> 8) & 255, ~sum & 255]
}

ask()
const asking = setInterval(ask, Number(every))
process.once('message', () => {
  clearInterval(asking)
  // The last answers are on their way.
  setTimeout(() => {
    const report = watched.map(
      ({ address, answers, announcements, echoes }): WatchedAddress => ({ address, answers, announcements, echoes }),
    )
    process.send?.({ watched: report } satisfies FromWatch)
  }, 200)
})
process.send?.({ watched: undefined } satisfies FromWatch)
