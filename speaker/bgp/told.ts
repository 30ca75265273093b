import { formatAddress, type IpFamily } from '../../net/address.ts'
import type { AddressPrefix } from '../../net/range.ts'
import {
  type AdjRibOut,
  type Advertisement,
  emptyAdjRibOut,
  forget,
  isSaid,
  planChange,
  planUpdates,
  prefixKey,
} from './adj-rib-out.ts'
import { type ExportTerms, exportRoutes, type NextHops, type Route } from './route.ts'
import type { Update } from './update.ts'

/*
 * Thousands of routes and one that changes: whoever plans them hands on the same objects for all the others. So only
 * routes that are other objects than last time are looked at, and a withdrawal is on its way after a fraction of a
 * millisecond however many routes there are. Where that would not be safe everything is compared.
 */

/** What a session has been told, and what that was made of. */
export interface Told {
  readonly adjRibOut: AdjRibOut
  /** Undefined where everything is to be compared next time. */
  readonly from: { readonly routes: readonly Route[]; readonly nextHops: string } | undefined
}

/** The messages that tell a session what it is to know. */
export interface Telling {
  readonly told: Told
  readonly updates: readonly Update[]
  readonly tooLong: readonly AddressPrefix[]
  readonly withoutNextHop: readonly IpFamily[]
}

/** A session that has just been established knows nothing. */
export const toldNothing: Told = { adjRibOut: emptyAdjRibOut, from: undefined }

/** The family's routes are to be told again, all of them. */
export function forgetTold(told: Told, family: IpFamily): Told {
  return { adjRibOut: forget(told.adjRibOut, family), from: undefined }
}

/** Makes the session know these routes; only those among them are looked at that are not the objects of last time. */
export function tell(told: Told, routes: readonly Route[], terms: ExportTerms): Telling {
  const nextHops = textOf(terms.nextHops)
  const { adjRibOut, from } = told
  return (
    (from?.nextHops === nextHops ? tellChange(adjRibOut, from.routes, routes, terms) : undefined) ??
    tellAll(adjRibOut, routes, terms)
  )
}

function tellAll(adjRibOut: AdjRibOut, routes: readonly Route[], terms: ExportTerms): Telling {
  const { advertisements, withoutNextHop } = exportRoutes(routes, terms)
  const planned = planUpdates(adjRibOut, advertisements, terms)
  // Two routes of one prefix, or one that could not be told: what becomes of those is not seen from a change alone.
  const exact =
    planned.adjRibOut.IPv4.size + planned.adjRibOut.IPv6.size === advertisements.length && withoutNextHop.length === 0
  const from = exact ? { routes, nextHops: textOf(terms.nextHops) } : undefined
  return { ...planned, withoutNextHop, told: { adjRibOut: planned.adjRibOut, from } }
}

/** Undefined where the change alone does not tell. */
function tellChange(
  adjRibOut: AdjRibOut,
  before: readonly Route[],
  routes: readonly Route[],
  terms: ExportTerms,
): Telling | undefined {
  const [last, now] = differing(before, routes)
  const [known, wanted] = [new Set(last), new Set(now)]
  const { advertisements, withoutNextHop } = exportRoutes(
    now.filter(route => !known.has(route)),
    terms,
  )
  const taken = new Map(
    last.filter(route => !wanted.has(route)).map(({ prefix }) => [prefixKey(prefix), prefix] as const),
  )
  const added = new Set(advertisements.map(({ prefix }) => prefixKey(prefix)))
  const isSecond = ({ prefix }: Advertisement): boolean => isSaid(adjRibOut, prefix) && !taken.has(prefixKey(prefix))
  if (withoutNextHop.length > 0 || added.size < advertisements.length || advertisements.some(isSecond)) return undefined
  const gone = [...taken].filter(([key]) => !added.has(key)).map(([, prefix]) => prefix)
  const planned = planChange(adjRibOut, { wanted: advertisements, gone }, terms)
  if (planned.tooLong.length > 0) return undefined
  const from = { routes, nextHops: textOf(terms.nextHops) }
  return { ...planned, withoutNextHop, told: { adjRibOut: planned.adjRibOut, from } }
}

/** Both lists from the first to the last item in which they differ. */
function differing<Item>(one: readonly Item[], other: readonly Item[]): readonly [readonly Item[], readonly Item[]] {
  const shorter = Math.min(one.length, other.length)
  let head = 0
  while (head < shorter && one[head] === other[head]) head++
  let tail = 0
  while (tail < shorter - head && one.at(-1 - tail) === other.at(-1 - tail)) tail++
  return [one.slice(head, one.length - tail), other.slice(head, other.length - tail)]
}

function textOf({ IPv4, IPv6, linkLocal }: NextHops): string {
  return [IPv4, IPv6, linkLocal].map(address => (address ? formatAddress(address) : '')).join()
}
