import type { Lost, ReachReport, Standing } from './detector-state.ts'
import type { Member } from './membership.ts'

/*
 * Which members count as gone: those whose Lease is over (membership.ts), and those that the detector has lost, where that
 * is good enough to take something over from them. Lives in the main thread, which sees the Leases.
 *
 * Whom the detector lost may be dead; or we are the ones who are cut off; or only the way between us is. So:
 *
 * - Together with most of the members we act at once: those few cannot be more than we are. They stop answering by
 *   themselves, unless the API server hears them; then it shows them our claims. Where they can be heard on the segment,
 *   nothing is taken from them anyhow.
 * - With half of the members or fewer we ask the API server, by renewing our own Lease. Whoever is missed by a neighbour
 *   renews at once, to show that it lives, and once more, since the other may notice later than it does: what came before
 *   the loss was noticed proves nothing. When a renewal of ours has come back that was sent long enough after the loss, and
 *   the lost node's Lease has not moved, it is gone. Where it has moved once, that may have been on its way, and a renewal
 *   period more is given. Where it has moved twice it lives, whatever the detector thinks, and its Lease decides as ever:
 *   so where BFD is blocked between all nodes from one moment on, nothing happens. A claim that it makes shows life like a
 *   first renewal, or two sides that both reach the API server would take an address from each other in turns.
 * - Just half, and no API server: each half could be right. After a time in which the other half, were it cut off from
 *   everything, would have been noticed by its own, what is silent on our segment is taken over. That is what keeps a
 *   cluster of two going when one of them dies and the API server was on it.
 * - Fewer than half, and no API server: nobody counts as gone. It is we who stop.
 * - Who has counted as gone for a while with most of the members stays so until it shows life, though we cannot count on
 *   most any more. What it had is ours as much as anything else, and whether we may answer for it is for the fence to say:
 *   or one more node that pauses for a moment would give the addresses of a dead one back to it. A while is the time in
 *   which it would have renewed its Lease; of those who are lost together one is noticed before the other.
 *
 * Who said that it answers for nothing is gone, whoever hears it, until it claims something: then it answers again, though
 * it may say so where we cannot hear it.
 */

export interface SuspicionSettings {
  /** A neighbour that lives has renewed its Lease by then, and we have seen it. */
  readonly confirmNeighbourMs: number
  /** So has any other that lives: a renewal period and a little more. */
  readonly confirmOtherMs: number
  /** Whoever is missed shows once more that it lives so long after the first time: well within `confirmNeighbourMs`. */
  readonly showAgainMs: number
  /** How long half of the members wait without the API server. */
  readonly tieMs: number
  /** While it depends on it, our own Lease is renewed so often. */
  readonly renewEveryMs: number
}

export function suspicionSettings(renewPeriodMs: number): SuspicionSettings {
  const confirmOtherMs = renewPeriodMs + 1_000
  return { confirmNeighbourMs: 500, confirmOtherMs, showAgainMs: 250, tieMs: 3_000, renewEveryMs: 600 }
}

interface Suspicion {
  readonly run: string
  readonly sinceMs: number
  /** It said so itself. */
  readonly left: boolean
  /** It has claimed something since. */
  readonly isBack: boolean
  /** Changes of its Lease since then, and when the last was seen; before the first, since when it is lost. */
  readonly renewals: number
  readonly renewedAtMs: number
  /** Since when it has shown no life and most of the members were with us; undefined = they are not, and never were for long. */
  readonly deadSinceMs: number | undefined
}

export interface Suspicions {
  readonly settings: SuspicionSettings
  readonly standing: Standing
  readonly lost: ReadonlyMap<string, Suspicion>
  readonly ownMissed: ReadonlySet<string>
  /** When we sent the latest of those renewals of our own Lease that have come back through the watch. */
  readonly provenMs: number
  /** When a renewal of our own Lease was last asked for here. */
  readonly askedMs: number
  /** When it is to be renewed once more to show that we live. */
  readonly showAgainAtMs: number | undefined
}

