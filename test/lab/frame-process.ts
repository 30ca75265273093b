/**
 * Run inside a namespace: puts frames on the wire as they are.
 *
 *     node frame-process.ts INTERFACE_INDEX HEX…
 */
import { AF_PACKET, packetAddress, SOCK_RAW } from '../../speaker/rawsock/linux.ts'
import { openRawSocket } from '../../speaker/rawsock/rawsock.ts'

const [index = '', ...frames] = process.argv.slice(2)
const socket = openRawSocket(AF_PACKET, SOCK_RAW, 0)
for (const frame of frames) socket.send(Buffer.from(frame, 'hex'), packetAddress(0, Number(index)))
socket.close()
