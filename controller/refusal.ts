import { formatSelector, type LabelSelector } from '../crds/selector.ts'
import { type Address, formatAddress } from '../net/address.ts'
import type { FamilyWish, PoolObjection, PoolVerdict, Refusal } from './allocator.ts'
import { mostOfOneStation, type Stuck } from './avoid.ts'
import type { Loss, LossReason, MissingFamily } from './keep.ts'
import type { PoolUsage } from './ledger.ts'
import type { AdmissionObjection } from './pool-choice.ts'
import type { SharingObstacle } from './sharing.ts'

/*
 * The words for people: Events, conditions, logs and the command line all say what this file says. Each text tells what is
 * wrong, where, and what to do; the reader owns a Service and may know nothing of pools.
 */

/** A text and its short CamelCase name. */
export interface Wording<Reason extends string = string> {
  readonly reason: Reason
  readonly text: string
}

/** Which addresses a Service has. */
export function wordAllocation(addresses: readonly Address[], pool: string): string {
  return `${list(addresses.map(formatAddress))} from pool "${pool}".`
}

/** Why a Service that prefers two families has one. */
export function wordMissing({ family, pool, objection }: MissingFamily): string {
  return `No ${family} address: pool "${pool}" ${wordObjection(objection)}.`
}

/** Why a Service has no address. */
export function wordRefusal(refusal: Refusal): Wording {
  switch (refusal.kind) {
    case 'requestUnreadable':
      return { reason: 'RequestUnreadable', text: `The request cannot be read: ${refusal.problem}` }
    case 'noClusterIP':
      return {
        reason: 'NoClusterIP',
        text: 'The Service has no cluster IP, so its address family is unknown. A headless Service (clusterIP: None) cannot be a load balancer.',
      }
    case 'secondClusterIPMissing':
      return {
        reason: 'SecondClusterIPMissing',
        text: `ipFamilyPolicy RequireDualStack wants a cluster IP of each family, and the one for ${refusal.family} is missing. Use a dual-stack cluster, or set ipFamilyPolicy to PreferDualStack or SingleStack.`,
      }
    case 'familyMismatch':
      return {
        reason: 'FamilyMismatch',
        text: `The requested ${noun(refusal.addresses)} ${list(refusal.addresses.map(formatAddress))} ${refusal.addresses.length === 1 ? 'does' : 'do'} not fit the Service, which wants ${wordWish(refusal.wish)}. Request exactly that, or change ipFamilies and ipFamilyPolicy.`,
      }
    case 'noPools':
      return {
        reason: 'NoPools',
        text: 'The cluster has no IPAddressPool. An admin has to create one before any Service can get an address.',
      }
    case 'unknownPool':
      return {
        reason: 'UnknownPool',
        text: `There is no pool "${refusal.pool}", which the annotation address-pool asks for. ${refusal.known.length > 0 ? `Choose one of ${quoted(refusal.known)}, or remove the annotation.` : 'No valid pool exists.'}`,
      }
    case 'noPoolFits':
      return { reason: reasonFor(refusal.verdicts), text: wordVerdicts(refusal) }
  }
}

/** Which edits took which addresses. */
export function wordLosses(
  losses: readonly Loss[],
): Wording<'AddressLost' | 'AddressConflict' | 'AddressReleased' | 'AddressAvoided'> {
  const text = groupByReason(losses)
    .map(({ addresses, loss }) => `${list(addresses.map(formatAddress))} ${wordLoss(loss, addresses.length > 1)}.`)
    .join(' ')
  if (losses.some(loss => loss.kind === 'held')) return { reason: 'AddressConflict', text }
  if (losses.every(loss => loss.kind === 'inUseElsewhere')) return { reason: 'AddressAvoided', text }
  return { reason: losses.every(isOwnersWish) ? 'AddressReleased' : 'AddressLost', text }
}

/** Why a Service goes on with an address that another station has. */
export function wordStuck({ taken, why }: Stuck): string {
  const who = taken.map(
    one => `${formatAddress(one.address)} is in use by another station (${one.mac} on ${one.interface})`,
  )
  return `${list(who)}, and nothing is there to replace it: ${wordNoReplacement(why)}.`
}

