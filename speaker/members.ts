import type { Logger } from 'pino'
import { holdLease } from '../kube/lease.ts'
import type { KubeNode } from '../kube/node.ts'
import type { Store } from '../kube/store.ts'
import { sleep } from '../kube/task.ts'
import type { Transport } from '../kube/transport.ts'
import type { ReachReport } from './layer2/detector-state.ts'
import {
  factsAnnotation,
  type SpeakerLease,
  speakerLeaseLabel,
  speakerLeaseLabelValue,
  speakerLeaseName,
} from './layer2/facts.ts'
import {
  cutOffAfterMs,
  isCutOff,
  type Member,
  type Membership,
  type MembershipEvent,
  membersOf,
  nextSuspicionMs,
  noMembership,
  observe,
  sameMembers,
  suspects,
} from './layer2/membership.ts'

import {
  livenessOf,
  mayMove,
  nextChangeMs,
  noSuspicions,
  type SuspicionEvent,
  type Suspicions,
  step,
  suspicionSettings,
  withoutSuspected,
} from './layer2/suspicion.ts'
import { nodeOwner } from './record-metadata.ts'

/*
 * Who is there, kept current: this node's own Lease with its facts, the Leases of the others, and the time that passes
 * between their renewals. What is concluded from that is layer2/membership.ts's; and what from the detector's word, which
 * comes from the wire thread and long before any Lease is over, is layer2/suspicion.ts's.
 */

/** The speakers of all nodes, as this one sees them. */
export interface Members {
  /** Who counts as there: the same object as long as nothing that counts has changed. */
  current(): ReadonlyMap<string, Member>
  /** Those of the Leases alone: a node that the detector has lost may still be among them. */
  byLease(): ReadonlyMap<string, Member>
  /** The detector's word on whom this node can count on. */
  takeReach(report: ReachReport): void
  /** A record names a node that it did not name before. */
  takeClaim(node: string): void
  /** Our own Lease, of this run, has come back by the watch: before that we must not decide. */
  joined(): boolean
  /** Whether this node may take addresses for the spread or a preference. */
  mayMove(): boolean
  /** Our own Lease must have run out for those who can see it. */
  isCutOff(): boolean
  /** What the Lease says of this node may have changed. */
  tellFacts(): void
  /** What it says has changed and is urgent. */
  tellFactsNow(): void
  /** Holds the Lease until the signal aborts; `current` and `joined` follow the watch from the start. */
  holdLease(signal: AbortSignal): Promise<void>
  /** Notices that time passes: a Lease that is over sends no event. */
  watchTime(signal: AbortSignal): Promise<void>
  /** Monotonic; -Infinity = never. */
  readonly leaseRenewedAtMs: number
}

export interface MembersOptions {
  readonly transport: Transport
  readonly namespace: string
  readonly self: { readonly node: string; readonly run: string }
  readonly leases: Store<SpeakerLease>
  /** What the Lease says of this node now. */
  readonly factsText: () => string
  /** The Node object, once it is known: with it the Lease goes. */
  readonly ownNode: () => KubeNode | undefined
  readonly leaseDurationSeconds: number
  readonly renewPeriodSeconds: number
  /** `current` is another now. */
  readonly onChange: () => void
  /** Somebody misses some of the others: what `current` will be if they are lost. */
  readonly onSuspicion: (members: ReadonlyMap<string, Member>) => void
  /** `byLease` is another now. */
  readonly onLeases: () => void
  /** A renewal of our own Lease has come back through the watch; when it was sent, by `performance.now()`. */
  readonly onProven: (sentMs: number) => void
  /** Until our own renewal comes back again, nothing is known for certain. */
  readonly onCutOff: () => void
  readonly log: Logger
}

// The observation clock (membership.ts) may advance a little more than one renewal at once, since renewals take time.
const stepsPerPeriod = 4 / 3
const tickMs = 1_000
const factsPauseMs = 250

