import type { LedgerView } from '../controller/ledger.ts'
import { bookOf, type Namespaces, namespacesFrom, type PoolBook } from '../controller/pool-choice.ts'
import { type EndpointSliceFacts, endpointsOf, type Service, type ServiceEndpoints } from '../kube/service.ts'
import { type ServiceAdvertisement, type Survey, surveyOf } from '../speaker/advertisements.ts'
import { elect, type Verdict } from '../speaker/layer2/election.ts'
import { type Group, groupsOf, leftOut } from '../speaker/layer2/groups.ts'
import type { Liveness, Member } from '../speaker/layer2/membership.ts'
import type { Refusal } from '../speaker/refusal.ts'
import { type RoutingSurvey, routingSurveyOf } from '../speaker/routing/routes.ts'
import { type RoutingVerdict, routingJudge } from '../speaker/routing/verdict.ts'
import { claimOf } from '../speaker/situation.ts'
import { type Adoption, adopt } from './adoption.ts'
import type { Snapshot, SpeakerSeen } from './snapshot.ts'

/*
 * What both programs make of a snapshot, by the functions that they go by themselves: who holds which address and what
 * is left (controller/plan.ts), and who is to announce what (speaker/advertisements.ts, layer2/election.ts, routing/).
 * Nothing is applied. What takes going through all Services, and not everybody asks, is made when it is asked for.
 */

export interface Picture {
  readonly snapshot: Snapshot
  readonly loadBalancerClass: string | undefined
  readonly adoption: Adoption
  readonly ledger: LedgerView
  readonly book: PoolBook
  readonly namespaces: Namespaces
  readonly members: ReadonlyMap<string, Member>
  readonly endpointsOf: (service: Service) => ServiceEndpoints
  readonly survey: Survey
  /** What layer 2 makes of a Service; undefined where it has no address. */
  readonly layer2Of: (service: Service) => Layer2View | undefined
  readonly routes: RoutingSurvey
  /** What BGP makes of it; undefined where no BGPAdvertisement speaks for it. */
  readonly routingOf: (service: Service) => RoutingVerdict | undefined
}

/** What layer 2 makes of a Service by the rules. */
export type Layer2View =
  | {
      readonly kind: 'elected'
      readonly advertisement: Extract<ServiceAdvertisement, { kind: 'offered' }>
      readonly group: Group
      readonly verdict: Verdict
    }
  | { readonly kind: 'refused'; readonly refusal: Refusal }

/** `before` is the picture that was made of the same cluster last, if there is one; it is used up (adoption.ts). */
export function pictureOf(snapshot: Snapshot, loadBalancerClass: string | undefined, before?: Picture): Picture {
  const { resolved, services, labelsByNamespace, takenAtMs } = snapshot
  const book = bookOf(resolved)
  const claims = { services, loadBalancerClass, book, labelsByNamespace, conflicts: resolved.conflicts }
  const adoption = adopt(claims, takenAtMs, before?.adoption)
  const members = membersOf(snapshot.speakers, snapshot.takenAtMs)
  const slices = once(() => slicesByService(snapshot.slices))
  const endpoints = remembered((service: Service) => endpointsOf(service, slices().get(service.key) ?? []))
  const survey = surveyOf({ config: resolved.config, nodes: snapshot.nodes, members })
  const routes = routingSurveyOf({ config: resolved.config, nodes: snapshot.nodes })
  const sharedRoutes = once(() =>
    routes.sharedRoutes(Array.from(services.values(), service => ({ service, endpoints: endpoints(service) }))),
  )
  const standing = new Set(
    snapshot.sessions.filter(({ state }) => state === 'Established').map(({ node, peer }) => `${node} ${peer}`),
  )
  const judge = routingJudge({
    speakers: new Set([...members.values()].filter(({ liveness }) => liveness !== 'gone').map(({ node }) => node)),
    members,
    established: (node, peer) => standing.has(`${node} ${peer}`),
  })
  const election = once(() => electionOf(snapshot, survey, endpoints))
  return {
    snapshot,
    loadBalancerClass,
    adoption,
    ledger: adoption.ledger,
    book,
    namespaces: namespacesFrom(labelsByNamespace),
    members,
    endpointsOf: endpoints,
    survey,
    routes,
    layer2Of: service => {
      const advertisement = survey.advertisementsFor(service, endpoints(service))
      if (advertisement?.kind !== 'offered') return advertisement
      const { leftOut, groups, verdicts } = election()
      const left = leftOut.get(service.key)
      if (left) return { kind: 'refused', refusal: left }
      const group = groups.get(service.key)
      const verdict = group && verdicts.get(group.key)
      return verdict && { kind: 'elected', advertisement, group, verdict }
    },
    routingOf: service => {
      const standing = routes.standingOf(service, endpoints(service))
      return standing && judge(standing, sharedRoutes()(service.key))
    },
  }
}

/** The same cluster if the speaker of this node were gone. */
export function pictureWithout(picture: Picture, node: string): Picture {
  const speakers = picture.snapshot.speakers.filter(({ lease }) => lease.node !== node)
  return pictureOf({ ...picture.snapshot, speakers }, picture.loadBalancerClass, picture)
}

/** Speakers by their Leases, as another speaker would see them that has watched for long enough. */
function membersOf(speakers: readonly SpeakerSeen[], nowMs: number): ReadonlyMap<string, Member> {
  return new Map(
    speakers.map(speaker => {
      const { node, facts } = speaker.lease
      return [node, { node, facts, liveness: livenessOf(speaker, nowMs) }]
    }),
  )
}

/** Whether a speaker is there: its Lease lasts, and it does not say that it is leaving. */
export function livenessOf({ lease, renewTime }: SpeakerSeen, nowMs: number): Liveness {
  // The API server's time has whole seconds, and so the answer has one to spare.
  if (nowMs - Date.parse(renewTime) > lease.durationMs + 1_000) return 'gone'
  return lease.facts.leaving ? 'leaving' : 'alive'
}

function electionOf(snapshot: Snapshot, survey: Survey, endpoints: (service: Service) => ServiceEndpoints) {
  const offered = [...snapshot.services.values()].flatMap(
    service => survey.advertisementsFor(service, endpoints(service)) ?? [],
  )
  const groups = groupsOf(offered)
  const verdicts = elect(
    groups.map(group => ({
      key: group.key,
      candidates: group.candidates,
      owner: claimOf(group, iterable(snapshot.records))?.node,
    })),
  )
  return {
    verdicts,
    groups: new Map(groups.flatMap(group => group.members.map(({ service }) => [service.key as string, group]))),
    leftOut: new Map(leftOut(groups, verdicts).map(({ service, refusal }) => [service.key as string, refusal])),
  }
}

function slicesByService(slices: readonly EndpointSliceFacts[]): ReadonlyMap<string, readonly EndpointSliceFacts[]> {
  return Map.groupBy(slices, ({ service }) => service ?? '')
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined
  return () => (made ??= { value: make() }).value
}

function remembered<K extends object, V>(make: (key: K) => V): (key: K) => V {
  const known = new WeakMap<K, V>()
  return key => {
    const before = known.get(key)
    if (before !== undefined) return before
    const made = make(key)
    known.set(key, made)
    return made
  }
}

function iterable<V>(map: ReadonlyMap<string, V>) {
  return { get: (key: string) => map.get(key), values: () => map.values() }
}
