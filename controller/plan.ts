import type { Condition, Service, ServiceKey } from '../kube/service.ts'
import { type SettledCondition, settledCondition } from '../kube/settled.ts'
import { type Address, sameAddress } from '../net/address.ts'
import { otherFamily, type Refusal } from './allocator.ts'
import { type Stuck, settledAfter, type Taken } from './avoid.ts'
import { type Decision, decide } from './decide.ts'
import { type Circumstances, includesAddress, type Loss, review } from './keep.ts'
import type { Grant, LedgerView, Waiter, WaitingLine } from './ledger.ts'
import { type Wording, wordAllocation, wordLosses, wordMissing, wordRefusal, wordStuck } from './refusal.ts'
import { isOfClass, isRefusal, requestOf, shownAddresses, showsExactly } from './request.ts'
import { claimOf, sameClaim } from './sharing.ts'

/** The type of the condition that tells whether a Service has its addresses, and why not. */
export const allocatedCondition = 'berth.dev/Allocated'

/** All that a decision about one Service rests on. */
export interface Snapshot extends Circumstances {
  /** Undefined where there is no such Service (any more). */
  readonly service: Service | undefined
  readonly ledger: LedgerView
  /** Only Services of this class are Berth's; undefined = those without one. */
  readonly loadBalancerClass: string | undefined
}

/** One step; those of a plan are taken in order. The first five change the ledger, the others the Service. */
export type ServiceAction =
  | { readonly kind: 'hold'; readonly grant: Grant }
  | { readonly kind: 'release'; readonly service: ServiceKey }
  | { readonly kind: 'wait'; readonly waiter: Waiter }
  | { readonly kind: 'stopWaiting'; readonly service: ServiceKey }
  | { readonly kind: 'avoid'; readonly taken: Taken }
  | { readonly kind: 'setIngress'; readonly addresses: readonly Address[] }
  | { readonly kind: 'clearIngress' }
  | { readonly kind: 'setPoolAnnotation'; readonly pool: string | undefined }
  | { readonly kind: 'setCondition'; readonly condition: AllocatedCondition | undefined }
  | { readonly kind: 'setSettled'; readonly condition: SettledCondition | undefined }
  | {
      readonly kind: 'recordEvent'
      readonly type: 'Normal' | 'Warning'
      readonly reason: EventReason
      readonly note: string
    }

export type AllocatedCondition = Pick<Condition, 'status' | 'reason' | 'message'>

export type EventReason =
  | 'IPAllocated'
  | 'AllocationFailed'
  | 'AddressLost'
  | 'AddressConflict'
  | 'AddressReleased'
  | 'AddressAvoided'
  | 'AddressInUse'
  | 'SecondFamilyMissing'
  | 'RequestUnreadable'

/** What to do about one Service; nothing where all is as it should be. A plan that was carried out leaves nothing to do. */
export function planService(snapshot: Snapshot, key: ServiceKey): readonly ServiceAction[] {
  const { service } = snapshot
  if (!service) return letGo(snapshot, key)
  if (service.type !== 'LoadBalancer') return [...letGo(snapshot, key), ...wipe(service)]
  if (!isOfClass(service, snapshot.loadBalancerClass)) return letGo(snapshot, key)
  if (service.beingDeleted) return planLeaving(snapshot, service)
  if (isLeftToOthers(snapshot, service)) return letGo(snapshot, key)
  return carryOut(snapshot, service, decide(snapshot, service))
}

/**
 * Whether the Service shows addresses that are not Berth's while Berth has no pools at all. Then they are another load
 * balancer's, or the pools are still to come: to clear them would cut off everybody who uses them, for nothing.
 */
export function isLeftToOthers({ book }: Pick<Snapshot, 'book'>, service: Service): boolean {
  if (book.pools.length > 0 || book.setAside.length > 0 || service.ingress.length === 0) return false
  return !service.conditions.some(({ type, status }) => type === allocatedCondition && status === 'True')
}

/** What the Service shows already and may keep: how a fresh ledger learns what was assigned before it. */
export function adoptable(snapshot: Snapshot): Grant | undefined {
  const { service } = snapshot
  if (!service || service.type !== 'LoadBalancer' || !isOfClass(service, snapshot.loadBalancerClass)) return undefined
  const shown = shownAddresses(service)
  const request = requestOf(service)
  if (shown.length === 0 || isRefusal(request)) return undefined
  const { kept } = review(snapshot, request, shown, service.allocatedFromPool)
  const stays = kept?.addresses.filter(address => includesAddress(shown, address)) ?? []
  return kept && stays.length > 0 ? grantFor(service, kept.pool, stays, true) : undefined
}

function carryOut(snapshot: Snapshot, service: Service, decision: Decision): readonly ServiceAction[] {
  return decision.kind === 'granted'
    ? carryOutGrant(snapshot, service, decision)
    : carryOutRefusal(snapshot, service, decision)
}

