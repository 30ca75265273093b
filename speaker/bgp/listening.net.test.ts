import { once } from 'node:events'
import { createServer } from 'node:net'
import { pino } from 'pino'
import { expect, onTestFinished, test, vi } from 'vitest'
import { peerSettings } from './from-config.ts'
import { createBgp } from './speaker.ts'
import { plainPeer } from './test-peer.ts'

/* On loopback alone: what is said of a peer that waits to be dialled where nobody can listen. */

test('a peer that waits to be dialled is told that another program has the port', async () => {
  const other = createServer().listen(0, '0.0.0.0')
  onTestFinished(() => void other.close())
  await once(other, 'listening')
  const { port } = other.address() as { port: number }
  const changed: string[] = []
  const bgp = createBgp({
    log: pino({ level: 'silent' }),
    listenPort: port,
    onChange: peer => void changed.push(peer),
  })
  onTestFinished(async () => await bgp.stop({ kind: 'shutdown', communication: '' }))
  const settings = peerSettings(plainPeer('tor', { passive: true }), { bgpIdentifier: 1, password: undefined })
  if ('problem' in settings) throw new Error(settings.problem)
  bgp.configure([settings], new Map())
  await vi.waitFor(() => {
    const [status] = bgp.state()
    expect(status?.lastError).toMatchObject({
      from: 'transport',
      text: `this node cannot listen on TCP ${port}: another program uses the address and port (EADDRINUSE)`,
    })
    expect(changed).toContain(status?.name)
  })
})
