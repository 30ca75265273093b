import type { Service } from '../kube/service.ts'
import { afterLooking, type SettledCondition, settledConditionOf, standingsOf } from '../kube/settled.ts'
import { type AnnouncedCondition, conditionFor, conditionOf, differs, type Layer2Verdict } from './condition.ts'
import type { Refusal } from './refusal.ts'
import type { RoutingVerdict } from './routing/verdict.ts'

/** A refusal that may pass: of layer 2, or for want of a session. */
export type RefusalKey = `refusal ${string}` | `session ${string}`

/**
 * By what it is known how long a refusal at layer 2 has lasted, since people are told only of what lasts; undefined where
 * it does not matter: nobody asked for layer 2, and BGP announces the Service.
 */
export function refusalKey(
  service: Service,
  refusal: Refusal,
  routing: RoutingVerdict | undefined,
): RefusalKey | undefined {
  if (refusal.kind !== 'NoAdvertisement' || routing?.kind !== 'announced') return `refusal ${service.key}`
  return routing.established ? undefined : `session ${service.key}`
}

/** Whether a refusal is ours to tell: what stands in none of our pools belongs to somebody else, unless we announced it. */
export function concernsUs(service: Service, refusal: Refusal, isRecorded: boolean): boolean {
  if (isRecorded) return true
  // Where there is no address nobody announces it any more, whoever did.
  if (refusal.kind === 'NoAddress') return conditionOf(service)?.status === 'True'
  return refusal.kind !== 'NoAdvertisement' || refusal.addresses.some(({ pool }) => pool !== undefined)
}

/** What of the condition is to be written, and the Event that goes with it where it is news. */
export interface ConditionChange {
  readonly condition: AnnouncedCondition
  readonly event:
    | { readonly type: 'Normal'; readonly reason: 'Announcing'; readonly note: string }
    | { readonly type: 'Warning'; readonly reason: 'NotAnnounced'; readonly note: string }
    | undefined
}

/** Undefined where the condition says already what it should. */
export function conditionChange(
  service: Service,
  layer2: Layer2Verdict,
  routing: RoutingVerdict | undefined,
): ConditionChange | undefined {
  const now = conditionOf(service)
  const condition = conditionFor(layer2, routing)
  if (!differs(now, condition)) return undefined
  if (now?.status === condition.status && now.reason === condition.reason) return { condition, event: undefined }
  return { condition, event: eventOf(condition) }
}

/** What a speaker has found of the addresses of a Service. */
export type Seen = Parameters<typeof afterLooking>[1]

/** Nothing. */
export const noneSeen: Seen = { announced: [], inUse: [] }

/** What is new of whether the addresses are settled; of most Services nothing is said of that. */
export function settledChange(
  service: Service,
  routing: RoutingVerdict | undefined,
  { announced, inUse }: Seen,
): SettledCondition | undefined {
  const before = standingsOf(service.conditions)
  if (before.length === 0) return undefined
  const byBgp = routing?.kind === 'announced' && routing.established ? routing.addresses : []
  const after = settledConditionOf(afterLooking(before, { announced: [...announced, ...byBgp], inUse }))
  return after?.message === settledConditionOf(before)?.message ? undefined : after
}

function eventOf({ status, message: note }: AnnouncedCondition): ConditionChange['event'] {
  switch (status) {
    case 'True':
      return { type: 'Normal', reason: 'Announcing', note }
    case 'False':
      return { type: 'Warning', reason: 'NotAnnounced', note }
  }
}
