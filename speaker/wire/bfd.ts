import { type Bfd, createBfd } from '../bfd/bfd.ts'
import type { WireReport } from './messages.ts'

/** BFD in the wire thread: where nothing keeps a heartbeat waiting. */
export type WireBfd = Pick<Bfd, 'setSessions' | 'stop'>

const countersEveryMs = 3_000

/** Starts without sessions, and without one it neither opens anything nor wakes. */
export function startBfd(options: { readonly report: (report: WireReport) => void }): WireBfd {
  const { report } = options
  const bfd = createBfd({ onProblem: text => report({ kind: 'problem', text }) })
  bfd.onState(status => report({ kind: 'bfd', status }))
  let timer: NodeJS.Timeout | undefined

  const tellCounters = (): void => report({ kind: 'bfdCounters', counters: bfd.counters() })

  return {
    setSessions(desired) {
      bfd.setSessions(desired)
      if (desired.length > 0) timer ??= setInterval(tellCounters, countersEveryMs)
      else {
        // So that what was counted for sessions that are gone is not shown for ever.
        if (timer) tellCounters()
        clearInterval(timer)
        timer = undefined
      }
    },
    async stop() {
      clearInterval(timer)
      await bfd.stop()
    },
  }
}
