import { createSocket } from 'node:dgram'
import { createBfd } from '../../speaker/bfd/bfd.ts'
import type { BfdCounters, BfdSessionSettings, BfdSessionStatus } from '../../speaker/bfd/messages.ts'
import { raiseThreadPriority, type ThreadPriority } from '../../speaker/rawsock/priority.ts'

/** A process inside a test's network namespace: what `createBfd` gives, by messages to and from the test. */
export type ToBfdProcess =
  | { readonly kind: 'sessions'; readonly sessions: readonly BfdSessionSettings[] }
  | { readonly kind: 'counters' }
  /** Puts the thread before all others, as the speaker does with the one that BFD runs in. */
  | { readonly kind: 'raise' }
  /** A datagram of the test's own making. */
  | {
      readonly kind: 'datagram'
      readonly bytes: Uint8Array
      readonly to: string
      readonly port: number
      readonly ttl: number
    }
  /** Keeps the thread from doing anything else. */
  | { readonly kind: 'block'; readonly ms: number }
  | { readonly kind: 'stop' }

export type FromBfdProcess =
  | { readonly kind: 'ready' }
  /** `atMs` is of the clock that all processes of a machine share. */
  | { readonly kind: 'status'; readonly status: BfdSessionStatus; readonly atMs: number }
  | { readonly kind: 'counters'; readonly counters: BfdCounters }
  | { readonly kind: 'raised'; readonly to: ThreadPriority }
  | { readonly kind: 'problem'; readonly text: string }

/** Milliseconds of the machine's monotonic clock. */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

const tell = (message: FromBfdProcess): void => {
  process.send?.(message)
}

if (process.send) {
  const bfd = createBfd({ onProblem: text => tell({ kind: 'problem', text }) })
  bfd.onState(status => tell({ kind: 'status', status, atMs: machineMs() }))
  process.on('message', (message: ToBfdProcess) => {
    switch (message.kind) {
      case 'sessions':
        bfd.setSessions(message.sessions)
        break
      case 'counters':
        tell({ kind: 'counters', counters: bfd.counters() })
        break
      case 'raise':
        tell({ kind: 'raised', to: raiseThreadPriority() })
        break
      case 'datagram':
        sendDatagram(message)
        break
      case 'block': {
        const untilMs = performance.now() + message.ms
        while (performance.now() < untilMs);
        break
      }
      case 'stop':
        void bfd.stop().then(() => process.disconnect())
    }
  })
  tell({ kind: 'ready' })
}

function sendDatagram({ bytes, to, port, ttl }: Extract<ToBfdProcess, { kind: 'datagram' }>): void {
  const socket = createSocket(to.includes(':') ? 'udp6' : 'udp4')
  socket.bind(0, () => {
    socket.setTTL(ttl)
    socket.send(bytes, port, to, () => socket.close())
  })
}
