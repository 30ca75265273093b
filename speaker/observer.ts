import type { Service } from '../kube/service.ts'
import {
  type NodeFacts,
  type ServiceAdvertisement,
  type Surroundings,
  type Survey,
  surveyOf,
} from './advertisements.ts'
import type { EndpointIndex } from './endpoints.ts'
import { createGroupCache, type Group, type GroupCache, groupsOf } from './layer2/groups.ts'
import { type Member, sameMembers } from './layer2/membership.ts'
import type { RefusedService } from './refusal.ts'

/*
 * What layer 2 has to do with: the groups of Services, and who could announce each. Nearly all of it follows from the
 * nodes, the members and the configuration, and is remembered as long as those are the same. When a node dies the members
 * are others, and finding out anew is the longest part of the run in which its addresses are taken over; so it is done
 * beforehand, between the first neighbour's loss of it and the last's.
 */

export interface Observer {
  /** All Services, in groups or refused. */
  observe(members: ReadonlyMap<string, Member>): Observed
  /** These may be the members in a moment: what `observe` says of them then is found out now. Undefined = not now. */
  prepare(members: ReadonlyMap<string, Member>): Observed | undefined
  /** What layer 2 has to say of one Service, by what was observed last. */
  advertisementsFor: Survey['advertisementsFor']
  /** The nodes or the configuration are others. */
  forget(): void
}

export interface Observed {
  readonly groups: readonly Group[]
  readonly refused: readonly RefusedService[]
}

/** What follows from nodes, members and configuration. */
interface Groundwork {
  readonly members: ReadonlyMap<string, Member>
  readonly survey: Survey
  readonly cache: GroupCache
}

/** So many times as long as a preparation takes, there is none after it: runs must not wait for many in a row. */
const preparationRest = 2

export function createObserver(options: {
  readonly sources: {
    config(): Surroundings['config']
    readonly nodes: { values(): Iterable<NodeFacts> }
    readonly services: { values(): Iterable<Service> }
  }
  readonly endpoints: Pick<EndpointIndex, 'of'>
}): Observer {
  const { sources, endpoints } = options
  let current: Groundwork | undefined
  let prepared: Groundwork | undefined
  let restUntilMs = Number.NEGATIVE_INFINITY

  function groundworkOf(members: ReadonlyMap<string, Member>): Groundwork {
    const survey = surveyOf({
      config: sources.config(),
      nodes: new Map(Array.from(sources.nodes.values(), node => [node.name, node])),
      members,
    })
    return { members, survey, cache: createGroupCache() }
  }

  function look({ survey, cache }: Groundwork): Observed {
    const refused: RefusedService[] = []
    const advertisements: ServiceAdvertisement[] = []
    for (const service of sources.services.values()) {
      const advertisement = survey.advertisementsFor(service, endpoints.of(service.key))
      if (advertisement?.kind === 'offered') advertisements.push(advertisement)
      else if (advertisement) refused.push(advertisement)
      else if (!service.beingDeleted) refused.push({ service, refusal: { kind: 'NoAddress' } })
    }
    return { groups: groupsOf(advertisements, cache), refused }
  }

  return {
    observe(members) {
      if (current?.members !== members) {
        current = prepared && sameMembers(prepared.members, members) ? { ...prepared, members } : groundworkOf(members)
        prepared = undefined
      }
      return look(current)
    },
    prepare(members) {
      const beginMs = performance.now()
      if (beginMs < restUntilMs || (prepared && sameMembers(prepared.members, members))) return undefined
      prepared = groundworkOf(members)
      const observed = look(prepared)
      const endMs = performance.now()
      restUntilMs = endMs + preparationRest * (endMs - beginMs)
      return observed
    },
    advertisementsFor: (service, of) => current?.survey.advertisementsFor(service, of),
    forget() {
      current = undefined
      prepared = undefined
    },
  }
}
