import type { BGPAdvertisement } from '../../crds/config.ts'
import type { LargeCommunity } from '../bgp/community.ts'
import { communitiesOf } from '../bgp/from-config.ts'
import { defaultLocalPref, type Route } from '../bgp/route.ts'

/*
 * What is said of a route for which several BGPAdvertisements speak. Communities add up: each is a message of its own to
 * the routers, and none takes another back. Of the three that rank a path there can be only one value, and it is the one
 * that makes the path most preferred: the highest LOCAL_PREF, the lowest MED, the fewest prepends. A path that is worse
 * than somebody asked for may be no path at all, since routers take the best and leave the rest unused; one that is
 * better than somebody asked for carries more than it needed to. What is unset counts as what routers take it for:
 * LOCAL_PREF 100, MED 0 (RFC 4271 §9.1.2.2), no prepend. MetalLB takes back the Service that is announced last instead.
 *
 * The outcome depends on the set of advertisements and on nothing else: not on their order, and not on the Services.
 */

/** What advertisements together say of a route. */
export interface RouteTerms extends Pick<Route, RankingField | 'communities' | 'largeCommunities'> {
  /** Any of them wants shares by endpoints: without it a share is merely not asked for. */
  readonly weightByEndpoints: boolean
  readonly disagreements: readonly Disagreement[]
}

type RankingField = 'localPref' | 'multiExitDisc' | 'prepend'

/** Advertisements that ask for different values of what a route can have only one of. */
export interface Disagreement {
  /** As the field is called in a BGPAdvertisement. */
  readonly field: 'localPref' | 'med' | 'asPathPrepend'
  /** By the name of the advertisement. */
  readonly wishes: readonly Wish[]
  /** The wish that is granted; undefined = the field stays unset. */
  readonly granted: number | undefined
}

export interface Wish {
  readonly advertisement: string
  /** Undefined = the field is unset. */
  readonly value: number | undefined
}

/** What these advertisements, of which there is at least one, say of a route together. */
export function termsOf(advertisements: readonly BGPAdvertisement[]): RouteTerms {
  const sorted = [...advertisements].sort((one, other) => (one.name < other.name ? -1 : 1))
  const localPref = settle('localPref', wishes(sorted, 'localPref'), defaultLocalPref, Math.max)
  const med = settle('med', wishes(sorted, 'multiExitDisc'), 0, Math.min)
  const prepend = settle('asPathPrepend', wishes(sorted, 'asPathPrepend'), 0, Math.min)
  const { communities, largeCommunities } = communitiesOf(sorted.flatMap(advertisement => advertisement.communities))
  return {
    localPref: localPref.granted,
    multiExitDisc: med.granted,
    prepend: prepend.granted ?? 0,
    communities: [...new Set(communities)].sort((one, other) => one - other),
    largeCommunities: withoutRepeats(largeCommunities),
    weightByEndpoints: sorted.some(advertisement => advertisement.weightByEndpoints),
    disagreements: [localPref, med, prepend].filter(({ wishes }) => wishes.length > 0),
  }
}

function wishes(
  advertisements: readonly BGPAdvertisement[],
  field: 'localPref' | 'multiExitDisc' | 'asPathPrepend',
): readonly Wish[] {
  return advertisements.map(advertisement => ({ advertisement: advertisement.name, value: advertisement[field] }))
}

/** The best wish; with the wishes where they differ, else without any. Said outright is preferred to unset of the same meaning. */
function settle(
  field: Disagreement['field'],
  all: readonly Wish[],
  unset: number,
  best: (...values: readonly number[]) => number,
): Disagreement {
  const meant = all.map(({ value }) => value ?? unset)
  const chosen = best(...meant)
  const granted = all.find(({ value }) => value === chosen)?.value
  return { field, granted, wishes: meant.every(value => value === chosen) ? [] : all }
}

function withoutRepeats(communities: readonly LargeCommunity[]): readonly LargeCommunity[] {
  const byText = new Map(communities.map(one => [`${one.globalAdministrator}:${one.data1}:${one.data2}`, one]))
  return [...byText.values()].sort(
    (one, other) =>
      one.globalAdministrator - other.globalAdministrator || one.data1 - other.data1 || one.data2 - other.data2,
  )
}

/** The disagreement in words: who asks for what, and what comes of it. */
export function formatDisagreement(disagreement: Disagreement): string {
  const { field, granted } = disagreement
  return `BGPAdvertisements give it different ${field}: ${formatWishes(disagreement)}; ${granted ?? 'unset'} is used`
}

/** `200 (gold, plate) and unset (silver)`. */
export function formatWishes({ wishes }: Pick<Disagreement, 'wishes'>): string {
  const byValue = Map.groupBy(wishes, ({ value }) => value ?? 'unset')
  const sides = Array.from(
    byValue,
    ([value, list]) => `${value} (${list.map(({ advertisement }) => advertisement).join(', ')})`,
  )
  return sides.join(' and ')
}
