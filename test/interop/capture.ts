/**
 * Makes test/packets/bgp-*.pcap anew: `node test/interop/capture.ts` as root, where FRR, BIRD and GoBGP can be had.
 *
 * One file for each make and kind of session, and in it only what the router sent: its OPEN, End-of-RIB, two routes with
 * much said of them, their withdrawal, keepalives, and its last words when it is stopped.
 */
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createWorld } from '../lab/namespace.ts'
import { createTwoHosts } from '../wire/hosts.ts'
import { address, peer, route, startBerth } from './berth.ts'
import { bird } from './bird.ts'
import { frr } from './frr.ts'
import { gobgp } from './gobgp.ts'
import type { RouterSettings } from './router.ts'
import { until } from './until.ts'

const ordinary: RouterSettings = {
  localAs: 64513,
  peerAs: 64512,
  local: '192.0.2.2',
  remote: '192.0.2.1',
  holdTimeSeconds: 3,
  families: ['IPv4', 'IPv6'],
  gracefulRestart: true,
}

/** By the end of the file's name. */
const sessions: Readonly<Record<string, Partial<RouterSettings>>> = {
  ebgp: {},
  ibgp: { localAs: 64512 },
  'large-as': { localAs: 4200000002, peerAs: 4200000001, local: '2001:db8:0:2::2', remote: '2001:db8:0:2::1' },
}

const world = await createWorld()
try {
  for (const make of [frr, bird, gobgp]) {
    for (const [kind, more] of Object.entries(sessions)) {
      const settings = { ...ordinary, ...more }
      const { node, client } = await createTwoHosts(world)
      const file = join(import.meta.dirname, '../packets', `bgp-${make.name.toLowerCase()}-${kind}.pcap`)
      const filter = `tcp port 179 and src host ${settings.local}`
      const argv = ['tcpdump', '--immediate-mode', '-U', '-p', '-n', '-i', 'eth0', '-w', file, '-Z', 'root', filter]
      const tcpdump = node.spawn(argv, { stdio: ['ignore', 'ignore', 'pipe'] })
      if (tcpdump.stderr) await once(tcpdump.stderr, 'data')
      const router = await make.start(client, settings)
      const berth = await startBerth(node)
      const berthPeer = peer({
        localAs: settings.peerAs,
        peerAs: settings.localAs,
        remote: { address: address(settings.local) },
        gracefulRestart: { restartTimeSeconds: 30 },
      })
      berth.configure([berthPeer], { router: [route('203.0.113.1/32')] })
      await until(
        'the session stands',
        () => router.isEstablished(),
        established => established,
      )
      await router.announce()
      const heard = async () => (await berth.state())[0]?.session?.prefixesReceived
      await until('its routes', heard, received => Boolean(received?.IPv4 && received.IPv6))
      await router.retract()
      await delay(3_000)
      await router.stop()
      await delay(500)
      await berth.kill()
      const ended = once(tcpdump, 'close')
      tcpdump.kill('SIGTERM')
      await ended
    }
  }
} finally {
  await world.end()
}
