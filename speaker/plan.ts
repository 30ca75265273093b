import type { Service, ServiceKey } from '../kube/service.ts'
import { conditionFor, conditionOf, isAnnounced, type Layer2Verdict } from './condition.ts'
import type { Verdict } from './layer2/election.ts'
import { type Group, offersAt, type PlacedOffer, sharersOf } from './layer2/groups.ts'
import { type Member, spokesman } from './layer2/membership.ts'
import {
  type Claim,
  type ClaimedBecause,
  formatBecause,
  isAwaited,
  type OwnershipRecord,
  type Published,
  recordKey,
  samePublished,
} from './layer2/record.ts'
import { type AddressRival, fewOf, formatRival, plural, type Refusal } from './refusal.ts'
import type { RoutingVerdict } from './routing/verdict.ts'
import {
  claimOf,
  type Situation,
  type SpeakerAction,
  type SpeakerEvent,
  type WireState,
  type WithdrawnBecause,
} from './situation.ts'
import { concernsUs, conditionChange, noneSeen, refusalKey, type Seen, settledChange } from './telling.ts'
import type { WireAnnouncement } from './wire/messages.ts'

/*
 * What this node's speaker has to do now, given what the election says, what the records say and what its wire thread
 * does already. Everything is derived anew from the present each time; nothing remembers being half-way, so a crash at any
 * point, or a lost event, is healed by the next plan.
 *
 * The life of an announcement, and its hand-over from A to B:
 *
 *   elected ─→ claim ─→ announce ─→ (wire: announced) ─→ publish, condition, event
 *   A: elected B ──────────── goes on answering ───────────→ sees B's packets or B's publication ─→ withdraw
 *
 * - B announces only once the claim is its own: of two speakers whose views differ for a moment, one gets it. The exception
 *   is an owner that is gone, where every millisecond counts and nobody else answers: B announces at once, claims at the
 *   same time, and yields where the claim turns out to be another's.
 * - A withdraws only when B is known to answer. Where nobody is elected (no endpoint anywhere, no eligible node) it
 *   withdraws at once.
 * - Moves for preference or spread are made only when `ripe` says so (pacing.ts).
 */

/** What to do, in the order in which it should be done; nothing where all is as it should be. */
export function plan(situation: Situation): readonly SpeakerAction[] {
  const { self, stopping } = situation
  const actions: SpeakerAction[] = []
  const fates = new Map<string, Fate>()
  const needed = new Set<string>()
  for (const group of situation.groups) {
    const verdict = situation.verdicts.get(group.key)
    if (!verdict) continue
    for (const { service, offers } of group.members) {
      if (offers.some(({ reach }) => reach.nodes.has(verdict.node))) needed.add(recordKey(service))
    }
    const sharers = sharersOf(group)
    if (sharers.includes(self)) actions.push(...planShared(group, sharers, fates, situation))
    if (verdict.node === self) actions.push(...planWon(group, verdict, sharers, fates, situation))
    else if (!sharers.includes(self)) {
      decideLost(group, verdict, fates, situation)
      actions.push(...planKept(group, verdict, fates, situation))
    }
  }
  const withdrawals = planWithdrawals(fates, situation)
  if (stopping) return withdrawals
  const speaks = spokesman(situation.members) === self
  for (const { service, refusal } of situation.refused) {
    const record = situation.records.get(recordKey(service))
    const isOurs = record !== undefined && !isAwaited(record)
    if ((!speaks && !record) || !concernsUs(service, refusal, isOurs)) continue
    const { routing } = situation.beside(service)
    const untold = toldOfRefusal(service, refusal, routing)
    // Endpoints that come and go in a blink are not worth a record's deletion and two Events. And the record stays until
    // the condition says why, since it may be all that tells us that the Service is ours.
    const key = refusalKey(service, refusal, routing)
    const lasts = key === undefined || situation.ripe(key)
    if (!lasts || untold.length > 0) needed.add(recordKey(service))
    const isGoodNews = isAnnounced(routing) && conditionOf(service)?.status !== 'True'
    if (speaks && (lasts || isGoodNews)) actions.push(...untold)
  }
  return [...withdrawals, ...actions, ...planDeletions(needed, speaks, situation)]
}

/** What becomes of an address that this node answers for: it goes on, or it stops, because. What has no fate is nobody's. */
type Fate = 'keep' | WithdrawnBecause

