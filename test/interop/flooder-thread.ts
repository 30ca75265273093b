import { once } from 'node:events'
import { createServer } from 'node:net'
import { parentPort } from 'node:worker_threads'

/** What the test says to its flooder, and the flooder to the test. */
export type ToFlooder =
  /** The octets to begin a session with: OPEN, and what follows when Berth's has come. */
  | { readonly kind: 'listen'; readonly open: Uint8Array; readonly keepalive: Uint8Array }
  /** Sends these octets again and again, as fast as they are taken. */
  | { readonly kind: 'flood'; readonly block: Uint8Array }
  | { readonly kind: 'stop' }
export type FromFlooder = { readonly kind: 'listening'; readonly port: number } | { readonly kind: 'stopped' }

const tell = (message: FromFlooder): void => parentPort?.postMessage(message)
const saying: { block?: Uint8Array | undefined } = {}
let send = async (_block: Uint8Array): Promise<void> => {}

parentPort?.on('message', (message: ToFlooder) => {
  switch (message.kind) {
    case 'listen':
      listen(message.open, message.keepalive)
      break
    case 'flood':
      saying.block = message.block
      void goOn()
      break
    case 'stop':
      saying.block = undefined
  }
})

async function goOn(): Promise<void> {
  while (saying.block) await send(saying.block)
  tell({ kind: 'stopped' })
}

function listen(open: Uint8Array, keepalive: Uint8Array): void {
  const server = createServer(socket => {
    socket.on('error', () => {})
    socket.write(open)
    socket.once('data', () => socket.write(keepalive))
    socket.resume() // whatever Berth says
    send = async block => {
      if (!socket.write(block)) await Promise.race([once(socket, 'drain'), once(socket, 'close')])
    }
  })
  server.listen(0, '127.0.0.1', () => {
    const address = server.address()
    tell({ kind: 'listening', port: typeof address === 'object' && address ? address.port : 0 })
  })
}
