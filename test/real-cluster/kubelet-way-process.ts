/**
 * Run inside a namespace: lets whoever asks at the socket file, by CONNECT, reach addresses of that namespace's network. The
 * end of its standard input is its own.
 */
import { createServer } from 'node:http'
import { connect } from 'node:net'

const [socketFile = ''] = process.argv.slice(2)
const server = createServer((_, response) => void response.writeHead(405).end())
server.on('connect', (request, socket, head) => {
  const target = new URL(`tcp://${request.url}`)
  const beyond = connect(Number(target.port), target.hostname.replace(/^\[(.*)\]$/, '$1'), () => {
    socket.write('HTTP/1.1 200 OK\r\n\r\n')
    beyond.write(head)
    beyond.pipe(socket)
    socket.pipe(beyond)
  })
  for (const [one, other] of [
    [beyond, socket],
    [socket, beyond],
  ] as const) {
    one.on('error', () => other.destroy())
    one.on('close', () => other.destroy())
  }
})
server.listen(socketFile, () => process.stdout.write('listening\n'))
process.stdin.resume().once('end', () => process.exit())
