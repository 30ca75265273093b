import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'

/**
 * A port that nobody listens on (at `address`, or anywhere), below those that Linux hands out to outgoing connections (which could take it before
 * kube-apiserver does) and below Kubernetes' node ports.
 */
export async function freePort(address?: string): Promise<number> {
  for (;;) {
    const port = randomInt(20_000, 30_000)
    const server = createServer()
    try {
      await once(server.listen(port, address), 'listening')
      server.close()
      await once(server, 'close')
      return port
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    }
  }
}
