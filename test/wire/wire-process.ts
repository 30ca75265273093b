import { pino } from 'pino'
import type { WireCommand, WireReport } from '../../speaker/wire/messages.ts'
import { startWire } from '../../speaker/wire/wire.ts'

/**
 * A process inside a test's network namespace: what `startWire` gives, by messages to and from the test.
 * It stands for the speaker's main thread, and can be made as busy as one.
 */
export type ToWireProcess =
  | { readonly kind: 'command'; readonly command: WireCommand }
  /** Does nothing but compute for so long. */
  | { readonly kind: 'block'; readonly ms: number }
  | { readonly kind: 'stop' }

export type FromWireProcess =
  | { readonly kind: 'report'; readonly report: WireReport }
  | { readonly kind: 'blocked'; readonly ms: number }
  | { readonly kind: 'exit'; readonly message: string }

const tell = (message: FromWireProcess): void => {
  process.send?.(message)
}

const wire = startWire({
  log: pino({ level: 'silent' }),
  onReport: report => tell({ kind: 'report', report }),
  onExit: error => tell({ kind: 'exit', message: error.message }),
})

process.on('message', (message: ToWireProcess) => {
  switch (message.kind) {
    case 'command':
      wire.send(message.command)
      break
    case 'block': {
      const startMs = performance.now()
      while (performance.now() - startMs < message.ms);
      tell({ kind: 'blocked', ms: performance.now() - startMs })
      break
    }
    case 'stop':
      void wire.stop().then(() => process.disconnect())
  }
})
