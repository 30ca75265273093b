import { type Bfd, createBfd } from '../bfd/bfd.ts'
import type { BfdSessionSettings, BfdSessionStatus } from '../bfd/messages.ts'
import { raiseThreadPriority, resetThreadPriority } from '../rawsock/priority.ts'
import type { WireReport } from './messages.ts'

/** BFD in the wire thread: where nothing keeps a heartbeat waiting. */
export interface WireBfd extends Pick<Bfd, 'stop'> {
  /** The sessions that one of those who want any wants from now on. */
  setSessions(whose: 'main' | 'cluster', desired: readonly BfdSessionSettings[]): void
}

const countersEveryMs = 3_000

/** Starts without sessions, and without one it neither opens anything nor wakes. */
export function startBfd(options: {
  readonly report: (report: WireReport) => void
  /** Whether the status is of a session that main does not know; it is taken then. */
  readonly isOthers: (status: BfdSessionStatus) => boolean
}): WireBfd {
  const { report } = options
  const bfd = createBfd({ onProblem: text => report({ kind: 'problem', text }) })
  bfd.onState(status => {
    if (!options.isOthers(status)) report({ kind: 'bfd', status })
  })
  const wanted = { main: [] as readonly BfdSessionSettings[], cluster: [] as readonly BfdSessionSettings[] }
  let timer: NodeJS.Timeout | undefined

  const tellCounters = (): void => report({ kind: 'bfdCounters', counters: bfd.counters() })

  /** A flood of requests for addresses would have this thread's priority too, so only those who want BFD pay for it. */
  function comeFirst(): void {
    if (raiseThreadPriority() !== 'ordinary') return
    const text =
      'BFD runs at ordinary priority, since the capability SYS_NICE is missing: ' +
      'on a busy node intervals below 300 ms may give up neighbours that are well'
    report({ kind: 'problem', text })
  }

  return {
    setSessions(whose, sessions) {
      wanted[whose] = sessions
      const desired = [...wanted.main, ...wanted.cluster]
      bfd.setSessions(desired)
      if (desired.length > 0) {
        if (!timer) comeFirst()
        timer ??= setInterval(tellCounters, countersEveryMs)
      } else if (timer) {
        resetThreadPriority()
        // So that what was counted for sessions that are gone is not shown for ever.
        tellCounters()
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
