import type { Logger } from 'pino'
import type { Service, ServiceKey } from '../kube/service.ts'
import { type Survey, surveyOf } from './advertisements.ts'
import type { Announcer } from './announcer.ts'
import { isAnnounced, reasonFor } from './condition.ts'
import type { EndpointIndex } from './endpoints.ts'
import { elect, type Verdict } from './layer2/election.ts'
import { createGroupCache, type Group, groupsOf, leftOut } from './layer2/groups.ts'
import type { Member } from './layer2/membership.ts'
import { nextRipeMs, type Pacing, pace, ripeKeys } from './layer2/pacing.ts'
import { createLoop, type LoopState } from './loop.ts'
import { type Beside, isUnusable, ownerOf, plan, type RipeKey, type SpeakerAction, type WireState } from './plan.ts'
import type { Refusal, RefusedService } from './refusal.ts'
import { createOutlook, type Judge } from './routing/outlook.ts'
import type { Sources } from './sources.ts'
import { refusalKey } from './telling.ts'
import type { WireAnnouncement } from './wire/messages.ts'
import type { WriteAction, Writer } from './writer.ts'

/*
 * The speaker's loop: observe → elect → plan → apply. It is always the whole of it, since who announces one address depends
 * on who announces the others; what makes that cheap is that nearly everything is remembered between two runs (the
 * survey, each Service's advertisements) and that changes which come together are looked at together.
 */

/** The loop. */
export interface Reconciler {
  /** Something has changed: run soon. `nodes` = the nodes, members or configuration, on which everything depends. */
  wake(what?: 'nodes'): void
  /** The Services of an address that the last election gave to this node; none = it is not ours. */
  servicesOf(address: string): readonly ServiceKey[]
  readonly state: ReconcilerState
}

/** For metrics and readiness. */
export interface ReconcilerState extends LoopState {
  readonly services: number
  readonly groups: number
  /** Groups that this node has won. */
  readonly owned: number
  /** Services that are announced in neither way. */
  readonly refused: ReadonlyMap<Refusal['kind'], number>
}

export interface ReconcilerOptions {
  readonly self: string
  readonly sources: Sources
  readonly endpoints: EndpointIndex
  /** Who is there: replaceable by any other detector. Undefined while this node must not decide yet. */
  readonly members: () => ReadonlyMap<string, Member> | undefined
  readonly announcer: Announcer
  readonly writer: Writer
  readonly isStopping: () => boolean
  readonly log: Logger
  readonly waits?: Waits
}

/** For how long something must last before it counts. */
interface Waits {
  readonly moveMs: number
  readonly refusalMs: number
  /** A router may be restarted, and the only one, before people are told that nobody hears of their Services. */
  readonly sessionMs: number
  /** So may a speaker, before it is no longer named among those that announce by BGP. */
  readonly speakerMs: number
}

const defaultWaits: Waits = { moveMs: 2_000, refusalMs: 1_000, sessionMs: 5_000, speakerMs: 30_000 }

