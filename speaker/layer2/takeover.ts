import { type Contest, elect, score, type Verdict } from './election.ts'
import type { Finding } from './evidence.ts'
import type { Member } from './membership.ts'
import type { Claim, OwnershipRecord } from './record.ts'

/*
 * How an address is begun with: what has to be known before the first answer leaves, what to make of a finding, and what
 * this node remembers of what it took over and nobody could write down yet.
 */

/** How careful to be before announcing an address. */
export type Caution =
  /** At once: the owner hands it over and goes on answering until it sees that we do. */
  | { readonly kind: 'none' }
  /** Asks the segment first. `owner` = from whom it is taken over, undefined where nobody had it. */
  | { readonly kind: 'ask'; readonly owner: string | undefined }

/**
 * How to begin with an address whose record says this. `members` are those of the Leases alone (membersOf), `alive` those that
 * the election sees (livenessOf).
 *
 * An owner whose Lease is over was either never lost by the detector, and then it is only cut off from the API server,
 * hears our announcement and yields; or it was, and has long stopped. Either way an answer would not keep us from it.
 */
export function cautionOf(options: {
  readonly self: string
  readonly record: Pick<OwnershipRecord, 'claim' | 'published'> | undefined
  readonly members: ReadonlyMap<string, Member>
  readonly alive: ReadonlyMap<string, Member>
}): Caution {
  const { self, record, members, alive } = options
  const before = record?.published?.node ?? record?.claim?.node
  if (before === undefined || before === self) return { kind: 'ask', owner: undefined }
  if (isThere(alive.get(before))) return { kind: 'none' }
  return isThere(members.get(before)) ? { kind: 'ask', owner: before } : { kind: 'none' }
}

function isThere(member: Member | undefined): boolean {
  return member !== undefined && member.liveness !== 'gone'
}

/** What to do about a finding. */
export type NextStep =
  | { readonly kind: 'announce' }
  /** Someone has it whom we believe: ask again after so long. */
  | { readonly kind: 'askAgain'; readonly afterMs: number }
  /** Somebody has it who should not; it is not begun with, and asked for again after so long. To be told to people. */
  | { readonly kind: 'taken'; readonly by: string; readonly node: string | undefined; readonly afterMs: number }

/** How soon an owner that stops is noticed by whoever waits for it: it does within seconds, or may not at all. */
const askOwnerAgainMs = 100
const ownerStopsWithinMs = 5_000
const askOthersAgainMs = 1_000
/** RFC 5227's DEFEND_INTERVAL: how often one may argue. */
const askStrangerAgainMs = 10_000
/** After so long in touch with the API server a speaker that answers would have claimed the address. */
export const claimPatienceMs = 2_000

/**
 * What to do when the segment has been asked for an address that is to be taken over or announced for the first time.
 *
 * - The owner answers: it lives. Its answers stop us until they end, or its Lease is over (then this is not asked any more), or
 *   the detector has found it again. So where the answers are a half-dead machine's (its kernel has the address, as
 *   kube-proxy in IPVS mode without strictARP makes it), they stop us for a Lease's duration at most.
 * - Another member answers: it was quicker. Its claim will be in the record within moments, and the election knows then.
 *   Where we have seen the API server's state for two seconds since and there is no such claim, it is that node's kernel
 *   and not its speaker: we go ahead, and people are told.
 * - A stranger answers: an address that is new is not begun with. One that is taken over was ours and in use: it goes on
 *   as it was, and people are told.
 */
export function afterFinding(
  finding: Finding,
  situation: {
    readonly caution: Caution
    /** The speaker that has the hardware address. */
    readonly node: string | undefined
    /** Whether that node has the address by the record. */
    readonly isClaimant: boolean
    /** For how long, since the first answer of a member that is not the owner, we were in touch with the API server. */
    readonly inTouchMs: number
    /** How long we have been asking. */
    readonly askingMs: number
  },
): NextStep {
  const { caution, node, isClaimant, inTouchMs, askingMs } = situation
  switch (finding.kind) {
    case 'silent':
      return { kind: 'announce' }
    case 'rival':
    case 'noLink':
      return { kind: 'askAgain', afterMs: askOthersAgainMs }
    case 'answered': {
      const owner = caution.kind === 'ask' ? caution.owner : undefined
      if (node !== undefined && node === owner) {
        return { kind: 'askAgain', afterMs: askingMs < ownerStopsWithinMs ? askOwnerAgainMs : askOthersAgainMs }
      }
      if (node !== undefined) {
        const trusted = isClaimant || inTouchMs < claimPatienceMs
        return trusted ? { kind: 'askAgain', afterMs: askOthersAgainMs / 4 } : { kind: 'announce' }
      }
      if (owner !== undefined) return { kind: 'announce' }
      return { kind: 'taken', by: finding.mac, node, afterMs: askStrangerAgainMs }
    }
  }
}