/** Answers for a group that several nodes share, once one of them, who speaks for all, has claimed it. */
function planShared(
  group: Group,
  sharers: readonly string[],
  fates: Map<string, Fate>,
  { self, records, wire, stopping }: Situation,
): readonly SpeakerAction[] {
  const wanted = announcementsOf(offersAt(group, self))
  for (const { address } of wanted) fates.set(address, 'keep')
  if (stopping || !claimOf(group, records)) return []
  const fresh = wanted
    .filter(announcement => !isTold(announcement, sharers, wire))
    .map(announcement => ({ ...announcement, sharing: { self, nodes: sharers } }))
  return fresh.length === 0 ? [] : [{ kind: 'announce', group: group.key, announcements: fresh, because: 'kept' }]
}

/** Whether the wire thread has been told just this. */
function isTold(
  { address, interfaces }: WireAnnouncement,
  sharers: readonly string[],
  wire: ReadonlyMap<string, WireState>,
): boolean {
  const state = wire.get(address)
  return (
    state !== undefined && String(state.told) === String(interfaces) && String(state.sharers ?? []) === String(sharers)
  )
}

/** What this node does for a group that it has won. */
function planWon(
  group: Group,
  verdict: Verdict,
  sharers: readonly string[],
  fates: Map<string, Fate>,
  situation: Situation,
): readonly SpeakerAction[] {
  const { self, members, records, wire, stopping } = situation
  const offers = offersAt(group, self)
  const wanted = announcementsOf(offers)
  const holder = claimOf(group, records)
  // What is only to be ours one day is not ours yet: whoever has it, has it, if we should be answering for it as well.
  const shares = sharers.includes(self)
  if (isProposal(verdict) && holder?.node !== self && !shares) decideLost(group, verdict, fates, situation)
  else for (const { address } of wanted) fates.set(address, 'keep')
  if (stopping || (isProposal(verdict) && !situation.ripe(`move ${group.key}`))) return []

  const because = claimBecause(verdict, holder, members)
  const actions: SpeakerAction[] = []
  const holderIsGone = holder !== undefined && !isPresent(members.get(holder.node))
  if (!shares && (holderIsGone || holder?.node === self)) {
    const fresh = wanted.filter(announcement => !isTold(announcement, [], wire))
    const reason = holder.node === self ? 'kept' : because
    if (fresh.length > 0) actions.push({ kind: 'announce', group: group.key, announcements: fresh, because: reason })
  }
  for (const { service } of group.members) {
    const own = offers.get(service.key) ?? []
    const claim = { because, from: holder?.node }
    if (own.length > 0) actions.push(...planRecord(service, own, sharers, claim, situation))
  }
  return actions
}

/** Brings a Service's record and condition in line with what this node, which has won it, does. */
function planRecord(
  service: Service,
  offers: readonly PlacedOffer[],
  sharers: readonly string[],
  claim: Omit<Claim, 'node'>,
  { self, records, wire, rivals: all, ripe, beside }: Situation,
): readonly SpeakerAction[] {
  const { routing, unadvertised } = beside(service)
  const record = records.get(recordKey(service))
  if (record?.claim?.node !== self) {
    const from = record?.claim?.node ?? (claim.from === self ? undefined : claim.from)
    return [{ kind: 'claim', service, record, claim: { node: self, because: claim.because, from } }]
  }
  const rivals = offers.flatMap(({ address }) => {
    const rival = all.get(address)
    return rival ? [{ address, ...rival }] : []
  })
  const states = offers.map(offer => wire.get(offer.address)?.announcedOn ?? [])
  if (states.some(interfaces => interfaces.length === 0)) {
    const taken = rivals.filter(({ address }) => !wire.get(address)?.announcedOn?.length)
    const announced = offers.map(({ address }) => address).filter(address => wasAnnounced(address, record, wire))
    if (taken.length > 0) {
      const inUse = taken.filter(rival => isUntried(rival, record, routing, announced))
      const refusal = { kind: 'AddressInUse', rivals: taken } as const
      return setCondition(service, { kind: 'refused', refusal }, routing, { announced, inUse })
    }
    const stuck = isUnusable(offers, wire) && ripe(`refusal ${service.key}`)
    const refusal = { kind: 'InterfaceUnusable', node: self } as const
    return stuck ? setCondition(service, { kind: 'refused', refusal }, routing, { announced, inUse: [] }) : []
  }
  const published: Published = {
    node: self,
    addresses: offers.map(offer => offer.address).sort(),
    interfaces: [...new Set(states.flat())].sort(),
    ...(sharers.length > 0 && { sharers }),
  }
  const others = sharers.filter(node => node !== self)
  const shared = others.length > 0 ? `, clients shared with ${plural(others, 'node')} ${fewOf(others)}` : ''
  const where = `${published.addresses.join(', ')} from node ${self} on ${published.interfaces.join(', ')}${shared}`
  const actions: SpeakerAction[] = []
  if (!samePublished(record.published, published)) {
    actions.push({ kind: 'publish', service, record, published, event: announcingEvent(record, where, self) })
  }
  const seen = { announced: published.addresses, inUse: [] }
  const told = setCondition(service, { kind: 'announcing', where, unadvertised, rivals }, routing, seen)
  // The Event of the announcement is the publication's.
  const event = conflictEvent(service, rivals)
  return [...actions, ...told.map(action => ({ ...action, event }))]
}

