import type { ServiceKey } from '../../kube/service.ts'
import type { PeerRoute, RoutingSurvey } from './routes.ts'
import { type Disagreement, formatDisagreement } from './terms.ts'

/** Advertisements that give one prefix to the same peers and cannot agree. */
export interface RouteConflict extends Disagreement {
  readonly prefix: string
  /** Sorted. */
  readonly peers: readonly string[]
  /** Those that give the prefix, sorted. */
  readonly services: readonly ServiceKey[]
}

/** The names of the advertisements that speak for these routes, sorted. */
export function speakersOf(routes: readonly PeerRoute[]): readonly string[] {
  const [first] = routes
  if (first && routes.every(route => route.advertisements === first.advertisements)) return first.advertisements
  return [...new Set(routes.flatMap(route => route.advertisements))].sort()
}

/** What could not be done as asked of one prefix; peers that hear of the same advertisements are told of together. */
export function conflictsOf(
  prefix: string,
  said: readonly PeerRoute[],
  survey: RoutingSurvey,
): readonly RouteConflict[] {
  // Nearly always: no two advertisements meet anywhere in it.
  if (speakersOf(said).length < 2) return harmony
  const meetings = new Map<string, { readonly names: readonly string[]; readonly routes: PeerRoute[] }>()
  for (const routes of Map.groupBy(said, route => route.peer).values()) {
    const names = speakersOf(routes)
    const meeting = meetings.get(names.join()) ?? { names, routes: [] }
    meeting.routes.push(...routes)
    meetings.set(names.join(), meeting)
  }
  return [...meetings.values()].flatMap(({ names, routes }) =>
    survey.termsOf(names).disagreements.map(disagreement => ({
      ...disagreement,
      prefix,
      peers: sortedOnce(routes.map(route => route.peer)),
      services: sortedOnce(routes.map(route => route.service)),
    })),
  )
}

const harmony: readonly RouteConflict[] = Object.freeze([])

function sortedOnce<T extends string>(names: readonly T[]): readonly T[] {
  return [...new Set(names)].sort()
}

/** For a list that does not depend on the order of anything. */
export function compareConflicts(one: RouteConflict, other: RouteConflict): number {
  const keyOf = ({ prefix, peers, field }: RouteConflict): string => `${prefix} ${peers.join()} ${field}`
  return keyOf(one) < keyOf(other) ? -1 : 1
}

/** The conflict in words, for the log. */
export function formatConflict({ prefix, services, peers, ...disagreement }: RouteConflict): string {
  return `${prefix} of ${services.join(', ')} to ${peers.join(', ')}: ${formatDisagreement(disagreement)}`
}