function carryOutGrant(
  snapshot: Snapshot,
  service: Service,
  decision: Decision & { readonly kind: 'granted' },
): readonly ServiceAction[] {
  const { ledger } = snapshot
  const { pool, addresses, missing, losses, taken, stuck } = decision
  const actions: ServiceAction[] = []
  for (const one of taken) if (!ledger.conflictAt(one.address)) actions.push({ kind: 'avoid', taken: one })
  const before = ledger.grantOf(service.key)
  const isShown = showsExactly(service, addresses)
  const wasPublished = before?.published === true && sameInOrder(before.addresses, addresses)
  const grant = grantFor(service, pool, addresses, isShown || wasPublished)
  if (!before || !sameGrant(before, grant)) actions.push({ kind: 'hold', grant })
  const isUsedUp = missing?.objection.kind === 'exhausted'
  const lines = [...(isUsedUp ? [{ pool, family: missing.family }] : []), ...linesOfStuck(stuck)]
  actions.push(...lineUp(ledger, service, lines.length > 0 ? lines : undefined))

  if (!isShown) actions.push({ kind: 'setIngress', addresses })
  if (service.allocatedFromPool !== pool) actions.push({ kind: 'setPoolAnnotation', pool })
  const condition = grantedCondition(service, decision)
  const isNews = !conditionIsCurrent(service, condition)
  if (isNews) actions.push({ kind: 'setCondition', condition })
  const request = requestOf(service)
  const settled = isRefusal(request) ? undefined : settledAfter(snapshot, service, request, addresses)
  actions.push(...setSettled(service, settled))

  if (losses.length > 0) actions.push(lossEvent(losses))
  const added = addresses.filter(address => !includesAddress(shownAddresses(service), address))
  if (added.length > 0) actions.push(event('Normal', 'IPAllocated', wordAllocation(added, pool)))
  if (isNews && stuck) actions.push(event('Warning', 'AddressInUse', wordStuck(stuck)))
  if (isNews && missing) actions.push(event('Normal', 'SecondFamilyMissing', wordMissing(missing)))
  if (isNews && service.request.problem !== undefined)
    actions.push(event('Warning', 'RequestUnreadable', condition.message))
  return actions
}

function carryOutRefusal(
  { ledger }: Snapshot,
  service: Service,
  { refusal, losses }: Decision & { readonly kind: 'refused' },
): readonly ServiceAction[] {
  const actions: ServiceAction[] = []
  if (ledger.grantOf(service.key)) actions.push({ kind: 'release', service: service.key })
  actions.push(...lineUp(ledger, service, linesThatCouldHelp(refusal)))
  if (service.ingress.length > 0) actions.push({ kind: 'clearIngress' })
  if (service.allocatedFromPool !== undefined) actions.push({ kind: 'setPoolAnnotation', pool: undefined })
  actions.push(...setSettled(service, undefined))
  const words = wordRefusal(refusal)
  const current: AllocatedCondition = { status: 'False', reason: words.reason, message: fitting(words.text) }
  if (losses.length > 0) actions.push(lossEvent(losses))
  if (!conditionIsCurrent(service, current)) {
    const message = losses.length > 0 ? `${words.text} ${wordLosses(losses).text}` : words.text
    actions.push({ kind: 'setCondition', condition: { ...current, message: fitting(message) } })
    actions.push(event('Warning', 'AllocationFailed', words.text))
  }
  return actions
}

function grantedCondition(
  service: Service,
  { pool, addresses, missing, losses, stuck }: Decision & { readonly kind: 'granted' },
): AllocatedCondition {
  const text = wordAllocation(addresses, pool)
  const { problem } = service.request
  if (problem !== undefined) {
    const message = `${text} It stays as it is, since the request cannot be read: ${problem}`
    return { status: 'True', reason: 'RequestUnreadable', message }
  }
  if (stuck) return { status: 'True', reason: 'AddressInUse', message: fitting(`${text} ${wordStuck(stuck)}`) }
  if (missing) return { status: 'True', reason: 'SecondFamilyMissing', message: `${text} ${wordMissing(missing)}` }
  if (losses.length > 0) return { status: 'True', reason: 'Reassigned', message: `${text} ${wordLosses(losses).text}` }
  return { status: 'True', reason: 'Allocated', message: text }
}

/** The API server takes 32,768 characters of a message; hundreds of pools have more to say, and nobody reads them there. */
function fitting(text: string): string {
  return text.length <= longestMessage ? text : `${text.slice(0, longestMessage - 1)}…`
}

const longestMessage = 8_000

/** What a condition says about the past (which edit took an address) stays until something new is to be said. */
function conditionIsCurrent(service: Service, wanted: AllocatedCondition): boolean {
  const current = service.conditions.find(condition => condition.type === allocatedCondition)
  if (!current || current.status !== wanted.status) return false
  if (current.reason === wanted.reason && current.message === wanted.message) return true
  const tellsThePast =
    wanted.status === 'True'
      ? wanted.reason === 'Allocated' && current.reason === 'Reassigned'
      : current.reason === wanted.reason
  return tellsThePast && current.message.startsWith(`${wanted.message} `)
}

