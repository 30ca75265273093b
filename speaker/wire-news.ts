import type { Logger } from 'pino'
import type { Announcer } from './announcer.ts'
import type { BfdCounters, BfdSessionStatus } from './bfd/messages.ts'
import type { ReachReport } from './layer2/detector-state.ts'
import { takeCounters, type WireTotals } from './status.ts'
import type { NetworkInterface, WireReport } from './wire/messages.ts'

/*
 * What the wire thread has said last, kept for whoever asks, and passed on to those whom it concerns.
 */

export interface WireNews {
  take(report: WireReport): void
  /** Undefined until the wire thread has looked. */
  readonly interfaces: readonly NetworkInterface[] | undefined
  /** On these nothing is answered, but routers may be. */
  readonly excluded: readonly NetworkInterface[]
  /** Resolves once the interfaces are known. */
  readonly started: Promise<void>
  /** `withheld` = nothing is answered now; `pauses` of this process were noticed so far. */
  readonly fence: { readonly withheld: boolean; readonly pauses: number }
  readonly reach: ReachReport | undefined
  readonly totals: WireTotals
  readonly bfdCounters: BfdCounters | undefined
}

/** Callbacks come after what they are about can be asked for. */
export function createWireNews(options: {
  /** Asked for when the first report comes: it is made after the wire thread. */
  readonly announcer: () => Pick<Announcer, 'take'>
  readonly onInterfaces: () => void
  readonly onExcluded: () => void
  readonly onReach: (report: ReachReport) => void
  readonly onBfd: (status: BfdSessionStatus) => void
  readonly log: Logger
}): WireNews {
  const { log } = options
  const started = Promise.withResolvers<void>()
  const totals: WireTotals = new Map()
  let interfaces: readonly NetworkInterface[] | undefined
  let excluded: readonly NetworkInterface[] = []
  let fence = { withheld: false, pauses: 0 }
  let reach: ReachReport | undefined
  let bfdCounters: BfdCounters | undefined

  function take(report: WireReport): void {
    switch (report.kind) {
      case 'interfaces':
        interfaces = report.interfaces
        started.resolve()
        options.onInterfaces()
        break
      case 'excluded':
        excluded = report.interfaces
        options.onExcluded()
        break
      case 'announced':
      case 'seen':
      case 'withheld':
      case 'contested':
      case 'conflict':
        options.announcer().take(report)
        break
      case 'reach':
        reach = report.report
        options.onReach(reach)
        break
      case 'fence':
        takeFence(report)
        break
      case 'counters':
        takeCounters(totals, report.counters)
        break
      case 'bfd':
        options.onBfd(report.status)
        break
      case 'bfdCounters':
        bfdCounters = report.counters
        break
      case 'problem':
        // startWire has logged it.
        break
    }
  }

  function takeFence({ state, gapMs }: WireReport & { readonly kind: 'fence' }): void {
    switch (state) {
      case 'cutOff':
        fence = { ...fence, withheld: true }
        log.error('neither the API server nor enough of the other speakers are heard: nothing is answered any more')
        break
      case 'restored':
        fence = { ...fence, withheld: false }
        log.info('the others are heard again; the segment is asked before anything is answered')
        break
      case 'woke':
        fence = { ...fence, pauses: fence.pauses + 1 }
        log.warn({ gapMs: Math.round(gapMs ?? 0) }, 'this process did not run for a while: others may have taken over')
    }
  }

  return {
    take,
    get interfaces() {
      return interfaces
    },
    get excluded() {
      return excluded
    },
    started: started.promise,
    get fence() {
      return fence
    },
    get reach() {
      return reach
    },
    totals,
    get bfdCounters() {
      return bfdCounters
    },
  }
}
