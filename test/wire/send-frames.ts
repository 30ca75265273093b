/**
 * Sends Ethernet frames, as they are, out of the interface of that number: `node send-frames.ts INDEX [--times N] FRAME…`, each frame in
 * hexadecimal. For what no tool sends: foreign VLANs, malformed packets, floods.
 */
import { parseArgs } from 'node:util'
import { AF_PACKET, packetAddress, SOCK_RAW } from '../../speaker/rawsock/linux.ts'
import { openRawSocket } from '../../speaker/rawsock/rawsock.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { times: { type: 'string', default: '1' } },
})
const [interfaceIndex = '', ...frames] = positionals
const to = packetAddress(0, Number(interfaceIndex))
const socket = openRawSocket(AF_PACKET, SOCK_RAW, 0)
for (let time = 0; time < Number(values.times); time++) {
  for (const frame of frames) while (!socket.send(Buffer.from(frame, 'hex'), to));
}
socket.close()
