/** Run inside a namespace: listens on an address, hands the socket to the process that started it, and ends. */
import { createServer } from 'node:net'

const [address = '', port = ''] = process.argv.slice(2)
const server = createServer()
server.listen(Number(port), address, () => {
  process.send?.('listening', server, {}, () => process.exit())
})
