import { formatAddress } from '../../net/address.ts'
import type { Verdict } from '../../speaker/layer2/election.ts'
import type { SpeakerFacts } from '../../speaker/layer2/facts.ts'
import { type Group, groupsOf, leftOut } from '../../speaker/layer2/groups.ts'
import {
  isCutOff,
  type Member,
  type Membership,
  membersOf,
  nextSuspicionMs,
  noMembership,
  observe,
  sameMembers,
  suspects,
} from '../../speaker/layer2/membership.ts'
import {
  nextRipeMs,
  nextTurnMs,
  noTurns,
  type Pacing,
  pace,
  ripeKeys,
  seenForMs,
  type Turns,
  takeTurns,
} from '../../speaker/layer2/pacing.ts'
import { fromTheDead, type OwnershipRecord, recordKey } from '../../speaker/layer2/record.ts'
import {
  livenessOf,
  mayMove,
  nextChangeMs,
  noSuspicions,
  type SuspicionEvent,
  type Suspicions,
  step as suspect,
  suspicionSettings,
} from '../../speaker/layer2/suspicion.ts'
import { type Assumptions, assume, cautionOf, electOwners, settleAssumptions } from '../../speaker/layer2/takeover.ts'
import { plan } from '../../speaker/plan.ts'
import type { RefusedService } from '../../speaker/refusal.ts'
import { claimOf, type RipeKey, type SpeakerAction, type WireState } from '../../speaker/situation.ts'
import type { Change, ClusterConfig } from './api-server.ts'
import type { Machine } from './machine.ts'
import type { WireHalf, WireNews } from './wire-half.ts'
import type { World } from './world.ts'

/** The main thread of one speaker: Leases, records, the loop, and its writes. */
export interface MainHalf {
  start(warm: WarmStart | undefined): void
  take(news: WireNews): void
  /** Hands over, then calls back. */
  leave(done: () => void): void
  readonly joined: boolean
  readonly leaving: boolean
  /** Whether it has seen the latest configuration. */
  readonly isUpToDate: boolean
  /** Members by their Leases, as it sees them. */
  readonly memberCount: number
  /** The API server has news. */
  pull(): void
  setCarrier(has: boolean): void
  /** What its Lease says is not what it said. */
  sayAnew(): void
}

/** What a speaker knows that has been running for a while; without it, it starts from nothing. */
export interface WarmStart {
  readonly membership: Membership
}

type Write = Exclude<SpeakerAction, { kind: 'announce' | 'withdraw' | 'setCondition' }>

const handOverMs = 5_000
/** Without the API server nobody can be given anything: the others take over when we have ended. */
const handOverAloneMs = 1_000
const suspicionTickMs = 1_000

