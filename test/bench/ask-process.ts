/**
 * Asks for an address again and again and prints, as JSON, how many microseconds each answer took:
 * `node ask-process.ts INTERFACE-INDEX MAC IPV4 IPV6 ADDRESS REQUESTS`, the first four being the asker's.
 *
 * Both ends of a measurement are the kernel's timestamps of the request that leaves and the answer that arrives, on a
 * socket that sees every frame, so that this program's own pace does not matter.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { addressToBytes } from '../../net/address.ts'
import {
  AF_PACKET,
  decodePacketSender,
  packetAddress,
  packetTypes,
  SOCK_RAW,
  SOL_SOCKET,
} from '../../speaker/rawsock/linux.ts'
import { openRawSocket } from '../../speaker/rawsock/rawsock.ts'
import { ip } from '../packets/values.ts'
import { requestFrame } from '../wire/frames.ts'

const ETH_P_ALL = 3
const SO_TIMESTAMPNS = 35
const giveUpAfterMs = 200

const [index = '', mac = '', ipv4 = '', ipv6 = '', address = '', requests = ''] = process.argv.slice(2)
const request = Buffer.from(requestFrame(address, { mac, ipv4, ipv6 }), 'hex')
const target = Buffer.from(addressToBytes(ip(address)))
const isAnswer = (frame: Buffer): boolean =>
  target.length === 4
    ? frame.readUInt16BE(12) === 0x0806 && frame.readUInt16BE(20) === 2 && target.equals(frame.subarray(28, 32))
    : frame.readUInt16BE(12) === 0x86dd && frame[54] === 136 && target.equals(frame.subarray(62, 78))

const micros: number[] = []
let sentMicros: number | undefined
let answered: (() => void) | undefined

// The kernel never shows a socket what it sent itself: one asks, another one watches.
const asker = openRawSocket(AF_PACKET, SOCK_RAW, 0)
const watcher = openRawSocket(AF_PACKET, SOCK_RAW, 0)
watcher.setOption(SOL_SOCKET, SO_TIMESTAMPNS, 1)
watcher.bind(packetAddress(ETH_P_ALL, Number(index)))
watcher.receive({
  dataSize: 128,
  controlSize: 64,
  slots: 16,
  onDatagram({ data, from, control }) {
    const frame = Buffer.from(data.buffer, data.byteOffset, data.length)
    const outgoing = decodePacketSender(from).packetType === packetTypes.outgoing
    if (outgoing && frame.equals(request)) {
      sentMicros = timestampMicros(control)
    } else if (!outgoing && sentMicros !== undefined && isAnswer(frame)) {
      micros.push(timestampMicros(control) - sentMicros)
      sentMicros = undefined
      answered?.()
    }
  },
  onError(code) {
    throw new Error(code)
  },
})

for (let asked = 0; asked < Number(requests); asked++) {
  const giveUp = new AbortController()
  const answer = new Promise<void>(resolve => {
    answered = resolve
  })
  asker.send(request, packetAddress(0, Number(index)))
  await Promise.race([answer, delay(giveUpAfterMs, undefined, { signal: giveUp.signal }).catch(() => {})])
  giveUp.abort()
  sentMicros = undefined
  await delay(2)
}
asker.close()
watcher.close()
process.stdout.write(JSON.stringify(micros))

/** struct cmsghdr (16), then struct timespec: seconds (8) and nanoseconds (8) since the epoch. */
function timestampMicros(control: Uint8Array): number {
  const view = new DataView(control.buffer, control.byteOffset, control.byteLength)
  const seconds = view.getBigInt64(16, true)
  // Seconds of the day: whole microseconds since the epoch would leave a double no fractions.
  return Number(seconds % 86_400n) * 1e6 + Number(view.getBigInt64(24, true)) / 1e3
}
