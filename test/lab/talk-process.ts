/**
 * Run inside a namespace: sends one line to an address and prints what comes back.
 *
 *     node talk-process.ts tcp|udp|sctp ADDRESS PORT TEXT
 */
import { createSocket } from 'node:dgram'
import { connect, isIPv6 } from 'node:net'
import { chunkType, encodeSctp, openSctp, socketAddress } from './sctp.ts'

const [protocol = '', address = '', port = '', text = ''] = process.argv.slice(2)

if (protocol === 'udp') {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
  socket.on('message', answer => {
    process.stdout.write(answer)
    socket.close()
  })
  // Connected, so that a port that nobody listens on is an error and not a silence.
  socket.connect(Number(port), address, () => socket.send(text))
} else if (protocol === 'sctp') {
  const sourcePort = 40_000 + (process.pid % 20_000)
  const socket = openSctp(isIPv6(address) ? 6 : 4, undefined, packet => {
    if (packet.chunk !== chunkType.initAck || packet.destinationPort !== sourcePort) return
    process.stdout.write(packet.cookie)
    socket.close()
  })
  const hello = { chunk: chunkType.init, verificationTag: 0, initiateTag: process.pid, cookie: text }
  socket.send(encodeSctp({ sourcePort, destinationPort: Number(port), ...hello }), socketAddress(address))
} else {
  const socket = connect(Number(port), address, () => socket.write(`${text}\n`))
  socket.once('data', answer => {
    process.stdout.write(answer)
    socket.end()
  })
}
