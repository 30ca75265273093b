import { pino } from 'pino'
import type { Notification } from '../../speaker/bgp/notification.ts'
import type { Route } from '../../speaker/bgp/route.ts'
import type { ConfiguredPeer } from '../../speaker/bgp/settings.ts'
import { createBgp, type Farewell } from '../../speaker/bgp/speaker.ts'
import type { PeerStatus } from '../../speaker/bgp/status.ts'

/** A process inside a test's network namespace: what `createBgp` gives, by messages to and from the test. */
export type ToBerthProcess =
  | {
      readonly kind: 'configure'
      readonly peers: readonly ConfiguredPeer[]
      readonly routes: ReadonlyMap<string, readonly Route[]>
    }
  | { readonly kind: 'reset'; readonly peer: string; readonly reason: Notification }
  | { readonly kind: 'state' }
  | { readonly kind: 'stop'; readonly farewell: Farewell }

export type FromBerthProcess =
  | { readonly kind: 'ready' }
  | { readonly kind: 'state'; readonly peers: readonly PeerStatus[] }

const bgp = createBgp({ log: pino({ level: process.env['BERTH_LOG_LEVEL'] ?? 'silent' }) })

const tell = (message: FromBerthProcess): void => {
  process.send?.(message)
}

process.on('message', (message: ToBerthProcess) => {
  switch (message.kind) {
    case 'configure':
      bgp.configure(message.peers, message.routes)
      break
    case 'reset':
      bgp.reset(message.peer, message.reason)
      break
    case 'state':
      tell({ kind: 'state', peers: bgp.state() })
      break
    case 'stop':
      void bgp.stop(message.farewell).then(() => process.disconnect())
  }
})

tell({ kind: 'ready' })