export function createReconciler(options: ReconcilerOptions): Reconciler {
  const { self, sources, announcer, writer, log, waits = defaultWaits } = options
  const outlook = createOutlook({ sources, speakerMs: waits.speakerMs })
  let survey: Survey | undefined
  let cache = createGroupCache()
  let pacing: Pacing<RipeKey> = new Map()
  let own = new Map<string, ServiceKey[]>()
  let counts: Omit<ReconcilerState, keyof LoopState> = { services: 0, groups: 0, owned: 0, refused: new Map() }
  const loop = createLoop(() => {
    const members = options.members()
    if (members) run(members, performance.now())
    return members !== undefined
  })

  function wake(what?: 'nodes'): void {
    if (what === 'nodes') {
      survey = undefined
      outlook.forget()
    }
    loop.wake()
  }

  function run(members: ReadonlyMap<string, Member>, nowMs: number): void {
    const observed = observe(members)
    const contests = observed.groups.map(group => ({
      key: group.key,
      candidates: group.candidates,
      owner: ownerOf(group, sources.records),
    }))
    const verdicts = elect(contests)
    const refused = [...observed.refused, ...leftOut(observed.groups, verdicts)]
    const won = observed.groups.filter(group => verdicts.get(group.key)?.node === self)
    own = servicesByAddress(won)
    const judge = outlook.look(members, nowMs)
    const beside = (service: Service): Beside => besides(service, judge)

    pacing = pace(pacing, waiting({ won, verdicts, refused, beside, wire: announcer.wire }), nowMs)
    const ripe = ripeKeys(pacing, waitMs, nowMs)
    const next = [nextRipeMs(pacing, waitMs, nowMs), outlook.nextMs(nowMs)].filter(atMs => atMs !== undefined)
    if (next.length > 0) loop.runAt(Math.min(...next))

    const { wire, seen, yielded } = announcer
    const { records } = sources
    const stopping = options.isStopping()
    const { groups } = observed
    const situation = { self, members, groups, verdicts, refused, beside, records, wire, seen, yielded, stopping }
    apply(plan({ ...situation, ripe: key => ripe.has(key) && isCertain(key) }))
    const silent = refused.filter(({ service }) => !isAnnounced(beside(service).routing))
    const reasons = Map.groupBy(silent, ({ service, refusal }) => reasonFor(refusal, beside(service).routing))
    counts = {
      services: sources.services.size,
      groups: groups.length,
      owned: won.length,
      refused: new Map(Array.from(reasons, ([reason, list]) => [reason, list.length])),
    }
  }

  /** Whether we have listed all by which somebody might announce after all. */
  function isCertain(key: RipeKey): boolean {
    if (key.startsWith('session ')) return outlook.known.sessions
    return key.startsWith('move ') || outlook.known.rules
  }

  function observe(members: ReadonlyMap<string, Member>): Observed {
    if (survey?.members !== members) {
      survey = surveyOf({
        config: sources.config(),
        nodes: new Map(Array.from(sources.nodes.values(), node => [node.name, node])),
        members,
      })
      cache = createGroupCache()
    }
    const refused: RefusedService[] = []
    const advertisements = []
    for (const service of sources.services.values()) {
      const advertisement = survey.advertisementsFor(service, options.endpoints.of(service.key))
      if (advertisement?.kind === 'offered') advertisements.push(advertisement)
      else if (advertisement) refused.push(advertisement)
      else if (!service.beingDeleted) refused.push({ service, refusal: { kind: 'NoAddress' } })
    }
    return { groups: groupsOf(advertisements, cache), refused }
  }

  function besides(service: Service, judge: Judge): Beside {
    const endpoints = options.endpoints.of(service.key)
    const offered = survey?.advertisementsFor(service, endpoints)
    return {
      routing: judge(service, endpoints),
      unadvertised: offered?.kind === 'offered' ? offered.unadvertised : [],
    }
  }

  function waitMs(key: RipeKey): number {
    if (key.startsWith('move ')) return waits.moveMs
    return key.startsWith('session ') ? waits.sessionMs : waits.refusalMs
  }

  function apply(actions: readonly SpeakerAction[]): void {
    const writes: WriteAction[] = []
    const announcements: WireAnnouncement[] = []
    for (const action of actions) {
      switch (action.kind) {
        case 'announce': {
          const addresses = action.announcements.map(announcement => announcement.address)
          announcements.push(...action.announcements)
          log.info({ addresses, because: action.because }, 'announcing')
          break
        }
        case 'withdraw':
          announcer.withdraw(action.addresses)
          log.info({ addresses: action.addresses, because: action.because }, 'withdrawn')
          break
        case 'claim':
        case 'publish':
        case 'deleteRecord':
        case 'setCondition':
          writes.push(action)
      }
    }
    // In one message, so that the wire thread begins with all of them at once.
    if (announcements.length > 0) announcer.announce(announcements)
    writer.want(writes)
  }

  return {
    wake,
    servicesOf: address => own.get(address) ?? [],
    get state() {
      return { ...loop.state, ...counts }
    },
  }
}

interface Observed {
  readonly groups: readonly Group[]
  readonly refused: readonly RefusedService[]
}

function servicesByAddress(groups: readonly Group[]): Map<string, ServiceKey[]> {
  const services = new Map<string, ServiceKey[]>()
  for (const { service, offers } of groups.flatMap(group => group.members)) {
    for (const { text } of offers) services.set(text, [...(services.get(text) ?? []), service.key])
  }
  return services
}

/** What of this may have to wait: moves to us that nobody urgently needs, and what people are told when it lasts. */
function* waiting(situation: {
  readonly won: readonly Group[]
  readonly verdicts: ReadonlyMap<string, Verdict>
  readonly refused: readonly RefusedService[]
  readonly beside: (service: Service) => Beside
  readonly wire: ReadonlyMap<string, WireState>
}): Generator<RipeKey> {
  const { won, verdicts, refused, beside, wire } = situation
  for (const { key, members } of won) {
    const because = verdicts.get(key)?.because
    if (because === 'spread' || because === 'preferred') yield `move ${key}`
    for (const { service, offers } of members) {
      const addresses = offers.map(offer => ({ address: offer.text }))
      if (isUnusable(addresses, wire)) yield `refusal ${service.key}`
    }
  }
  for (const { service, refusal } of refused) {
    const key = refusalKey(service, refusal, beside(service).routing)
    if (key) yield key
  }
}
