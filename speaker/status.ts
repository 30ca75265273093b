import type { ServiceKey } from '../kube/service.ts'
import type { WatchHealth } from '../kube/watch.ts'
import type { Address } from '../net/address.ts'
import type { Rival } from './announcer.ts'
import type { BfdCounters } from './bfd/messages.ts'
import type { ReachReport } from './layer2/detector-state.ts'
import type { Member } from './layer2/membership.ts'
import type { LoopState } from './loop.ts'
import type { ReconcilerState } from './reconcile.ts'
import type { RouterView } from './routing/router.ts'
import type { WireState } from './situation.ts'
import type { NamedWatch } from './sources.ts'
import type { WireCounter } from './wire/messages.ts'

/** The wire thread's totals, the last word on each address or interface. */
export type WireTotals = Map<string, WireCounter>

/** Takes a report's counters in. */
export function takeCounters(totals: WireTotals, counters: readonly WireCounter[]): void {
  for (const counter of counters) {
    const about = counter.kind === 'address' ? counter.address : counter.protocol
    totals.set(`${counter.kind} ${about} ${counter.interface}`, counter)
  }
}

/** Of a node that was removed the Lease stays behind; nobody misses its speaker. */
export function withoutRemovedNodes(
  members: ReadonlyMap<string, Member>,
  isNode: (name: string) => boolean,
): ReadonlyMap<string, Member> {
  return new Map([...members].filter(([name, { liveness }]) => liveness !== 'gone' || isNode(name)))
}

/** All that a speaker can say of itself; metrics and readiness are made from it. */
export interface SpeakerHealth {
  readonly node: string
  readonly interfacesKnown: boolean
  /** Everything that must be known before anything is decided was listed once. */
  readonly synced: boolean
  /** Its own Lease has come back by the watch. */
  readonly joined: boolean
  /** It has not heard the API server for longer than its Lease lasts. */
  readonly cutOff: boolean
  /** Whether nothing is answered, since neither the API server nor enough other speakers are heard; and pauses noticed. */
  readonly fence: { readonly withheld: boolean; readonly pauses: number }
  readonly leaving: boolean
  /** Monotonic; -Infinity = never. */
  readonly leaseRenewedAtMs: number
  /** Removed nodes left out. */
  readonly members: ReadonlyMap<string, Member>
  readonly watches: readonly (WatchHealth &
    Pick<NamedWatch, 'resource' | 'neededBy'> & { readonly hasSynced: boolean })[]
  readonly writesWaiting: number
  readonly writesRunning: number
  readonly eventsDropped: number
  readonly reconciler: ReconcilerState
  readonly wire: ReadonlyMap<string, WireState>
  /** The Services that an address of this node's belongs to. */
  readonly servicesOf: (address: string) => readonly string[]
  readonly totals: WireTotals
  readonly conflicts: number
  /** How often this node began to answer for an address. */
  readonly takeOvers: number
  /** By address of ours, who has it too. */
  readonly rivals: ReadonlyMap<string, Rival>
  /** The detector's word on the other speakers; undefined = it has not spoken, or there is none. */
  readonly reach: ReachReport | undefined
  /** The addresses of a Service. */
  readonly addressesOf: (service: ServiceKey) => readonly Address[]
  readonly router: LoopState
  /** What this node says to its BGP peers and hears of them. */
  readonly routing: RouterView
  /** Undefined while no BFD session was wanted. */
  readonly bfdCounters: BfdCounters | undefined
  /** BGPSessionStatuses and ServiceBGPStatuses that wait to be written. */
  readonly recordsWaiting: number
}

/** Why the speaker is not ready to take part, in words; empty = it is. */
export function whyNotReady(health: SpeakerHealth): readonly string[] {
  const reasons: string[] = []
  if (!health.interfacesKnown) reasons.push('the wire thread has not said which interfaces there are')
  if (!health.synced) {
    const missing = health.watches.filter(watch => watch.neededBy !== 'nobody' && !watch.hasSynced)
    const names = missing.map(watch => (watch.lastError ? `${watch.resource} (${watch.lastError})` : watch.resource))
    reasons.push(`not everything has been listed yet${names.length > 0 ? `: ${names.join(', ')}` : ''}`)
  }
  if (!health.joined) reasons.push('its Lease has not been seen yet')
  if (health.synced && health.joined && health.reconciler.runs === 0) reasons.push('nothing has been decided yet')
  if (health.leaving) reasons.push('it is stopping')
  return reasons
}

// Longer than any garbage collection or list of five thousand Services on a busy machine.
const stuckAfterMs = 30_000

/** Why the speaker should be started anew; empty = it is well. An API server that is away is no reason: owners go on. */
export function whyNotHealthy(health: SpeakerHealth, nowMs: number): readonly string[] {
  const { synced, joined, reconciler, router } = health
  const stuck = (what: string, wokenAtMs: number | undefined, mayRun: boolean): readonly string[] => {
    if (!mayRun || wokenAtMs === undefined || nowMs - wokenAtMs <= stuckAfterMs) return []
    return [`changes of ${Math.round((nowMs - wokenAtMs) / 1000)} s ago have not been looked at${what}`]
  }
  return [
    ...stuck('', reconciler.wokenAtMs, synced && joined),
    ...stuck(' for BGP', router.wokenAtMs, router.runs > 0 && !health.leaving),
  ]
}
