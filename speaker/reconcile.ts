import type { Logger } from 'pino'
import type { Service, ServiceKey } from '../kube/service.ts'
import type { Announcer } from './announcer.ts'
import { isAnnounced, reasonFor } from './condition.ts'
import type { EndpointIndex } from './endpoints.ts'
import type { Verdict } from './layer2/election.ts'
import { type Group, leftOut } from './layer2/groups.ts'
import type { Member } from './layer2/membership.ts'
import {
  defaultPacingSettings,
  nextRipeMs,
  nextTurnMs,
  noTurns,
  type Pacing,
  pace,
  ripeKeys,
  type Turns,
  takeTurns,
} from './layer2/pacing.ts'
import type { Caution } from './layer2/takeover.ts'
import { createLoop, type LoopState } from './loop.ts'
import { createObserver } from './observer.ts'
import { isUnusable, plan } from './plan.ts'
import { createPrecautions } from './precautions.ts'
import type { Refusal, RefusedService } from './refusal.ts'
import { createOutlook, type Judge } from './routing/outlook.ts'
import { type Beside, claimOf, type RipeKey, type SpeakerAction, type WireState } from './situation.ts'
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
  /** Something has changed: run soon. `nodes` = the nodes or the configuration, on which everything depends. */
  wake(what?: 'nodes' | 'members'): void
  /** These may be the members in a moment: what takes longest in a run with them is made ready. */
  prepare(members: ReadonlyMap<string, Member>): void
  /** Something has changed that nobody waits for: a condition is to be looked at again. */
  wakeLater(): void
  /** The endpoints of a Service have changed: run soon where layer 2 speaks for it, else as soon as a run delays nobody. */
  wakeForEndpoints(service: ServiceKey): void
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
  /** Those whose Lease is not over, be they lost or not. */
  readonly byLease: () => ReadonlyMap<string, Member>
  /** Whether this node may take addresses for the spread or a preference now. */
  readonly mayMove: () => boolean
  /** Our own Lease must have run out for those who can see it. */
  readonly isCutOff: () => boolean
  /** After each run: whom the records name for the addresses that are announced here. */
  readonly onPlanned: (claimants: ReadonlyMap<string, string | undefined>) => void
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

const { moveMs, moveEveryMs } = defaultPacingSettings
const defaultWaits: Waits = { moveMs, refusalMs: 1_000, sessionMs: 5_000, speakerMs: 30_000 }

/** How long what can wait for the next run waits: in a large cluster a run delays whatever else there is to do. */
const laterMs = 1_000
/** So many times as long as a run takes nobody is delayed by the next one. */
const calmRuns = 20