/** Whether it left this node once, or the record says that it left another. */
function wasAnnounced(address: string, { published }: OwnershipRecord, wire: ReadonlyMap<string, WireState>): boolean {
  return wire.get(address)?.wasAnnounced === true || published?.addresses.includes(address) === true
}

/**
 * Whether nobody can have come to an address yet that a stranger has: nobody announced it, here or elsewhere, by layer 2 or
 * BGP. What was announced before this speaker began is known by the condition Settled.
 */
function isUntried(
  { address, node }: AddressRival,
  { claim }: OwnershipRecord,
  routing: RoutingVerdict | undefined,
  announced: readonly string[],
): boolean {
  return node === undefined && claim?.because === 'first' && routing === undefined && !announced.includes(address)
}

/** What is new of those who have an address too. */
function conflictEvent(service: Service, rivals: readonly AddressRival[]): SpeakerEvent | undefined {
  const told = conditionOf(service)?.message ?? ''
  const news = rivals.map(formatRival).filter(text => !told.includes(text))
  return news.length > 0 ? { type: 'Warning', reason: 'AddressConflict', note: news.join('; ') } : undefined
}

function setCondition(
  service: Service,
  layer2: Layer2Verdict,
  routing: RoutingVerdict | undefined,
  seen: Seen,
): readonly Extract<SpeakerAction, { kind: 'setCondition' }>[] {
  const change = conditionChange(service, layer2, routing)
  const settled = settledChange(service, routing, seen)
  if (!settled) return change ? [{ kind: 'setCondition', service, ...change }] : []
  const unchanged = { condition: conditionFor(layer2, routing), event: undefined }
  return [{ kind: 'setCondition', service, settled, ...(change ?? unchanged) }]
}

/** What is to be said of a Service that layer 2 does not announce: mostly nothing, which is then remembered. */
function toldOfRefusal(
  service: Service,
  refusal: Refusal,
  routing: RoutingVerdict | undefined,
): ReturnType<typeof setCondition> {
  const known = nothingToSay.get(service)
  if (known?.refusal === refusal && known.routing === routing) return nothing
  const untold = setCondition(service, { kind: 'refused', refusal }, routing, noneSeen)
  if (untold.length === 0) nothingToSay.set(service, { refusal, routing })
  return untold
}

// Values that never change, asked for in every run of thousands of Services.
const nothingToSay = new WeakMap<Service, { readonly refusal: Refusal; readonly routing: RoutingVerdict | undefined }>()
const nothing: ReturnType<typeof setCondition> = []

/** Whether the wire thread has said of one of these that it cannot be announced, rather than nothing yet. */
export function isUnusable(
  offers: readonly Pick<PlacedOffer, 'address'>[],
  wire: ReadonlyMap<string, WireState>,
): boolean {
  return offers.some(({ address }) => wire.get(address)?.announcedOn?.length === 0)
}

function announcingEvent({ published, claim }: OwnershipRecord, where: string, self: string): SpeakerEvent {
  const note = `announcing ${where}`
  if (published?.node === self || !claim) return { type: 'Normal', reason: 'Announcing', note }
  const reason = claim.because === 'first' || claim.because === 'migrated' ? 'Announcing' : 'AnnouncementMoved'
  return { type: 'Normal', reason, note: `${note}; ${formatBecause(claim)}` }
}

function claimBecause(
  verdict: Verdict,
  holder: Claim | undefined,
  members: ReadonlyMap<string, Member>,
): ClaimedBecause {
  switch (verdict.because) {
    case 'first':
    case 'spread':
      return verdict.because
    case 'preferred':
      return reluctanceOf(holder, members) ?? 'preferred'
    case 'kept':
      return holder?.because ?? 'first'
    case 'ownerUnable': {
      const member = holder && members.get(holder.node)
      if (!isPresent(member)) return member?.unheard ? 'ownerUnheard' : 'ownerGone'
      return member?.liveness === 'leaving' ? 'ownerLeaving' : 'ownerUnable'
    }
  }
}

function reluctanceOf(holder: Claim | undefined, members: ReadonlyMap<string, Member>): ClaimedBecause | undefined {
  const reluctance = holder && members.get(holder.node)?.facts.reluctance
  if (!reluctance) return undefined
  return reluctance.kind === 'drained' ? 'ownerDrained' : 'ownerProxyUnhealthy'
}

function isPresent(member: Member | undefined): boolean {
  return member !== undefined && member.liveness !== 'gone'
}

