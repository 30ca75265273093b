import { goesBefore, judgeConflict } from './conflict.ts'
import {
  type EvidenceAction,
  type EvidenceSettings,
  type Finding,
  type Inquiry,
  step as inquire,
  startInquiry,
} from './evidence.ts'
import { afterFinding, type Caution } from './takeover.ts'

/*
 * One address that main wants announced, as the wire thread sees to it:
 *
 *   begin ─→ asking ─→ answering ←──────────┐
 *              ↑ └→ waiting: another has it │ somebody claims it: yield (waiting) or defend
 *              └──────┘                     └ askSegment: asking · checkSegment: asks while it answers
 *
 * It is answered for in `answering` only, and only while the fence allows it. The kernel is never asked to help, so what is
 * not answered here is not answered by this node at all.
 */

/** What main knows and the wire thread has to be told. */
export interface Knowledge {
  /** The speaker that sends from this hardware address. */
  readonly nodeOf: (mac: string) => string | undefined
  /** Whom the record of the address names. */
  readonly claimant: string | undefined
  /** Our Lease cannot have run out: what the record says is not old. */
  readonly inTouch: boolean
  /**
   * All that the API server knew when this time was has been seen: the latest renewal of our Lease that came back through the
   * watch was sent then, and the watch of the records runs.
   */
  readonly provenMs: number
}

export interface Holding {
  readonly self: string
  readonly address: string
  /** Those with a carrier that it is to be announced on. */
  readonly interfaces: readonly string[]
  readonly caution: Caution
  readonly settings: EvidenceSettings
  readonly state:
    | { readonly kind: 'asking'; readonly inquiry: Inquiry }
    | { readonly kind: 'waiting'; readonly askAtMs: number; readonly finding: Finding }
    /**
     * `judgeAtMs`: when another's claim is to be judged, once the news behind it has had time to reach us, and who hands over
     * to stop: the segment is asked then whether the other still has it (`asked`). `checkAtMs`: when the segment is to be
     * asked whether the other has given up.
     */
    | {
        readonly kind: 'answering'
        readonly check: Inquiry | undefined
        readonly claim: { readonly judgeAtMs: number; readonly asked: boolean } | undefined
        readonly checkAtMs: number | undefined
      }
  /** Since when members answer that are not the owner. */
  readonly contestedSinceMs: number | undefined
  readonly defendedAtMs: number | undefined
  /** Since when it is to be answered for. */
  readonly sinceMs: number
}

export type HoldingEvent =
  | { readonly kind: 'due' }
  /** Another station says it has the address, asked or not. */
  | { readonly kind: 'claimed'; readonly interface: string; readonly mac: string }
  /** Another station asks who has it. One that is answering answers; this is for those that ask themselves. */
  | { readonly kind: 'asked'; readonly interface: string; readonly mac: string }
  /** The fence's. */
  | { readonly kind: 'askSegment' }
  | { readonly kind: 'checkSegment' }
  /** Other interfaces have a carrier now. */
  | { readonly kind: 'interfaces'; readonly interfaces: readonly string[] }
  /** What main says anew: the owner is back, or its Lease is over. */
  | { readonly kind: 'caution'; readonly caution: Caution }

export type HoldingAction =
  | EvidenceAction
  /** Answers from now on, and makes it known. */
  | { readonly kind: 'begin' }
  /** Makes it known again. */
  | { readonly kind: 'defend' }
  /** Does not answer any more; told to main, as is what it was answered. */
  | { readonly kind: 'cease'; readonly because: 'yielded' | 'asking' }
  /** Main: another member announces it, maybe because it was handed over. */
  | { readonly kind: 'seen'; readonly mac: string }
  /** Main: it cannot be begun with, because. */
  | { readonly kind: 'contested'; readonly finding: Finding }

/**
 * How long the news behind another's claim may take: that it was handed over, or who that station is; without the API
 * server there are none. With the guard's period (wire/guard.ts) it is less than the second within which people are told.
 */
const newsOfMemberMs = 600
const newsOfStrangerMs = 300
const yieldedAskAgainMs = 1_000
const askForLinkMs = 1_000
/** How soon after a dispute it is looked whether it is over. */
const checkSpeakerMs = 2_000
const checkStrangerMs = 10_000

/** Main wants the address announced. */
export function hold(
  options: Pick<Holding, 'self' | 'address' | 'interfaces' | 'caution' | 'settings'>,
  nowMs: number,
): readonly [Holding, readonly HoldingAction[]] {
  const base = { ...options, contestedSinceMs: undefined, defendedAtMs: undefined, sinceMs: nowMs }
  if (options.caution.kind === 'none') return [{ ...base, state: answering }, [{ kind: 'begin' }]]
  return ask({ ...base, state: noLink(nowMs) }, nowMs)
}

