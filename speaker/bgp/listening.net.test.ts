import { once } from 'node:events'
import { connect, createServer, type Server } from 'node:net'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { BGPPeer } from '../../crds/config.ts'
import { peerSettings } from './from-config.ts'
import { createBgp } from './speaker.ts'
import { plainPeer } from './test-peer.ts'

/* On loopback alone: what is said of a peer that waits to be dialled where nobody can listen, and what comes after. */

/** A plain listener of Node's hears of it later, one with a TTL at once. */
const ways: Readonly<Record<string, Partial<BGPPeer>>> = {
  'next to us': { passive: true },
  'behind other routers': { passive: true, ebgpMultiHop: true },
}

describe.each(Object.entries(ways))(
  'a peer %s that waits to be dialled, where another program has the port',
  (_, way) => {
    let other: Server
    let port: number
    beforeEach(async () => {
      other = createServer().listen(0, '0.0.0.0')
      await once(other, 'listening')
      port = (other.address() as { port: number }).port
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    })
    afterEach(() => {
      vi.useRealTimers()
      other.close()
    })

    function start() {
      const changed: string[] = []
      const logged: string[] = []
      const bgp = createBgp({
        log: pino({ level: 'info' }, { write: line => void logged.push((JSON.parse(line) as { msg: string }).msg) }),
        listenPort: port,
        onChange: peer => void changed.push(peer),
      })
      onTestFinished(async () => await bgp.stop({ kind: 'shutdown', communication: '' }))
      const settings = peerSettings(plainPeer('tor', way), { bgpIdentifier: 1, password: undefined })
      if ('problem' in settings) throw new Error(settings.problem)
      return { bgp, changed, logged, configure: () => bgp.configure([settings], new Map()) }
    }

    /** Until it is known that the port is another's. */
    async function deaf({ bgp, changed }: ReturnType<typeof start>): Promise<void> {
      await vi.waitFor(() => {
        expect(bgp.state()[0]?.lastError).toMatchObject({
          from: 'transport',
          text: `this node cannot listen on TCP ${port}: another program uses the address and port (EADDRINUSE)`,
        })
        expect(changed).toContain('tor')
      })
    }

    test('is told so, and the log once, however often it is tried', async () => {
      const started = start()
      for (let attempt = 0; attempt < 3; attempt++) {
        started.configure()
        await deaf(started)
        await vi.advanceTimersByTimeAsync(10_000)
      }
      expect(started.logged).toEqual(['cannot listen for BGP peers; trying again'])
    })

    test('can dial soon after the port is free', async () => {
      const started = start()
      started.configure()
      await deaf(started)
      started.changed.length = 0
      other.close()
      await once(other, 'close')
      await vi.advanceTimersByTimeAsync(10_000)
      await vi.waitFor(() => expect(started.bgp.state()[0]?.lastError).toBeUndefined())
      expect(started.changed).toContain('tor')
      expect(started.logged.at(-1)).toBe('BGP peers can dial this node again')
      const client = connect(port, '127.0.0.1')
      onTestFinished(() => void client.destroy())
      await once(client, 'connect')
    })
  },
)