/** Keeps the Service's place true: `lines` are those where it waits, undefined = it waits for nothing. */
function lineUp(
  ledger: LedgerView,
  service: Service,
  lines: readonly WaitingLine[] | undefined,
): readonly ServiceAction[] {
  const present = ledger.waiterOf(service.key)
  if (!lines) return present ? [{ kind: 'stopWaiting', service: service.key }] : []
  const { key, creationTimestampMs, uid } = service
  if (present?.uid === uid && sameLines(present.lines, lines)) return []
  return [{ kind: 'wait', waiter: { service: key, creationTimestampMs, uid, lines } }]
}

/** Brings the condition Settled in line; most Services have none. */
function setSettled(service: Service, condition: SettledCondition | undefined): readonly ServiceAction[] {
  const present = service.conditions.find(({ type }) => type === settledCondition)
  if (present?.status === condition?.status && present?.message === condition?.message) return []
  return [{ kind: 'setSettled', condition }]
}

function linesOfStuck(stuck: Stuck | undefined): readonly WaitingLine[] {
  switch (stuck?.why.kind) {
    case 'refused':
      return linesThatCouldHelp(stuck.why.refusal)
    case 'objection': {
      const { pool, objection } = stuck.why
      return objection.kind === 'exhausted' ? [{ pool, family: objection.family }] : []
    }
    case 'answersForAll':
    case undefined:
      return []
  }
}

/** Where an address that is freed or becomes shareable could end the wait. */
function linesThatCouldHelp(refusal: Refusal): readonly WaitingLine[] {
  if (refusal.kind !== 'noPoolFits') return []
  const { wish } = refusal.request
  return refusal.verdicts.flatMap(({ pool, objection }) => {
    if (objection.kind === 'addressHeld') return [{ pool, family: objection.address.family }]
    if (objection.kind !== 'exhausted') return []
    const families = wish.kind === 'preferBoth' ? [wish.primary, otherFamily(wish.primary)] : [objection.family]
    return families.map(family => ({ pool, family }))
  })
}

function sameLines(some: readonly WaitingLine[], others: readonly WaitingLine[]): boolean {
  return (
    some.length === others.length &&
    some.every(({ pool, family }, index) => others[index]?.pool === pool && others[index]?.family === family)
  )
}

function letGo({ ledger }: Snapshot, key: ServiceKey): readonly ServiceAction[] {
  const actions: ServiceAction[] = []
  if (ledger.grantOf(key)) actions.push({ kind: 'release', service: key })
  if (ledger.waiterOf(key)) actions.push({ kind: 'stopWaiting', service: key })
  return actions
}

/** Takes Berth's marks off a Service that is no load balancer any more; what others wrote stays. */
function wipe(service: Service): readonly ServiceAction[] {
  const condition = service.conditions.find(one => one.type === allocatedCondition)
  if (service.allocatedFromPool === undefined && !condition) return []
  const actions: ServiceAction[] = []
  if (service.ingress.length > 0) actions.push({ kind: 'clearIngress' })
  if (service.allocatedFromPool !== undefined) actions.push({ kind: 'setPoolAnnotation', pool: undefined })
  if (condition) actions.push({ kind: 'setCondition', condition: undefined })
  actions.push(...setSettled(service, undefined))
  return actions
}

/** A Service that waits for its finalizers keeps what it has, so that its last connections end well, and gets nothing new. */
function planLeaving(snapshot: Snapshot, service: Service): readonly ServiceAction[] {
  const { ledger } = snapshot
  const actions: ServiceAction[] = [...lineUp(ledger, service, undefined)]
  if (ledger.grantOf(service.key)) return actions
  const grant = adoptable(snapshot)
  return grant ? [...actions, { kind: 'hold', grant }] : actions
}

function grantFor(service: Service, pool: string, addresses: readonly Address[], published: boolean): Grant {
  return { service: service.key, uid: service.uid, pool, addresses, claim: claimOf(service), published }
}

function sameGrant(one: Grant, other: Grant): boolean {
  return (
    one.uid === other.uid &&
    one.pool === other.pool &&
    one.published === other.published &&
    sameInOrder(one.addresses, other.addresses) &&
    sameClaim(one.claim, other.claim)
  )
}

function sameInOrder(one: readonly Address[], other: readonly Address[]): boolean {
  return (
    one.length === other.length &&
    one.every((address, index) => {
      const counterpart = other[index]
      return counterpart !== undefined && sameAddress(address, counterpart)
    })
  )
}

function event(type: 'Normal' | 'Warning', reason: EventReason, note: string): ServiceAction {
  return { kind: 'recordEvent', type, reason, note }
}

function lossEvent(losses: readonly Loss[]): ServiceAction {
  const words: Wording<EventReason> = wordLosses(losses)
  return event(words.reason === 'AddressReleased' ? 'Normal' : 'Warning', words.reason, words.text)
}