/** One announcement per address, on the interfaces of all Services that share it. */
function announcementsOf(offers: ReadonlyMap<ServiceKey, readonly PlacedOffer[]>): readonly WireAnnouncement[] {
  const byAddress = Map.groupBy([...offers.values()].flat(), offer => offer.address)
  return Array.from(byAddress, ([address, placed]) => {
    const named = placed.flatMap(({ interfaces }) => (interfaces === 'all' ? [] : interfaces))
    const everywhere = placed.some(({ interfaces }) => interfaces === 'all')
    return { address, interfaces: everywhere ? 'all' : [...new Set(named)].sort() }
  })
}

/**
 * What this node has by the record, though it is proposed to move to another one day: begun with, as after a restart, and
 * written down. A record that still names an earlier one as the one who answers would tell us, once that one claims the
 * address, that it answers already.
 */
function planKept(
  group: Group,
  verdict: Verdict,
  fates: ReadonlyMap<string, Fate>,
  situation: Situation,
): readonly SpeakerAction[] {
  const { self, records, wire, stopping } = situation
  const claim = claimOf(group, records)
  if (stopping || !isProposal(verdict) || claim?.node !== self) return []
  const offers = offersAt(group, self)
  const fresh = announcementsOf(offers).filter(({ address }) => !wire.has(address) && !fates.has(address))
  const written = group.members.flatMap(({ service }) => {
    const own = offers.get(service.key) ?? []
    const isOurs = own.length > 0 && records.get(recordKey(service))?.claim?.node === self
    if (!isOurs) return []
    return planRecord(service, own, [], claim, situation).filter(({ kind }) => kind === 'publish')
  })
  if (fresh.length === 0) return written
  return [{ kind: 'announce', group: group.key, announcements: fresh, because: 'kept' }, ...written]
}

/** Whether the owner could keep it: then it moves when somebody claims it, and not before. */
function isProposal({ because }: Verdict): boolean {
  return because === 'spread' || because === 'preferred'
}

/** What becomes of this node's answers for a group that another has won: they go on until that one is known to answer. */
function decideLost(group: Group, verdict: Verdict, fates: Map<string, Fate>, situation: Situation): void {
  const { self, members, records, wire, seen } = situation
  // Nearly always: most Services are other nodes', and nothing of them is on our wire.
  if (!group.members.some(({ offers }) => offers.some(({ text }) => wire.has(text)))) return
  const holder = claimOf(group, records)?.node
  // A move that is only proposed is made by a claim: packets alone may be those of a node that knows no better.
  const own = group.members.map(({ service }) => records.get(recordKey(service)))
  for (const { text: address } of group.members.flatMap(member => member.offers)) {
    if (!wire.has(address)) continue
    const published = own.some(
      record => record?.published?.node === holder && record?.published?.addresses.includes(address),
    )
    const heirIsThere = holder !== undefined && holder !== self && isPresent(members.get(holder))
    const packetsOf = seen.get(address)
    const sender = packetsOf !== undefined && isPresent(members.get(packetsOf)) ? packetsOf : undefined
    if (heirIsThere && published) fates.set(address, { kind: 'handedOver', to: holder })
    else if (sender !== undefined && (sender === holder || (!isProposal(verdict) && sender === verdict.node))) {
      fates.set(address, { kind: 'handedOver', to: sender })
    } else fates.set(address, 'keep')
  }
}

function planWithdrawals(fates: ReadonlyMap<string, Fate>, { wire }: Situation): readonly SpeakerAction[] {
  const byReason = new Map<string, { because: WithdrawnBecause; addresses: string[] }>()
  for (const address of wire.keys()) {
    const because = fates.get(address) ?? ({ kind: 'nobodyMay' } as const)
    if (because === 'keep') continue
    const id = because.kind === 'handedOver' ? `handedOver ${because.to}` : because.kind
    const entry = byReason.get(id) ?? { because, addresses: [] }
    entry.addresses.push(address)
    byReason.set(id, entry)
  }
  return Array.from(byReason.values(), ({ because, addresses }) => ({ kind: 'withdraw', addresses, because }))
}

/** Records that say nothing any more: our own, and for those whose speaker is gone the spokesman's to delete. */
function planDeletions(
  needed: ReadonlySet<string>,
  speaks: boolean,
  { records, members, self }: Situation,
): readonly SpeakerAction[] {
  return [...records.values()]
    .filter(record => {
      const { key, claim } = record
      const abandoned = claim === undefined || !isPresent(members.get(claim.node))
      return !needed.has(key) && !isAwaited(record) && (claim?.node === self || (speaks && abandoned))
    })
    .map(record => ({ kind: 'deleteRecord', record }))
}
