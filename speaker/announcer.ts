import type { Logger } from 'pino'
import { seenForMs } from './layer2/pacing.ts'
import type { Caution } from './layer2/takeover.ts'
import type { WireState } from './situation.ts'
import type { WireAnnouncement, WireCommand, WireReport } from './wire/messages.ts'

/*
 * What the wire thread was told about addresses and what it said of them: the one place that talks to it of these. It carries
 * out what a plan says and keeps the evidence that plans are made from. Who yields and who defends an address is decided
 * in the wire thread (layer2/holding.ts); what is decided there is told here, for plans and for people.
 */

/** A station that has an address of ours, and did not give it up. */
export interface Rival {
  readonly interface: string
  readonly mac: string
  /** The node whose speaker has this hardware address; undefined = a stranger's. */
  readonly node: string | undefined
}

/** The shell around the wire thread. */
export interface Announcer {
  readonly wire: ReadonlyMap<string, WireState>
  /** Addresses of ours that another speaker announced, and its node. */
  readonly seen: ReadonlyMap<string, string>
  /** By address, those who have it too, as long as it lasts. */
  readonly rivals: ReadonlyMap<string, Rival>
  /** How often an address of ours was found to be another's too, since the start. */
  readonly conflicts: number
  /** How often this node began to answer for an address, since the start. */
  readonly takeOvers: number
  announce(announcements: readonly WireAnnouncement[], caution: Caution): void
  /** Another caution for what is not announced yet; said only where it is another. */
  recaution(addresses: readonly string[], caution: Caution): void
  withdraw(addresses: readonly string[]): void
  /** The wire thread's reports about addresses; others are not for here. */
  take(report: AddressReport): void
}

export type AddressReport = Extract<
  WireReport,
  { readonly kind: 'announced' | 'seen' | 'withheld' | 'contested' | 'conflict' }
>

export interface AnnouncerOptions {
  readonly send: (command: WireCommand) => void
  /** The node whose speaker has this hardware address. */
  readonly nodeOf: (mac: string) => string | undefined
  /** Something that plans depend on has changed. */
  readonly onChange: () => void
  readonly log: Logger
}

/** A rival that nobody has heard of for so long has gone: while it is there it is found at least every ten seconds. */
export const rivalLastsMs = 30_000

export function createAnnouncer(options: AnnouncerOptions): Announcer {
  const { send, nodeOf, onChange, log } = options
  const wire = new Map<string, WireState>()
  const seen = new Map<string, string>()
  const rivals = new Map<string, Rival & { readonly untilMs: number }>()
  const cautions = new Map<string, string>()
  let conflicts = 0
  let takeOvers = 0
  let purge: NodeJS.Timeout | undefined

  function forget(address: string): void {
    wire.delete(address)
    seen.delete(address)
    rivals.delete(address)
    cautions.delete(address)
  }

  function rival(address: string, on: string, mac: string): void {
    const before = rivals.get(address)
    const node = nodeOf(mac)
    conflicts++
    rivals.set(address, { interface: on, mac, node, untilMs: performance.now() + rivalLastsMs })
    if (before?.mac === mac && before.node === node) return
    log.warn({ address, interface: on, mac, speaker: node }, 'another station has an address of ours')
    purge ??= setInterval(forgetRivals, rivalLastsMs / 6)
    purge.unref()
    onChange()
  }

  function forgetRivals(): void {
    const nowMs = performance.now()
    const gone = [...rivals].filter(([, { untilMs }]) => untilMs < nowMs).map(([address]) => address)
    for (const address of gone) rivals.delete(address)
    if (gone.length > 0) {
      log.info({ addresses: gone }, 'no other station has these any more')
      onChange()
    }
    if (rivals.size > 0) return
    clearInterval(purge)
    purge = undefined
  }

  function setAnnounced(address: string, announcedOn: readonly string[] | undefined): void {
    const state = wire.get(address)
    if (!state || String(state.announcedOn) === String(announcedOn)) return
    if (announcedOn?.length && !state.announcedOn?.length) takeOvers++
    const wasAnnounced = state.wasAnnounced === true || (announcedOn?.length ?? 0) > 0
    wire.set(address, { ...state, announcedOn, ...(wasAnnounced && { wasAnnounced }) })
    onChange()
  }

  function takeSeen(address: string, mac: string): void {
    const node = nodeOf(mac)
    if (node === undefined || seen.get(address) === node) return
    seen.set(address, node)
    setTimeout(() => seen.get(address) === node && seen.delete(address), seenForMs).unref()
    onChange()
  }

  return {
    wire,
    seen,
    rivals,
    get conflicts() {
      return conflicts
    },
    get takeOvers() {
      return takeOvers
    },
    announce(announcements, caution) {
      send({ kind: 'announce', announcements, caution })
      for (const { address, interfaces, sharing } of announcements) {
        wire.set(address, { announcedOn: undefined, ...wire.get(address), told: interfaces, sharers: sharing?.nodes })
        cautions.set(address, JSON.stringify(caution))
      }
    },
    recaution(addresses, caution) {
      const text = JSON.stringify(caution)
      const changed = addresses.filter(address => cautions.get(address) !== text)
      if (changed.length === 0) return
      for (const address of changed) cautions.set(address, text)
      send({ kind: 'caution', addresses: changed, caution })
    },
    withdraw(addresses) {
      send({ kind: 'withdraw', addresses })
      for (const address of addresses) forget(address)
    },
    take(report) {
      if (!wire.has(report.address)) return
      switch (report.kind) {
        case 'announced':
          setAnnounced(report.address, report.interfaces)
          break
        case 'withheld':
          log.warn({ address: report.address, because: report.because }, 'not answered for at present')
          setAnnounced(report.address, undefined)
          break
        case 'seen':
          takeSeen(report.address, report.mac)
          break
        case 'conflict':
          // It must not count as the packet of a later hand-over.
          seen.delete(report.address)
          rival(report.address, report.interface, report.mac)
          break
        case 'contested':
          if (report.finding.kind === 'noLink') setAnnounced(report.address, [])
          else if (report.finding.kind === 'answered' && nodeOf(report.finding.mac) === undefined) {
            rival(report.address, report.finding.interface, report.finding.mac)
          }
      }
    },
  }
}
