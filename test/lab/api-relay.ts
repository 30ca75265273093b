import { once } from 'node:events'
import { connect, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import type { Namespace } from './namespace.ts'

/** A way from inside a namespace to a server on this machine's loopback. */
export interface ApiRelay {
  /** Cuts every connection and refuses new ones, as an API server that is down. */
  pause(): void
  resume(): void
  stop(): Promise<void>
}

/**
 * Lets the stations of a namespace reach `target` at `address`:`port`. A socket belongs to the namespace in which it was made, whoever
 * holds it: a helper listens inside and hands its socket to us, so bytes go straight from there to the loopback out here.
 */
export async function startApiRelay(inside: Namespace, address: string, port: number, target: URL): Promise<ApiRelay> {
  const helper = inside.spawn([process.execPath, join(import.meta.dirname, 'listen.ts'), address, String(port)], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  let problem = ''
  helper.stderr?.on('data', chunk => {
    problem += String(chunk)
  })
  const server = await new Promise<Server>((resolve, reject) => {
    helper.once('message', (_message, handle) => resolve(handle as Server))
    helper.once('error', reject)
    helper.once('close', () =>
      reject(new Error(`nothing listens on ${address}:${port} for the API server: ${problem}`)),
    )
  })
  const sockets = new Set<Socket>()
  let paused = false
  server.on('connection', socket => {
    if (paused) {
      socket.resetAndDestroy()
      return
    }
    const beyond = connect({ host: target.hostname, port: Number(target.port), noDelay: true })
    socket.setNoDelay(true)
    for (const [one, other] of [
      [socket, beyond],
      [beyond, socket],
    ] as const) {
      sockets.add(one)
      one.pipe(other)
      one.on('error', () => other.destroy())
      one.on('close', () => {
        sockets.delete(one)
        other.destroy()
      })
    }
  })
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    pause() {
      paused = true
      cut()
    },
    resume() {
      paused = false
    },
    async stop() {
      const closed = once(server, 'close')
      server.close()
      cut()
      await closed
    },
  }
}