export type SuspicionEvent =
  | { readonly kind: 'reach'; readonly report: ReachReport }
  /** Another speaker's Lease is another than it was. */
  | { readonly kind: 'leaseChanged'; readonly node: string; readonly run: string }
  /** A record names a node that it did not name before: that node's speaker has claimed it. */
  | { readonly kind: 'claimed'; readonly node: string }
  /** A renewal of our own Lease has come back through the watch that was sent at that time of our own clock. */
  | { readonly kind: 'renewed'; readonly sentMs: number }
  /** `nextChangeMs` has passed. */
  | { readonly kind: 'due' }

export function noSuspicions(settings: SuspicionSettings): Suspicions {
  return {
    settings,
    standing: 'most',
    lost: new Map(),
    ownMissed: new Set(),
    provenMs: Number.NEGATIVE_INFINITY,
    askedMs: Number.NEGATIVE_INFINITY,
    showAgainAtMs: undefined,
  }
}

/** What follows from an event, and whether our own Lease is to be renewed now (`LeaseHolder.touch`). */
export function step(
  before: Suspicions,
  event: SuspicionEvent,
  nowMs: number,
): readonly [Suspicions, { readonly renew: boolean }] {
  const after = take(before, event, nowMs)
  const showsLife = [...after.ownMissed].some(node => !before.ownMissed.has(node))
  const due = nextRenewalMs(after)
  const showsAgain = after.showAgainAtMs !== undefined && nowMs >= after.showAgainAtMs
  const asks = showsLife || (due !== undefined && nowMs >= due)
  const again = showsAgain ? undefined : after.showAgainAtMs
  const showAgainAtMs = showsLife ? nowMs + after.settings.showAgainMs : again
  return [{ ...after, askedMs: asks ? nowMs : after.askedMs, showAgainAtMs }, { renew: asks || showsAgain }]
}

function take(suspicions: Suspicions, event: SuspicionEvent, nowMs: number): Suspicions {
  switch (event.kind) {
    case 'reach': {
      const { standing, lost, ownMissed } = event.report
      const now = { ...suspicions, standing, ownMissed: new Set(ownMissed) }
      return { ...now, lost: new Map(lost.map(one => [one.node, suspicionOf(one, suspicions, now, nowMs)])) }
    }
    case 'leaseChanged': {
      const suspicion = suspicions.lost.get(event.node)
      if (!suspicion) return suspicions
      const lost = new Map(suspicions.lost)
      if (suspicion.run === event.run)
        lost.set(event.node, { ...showingLife(suspicion, suspicions, nowMs), renewals: suspicion.renewals + 1 })
      else lost.delete(event.node)
      return { ...suspicions, lost }
    }
    case 'claimed': {
      const suspicion = suspicions.lost.get(event.node)
      if (!suspicion) return suspicions
      // However many addresses it claims at once: they are no more than one sign of life.
      const shown = {
        ...showingLife(suspicion, suspicions, nowMs),
        isBack: suspicion.left,
        renewals: Math.max(1, suspicion.renewals),
      }
      return { ...suspicions, lost: new Map(suspicions.lost).set(event.node, shown) }
    }
    case 'renewed':
      return { ...suspicions, provenMs: Math.max(suspicions.provenMs, event.sentMs) }
    case 'due':
      return suspicions
  }
}

function suspicionOf({ node, run, left }: Lost, before: Suspicions, now: Suspicions, nowMs: number): Suspicion {
  const known = before.lost.get(node)
  if (known?.run !== run) {
    return { run, left, isBack: false, sinceMs: nowMs, renewals: 0, renewedAtMs: nowMs, deadSinceMs: from(now, nowMs) }
  }
  return { ...known, left, isBack: known.isBack && left, deadSinceMs: deadSince(known, before, now, nowMs) }
}

/** For those that most of the members held for gone until now, it is decided once whether that was for long enough. */
function deadSince({ deadSinceMs }: Suspicion, before: Suspicions, now: Suspicions, nowMs: number): number | undefined {
  if (now.standing === 'most') return deadSinceMs ?? nowMs
  const isCertain = deadSinceMs !== undefined && nowMs >= deadSinceMs + now.settings.confirmOtherMs
  return before.standing === 'most' && !isCertain ? undefined : deadSinceMs
}