export function createMainHalf(world: World, machine: Machine, run: string, wire: WireHalf): MainHalf {
  const { api, network, random, settings, timeline, surveys } = world
  const { name, clockMs: clock } = machine
  const self = { node: name, run }
  const maxStepMs = (settings.renewPeriodMs * 4) / 3

  let membership = noMembership(self, maxStepMs, clock())
  let suspicions: Suspicions = noSuspicions(suspicionSettings(settings.renewPeriodMs))
  let members: ReadonlyMap<string, Member> = new Map()
  let alive: ReadonlyMap<string, Member> = new Map()
  let config: ClusterConfig | undefined
  const records = new Map<string, OwnershipRecord>()
  let assumptions: Assumptions = new Map()
  let pacing: Pacing<RipeKey> = new Map()
  let turns: Turns<RipeKey> = noTurns
  let position = 0
  let pulling = false
  let leaving = false
  let carrier = network.hasCarrier(name)
  let planning = false
  let dueAtMs = Number.POSITIVE_INFINITY
  let renewing = false
  let renewAgain = false
  let writtenVersion = ''
  let writtenSentMs = Number.NEGATIVE_INFINITY
  let seenVersion = ''
  const announced = new Map<string, WireState>()
  const seen = new Map<string, string>()
  let wanted = new Map<string, Write>()
  const writing = new Set<string>()

  // What the API server shows

  /** Reads all changes since the last time, some time after they were made. */
  function pull(): void {
    if (pulling) return
    pulling = true
    const reachable = network.reachesApi(name)
    // A connection that broke is noticed and made anew; then everything is listed.
    machine.after(reachable ? network.apiDelayMs() : random.between(300, 1_000), () => {
      pulling = false
      if (!reachable || !network.reachesApi(name)) return pull()
      const end = api.log.length
      for (; position < end; position++) takeChange(api.log[position] as Change)
      judge()
      if (api.log.length > end) pull()
    })
  }

  function takeChange(change: Change): void {
    switch (change.kind) {
      case 'lease':
        takeLease(change)
        break
      case 'record':
        takeRecord(change)
        wake()
        break
      case 'config':
        config = change.config
        wake()
    }
  }

  function takeRecord({ key, record }: Change & { readonly kind: 'record' }): void {
    const claimed = record?.claim?.node
    if (claimed !== undefined && claimed !== records.get(key)?.claim?.node) {
      toSuspicions({ kind: 'claimed', node: claimed })
    }
    if (record) records.set(key, record)
    else records.delete(key)
  }

  function takeLease({ node, lease }: Change & { readonly kind: 'lease' }): void {
    const nowMs = clock()
    const before = membership.observations.get(node)?.lease
    const wasCutOff = isCutOff(membership, nowMs)
    membership = observe(
      membership,
      lease ? { kind: 'leaseSeen', lease, nowMs } : { kind: 'leaseDeleted', node, nowMs },
    )
    if (wasCutOff && !isCutOff(membership, nowMs)) wake()
    if (node === name) {
      seenVersion = lease?.resourceVersion ?? ''
      prove()
    } else if (lease && before && before.resourceVersion !== lease.resourceVersion && suspicions.lost.has(node)) {
      toSuspicions({ kind: 'leaseChanged', node, run: lease.facts.run })
    }
  }

  /** What we wrote last has come back by the watch. */
  function prove(): void {
    if (seenVersion !== writtenVersion || writtenVersion === '') return
    toSuspicions({ kind: 'renewed', sentMs: writtenSentMs })
    wire.prove(writtenSentMs)
  }

  // Our own Lease

  function facts(): SpeakerFacts {
    const interfaces = [{ name: 'eth0', mac: machine.mac, carrier, subnets: ['10.0.0.0/16'] }]
    return { node: name, run, leaving, interfaces, reluctance: machine.reluctance }
  }

  function renew(): void {
    if (renewing) {
      renewAgain = true
      return
    }
    renewing = true
    const sentMs = clock()
    request(
      () => api.renew(facts(), settings.leaseDurationMs),
      version => {
        renewing = false
        if (version !== undefined) {
          writtenVersion = version
          writtenSentMs = sentMs
          prove()
        }
        const again = renewAgain || version === undefined
        renewAgain = false
        if (again) machine.after(version === undefined ? 250 : 0, renew)
      },
    )
  }

  /** A write that arrives later, if it does, and is answered later still, if it is. */
  function request<Result>(write: () => Result, then: (result: Result | undefined) => void): void {
    const fail = (): void => machine.after(random.between(250, 2_500), () => then(undefined))
    if (!network.reachesApi(name)) return fail()
    timeline.at(timeline.nowMs + network.apiDelayMs(), () => {
      if (!network.reachesApi(name)) return fail()
      const result = write()
      if (!network.reachesApi(name)) return fail()
      machine.after(network.apiDelayMs(), () => then(result))
    })
  }

  // Who is there

  function toSuspicions(event: SuspicionEvent): void {
    const [next, { renew: now }] = suspect(suspicions, event, clock())
    const movesAgain = mayMove(next) && !mayMove(suspicions)
    suspicions = next
    if (now) renew()
    judge()
    if (movesAgain) wake()
    const dueMs = nextChangeMs(suspicions, clock())
    if (dueMs === undefined || dueMs >= dueAtMs) return
    dueAtMs = dueMs
    machine.after(dueMs - clock(), () => {
      dueAtMs = Number.POSITIVE_INFINITY
      toSuspicions({ kind: 'due' })
    })
  }

  function judge(): void {
    const byLease = membersOf(membership)
    // Who is no member yet is watched by nobody: its Lease may still be that of an earlier run, which has ended.
    if (!membership.joined) return
    if (!sameMembers(members, byLease)) {
      members = byLease
      const peers = [...members.values()].filter(({ liveness }) => liveness !== 'gone')
      const byMac = new Map(Array.from(members.values(), ({ node, facts }) => [facts.interfaces[0]?.mac, node]))
      wire.setPeers(
        peers.map(({ node, facts }) => ({ node, run: facts.run })),
        mac => byMac.get(mac),
      )
    }
    const after = livenessOf(members, suspicions, clock())
    if (sameMembers(alive, after)) return
    alive = after
    wake()
  }

  // The loop

  function wake(): void {
    if (planning) return
    planning = true
    machine.after(settings.planPauseMs, () => {
      planning = false
      reconcile()
    })
  }

  function isAnnounced(group: Group): boolean {
    return group.members.every(({ offers }) =>
      offers.every(({ text }) => announced.get(text)?.announcedOn !== undefined),
    )
  }

  function reconcile(): void {
    if (!config || !membership.joined) return
    const nowMs = clock()
    const { survey, cache } = surveys.get(config, alive)
    const refused: RefusedService[] = []
    const offered = []
    for (const service of config.services) {
      const advertisement = survey.advertisementsFor(service, config.endpoints(service))
      if (advertisement?.kind === 'offered') offered.push(advertisement)
      else if (advertisement) refused.push(advertisement)
    }
    const groups = groupsOf(offered, cache)
    const byKey = new Map(groups.map(group => [group.key, group]))
    assumptions = settleAssumptions(
      assumptions,
      key => claimOf(byKey.get(key) ?? nothing, records),
      key => isAnnounced(byKey.get(key) ?? nothing),
    )
    const verdicts = electOwners(
      groups.map(group => ({ key: group.key, candidates: group.candidates, claim: claimOf(group, records) })),
      { self: name, assumptions, isThere },
    )
    const won = groups.filter(group => verdicts.get(group.key)?.node === name)
    pacing = pace(pacing, waiting(mayMove(suspicions) ? won : [], verdicts), nowMs)
    const ripe = ripeKeys(pacing, () => settings.moveMs, nowMs)
    turns = takeTurns(turns, ripe, settings.moveEveryMs, nowMs)
    const next = [nextRipeMs(pacing, () => settings.moveMs, nowMs), nextTurnMs(turns, ripe, settings.moveEveryMs)]
    for (const atMs of next) if (atMs !== undefined) machine.after(atMs - nowMs, wake)
    const actions = plan({
      self: name,
      members: alive,
      groups,
      verdicts,
      refused: [...refused, ...leftOut(groups, verdicts)],
      records,
      wire: announced,
      seen,
      rivals: new Map(),
      ripe: key => (key.startsWith('move ') ? turns.admitted.has(key) : ripe.has(key)),
      stopping: leaving,
      beside: () => ({ routing: undefined, unadvertised: [] }),
    })
    apply(actions, byKey)
    for (const group of won) {
      const claim = claimOf(group, records)
      if (claim && claim.node !== name && !isThere(claim.node) && isAnnounced(group)) {
        assumptions = assume(assumptions, group.key, claim)
      }
    }
    for (const group of won) recaution(group)
    wire.setTouch(!isCutOff(membership, nowMs))
    const claimants = new Map<string, string | undefined>()
    for (const group of groups)
      for (const { offers } of group.members)
        for (const { text } of offers) {
          if (announced.has(text)) claimants.set(text, claimOf(group, records)?.node)
        }
    wire.setClaimants(address => claimants.get(address))
  }

  function isThere(node: string): boolean {
    const member = alive.get(node)
    return member !== undefined && member.liveness !== 'gone'
  }

  function cautionFor(group: Group | undefined) {
    const record = group?.members.map(({ service }) => records.get(recordKey(service))).find(one => one?.claim)
    return cautionOf({ self: name, record, members, alive })
  }

  function recaution(group: Group): void {
    for (const { offers } of group.members)
      for (const { text } of offers) {
        if (announced.has(text) && !announced.get(text)?.announcedOn?.length) wire.recaution(text, cautionFor(group))
      }
  }

  function apply(actions: readonly SpeakerAction[], groups: ReadonlyMap<string, Group>): void {
    wanted = new Map()
    for (const action of actions) {
      switch (action.kind) {
        case 'announce': {
          const caution = cautionFor(groups.get(action.group))
          for (const { address, interfaces } of action.announcements) {
            announced.set(address, { told: interfaces, announcedOn: undefined })
            wire.announce(address, caution)
          }
          break
        }
        case 'withdraw':
          for (const address of action.addresses) {
            announced.delete(address)
            seen.delete(address)
            wire.withdraw(address)
          }
          break
        case 'claim':
          // What is taken over from one that is gone becomes ours when the segment has confirmed it.
          if (mayClaim(action)) wanted.set(recordKey(action.service), action)
          break
        case 'publish':
          wanted.set(recordKey(action.service), action)
          break
        case 'deleteRecord':
          wanted.set(action.record.key, action)
          break
        case 'setCondition':
          break
      }
    }
    for (const [key, write] of wanted) commit(key, write)
  }

  function mayClaim({ service, claim }: SpeakerAction & { readonly kind: 'claim' }): boolean {
    // Whoever has us for dead would claim it back at once.
    if (isCutOff(membership, clock())) return false
    if (!fromTheDead(claim)) return true
    return service.ingress.every(
      one => one.kind !== 'address' || announced.get(formatAddress(one.address))?.announcedOn !== undefined,
    )
  }

  function commit(key: string, write: Write): void {
    if (writing.has(key)) return
    writing.add(key)
    request(
      () => {
        switch (write.kind) {
          case 'claim':
            return api.claim(write.service, write.claim, write.record)
          case 'publish':
            return api.publish(write.record, write.published)
          case 'deleteRecord':
            return api.remove(write.record)
        }
      },
      done => {
        writing.delete(key)
        const next = wanted.get(key)
        // What was planned while this was under way, or this again where nobody answered.
        if (done === false) wake()
        else if (next && (done === undefined || next !== write)) commit(key, next)
      },
    )
  }

  function start(warm: WarmStart | undefined): void {
    if (warm) {
      membership = { ...warm.membership, self, readAtMs: clock() }
      position = api.log.length
      for (const [key, record] of api.records) records.set(key, record)
      config = api.config
      judge()
      wake()
    } else {
      position = api.log.length
      // A list of everything, then the changes.
      machine.after(network.apiDelayMs() + random.between(100, 400), list)
    }
    const renewals = (): void => {
      renew()
      machine.after(settings.renewPeriodMs, renewals)
    }
    machine.after(warm ? random.between(0, settings.renewPeriodMs) : 500, renewals)
    const lookAround = (): void => {
      const nowMs = clock()
      if (suspects(membership, nowMs).length > 0) renew()
      wire.mainLives(nowMs)
      const nextMs = nextSuspicionMs(membership) ?? 0
      machine.after(nextMs > nowMs ? Math.min(suspicionTickMs, nextMs - nowMs) : suspicionTickMs, lookAround)
    }
    lookAround()
    pull()
  }

  function list(): void {
    if (!network.reachesApi(name)) return machine.after(500, list)
    position = api.log.length
    config = api.config
    for (const [key, record] of api.records) records.set(key, record)
    for (const [node, lease] of api.leases) takeLease({ kind: 'lease', node, lease })
    judge()
    wake()
  }

  return {
    start,
    take(news) {
      switch (news.kind) {
        case 'reach':
          machine.after(1, () => toSuspicions({ kind: 'reach', report: news.report }))
          break
        case 'announced': {
          const state = announced.get(news.address)
          if (!state) break
          announced.set(news.address, { told: state.told, announcedOn: news.on })
          wake()
          break
        }
        case 'seen':
          if (announced.has(news.address)) {
            seen.set(news.address, news.node)
            machine.after(seenForMs, () => seen.delete(news.address))
          }
          wake()
      }
    },
    leave(done) {
      leaving = true
      renew()
      wake()
      const deadlineMs = clock() + (network.reachesApi(name) ? handOverMs : handOverAloneMs)
      const look = (): void => {
        if (announced.size === 0 || clock() >= deadlineMs) {
          request(() => api.release(name, run), done)
          return
        }
        machine.after(20, look)
      }
      look()
    },
    get joined() {
      return membership.joined
    },
    get leaving() {
      return leaving
    },
    get isUpToDate() {
      return config === api.config
    },
    get memberCount() {
      return [...members.values()].filter(({ liveness }) => liveness !== 'gone').length
    },
    pull,
    setCarrier(has) {
      carrier = has
      wire.setCarrier(has)
      renew()
    },
    sayAnew: renew,
  }
}

const nothing: Group = { key: '', members: [], candidates: { nodes: [], lesser: new Set() } }

/** Moves for preference or spread have to wait a little. */
function* waiting(won: readonly Group[], verdicts: ReadonlyMap<string, Verdict>): Generator<RipeKey> {
  for (const { key } of won) {
    const because = verdicts.get(key)?.because
    if (because === 'spread' || because === 'preferred') yield `move ${key}`
  }
}
