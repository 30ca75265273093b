/**
 * Run inside a namespace: sends one line to an address and prints what comes back.
 *
 *     node talk-process.ts tcp|udp ADDRESS PORT TEXT
 */
import { createSocket } from 'node:dgram'
import { connect, isIPv6 } from 'node:net'

const [protocol = '', address = '', port = '', text = ''] = process.argv.slice(2)

if (protocol === 'udp') {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
  socket.on('message', answer => {
    process.stdout.write(answer)
    socket.close()
  })
  // Connected, so that a port that nobody listens on is an error and not a silence.
  socket.connect(Number(port), address, () => socket.send(text))
} else {
  const socket = connect(Number(port), address, () => socket.write(`${text}\n`))
  socket.once('data', answer => {
    process.stdout.write(answer)
    socket.end()
  })
}