function wordNoReplacement(why: Stuck['why']): string {
  switch (why.kind) {
    case 'refused':
      return withoutStop(why.refusal.kind === 'noPoolFits' ? wordPools(why.refusal) : wordRefusal(why.refusal).text)
    case 'objection':
      return `pool "${why.pool}", from which its other address is, ${wordObjection(why.objection)}`
    case 'answersForAll':
      return `that station answers for ${mostOfOneStation} or more addresses of pool "${why.pool}", as a router does with proxy ARP; switch that off, or leave out of the pool what it has`
  }
}

function isOwnersWish(loss: LossReason): boolean {
  return (
    loss.kind === 'otherPoolRequested' || loss.kind === 'otherAddressesRequested' || loss.kind === 'familyNotWanted'
  )
}

function reasonFor(verdicts: readonly PoolVerdict[]): string {
  const kinds = new Set(verdicts.map(verdict => verdict.objection.kind))
  if (kinds.has('addressHeld')) return 'AddressInUse'
  if (kinds.has('addressAvoided')) return 'AddressAvoided'
  if (kinds.has('addressOutside')) return 'AddressNotInPool'
  if (kinds.has('exhausted')) return 'PoolsExhausted'
  if (kinds.has('familyMissing')) return 'FamilyMissing'
  if (kinds.size === 1 && kinds.has('setAside')) return 'PoolsNotReady'
  return 'NoPoolAdmits'
}

function wordVerdicts({ request, verdicts }: Refusal & { readonly kind: 'noPoolFits' }): string {
  const wanted = request.addresses.length > 0 ? list(request.addresses.map(formatAddress)) : wordWish(request.wish)
  const where = request.pool === undefined ? '' : ` of pool "${request.pool}"`
  return `The Service cannot have ${wanted}${where}. ${wordPools({ verdicts })}`
}

function wordPools({ verdicts }: { readonly verdicts: readonly PoolVerdict[] }): string {
  return verdicts.map(({ pool, objection }) => `Pool "${pool}" ${wordObjection(objection)}.`).join(' ')
}

/** The words behind `Pool "a" `. */
export function wordObjection(objection: PoolObjection): string {
  switch (objection.kind) {
    case 'namespaceNotAdmitted':
    case 'labelsNotSelected':
      return wordAdmission(objection)
    case 'setAside':
      return `is set aside (${objection.reason}: ${withoutStop(objection.message)})`
    case 'autoAssignOff':
      return 'is only for Services that ask for it (autoAssign: false); add the annotation berth.dev/address-pool'
    case 'familyMissing':
      return `has no ${objection.family} addresses`
    case 'exhausted':
      return objection.size === 0n
        ? `has no usable ${objection.family} address`
        : `has no ${objection.family} address left (${wordUsage(objection)}); enlarge it or free some`
    case 'addressOutside':
      return `does not contain ${formatAddress(objection.address)}`
    case 'addressAvoided':
      return `never gives out ${formatAddress(objection.address)} (avoidBuggyIPs skips .0 and .255)`
    case 'addressHeld':
      return `has given ${formatAddress(objection.address)} to Service ${objection.holder} (${objection.obstacles.map(wordObstacle).join('; ')})`
  }
}

function wordUsage({ size, inUse, conflicting }: PoolUsage): string {
  const others = conflicting > 0n ? `, ${conflicting} in use by other stations` : ''
  return `${inUse} of ${size} in use${others}`
}

function wordAdmission(objection: AdmissionObjection): string {
  if (objection.kind === 'labelsNotSelected')
    return `is only for Services labelled ${objection.selectors.map(formatSelector).join(' or ')}`
  const { namespace, namespaces, selectors, selectorsMatchAny } = objection
  const named = namespaces.length > 0 ? [`namespaces ${list(namespaces)}`] : []
  return `is only for ${[...named, ...wordNamespaceSelectors(selectors, selectorsMatchAny)].join(' and ')}, not for "${namespace}"`
}

function wordNamespaceSelectors(selectors: readonly LabelSelector[], matchAny: boolean): readonly string[] {
  if (selectors.length === 0) return []
  const text = `namespaces labelled ${selectors.map(formatSelector).join(' or ')}`
  return [matchAny ? text : `${text} (there are none)`]
}