export function createReconciler(options: ReconcilerOptions): Reconciler {
  const { self, sources, announcer, writer, log, waits = defaultWaits } = options
  const outlook = createOutlook({ sources, endpoints: options.endpoints, speakerMs: waits.speakerMs })
  const observer = createObserver(options)
  let suspicion: NodeJS.Immediate | undefined
  /** As which the members are to be prepared for. */
  let suspected: ReadonlyMap<string, Member> | undefined
  let pacing: Pacing<RipeKey> = new Map()
  let turns: Turns<RipeKey> = noTurns
  const precautions = createPrecautions({ ...options, records: sources.records })
  let own = new Map<string, ServiceKey[]>()
  /** For which no L2Advertisement speaks: whatever becomes of their endpoints, it is for BGP to act upon. */
  let withoutLayer2: ReadonlySet<ServiceKey> = new Set()
  let counts: Omit<ReconcilerState, keyof LoopState> = { services: 0, groups: 0, owned: 0, refused: new Map() }
  const loop = createLoop(() => {
    const members = options.members()
    if (members) run(members, performance.now())
    if (suspected) suspicion ??= setImmediate(prepare)
    return members !== undefined
  })

  /** From when on a run delays nobody. */
  function calmMs(nowMs: number): number {
    return nowMs + Math.min(laterMs, loop.state.lastRunMs * calmRuns)
  }

  function wake(what?: 'nodes' | 'members'): void {
    if (what === 'nodes') {
      observer.forget()
      outlook.forget()
    }
    loop.wake(what === undefined ? undefined : 'urgent')
  }

  function prepare(): void {
    suspicion = undefined
    // What has happened goes before what may: then the run is followed by this.
    if (!suspected || loop.state.wokenAtMs !== undefined) return
    const observed = observer.prepare(suspected)
    // What comes of it is not known yet; but code that has not run for long takes several times as long.
    if (observed) precautions.elect(byKeyOf(observed.groups), suspected)
    suspected = undefined
  }

  function run(members: ReadonlyMap<string, Member>, nowMs: number): void {
    const observed = observer.observe(members)
    const byKey = byKeyOf(observed.groups)
    const verdicts = precautions.elect(byKey, members)
    const refused = [...observed.refused, ...leftOut(observed.groups, verdicts)]
    const won = observed.groups.filter(group => verdicts.get(group.key)?.node === self)
    own = servicesByAddress(won)
    const judge = outlook.look(members, nowMs)
    const known = new Map<Service, Beside>()
    const beside = (service: Service): Beside => {
      const found = known.get(service) ?? besides(service, judge)
      known.set(service, found)
      return found
    }

    const moving = options.mayMove() ? won : []
    pacing = pace(pacing, waiting({ won, moving, verdicts, refused, beside, wire: announcer.wire }), nowMs)
    const ripe = ripeKeys(pacing, waitMs, nowMs)
    const moves = [...ripe].filter(isMove)
    turns = takeTurns(turns, moves, moveEveryMs, nowMs)
    const paces = [nextRipeMs(pacing, waitMs, nowMs), nextTurnMs(turns, moves, moveEveryMs)]
    const next = [...paces, outlook.nextMs(nowMs)].filter(atMs => atMs !== undefined)
    // Services that must last for a while one after the other would otherwise each have a run of their own.
    if (next.length > 0) loop.runAt(Math.max(Math.min(...next), calmMs(nowMs)))

    const { wire, seen, rivals } = announcer
    const { records } = sources
    const stopping = options.isStopping()
    const { groups } = observed
    const situation = { self, members, groups, verdicts, refused, beside, records, wire, seen, rivals, stopping }
    apply(
      plan({ ...situation, ripe: key => (isMove(key) ? turns.admitted : ripe).has(key) && isCertain(key) }),
      byKey,
      members,
    )
    precautions.lookAfter(won, members)
    options.onPlanned(claimantsOf(groups))
    const silent = refused.filter(({ service }) => !isAnnounced(beside(service).routing))
    const reasons = Map.groupBy(silent, ({ service, refusal }) => reasonFor(refusal, beside(service).routing))
    withoutLayer2 = new Set(
      observed.refused.flatMap(({ service, refusal }) => (refusal.kind === 'NoAdvertisement' ? service.key : [])),
    )
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

  function besides(service: Service, judge: Judge): Beside {
    const endpoints = options.endpoints.of(service.key)
    const offered = observer.advertisementsFor(service, endpoints)
    return {
      routing: judge(service, endpoints),
      unadvertised: offered?.kind === 'offered' ? offered.unadvertised : [],
    }
  }

  function waitMs(key: RipeKey): number {
    if (key.startsWith('move ')) return waits.moveMs
    return key.startsWith('session ') ? waits.sessionMs : waits.refusalMs
  }

  /** Whom the records name for what is announced here. */
  function claimantsOf(groups: readonly Group[]): ReadonlyMap<string, string | undefined> {
    const claimants = new Map<string, string | undefined>()
    for (const group of groups) {
      for (const { text } of group.members.flatMap(({ offers }) => offers)) {
        if (announcer.wire.has(text)) claimants.set(text, claimOf(group, sources.records)?.node)
      }
    }
    return claimants
  }

  function apply(
    actions: readonly SpeakerAction[],
    groups: ReadonlyMap<string, Group>,
    members: ReadonlyMap<string, Member>,
  ): void {
    const writes: WriteAction[] = []
    const announcements = new Map<string, { readonly caution: Caution; readonly list: WireAnnouncement[] }>()
    for (const action of actions) {
      switch (action.kind) {
        case 'announce': {
          const addresses = action.announcements.map(announcement => announcement.address)
          const caution = precautions.cautionFor(groups.get(action.group), members)
          const alike = announcements.get(JSON.stringify(caution)) ?? { caution, list: [] }
          alike.list.push(...action.announcements)
          announcements.set(JSON.stringify(caution), alike)
          log.info({ addresses, because: action.because }, 'announcing')
          break
        }
        case 'withdraw':
          announcer.withdraw(action.addresses)
          log.info({ addresses: action.addresses, because: action.because }, 'withdrawn')
          break
        case 'claim':
          if (precautions.mayClaim(action)) writes.push(action)
          break
        case 'publish':
        case 'deleteRecord':
        case 'setCondition':
          writes.push(action)
      }
    }
    // In few messages, so that the wire thread begins with all of them at once.
    for (const { caution, list } of announcements.values()) announcer.announce(list, caution)
    writer.want(writes)
  }

  return {
    wake,
    prepare(members) {
      suspected = members
      suspicion ??= setImmediate(prepare)
    },
    wakeLater: () => loop.runAt(performance.now() + laterMs),
    wakeForEndpoints(service) {
      if (!withoutLayer2.has(service)) return wake()
      loop.runAt(calmMs(performance.now()))
    },
    servicesOf: address => own.get(address) ?? [],
    get state() {
      return { ...loop.state, ...counts }
    },
  }
}

function isMove(key: RipeKey): boolean {
  return key.startsWith('move ')
}

function byKeyOf(groups: readonly Group[]): ReadonlyMap<string, Group> {
  return new Map(groups.map(group => [group.key, group]))
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
  /** Those of them that may be taken from a node that could keep them. */
  readonly moving: readonly Group[]
  readonly verdicts: ReadonlyMap<string, Verdict>
  readonly refused: readonly RefusedService[]
  readonly beside: (service: Service) => Beside
  readonly wire: ReadonlyMap<string, WireState>
}): Generator<RipeKey> {
  const { won, moving, verdicts, refused, beside, wire } = situation
  for (const { key } of moving) {
    const because = verdicts.get(key)?.because
    if (because === 'spread' || because === 'preferred') yield `move ${key}`
  }
  for (const { members } of won) {
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
