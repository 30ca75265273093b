import type { Logger } from 'pino'
import type { WireState } from './plan.ts'
import type { WireAnnouncement, WireCommand, WireReport } from './wire/messages.ts'

/*
 * What the wire thread was told and what it said: the one place that talks to it. It carries out what a plan says and
 * keeps the evidence that plans are made from. It decides one thing itself: another station's claim to an address that is
 * ours a second later still is answered by announcing it again, at most every ten seconds (RFC 5227 §2.4 (b),
 * DEFEND_INTERVAL).
 */

/** The shell around the wire thread. */
export interface Announcer {
  readonly wire: ReadonlyMap<string, WireState>
  /** Addresses of ours that another speaker announced, and its node. */
  readonly seen: ReadonlyMap<string, string>
  /** Addresses given up while cut off. */
  readonly yielded: ReadonlySet<string>
  /** Claims by stations that are no speakers, since the start. */
  readonly conflicts: number
  announce(announcements: readonly WireAnnouncement[]): void
  withdraw(addresses: readonly string[]): void
  /** The wire thread's reports about addresses; others are not for here. */
  take(report: WireReport & { readonly kind: 'announced' | 'seen' }): void
  /** We can hear the API server again, and what it says of the addresses that we gave up. */
  endYielding(): void
}

export interface AnnouncerOptions {
  readonly send: (command: WireCommand) => void
  /** The node whose speaker has this hardware address. */
  readonly nodeOf: (mac: string) => string | undefined
  /** Our Lease must have run out for the others. */
  readonly isCutOff: () => boolean
  /** Whether the present election gives us the address. */
  readonly isRightful: (address: string) => boolean
  /** Something that plans depend on has changed. */
  readonly onChange: () => void
  readonly log: Logger
}

const defendIntervalMs = 10_000
const defendAfterMs = 1_000

export function createAnnouncer(options: AnnouncerOptions): Announcer {
  const { send, nodeOf, isCutOff, isRightful, onChange, log } = options
  const wire = new Map<string, WireState>()
  const seen = new Map<string, string>()
  const yielded = new Set<string>()
  const defendedAtMs = new Map<string, number>()
  const strangers = new Map<string, string>()
  let conflicts = 0

  function forget(address: string): void {
    wire.delete(address)
    seen.delete(address)
    defendedAtMs.delete(address)
    strangers.delete(address)
  }

  function takeSeen({ address, interface: on, mac }: WireReport & { readonly kind: 'seen' }): void {
    if (!wire.has(address)) return
    const node = nodeOf(mac)
    if (isCutOff()) {
      log.warn(
        { address, interface: on, mac, speaker: node },
        'another station announces it while we are cut off from the API server',
      )
      yielded.add(address)
      onChange()
      return
    }
    if (node !== undefined) {
      seen.set(address, node)
      onChange()
    } else {
      conflicts++
      if (strangers.get(address) !== mac) {
        strangers.set(address, mac)
        log.warn({ address, interface: on, mac }, 'a station that is no speaker announces an address of ours')
      }
    }
    // Later, when the news that may stand behind it has reached us too: where nothing made us stop, the address is ours.
    setTimeout(() => defend(address), defendAfterMs).unref()
  }

  function defend(address: string): void {
    const state = wire.get(address)
    if (!state || !isRightful(address)) return
    // It must not count as the packet of a later hand-over.
    seen.delete(address)
    const nowMs = performance.now()
    if (nowMs - (defendedAtMs.get(address) ?? -defendIntervalMs) < defendIntervalMs) return
    defendedAtMs.set(address, nowMs)
    log.info({ address }, 'announcing again what another station claimed')
    send({ kind: 'withdraw', addresses: [address] })
    send({ kind: 'announce', announcements: [{ address, interfaces: state.told }] })
  }

  return {
    wire,
    seen,
    yielded,
    get conflicts() {
      return conflicts
    },
    announce(announcements) {
      send({ kind: 'announce', announcements })
      for (const { address, interfaces } of announcements) {
        wire.set(address, { told: interfaces, announcedOn: wire.get(address)?.announcedOn })
      }
    },
    withdraw(addresses) {
      send({ kind: 'withdraw', addresses })
      for (const address of addresses) forget(address)
    },
    take(report) {
      if (report.kind === 'seen') return takeSeen(report)
      const state = wire.get(report.address)
      if (!state || String(state.announcedOn) === String(report.interfaces)) return
      wire.set(report.address, { told: state.told, announcedOn: report.interfaces })
      onChange()
    },
    endYielding() {
      if (yielded.size === 0) return
      log.info({ addresses: [...yielded] }, 'in touch with the API server again; its records decide')
      yielded.clear()
      onChange()
    },
  }
}
