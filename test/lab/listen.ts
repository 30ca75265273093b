/** Run inside a namespace: listens on an address and hands the socket to the process that started it. */
import { createServer } from 'node:net'

const [address = '', port = ''] = process.argv.slice(2)
const server = createServer({ pauseOnConnect: true })
server.listen(Number(port), address, () => {
  process.send?.('listening', server, {}, () => process.disconnect())
})
