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
const claimPatienceMs = 2_000

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

/** A contest and what the record says of it. */
export interface RecordedContest extends Omit<Contest, 'owner'> {
  readonly claim: Claim | undefined
}

/**
 * The election as this node sees it. What the record leaves with one that is gone goes to the candidate that scores highest
 * for it, whatever the others have: records are written one by one while nodes die one by one, each speaker sees that in
 * its own order, and an heir that followed from the loads would follow from the order. By the score alone, all whose view
 * of who lives is the same agree, however they came to it, and an address can never be left by each to the other: the one
 * that scores highest of all that live has nobody to leave it to. What that does to the spread is put right without haste,
 * once the record names the heir.
 */
export function electOwners(
  contests: readonly RecordedContest[],
  view: {
    readonly self: string
    readonly assumptions: Assumptions
    /** Whether the node counts as alive (or leaving). */
    readonly isThere: (node: string) => boolean
  },
): ReadonlyMap<string, Verdict> {
  const { self, assumptions, isThere } = view
  const heirs = new Map<string, string>()
  for (const { key, claim, candidates } of contests) {
    if (!claim || isThere(claim.node) || assumptions.has(key)) continue
    const heir = heirOf(key, candidates.nodes)
    if (heir !== undefined) heirs.set(key, heir)
  }
  const ownerOf = ({ key, claim }: RecordedContest) => (assumptions.has(key) ? self : (heirs.get(key) ?? claim?.node))
  const verdicts = new Map(elect(contests.map(one => ({ ...one, owner: ownerOf(one) }))))
  // An heir has nothing yet that could be moved for the spread.
  for (const [key, node] of heirs) verdicts.set(key, { node, because: 'ownerUnable' })
  return verdicts
}

function heirOf(key: string, nodes: readonly string[]): string | undefined {
  let best: string | undefined
  let bestScore = -1
  for (const node of nodes) {
    const nodeScore = score(key, node)
    if (nodeScore > bestScore) {
      best = node
      bestScore = nodeScore
    }
  }
  return best
}

function isSame(one: Claim, other: Claim): boolean {
  return one.node === other.node && one.from === other.from && one.because === other.because
}
