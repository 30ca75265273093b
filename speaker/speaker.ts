import { randomUUID } from 'node:crypto'
import type { Logger } from 'pino'
import { createEventRecorder } from '../kube/events.ts'
import { holdLease } from '../kube/lease.ts'
import { sleep } from '../kube/task.ts'
import type { Transport } from '../kube/transport.ts'
import { createAnnouncer } from './announcer.ts'
import { createEndpointIndex } from './endpoints.ts'
import {
  factsAnnotation,
  formatFacts,
  speakerLeaseLabel,
  speakerLeaseLabelValue,
  speakerLeaseName,
} from './layer2/facts.ts'
import {
  isCutOff,
  type Member,
  type Membership,
  type MembershipEvent,
  membersOf,
  nextSuspicionMs,
  nodeOfMac,
  noMembership,
  observe,
  sameMembers,
  suspects,
} from './layer2/membership.ts'
import { factsOf } from './node-facts.ts'
import { createReconciler } from './reconcile.ts'
import { createSources } from './sources.ts'
import { type SpeakerHealth, takeCounters, type WireTotals } from './status.ts'
import type { NetworkInterface, WireCommand, WireReport } from './wire/messages.ts'
import { createWriter } from './writer.ts'

/*
 * One speaker: what it watches, the Lease that it holds, its wire thread and the loop between them, from the first
 * list to the last hand-over. The wire thread comes in as an argument, so that several speakers can run in one process.
 */

/** How to start a wire thread; speaker/wire's `startWire`, or a test's. */
export type StartWire = (options: {
  readonly log: Logger
  readonly onReport: (report: WireReport) => void
  readonly onExit: (error: Error) => void
}) => { send(command: WireCommand): void; stop(): Promise<void> }

export interface SpeakerOptions {
  readonly transport: Transport
  readonly startWire: StartWire
  readonly node: string
  readonly namespace: string
  readonly leaseDurationSeconds: number
  readonly renewPeriodSeconds: number
  readonly handOverTimeoutSeconds: number
  readonly log: Logger
}

/** A speaker that can be run and asked. */
export interface Speaker {
  /** Works until the signal aborts, then hands over and ends. Rejects where it cannot go on: nothing answers any more. */
  run(signal: AbortSignal): Promise<void>
  readonly health: () => SpeakerHealth
}

// The observation clock (membership.ts) may advance a little more than one renewal at once, since renewals take time.
const stepsPerPeriod = 4 / 3
const tickMs = 1_000
const factsPauseMs = 250