const answering = { kind: 'answering', check: undefined, claim: undefined, checkAtMs: undefined } as const

function noLink(nowMs: number): Holding['state'] {
  return { kind: 'waiting', askAtMs: nowMs + askForLinkMs, finding: { kind: 'noLink' } }
}

export function isAnswering(holding: Holding): boolean {
  return holding.state.kind === 'answering'
}

export function step(
  holding: Holding,
  event: HoldingEvent,
  knowledge: Knowledge,
  nowMs: number,
): readonly [Holding, readonly HoldingAction[]] {
  switch (event.kind) {
    case 'due':
      return due(holding, knowledge, nowMs)
    case 'claimed':
      return claimed(holding, event, knowledge, nowMs)
    case 'asked': {
      if (holding.state.kind !== 'asking') return [holding, []]
      const node = knowledge.nodeOf(event.mac)
      const yields = node !== undefined && goesBefore(node, holding.self, holding.address)
      return withInquiry(holding, inquire(holding.state.inquiry, { ...event, yields }, nowMs), knowledge, nowMs)
    }
    case 'askSegment':
      return ask({ ...holding, caution: { kind: 'ask', owner: undefined } }, nowMs)
    case 'checkSegment':
      return check(holding, nowMs)
    case 'interfaces': {
      const next = { ...holding, interfaces: event.interfaces }
      // Without a link nobody was answered for a while, and others may have begun.
      const isBack = holding.interfaces.length === 0 && event.interfaces.length > 0
      if (isBack && holding.state.kind === 'answering') {
        return ask({ ...next, caution: { kind: 'ask', owner: undefined } }, nowMs)
      }
      if (holding.state.kind === 'asking') {
        return withInquiry(next, inquire(holding.state.inquiry, event, nowMs), knowledge, nowMs)
      }
      // The cable is in: what had no link to ask on has one now.
      const waits = holding.state.kind === 'waiting' && holding.state.finding.kind === 'noLink'
      return waits ? ask(next, nowMs) : [next, []]
    }
    case 'caution': {
      const next = { ...holding, caution: event.caution }
      if (event.caution.kind === 'ask' || holding.state.kind === 'answering') return [next, []]
      return [{ ...next, state: answering }, [{ kind: 'begin' }]]
    }
  }
}

function ask(holding: Holding, nowMs: number): readonly [Holding, readonly HoldingAction[]] {
  const ceased: readonly HoldingAction[] =
    holding.state.kind === 'answering' ? [{ kind: 'cease', because: 'asking' }] : []
  const [inquiry, actions] = startInquiry(holding.interfaces, holding.settings, nowMs)
  if (inquiry.finding) {
    return [{ ...holding, state: noLink(nowMs) }, [...ceased, { kind: 'contested', finding: inquiry.finding }]]
  }
  return [{ ...holding, state: { kind: 'asking', inquiry } }, [...ceased, ...actions]]
}

/** Asks while it goes on answering. */
function check(holding: Holding, nowMs: number): readonly [Holding, readonly HoldingAction[]] {
  if (holding.state.kind !== 'answering') return [holding, []]
  const [inquiry, actions] = startInquiry(holding.interfaces, holding.settings, nowMs)
  const underWay = inquiry.finding ? undefined : inquiry
  return [{ ...holding, state: { ...holding.state, check: underWay, checkAtMs: undefined } }, actions]
}

function due(holding: Holding, knowledge: Knowledge, nowMs: number): readonly [Holding, readonly HoldingAction[]] {
  const { state } = holding
  switch (state.kind) {
    case 'asking':
      return withInquiry(holding, inquire(state.inquiry, { kind: 'due' }, nowMs), knowledge, nowMs)
    case 'waiting':
      return nowMs < state.askAtMs ? [holding, []] : ask(holding, nowMs)
    case 'answering': {
      if (state.claim && !state.claim.asked && nowMs >= state.claim.judgeAtMs) {
        return check({ ...holding, state: { ...state, claim: { ...state.claim, asked: true } } }, nowMs)
      }
      if (state.checkAtMs !== undefined && nowMs >= state.checkAtMs) return check(holding, nowMs)
      if (!state.check) return [holding, []]
      const [inquiry, actions] = inquire(state.check, { kind: 'due' }, nowMs)
      if (!inquiry.finding) return [{ ...holding, state: { ...state, check: inquiry } }, actions]
      // Whoever claimed it has given it up.
      const claim = state.claim?.asked ? undefined : state.claim
      return [{ ...holding, state: { ...state, check: undefined, claim } }, actions]
    }
  }
}

