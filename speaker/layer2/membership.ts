import type { SpeakerFacts, SpeakerLease } from './facts.ts'

/*
 * Who is there. Every speaker holds one Lease in Berth's namespace and renews it slowly; the Leases that live are the
 * members, and what stands in them (interfaces, networks, "I am leaving") is what the election goes by. The cost is one
 * small write per node and period, whatever the number of Services.
 *
 * A Lease is over when it has not changed for its duration. Nobody compares clocks with anybody: times here are the
 * observer's own monotonic clock, and a renewal is "the object changed", not what its renewTime says.
 *
 * But silence has two causes: that node is dead, or we hear nothing. So age is not measured by the clock on the wall but
 * by an *observation clock*, which stands still while we hear nothing. It moves only when our own renewal comes back to us
 * through the watch. A watch is ordered: once we see our own renewal, we have seen every renewal before it, and a Lease
 * that did not change by then really did not. When it moves, it moves by the time since the last renewal that we saw, and
 * at most by `maxStepMs`, a little more than one renewal period. It follows that
 *
 * - while the API server is away, nobody is declared dead, however long it lasts: owners go on announcing;
 * - when it comes back, everyone has at least (duration − renewal period − maxStepMs) to renew before anyone can be
 *   declared dead: 10 − 3 − 4 = 3 s with the defaults, and speakers try again every second;
 * - a speaker that is itself cut off from the API server declares nobody dead, and takes nothing over;
 * - a node that dies while the API server works is declared dead after its Lease's duration: `suspects` says that a Lease
 *   would be over if our view were fresh, the shell renews our own Lease at once, and seeing that come back settles it.
 *   From the last renewal that is duration + one round trip; from the death, up to one renewal period less.
 *
 * What stays open until speakers watch each other directly: a node that is alive, still on the segment and cut off from
 * the API server loses its addresses after the duration and cannot be told so by the API. It is told on the segment: when
 * its own Lease must have run out (`isCutOff`), it yields each address for which it sees another station's gratuitous
 * packet. So on one segment two nodes answer for one address only between the new owner's first gratuitous packet and its
 * arrival at the old one; if all packets of the first burst are lost, until the next re-assertion. On two halves of a
 * torn segment each half has one answerer, until the API server is heard again by the older one.
 *
 * Pure: time comes in as an argument. `members` is the one thing that the election takes from here; another source of
 * "who is alive" replaces this file by delivering the same Map.
 */

/** `leaving` still answers and hands over; `gone` is taken for dead. */
export type Liveness = 'alive' | 'leaving' | 'gone'

/** A node with a speaker, as the election sees it. */
export interface Member {
  readonly node: string
  readonly liveness: Liveness
  /** It is gone because those who watch it no longer hear it; its Lease was not over then. */
  readonly unheard?: true
  readonly facts: SpeakerFacts
}

/** All that one speaker knows of the others and of the freshness of its own view. */
export interface Membership {
  /** The observer's own node and run. */
  readonly self: { readonly node: string; readonly run: string }
  /** The most that the observation clock advances at once. */
  readonly maxStepMs: number
  /** The observation clock's reading, and the local time at which our own renewal moved it there. */
  readonly readingMs: number
  readonly readAtMs: number
  /** Whether our own Lease, of this run, was ever seen: before that we are no member and must not decide. */
  readonly joined: boolean
  readonly observations: ReadonlyMap<string, Observation>
}

interface Observation {
  readonly lease: SpeakerLease
  /** By the observation clock. */
  readonly changedAtMs: number
}

export type MembershipEvent =
  | { readonly kind: 'leaseSeen'; readonly lease: SpeakerLease; readonly nowMs: number }
  | { readonly kind: 'leaseDeleted'; readonly node: string; readonly nowMs: number }

/** Before anything is known. */
export function noMembership(self: { node: string; run: string }, maxStepMs: number, nowMs: number): Membership {
  return { self, maxStepMs, readingMs: 0, readAtMs: nowMs, joined: false, observations: new Map() }
}

/** What a change of one Lease, as the watch shows it, makes known. Answers to our own writes do not count: they prove nothing about the watch. */
export function observe(membership: Membership, event: MembershipEvent): Membership {
  switch (event.kind) {
    case 'leaseSeen':
      return observeLease(membership, event.lease, event.nowMs)
    case 'leaseDeleted': {
      if (!membership.observations.has(event.node)) return membership
      const observations = new Map(membership.observations)
      observations.delete(event.node)
      return { ...membership, observations }
    }
  }
}