function wordObstacle(obstacle: SharingObstacle): string {
  switch (obstacle.kind) {
    case 'noKey':
      return obstacle.holderKey === undefined
        ? 'to share it, give both the same annotation berth.dev/allow-shared-ip'
        : 'to share it, give this Service the same annotation berth.dev/allow-shared-ip'
    case 'key':
      return obstacle.holderKey === undefined
        ? `that Service has no annotation berth.dev/allow-shared-ip, this one has "${obstacle.own}"`
        : `its sharing key is "${obstacle.holderKey}", not "${obstacle.own}"`
    case 'policy':
      return 'both must have externalTrafficPolicy Cluster, or both Local with the same pod selector'
    case 'port':
      return `both use port ${obstacle.port}/${obstacle.protocol}`
  }
}

/** The words behind the address. */
function wordLoss(loss: LossReason, several: boolean): string {
  const is = several ? 'are' : 'is'
  const was = several ? 'were' : 'was'
  switch (loss.kind) {
    case 'poolDeleted':
      return `${was} taken back: pool "${loss.pool}" was deleted`
    case 'poolAddressesChanged':
      return `${was} taken back: spec.addresses of pool "${loss.pool}" no longer ${several ? 'contain them' : 'contains it'}`
    case 'inNoPool':
      return `${is} in no pool`
    case 'avoided':
      return `${was} taken back: avoidBuggyIPs was set on pool "${loss.pool}"`
    case 'notAdmitted':
      return `${was} taken back: pool "${loss.pool}" ${wordAdmission(loss.objection)}`
    case 'otherPoolRequested':
      return `${was} given back: it is from pool "${loss.pool}", and the Service asks for pool "${loss.requested}"`
    case 'otherAddressesRequested':
      return `${was} given back: the Service asks for ${list(loss.requested.map(formatAddress))}`
    case 'familyNotWanted':
      return `${was} given back: the Service wants ${wordWish(loss.wish)}`
    case 'notInPoolOfOther':
      return `${was} taken back: all addresses of a Service come from one pool, here "${loss.pool}"`
    case 'held':
      return `${is} held by Service ${loss.holder} (${loss.obstacles.map(wordObstacle).join('; ')})`
    case 'inUseElsewhere':
      return `${was} replaced${loss.instead ? ` by ${formatAddress(loss.instead)}` : ''} before ${several ? 'they were' : 'it was'} ever announced: a station that is no node of this cluster (${loss.mac} on ${loss.interface}) answers for ${several ? 'them' : 'it'}; take the address away from it, or leave it out of pool "${loss.pool}"`
    case 'secondFamilyRequired':
      return `${was} given back: RequireDualStack wants an ${loss.family} address from the same pool, which ${wordObjection(loss.objection)}`
    case 'replacedByHand':
      return `${was} written to the status by somebody else`
  }
}

function groupByReason(losses: readonly Loss[]): readonly { addresses: Address[]; loss: Loss }[] {
  const groups: { addresses: Address[]; loss: Loss }[] = []
  for (const loss of losses) {
    const group = groups.find(one => wordLoss(one.loss, true) === wordLoss(loss, true))
    if (group) group.addresses.push(loss.address)
    else groups.push({ addresses: [loss.address], loss })
  }
  return groups
}

function wordWish(wish: FamilyWish): string {
  switch (wish.kind) {
    case 'one':
      return `an ${wish.family} address`
    case 'both':
      return 'an IPv4 and an IPv6 address'
    case 'preferBoth':
      return 'an IPv4 and an IPv6 address (or one of them)'
  }
}

function noun(addresses: readonly Address[]): string {
  return addresses.length === 1 ? 'address' : 'addresses'
}

function quoted(names: readonly string[]): string {
  return list(names.map(name => `"${name}"`))
}

/** `a`, `a and b`, `a, b and c`. */
function list(items: readonly string[]): string {
  const last = items.at(-1) ?? ''
  return items.length < 2 ? last : `${items.slice(0, -1).join(', ')} and ${last}`
}

function withoutStop(text: string): string {
  return text.replace(/\.$/, '')
}