export function createMembers(options: MembersOptions): Members {
  const { self, leases, factsText, log } = options
  const renewPeriodMs = options.renewPeriodSeconds * 1000
  let membership: Membership = noMembership(self, renewPeriodMs * stepsPerPeriod, performance.now())
  let members: ReadonlyMap<string, Member> = new Map()
  let alive: ReadonlyMap<string, Member> = new Map()
  let suspicions: Suspicions = noSuspicions(suspicionSettings(renewPeriodMs))
  let suspicionTimer: NodeJS.Timeout | undefined
  let provenVersion = ''
  let toldFacts = ''
  let factsTimer: NodeJS.Timeout | undefined

  const lease = holdLease({
    transport: options.transport,
    namespace: options.namespace,
    name: speakerLeaseName(self.node),
    labels: { [speakerLeaseLabel]: speakerLeaseLabelValue },
    annotations: () => ({ [factsAnnotation]: factsText() }),
    ownerReferences() {
      const owner = options.ownNode()
      return owner ? [nodeOwner(owner)] : []
    },
    holderIdentity: `${self.node}/${self.run}`,
    leaseDurationSeconds: options.leaseDurationSeconds,
    renewPeriodMs,
    onRenewed: prove,
    log,
  })

  /** Writes changed facts soon: at once, but a link that flaps is not worth more than a few writes a second. */
  function tellFacts(): void {
    const text = factsText()
    if (text === toldFacts || factsTimer !== undefined) return
    toldFacts = text
    lease.touch()
    factsTimer = setTimeout(() => {
      factsTimer = undefined
      tellFacts()
    }, factsPauseMs)
    factsTimer.unref()
  }

  function take(event: MembershipEvent): void {
    const before = membership
    const wasCutOff = isCutOff(before, event.nowMs)
    membership = observe(membership, event)
    if (event.kind === 'leaseSeen' && membership !== before) {
      const { node, facts } = event.lease
      if (node !== self.node && before.observations.has(node)) suspect({ kind: 'leaseChanged', node, run: facts.run })
    }
    prove()
    judge()
    // What could not be claimed meanwhile can be now.
    if (wasCutOff && !isCutOff(membership, event.nowMs)) options.onChange()
  }

  /** What we wrote last has come back by the watch, in whichever order the two answers arrive. */
  function prove(): void {
    const version = membership.observations.get(self.node)?.lease.resourceVersion
    if (version === undefined || version === provenVersion || version !== lease.renewedVersion) return
    provenVersion = version
    options.onProven(lease.renewedAtMs)
    suspect({ kind: 'renewed', sentMs: lease.renewedAtMs })
  }

  /** The detector's side: whom it lost, and whether that is reason enough. */
  function suspect(event: SuspicionEvent): void {
    const nowMs = performance.now()
    const [after, { renew }] = step(suspicions, event, nowMs)
    const movesAgain = mayMove(after) && !mayMove(suspicions)
    suspicions = after
    // After the run that this may lead to: taking over is more urgent than to show that we live.
    if (renew) setTimeout(() => lease.touch(), 0).unref()
    judge()
    if (movesAgain) options.onChange()
    clearTimeout(suspicionTimer)
    const dueMs = nextChangeMs(suspicions, nowMs)
    if (dueMs === undefined) return
    suspicionTimer = setTimeout(() => suspect({ kind: 'due' }), dueMs - nowMs + 1)
    suspicionTimer.unref()
  }

  function judge(): void {
    const byLease = membersOf(membership)
    if (!sameMembers(members, byLease)) {
      members = byLease
      options.onLeases()
    }
    const after = livenessOf(members, suspicions, performance.now())
    if (sameMembers(alive, after)) return
    for (const [name, { liveness }] of after) {
      if (alive.get(name)?.liveness !== liveness) log.info({ speaker: name, liveness }, 'speaker')
    }
    for (const name of alive.keys()) if (!after.has(name)) log.info({ speaker: name }, 'speaker has left')
    alive = after
    options.onChange()
  }

  /** Time passes: a Lease may be over, so renew ours to make sure; being cut off begins without any event. */
  function tick(): void {
    const nowMs = performance.now()
    if (isCutOff(membership, nowMs)) options.onCutOff()
    const names = suspects(membership, nowMs)
    if (names.length > 0) {
      log.debug({ nodes: names }, 'their Leases seem to be over; renewing ours to know for certain')
      lease.touch()
    }
  }

  leases.subscribe(({ before, after }) => {
    const nowMs = performance.now()
    if (after) take({ kind: 'leaseSeen', lease: after, nowMs })
    else if (before) take({ kind: 'leaseDeleted', node: before.node, nowMs })
  })

  return {
    current: () => alive,
    byLease: () => members,
    takeReach(report) {
      suspect({ kind: 'reach', report })
      if (report.suspected.length > 0) options.onSuspicion(withoutSuspected(alive, report.suspected))
    },
    takeClaim: node => suspect({ kind: 'claimed', node }),
    joined: () => membership.joined,
    mayMove: () => mayMove(suspicions),
    isCutOff: () => isCutOff(membership, performance.now()),
    tellFacts,
    tellFactsNow: () => lease.touch(),
    holdLease: signal => lease.run(signal),
    async watchTime(signal) {
      while (!signal.aborted) {
        const nowMs = performance.now()
        // Whoever is suspect already waits for the answer to our renewal; asking again before a tick has passed helps nobody.
        const ahead = [nextSuspicionMs(membership) ?? 0, cutOffAfterMs(membership) + 1].filter(atMs => atMs > nowMs)
        await sleep(Math.min(tickMs, ...ahead.map(atMs => atMs - nowMs)), signal)
        if (!signal.aborted) tick()
      }
    },
    get leaseRenewedAtMs() {
      return lease.renewedAtMs
    },
  }
}