function observeLease(membership: Membership, lease: SpeakerLease, nowMs: number): Membership {
  const before = membership.observations.get(lease.node)
  if (before?.lease.resourceVersion === lease.resourceVersion) return membership
  const changedAtMs = freshReading(membership, nowMs)
  // Facts that did not change stay the same object, so that whoever compares sees at a glance that nothing happened.
  const facts = before?.lease.factsText === lease.factsText ? before.lease.facts : lease.facts
  const observations = new Map(membership.observations)
  observations.set(lease.node, { lease: { ...lease, facts }, changedAtMs })
  const own = lease.node === membership.self.node && lease.facts.run === membership.self.run
  if (!own) return { ...membership, observations }
  return { ...membership, observations, joined: true, readingMs: changedAtMs, readAtMs: nowMs }
}

/** What the observation clock would read if our own renewal came back right now. */
function freshReading(membership: Membership, nowMs: number): number {
  return membership.readingMs + Math.min(Math.max(0, nowMs - membership.readAtMs), membership.maxStepMs)
}

/** The members, by node. Our own node is never gone in its own eyes. */
export function membersOf(membership: Membership): ReadonlyMap<string, Member> {
  const members = new Map<string, Member>()
  for (const [node, { lease, changedAtMs }] of membership.observations) {
    const over = node !== membership.self.node && membership.readingMs - changedAtMs > lease.durationMs
    const liveness = over ? 'gone' : lease.facts.leaving ? 'leaving' : 'alive'
    members.set(node, { node, liveness, facts: lease.facts })
  }
  return members
}

/** Whether two views of the members are the same to an election. */
export function sameMembers(one: ReadonlyMap<string, Member>, other: ReadonlyMap<string, Member>): boolean {
  if (one.size !== other.size) return false
  for (const [node, member] of one) {
    const twin = other.get(node)
    if (twin?.liveness !== member.liveness || twin.facts !== member.facts) return false
  }
  return true
}

/** The nodes whose Lease would be over if our view were fresh: time to renew our own, which makes it fresh. */
export function suspects(membership: Membership, nowMs: number): readonly string[] {
  const reading = freshReading(membership, nowMs)
  return [...membership.observations.values()]
    .filter(({ lease, changedAtMs }) => {
      const overAlready = membership.readingMs - changedAtMs > lease.durationMs
      return lease.node !== membership.self.node && !overAlready && reading - changedAtMs > lease.durationMs
    })
    .map(({ lease }) => lease.node)
}

/** The local time at which the next Lease becomes suspect without anything else happening; undefined = not before the next renewal of our own. */
export function nextSuspicionMs(membership: Membership): number | undefined {
  let soonest: number | undefined
  for (const { lease, changedAtMs } of membership.observations.values()) {
    const step = changedAtMs + lease.durationMs - membership.readingMs
    if (lease.node === membership.self.node || step < 0 || step >= membership.maxStepMs) continue
    const atMs = membership.readAtMs + step + 1
    soonest = soonest === undefined ? atMs : Math.min(soonest, atMs)
  }
  return soonest
}

/** Whether our own Lease must have run out for those who can see it: nothing of ours came back for its whole duration. */
export function isCutOff(membership: Membership, nowMs: number): boolean {
  return nowMs > cutOffAfterMs(membership)
}

/** When that will be, if nothing comes back; never, for one that has not joined yet. */
export function cutOffAfterMs({ self, observations, joined, readAtMs }: Membership): number {
  const own = observations.get(self.node)
  return joined && own !== undefined ? readAtMs + own.lease.durationMs : Number.POSITIVE_INFINITY
}

/** The node whose speaker sends from this hardware address. */
export function nodeOfMac(members: ReadonlyMap<string, Member>, mac: string): string | undefined {
  for (const member of members.values()) {
    if (member.facts.interfaces.some(candidate => candidate.mac === mac)) return member.node
  }
  return undefined
}

/**
 * The member that speaks for all where nobody owns what is to be said (no node may announce a Service): the first by
 * name that is alive, or where all are leaving, the first of those.
 */
export function spokesman(members: ReadonlyMap<string, Member>): string | undefined {
  const names = (liveness: Liveness) =>
    [...members.values()]
      .filter(member => member.liveness === liveness)
      .map(member => member.node)
      .sort()
  return names('alive')[0] ?? names('leaving')[0]
}