function claimed(
  holding: Holding,
  event: HoldingEvent & { readonly kind: 'claimed' },
  knowledge: Knowledge,
  nowMs: number,
): readonly [Holding, readonly HoldingAction[]] {
  const { state } = holding
  switch (state.kind) {
    case 'asking':
      return withInquiry(holding, inquire(state.inquiry, { ...event, kind: 'answered' }, nowMs), knowledge, nowMs)
    case 'waiting':
      return [holding, []]
    case 'answering': {
      const { mac } = event
      // Only news can explain it, and without the API server there are none.
      if (!knowledge.inTouch || state.claim?.asked) return judge(holding, mac, knowledge, nowMs)
      const isMember = knowledge.nodeOf(mac) !== undefined
      const newsMs = isMember ? newsOfMemberMs : newsOfStrangerMs
      const claim = state.claim ?? { judgeAtMs: nowMs + newsMs, asked: false }
      const seen = state.claim === undefined && isMember
      return [{ ...holding, state: { ...state, claim } }, seen ? [{ kind: 'seen', mac }] : []]
    }
  }
}

/** Another has claimed what we answer for, and still nobody has taken it from us. */
function judge(
  holding: Holding,
  mac: string,
  { nodeOf, claimant, inTouch }: Knowledge,
  nowMs: number,
): readonly [Holding, readonly HoldingAction[]] {
  const { self, address, defendedAtMs } = holding
  const other = nodeOf(mac)
  const conflict = { self, address, other, claimant, cutOff: !inTouch, defendedAtMs }
  const disputed = { ...answering, checkAtMs: nowMs + (other === undefined ? checkStrangerMs : checkSpeakerMs) }
  switch (judgeConflict(conflict, nowMs)) {
    case 'yield': {
      const finding = { kind: 'answered', interface: holding.interfaces[0] ?? '', mac } as const
      const state = { kind: 'waiting', askAtMs: nowMs + yieldedAskAgainMs, finding } as const
      const caution = { kind: 'ask', owner: undefined } as const
      return [{ ...holding, caution, state }, [{ kind: 'cease', because: 'yielded' }]]
    }
    case 'defend':
      return [{ ...holding, state: disputed, defendedAtMs: nowMs }, [{ kind: 'defend' }]]
    case 'endure':
      return [{ ...holding, state: disputed }, []]
  }
}

/** What an inquiry's step leads to while the address is not answered for. */
function withInquiry(
  holding: Holding,
  [inquiry, actions]: readonly [Inquiry, readonly EvidenceAction[]],
  knowledge: Knowledge,
  nowMs: number,
): readonly [Holding, readonly HoldingAction[]] {
  const { finding } = inquiry
  if (!finding) return [{ ...holding, state: { kind: 'asking', inquiry } }, actions]
  const node = finding.kind === 'answered' ? knowledge.nodeOf(finding.mac) : undefined
  const owner = holding.caution.kind === 'ask' ? holding.caution.owner : undefined
  const contested = node !== undefined && node !== owner
  const contestedSinceMs = contested ? (holding.contestedSinceMs ?? nowMs) : undefined
  const next = afterFinding(finding, {
    caution: holding.caution,
    node,
    isClaimant: node !== undefined && node === knowledge.claimant,
    inTouchMs: contestedSinceMs === undefined ? 0 : knowledge.provenMs - contestedSinceMs,
    askingMs: nowMs - holding.sinceMs,
  })
  const settled = { ...holding, contestedSinceMs }
  if (next.kind === 'announce') return [{ ...settled, state: answering }, [...actions, { kind: 'begin' }]]
  const state = { kind: 'waiting', askAtMs: nowMs + next.afterMs, finding } as const
  return [{ ...settled, state }, [...actions, { kind: 'contested', finding }]]
}

/** When `due` is to come next. */
export function nextDueMs({ state }: Holding): number | undefined {
  switch (state.kind) {
    case 'asking':
      return state.inquiry.nextAtMs
    case 'waiting':
      return state.askAtMs
    case 'answering': {
      const judgeAtMs = state.claim?.asked ? undefined : state.claim?.judgeAtMs
      const dues = [state.check?.nextAtMs, judgeAtMs, state.checkAtMs].filter(dueMs => dueMs !== undefined)
      return dues.length > 0 ? Math.min(...dues) : undefined
    }
  }
}
