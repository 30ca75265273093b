import { pino } from 'pino'
import { createBfd } from '../../speaker/bfd/bfd.ts'
import type { BfdSessionSettings, BfdSessionStatus } from '../../speaker/bfd/messages.ts'
import { type Notification, notification } from '../../speaker/bgp/notification.ts'
import type { Route } from '../../speaker/bgp/route.ts'
import type { ConfiguredPeer } from '../../speaker/bgp/settings.ts'
import { createBgp, type Farewell } from '../../speaker/bgp/speaker.ts'
import type { PeerStatus } from '../../speaker/bgp/status.ts'

/**
 * A process inside a test's network namespace: what `createBgp` gives, by messages to and from the test; and beside it
 * BFD, whose sessions bear the names of the peers that fall with them.
 */
export type ToBerthProcess =
  | {
      readonly kind: 'configure'
      readonly peers: readonly ConfiguredPeer[]
      readonly routes: ReadonlyMap<string, readonly Route[]>
    }
  | { readonly kind: 'reset'; readonly peer: string; readonly reason: Notification }
  | { readonly kind: 'refreshNextHops' }
  | { readonly kind: 'bfd'; readonly sessions: readonly BfdSessionSettings[] }
  | { readonly kind: 'state' }
  | { readonly kind: 'stop'; readonly farewell: Farewell }

export type FromBerthProcess =
  | { readonly kind: 'ready' }
  | { readonly kind: 'state'; readonly peers: readonly PeerStatus[]; readonly bfd: readonly BfdSessionStatus[] }

const log = pino({ level: process.env['BERTH_LOG_LEVEL'] ?? 'silent' })
const bgp = createBgp({ log })
const bfd = createBfd({ onProblem: text => log.warn(text) })
const up = new Set<string>()
bfd.onState(({ name, state, remote }) => {
  if (state === 'Up') up.add(name)
  // Somebody's intention is no failure (RFC 5882 §3.2).
  else if (up.delete(name) && state !== 'AdminDown' && remote?.state !== 'AdminDown') {
    bgp.reset(name, notification('bfdDown'))
  }
})

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
    case 'refreshNextHops':
      bgp.refreshNextHops()
      break
    case 'bfd':
      bfd.setSessions(message.sessions)
      break
    case 'state':
      tell({ kind: 'state', peers: bgp.state(), bfd: bfd.statuses() })
      break
    case 'stop':
      // BFD last, as in the speaker: routers that took its end for a failure would not bridge a restart.
      void bgp
        .stop(message.farewell)
        .then(() => bfd.stop())
        .then(() => process.disconnect())
  }
})

tell({ kind: 'ready' })
