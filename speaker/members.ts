import type { Logger } from 'pino'
import { holdLease } from '../kube/lease.ts'
import type { Store } from '../kube/store.ts'
import { sleep } from '../kube/task.ts'
import type { Transport } from '../kube/transport.ts'
import {
  factsAnnotation,
  type SpeakerLease,
  speakerLeaseLabel,
  speakerLeaseLabelValue,
  speakerLeaseName,
} from './layer2/facts.ts'
import {
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

/*
 * Who is there, kept current: this node's own Lease with its facts, the Leases of the others, and the time that passes
 * between their renewals. What is concluded from that is layer2/membership.ts's.
 */

/** The speakers of all nodes, as this one sees them. */
export interface Members {
  /** The same object as long as nothing that counts has changed. */
  current(): ReadonlyMap<string, Member>
  /** Our own Lease, of this run, has come back by the watch: before that we must not decide. */
  joined(): boolean
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
  readonly leaseDurationSeconds: number
  readonly renewPeriodSeconds: number
  /** `current` is another now. */
  readonly onChange: () => void
  /** Our own renewal came back: what we see is fresh. */
  readonly onRenewal: () => void
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
  let toldFacts = ''
  let factsTimer: NodeJS.Timeout | undefined

  const lease = holdLease({
    transport: options.transport,
    namespace: options.namespace,
    name: speakerLeaseName(self.node),
    labels: { [speakerLeaseLabel]: speakerLeaseLabelValue },
    annotations: () => ({ [factsAnnotation]: factsText() }),
    holderIdentity: `${self.node}/${self.run}`,
    leaseDurationSeconds: options.leaseDurationSeconds,
    renewPeriodMs,
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
    membership = observe(membership, event)
    if (membership.readAtMs !== before.readAtMs) options.onRenewal()
    judge()
  }

  function judge(): void {
    const after = membersOf(membership)
    if (sameMembers(members, after)) return
    for (const [name, { liveness }] of after) {
      if (members.get(name)?.liveness !== liveness) log.info({ speaker: name, liveness }, 'speaker')
    }
    for (const name of members.keys()) if (!after.has(name)) log.info({ speaker: name }, 'speaker has left')
    members = after
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
    current: () => members,
    joined: () => membership.joined,
    isCutOff: () => isCutOff(membership, performance.now()),
    tellFacts,
    tellFactsNow: () => lease.touch(),
    holdLease: signal => lease.run(signal),
    async watchTime(signal) {
      while (!signal.aborted) {
        const nextMs = nextSuspicionMs(membership) ?? 0
        const nowMs = performance.now()
        // Whoever is suspect already waits for the answer to our renewal; asking again before a tick has passed helps nobody.
        await sleep(nextMs > nowMs ? Math.min(tickMs, nextMs - nowMs) : tickMs, signal)
        if (!signal.aborted) tick()
      }
    },
    get leaseRenewedAtMs() {
      return lease.renewedAtMs
    },
  }
}