/** When a silence begins that may become certainty. */
function from({ standing }: Suspicions, nowMs: number): number | undefined {
  return standing === 'most' ? nowMs : undefined
}

function showingLife(suspicion: Suspicion, suspicions: Suspicions, nowMs: number): Suspicion {
  return { ...suspicion, renewedAtMs: nowMs, deadSinceMs: from(suspicions, nowMs) }
}

/** The members as the election should see them. The same object where nothing is suspected. */
export function livenessOf(
  members: ReadonlyMap<string, Member>,
  suspicions: Suspicions,
  nowMs: number,
): ReadonlyMap<string, Member> {
  if (suspicions.lost.size === 0) return members
  const after = new Map(members)
  for (const [node, suspicion] of suspicions.lost) {
    const member = members.get(node)
    if (!member || member.facts.run !== suspicion.run || member.liveness === 'gone') continue
    if (counts(node, suspicion, suspicions, nowMs)) after.set(node, { ...member, liveness: 'gone', unheard: true })
  }
  return after
}

/** The members as they will be for the election should those be lost that are suspected. */
export function withoutSuspected(
  alive: ReadonlyMap<string, Member>,
  suspected: readonly string[],
): ReadonlyMap<string, Member> {
  const after = new Map(alive)
  for (const node of suspected) {
    const member = alive.get(node)
    if (member && member.liveness !== 'gone') after.set(node, { ...member, liveness: 'gone', unheard: true })
  }
  return after
}

/**
 * Whether anything may be taken for the spread or a preference: not by those who cannot count on most of the members. Whom
 * they do not hear may live, as the API server says, and has them for dead: it would take back at once what they take.
 */
export function mayMove({ standing }: Suspicions): boolean {
  return standing === 'most'
}

/** Whether the loss of a node is reason enough to take over from it. */
function counts(node: string, suspicion: Suspicion, suspicions: Suspicions, nowMs: number): boolean {
  const { standing, provenMs, settings } = suspicions
  if (suspicion.left && !suspicion.isBack) return true
  // Without most of the members it is kept for those alone that were certain while they were there.
  if (standing === 'most' || suspicion.deadSinceMs !== undefined) return true
  if (suspicion.renewals >= 2) return false
  if (provenMs >= confirmedFromMs(node, suspicion, suspicions)) return true
  return standing === 'half' && nowMs >= Math.max(suspicion.renewedAtMs, provenMs) + settings.tieMs
}

/** A renewal of ours that was sent from then on and has come back would have come after one of a node that lives. */
function confirmedFromMs(node: string, suspicion: Suspicion, { ownMissed, settings }: Suspicions): number {
  if (suspicion.renewals > 0) return suspicion.renewedAtMs + settings.confirmOtherMs
  return suspicion.sinceMs + (ownMissed.has(node) ? settings.confirmNeighbourMs : settings.confirmOtherMs)
}

/** When our own Lease is to be renewed because a loss depends on what the API server knows. */
function nextRenewalMs(suspicions: Suspicions): number | undefined {
  const { standing, lost, provenMs, askedMs, settings } = suspicions
  if (standing === 'most') return undefined
  const open = [...lost].some(
    ([node, suspicion]) =>
      (!suspicion.left || suspicion.isBack) &&
      suspicion.deadSinceMs === undefined &&
      suspicion.renewals < 2 &&
      provenMs < confirmedFromMs(node, suspicion, suspicions),
  )
  // With few that we hear, every proof that the API server hears us also keeps us answering (fence.ts).
  return open || standing === 'few' ? askedMs + settings.renewEveryMs : undefined
}

/** When `due` is to come next: a renewal to be asked for, or patience that ends. */
export function nextChangeMs(suspicions: Suspicions, nowMs: number): number | undefined {
  const { standing, lost, provenMs, showAgainAtMs, settings } = suspicions
  const dues = [nextRenewalMs(suspicions), showAgainAtMs]
  if (standing === 'half')
    for (const { renewedAtMs } of lost.values()) dues.push(Math.max(renewedAtMs, provenMs) + settings.tieMs)
  const ahead = dues.filter(dueMs => dueMs !== undefined && dueMs > nowMs) as readonly number[]
  return ahead.length > 0 ? Math.min(...ahead) : undefined
}