/**
 * Groups that this node has taken over from one that was gone, while the record still names that one: the API server may
 * be away, and the former owner may come back and find itself named. By group, with the claim that the record made then.
 */
export type Assumptions = ReadonlyMap<string, Claim>

/** After an announcement was made for a group whose recorded owner is gone. */
export function assume(assumptions: Assumptions, group: string, claim: Claim): Assumptions {
  return new Map(assumptions).set(group, claim)
}

/** Forgets those whose record has changed since, whoever it names now, and those that are not announced any more. */
export function settleAssumptions(
  assumptions: Assumptions,
  claimOf: (group: string) => Claim | undefined,
  isAnnounced: (group: string) => boolean,
): Assumptions {
  const stay = [...assumptions].filter(([group, then]) => {
    const now = claimOf(group)
    return isAnnounced(group) && now !== undefined && isSame(now, then)
  })
  return stay.length === assumptions.size ? assumptions : new Map(stay)
}

/**
 * Who was elected in the place of owners that are gone, while the records still name those: by group, with the claim that
 * the record made then. Every speaker remembers it, so that the next election, when another node dies before anything
 * could be written down, begins with the same owners for all: without it the heirs, which know what they took over, and
 * the others, which place it once more, could each leave an address to the other.
 *
 * Speakers that saw different things may remember different heirs. So where the record goes on naming one that is gone for
 * longer than an heir needs, the three that score highest look after the address themselves, one after the other: the
 * segment tells them whether there is an heir.
 */
export type Heirs = ReadonlyMap<string, Heir>

export interface Heir {
  readonly claim: Claim
  readonly node: string
  /** Since when the record names one that is gone. */
  readonly sinceMs: number
}

/** An heir has asked the segment, begun, and in touch with the API server written its claim by then. */
const heirPatienceMs = 1_500
const turnMs = 300
const lookAfter = 3

/** A contest and what the record says of it. */
export interface RecordedContest extends Omit<Contest, 'owner'> {
  readonly claim: Claim | undefined
}

export interface OwnersElected {
  readonly verdicts: ReadonlyMap<string, Verdict>
  /** To remember for the next election. */
  readonly heirs: Heirs
  /** When to elect again, if nothing else happens. */
  readonly againAtMs: number | undefined
}

/** The election as this node sees it. */
export function electOwners(
  contests: readonly RecordedContest[],
  view: {
    readonly self: string
    readonly assumptions: Assumptions
    readonly heirs: Heirs
    /** Whether the node counts as alive (or leaving). */
    readonly isThere: (node: string) => boolean
  },
  nowMs: number,
): OwnersElected {
  const { self, assumptions, isThere } = view
  const standIns = new Map<string, string>()
  const heirs = new Map<string, Heir>()
  let againAtMs: number | undefined
  for (const { key, claim, candidates } of contests) {
    if (!claim || isThere(claim.node) || assumptions.has(key)) continue
    const known = view.heirs.get(key)
    const heir = known && isSame(known.claim, claim) ? known : { claim, node: '', sinceMs: nowMs }
    heirs.set(key, heir)
    const ownTurnMs = turnOf(self, key, candidates.nodes, heir.sinceMs)
    const node = ownTurnMs !== undefined && nowMs >= ownTurnMs ? self : heir.node
    if (isThere(node) && candidates.nodes.includes(node)) standIns.set(key, node)
    if (ownTurnMs !== undefined && nowMs < ownTurnMs) againAtMs = Math.min(againAtMs ?? ownTurnMs, ownTurnMs)
  }
  const owner = ({ key, claim }: RecordedContest) => (assumptions.has(key) ? self : (standIns.get(key) ?? claim?.node))
  const verdicts = new Map(elect(contests.map(one => ({ ...one, owner: owner(one) }))))
  // They stand in for an owner; that others would even the spread out is a matter for when the record names them.
  for (const [key, node] of standIns) verdicts.set(key, { node, because: 'ownerUnable' })
  for (const [key, heir] of heirs) heirs.set(key, { ...heir, node: verdicts.get(key)?.node ?? heir.node })
  return { verdicts, heirs, againAtMs }
}

/** When this node is to look after an address of an owner that is gone; undefined where others are to. */
function turnOf(self: string, key: string, nodes: readonly string[], sinceMs: number): number | undefined {
  if (!nodes.includes(self)) return undefined
  const own = score(key, self)
  const rank = nodes.filter(node => score(key, node) > own).length
  return rank < lookAfter ? sinceMs + heirPatienceMs + rank * turnMs : undefined
}

function isSame(one: Claim, other: Claim): boolean {
  return one.node === other.node && one.from === other.from && one.because === other.because
}