export function createSpeaker(options: SpeakerOptions): Speaker {
  const { transport, node, namespace, log } = options
  const self = { node, run: randomUUID() }
  const leaseDurationMs = options.leaseDurationSeconds * 1000
  const renewPeriodMs = options.renewPeriodSeconds * 1000
  const sources = createSources({ transport, namespace, leaseDurationMs, log })
  const leaseName = speakerLeaseName(node)

  let interfaces: readonly NetworkInterface[] | undefined
  let leaving = false
  let synced = false
  let membership: Membership = noMembership(self, renewPeriodMs * stepsPerPeriod, performance.now())
  let members: ReadonlyMap<string, Member> = new Map()
  let confirmedSinceYielding = 0
  let toldFacts = ''
  let factsTimer: NodeJS.Timeout | undefined
  const totals: WireTotals = new Map()
  const started = Promise.withResolvers<void>()
  const lost = Promise.withResolvers<never>()
  lost.promise.catch(() => {
    // Whoever runs the speaker is told; before that nobody listens yet.
  })

  const factsText = (): string => formatFacts(factsOf(self, interfaces ?? [], leaving))

  const lease = holdLease({
    transport,
    namespace,
    name: leaseName,
    labels: { [speakerLeaseLabel]: speakerLeaseLabelValue },
    annotations: () => ({ [factsAnnotation]: factsText() }),
    holderIdentity: `${node}/${self.run}`,
    leaseDurationSeconds: options.leaseDurationSeconds,
    renewPeriodMs,
    log,
  })
  const events = createEventRecorder({
    transport,
    reportingController: 'berth-speaker',
    reportingInstance: node,
    busy: () => writer.queue.depth + writer.queue.running > 0,
    log,
  })
  const writer = createWriter({ transport, sources, events, namespace, log })
  const wire = options.startWire({ log, onReport: takeReport, onExit: lost.reject })
  const announcer = createAnnouncer({
    send: command => wire.send(command),
    nodeOf: mac => nodeOfMac(members, mac),
    isCutOff: () => isCutOff(membership, performance.now()),
    isRightful: address => reconciler.servicesOf(address).length > 0,
    onChange: () => reconciler.wake(),
    log,
  })
  const endpoints = createEndpointIndex(sources.slices, key => {
    if (sources.services.get(key)) reconciler.wake()
  })
  const reconciler = createReconciler({
    self: node,
    sources,
    endpoints,
    members: () => (synced && membership.joined ? members : undefined),
    announcer,
    writer,
    isStopping: () => leaving,
    namespace,
    log,
  })

  /** Writes changed facts soon: at once, but a link that flaps is not worth more than a few writes a second. */
  function tellFacts(): void {
    const text = factsText()
    if (text === toldFacts || factsTimer !== undefined) return
    toldFacts = text
    lease.touch()
    factsTimer = setTimeout(() => {
      factsTimer = undefined
      tellFacts()
    }, factsPauseMs)
    factsTimer.unref()
  }

  function takeReport(report: WireReport): void {
    switch (report.kind) {
      case 'interfaces':
        interfaces = report.interfaces
        started.resolve()
        tellFacts()
        break
      case 'announced':
      case 'seen':
        announcer.take(report)
        break
      case 'counters':
        takeCounters(totals, report.counters)
        break
      case 'problem':
        // startWire has logged it.
        break
    }
  }

  function takeMembership(event: MembershipEvent): void {
    const before = membership
    membership = observe(membership, event)
    if (membership.readAtMs !== before.readAtMs) renewalCameBack()
    judge()
  }

  /** Our own renewal came back: what we see is fresh. */
  function renewalCameBack(): void {
    if (announcer.yielded.size === 0) return
    // Two renewals and a working watch of the records: by then they show who has what we gave up.
    confirmedSinceYielding++
    const records = sources.watches.find(watch => watch.resource === 'servicel2statuses')?.task.health()
    if (confirmedSinceYielding < 2 || records?.state !== 'watching') return
    confirmedSinceYielding = 0
    announcer.endYielding()
  }

  function judge(): void {
    const after = membersOf(membership)
    if (sameMembers(members, after)) return
    for (const [name, { liveness }] of after) {
      if (members.get(name)?.liveness !== liveness) log.info({ speaker: name, liveness }, 'speaker')
    }
    for (const name of members.keys()) if (!after.has(name)) log.info({ speaker: name }, 'speaker has left')
    members = after
    reconciler.wake('nodes')
  }

  sources.leases.subscribe(({ before, after }) => {
    const nowMs = performance.now()
    if (after) takeMembership({ kind: 'leaseSeen', lease: after, nowMs })
    else if (before) takeMembership({ kind: 'leaseDeleted', node: before.node, nowMs })
  })
  sources.nodes.subscribe(({ before, after }) => {
    const same =
      before?.networkUnavailable === after?.networkUnavailable &&
      JSON.stringify(before?.labels) === JSON.stringify(after?.labels)
    if (!same) reconciler.wake('nodes')
  })
  sources.services.subscribe(({ before, after }) => {
    if (before && !after) endpoints.forget(before.key)
    reconciler.wake()
  })
  sources.records.subscribe(() => reconciler.wake())
  sources.pools.subscribe(() => reconciler.wake('nodes'))
  sources.advertisements.subscribe(() => reconciler.wake('nodes'))

  /** Time passes: a Lease may be over, so renew ours to make sure; being cut off begins without any event. */
  function tick(): void {
    const nowMs = performance.now()
    if (isCutOff(membership, nowMs)) confirmedSinceYielding = 0
    const names = suspects(membership, nowMs)
    if (names.length > 0) {
      log.debug({ nodes: names }, 'their Leases seem to be over; renewing ours to know for certain')
      lease.touch()
    }
  }

  async function watchTime(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const nextMs = nextSuspicionMs(membership) ?? 0
      const nowMs = performance.now()
      // Whoever is suspect already waits for the answer to our renewal; asking again before a tick has passed helps nobody.
      await sleep(nextMs > nowMs ? Math.min(tickMs, nextMs - nowMs) : tickMs, signal)
      if (!signal.aborted) tick()
    }
  }

  /** Says that it is leaving, and goes on answering until others do, or for as long as it may. */
  async function handOver(): Promise<void> {
    leaving = true
    lease.touch()
    reconciler.wake()
    const deadline = AbortSignal.timeout(options.handOverTimeoutSeconds * 1000)
    log.info({ addresses: announcer.wire.size }, 'stopping: handing over')
    while (announcer.wire.size > 0 && !deadline.aborted) await sleep(10, deadline)
    if (announcer.wire.size > 0) {
      log.warn({ addresses: [...announcer.wire.keys()] }, 'nobody has taken these over in time')
    } else log.info('everything is handed over')
  }

  async function work(stop: AbortController): Promise<void> {
    const { signal } = stop
    const running = [
      ...sources.watches.map(({ task }) => task.run(signal)),
      writer.run(signal),
      events.run(signal),
      watchTime(signal),
    ]
    // Without knowing its interfaces a speaker has nothing to say in a Lease.
    await Promise.race([started.promise, aborted(signal)])
    if (!signal.aborted) running.push(lease.run(signal))
    await Promise.race([Promise.all(sources.watches.map(({ task }) => task.ready)), aborted(signal)])
    synced = !signal.aborted
    reconciler.wake('nodes')
    await Promise.all(running)
  }

  async function run(signal: AbortSignal): Promise<void> {
    const stop = new AbortController()
    const working = work(stop)
    try {
      await Promise.race([aborted(signal), lost.promise, working])
      await Promise.race([handOver(), lost.promise])
    } finally {
      await wire.stop()
      stop.abort()
      await working
      await events.flush(1_000)
    }
  }

  return {
    run,
    health: () => ({
      node,
      interfacesKnown: interfaces !== undefined,
      synced,
      joined: membership.joined,
      cutOff: isCutOff(membership, performance.now()),
      leaving,
      leaseRenewedAtMs: lease.renewedAtMs,
      members,
      watches: sources.watches.map(({ resource, task, hasSynced }) => ({
        resource,
        hasSynced: hasSynced(),
        ...task.health(),
      })),
      writesWaiting: writer.queue.depth,
      writesRunning: writer.queue.running,
      eventsDropped: events.dropped,
      reconciler: reconciler.state,
      wire: announcer.wire,
      servicesOf: address => reconciler.servicesOf(address),
      totals,
      conflicts: announcer.conflicts,
    }),
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
}
