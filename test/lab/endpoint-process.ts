/**
 * Run inside a node's namespace: a workload that says on which node it runs. On the addresses and the one port that it is given it
 * answers HTTP, any line of text over plain TCP, any datagram over UDP, and SCTP's INIT.
 *
 *     node endpoint-process.ts NAME PORT ADDRESS…
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { createServer, isIPv6 } from 'node:net'
import { chunkType, encodeSctp, openSctp } from './sctp.ts'

const [name = '', portText = '', ...addresses] = process.argv.slice(2)
const port = Number(portText)

const http = createHttpServer((request, response) => {
  response.setHeader('content-type', 'text/plain')
  response.end(`${name} says hello to ${request.socket.remoteAddress ?? ''}\n`)
})

for (const address of addresses) {
  const tcp = createServer(socket => {
    socket.on('error', () => {})
    socket.once('data', first => {
      socket.pause()
      socket.unshift(first)
      if (/^[A-Z]+ \//.test(first.toString('latin1'))) {
        http.emit('connection', socket)
      } else {
        socket.on('data', line => socket.write(`${name} ${line.toString('utf8')}`))
      }
      socket.resume()
    })
  })
  tcp.listen(port, address)
  await once(tcp, 'listening')

  const udp = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
  udp.on('message', (message, from) => udp.send(`${name} ${message.toString('utf8')}`, from.port, from.address))
  udp.bind(port, address)
  await once(udp, 'listening')

  const sctp = openSctp(isIPv6(address) ? 6 : 4, address, (packet, from) => {
    if (packet.chunk !== chunkType.init || packet.destinationPort !== port) return
    const answer = encodeSctp({
      sourcePort: port,
      destinationPort: packet.sourcePort,
      verificationTag: packet.initiateTag,
      chunk: chunkType.initAck,
      initiateTag: 1,
      cookie: `${name} ${packet.cookie}`,
    })
    from.fill(0, 2, 4) // sin_port: a raw socket has none
    sctp.send(answer, from)
  })
}
process.stdout.write('listening\n')
