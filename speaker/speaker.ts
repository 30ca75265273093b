import { randomUUID } from 'node:crypto'
import type { Logger } from 'pino'
import { createEventRecorder } from '../kube/events.ts'
import { differsInConditionsOnly } from '../kube/service.ts'
import { aborted, sleep } from '../kube/task.ts'
import type { Transport } from '../kube/transport.ts'
import { createAnnouncer } from './announcer.ts'
import type { Bgp, BgpOptions } from './bgp/speaker.ts'
import { type ClusterOptions, createClusterFeed } from './cluster-feed.ts'
import { type DrainPolicy, drainedBy } from './drain.ts'
import { createEndpointIndex } from './endpoints.ts'
import { reversePathFilterOf } from './kernel-settings.ts'
import { formatFacts, type Reluctance } from './layer2/facts.ts'
import { type Member, nodeOfMac } from './layer2/membership.ts'
import { createMembers } from './members.ts'
import { factsOf } from './node-facts.ts'
import { createProxyWatch } from './proxy-watch.ts'
import { createReconciler } from './reconcile.ts'
import { createPasswords } from './routing/passwords.ts'
import { createRecorder } from './routing/recorder.ts'
import { createRouter, type RouterNews } from './routing/router.ts'
import { createSources, type NamedWatch } from './sources.ts'
import { type SpeakerHealth, withoutRemovedNodes } from './status.ts'
import type { WireCommand, WireReport } from './wire/messages.ts'
import { createWireNews } from './wire-news.ts'
import { createWriter } from './writer.ts'

/*
 * One speaker: what it watches, who else is there, its wire thread and the two loops between them (reconcile.ts for layer 2,
 * routing/router.ts for BGP), from the first list to the last hand-over. The wire thread comes in as an argument, so that
 * several speakers can run in one process.
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
  readonly bgpDwellSeconds: number
  /** How the speakers look after each other; undefined: their Leases alone tell who lives. */
  readonly cluster: ClusterOptions | undefined
  readonly drain: DrainPolicy
  /** Where this node's kube-proxy says how it is; undefined = it is not asked. */
  readonly kubeProxyHealthz: URL | undefined
  readonly log: Logger
}

/** A speaker that can be run and asked. */
export interface Speaker {
  /** Works until the signal aborts, then hands over and ends. Rejects where it cannot go on: nothing answers any more. */
  run(signal: AbortSignal): Promise<void>
  readonly health: () => SpeakerHealth
}

const noMembers: ReadonlyMap<string, Member> = new Map()

export function createSpeaker(options: SpeakerOptions): Speaker {
  const { transport, node, namespace, log } = options
  const self = { node, run: randomUUID() }
  const leaseDurationMs = options.leaseDurationSeconds * 1000
  const sources = createSources({ transport, namespace, node, leaseDurationMs, log })

  let leaving = false
  let synced = false
  const lost = Promise.withResolvers<never>()
  lost.promise.catch(() => {
    // Whoever runs the speaker is told; before that nobody listens yet.
  })

  const news = createWireNews({
    announcer: () => announcer,
    onInterfaces: () => {
      members.tellFacts()
      feed.tellMembers()
      // Whether a router is next to us decides how BFD watches it, and what addresses we have what routes say.
      router.wake('interfaces')
    },
    onExcluded: () => router.wake('interfaces'),
    onReach: report => members.takeReach(report),
    onBfd: status => router.takeBfd(status),
    log,
  })
  const members = createMembers({
    ...options,
    self,
    leases: sources.leases,
    ownNode: () => sources.nodes.get(node),
    factsText: () => formatFacts(factsOf(self, news.interfaces ?? [], leaving, reluctance(), reversePathFilterOf)),
    onChange: () => {
      reconciler.wake('members')
      recorder.update()
    },
    onSuspicion: suspected => reconciler.prepare(suspected),
    onLeases: () => feed.tellMembers(),
    onProven: sentMs => feed.proven(sentMs),
    onCutOff: () => reconciler.wake(),
  })
  const proxyWatch = createProxyWatch({
    url: options.kubeProxyHealthz,
    onChange: () => members.tellFacts(),
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
  const wire = options.startWire({ log, onReport: report => news.take(report), onExit: lost.reject })
  const announcer = createAnnouncer({
    send: command => wire.send(command),
    nodeOf: mac => nodeOfMac(members.byLease(), mac),
    onChange: () => reconciler.wake(),
    log,
  })
  const feed = createClusterFeed({
    send: command => wire.send(command),
    settings: options.cluster && {
      ...options.cluster,
      ...self,
      leaseDurationMs: options.leaseDurationSeconds * 1000,
      renewPeriodMs: options.renewPeriodSeconds * 1000,
    },
    members: () => members.byLease(),
    nodes: sources.nodes,
    interfaces: () => news.interfaces ?? [],
  })
  const endpoints = createEndpointIndex(sources.slices, key => {
    if (!sources.services.get(key)) return
    router.wake({ service: key })
    reconciler.wakeForEndpoints(key)
  })
  const reconciler = createReconciler({
    self: node,
    sources,
    endpoints,
    members: () => (synced && members.joined() ? members.current() : undefined),
    byLease: () => members.byLease(),
    mayMove: () => members.mayMove(),
    isCutOff: () => members.isCutOff(),
    onPlanned: claimants => feed.tellKnowledge(claimants, !members.isCutOff()),
    announcer,
    writer,
    isStopping: () => leaving,
    log,
  })
  const router = createRouter({
    node,
    sources,
    endpoints,
    passwords: createPasswords({ transport, namespace, onChange: () => router.wake(), log }),
    known: () => (needed('routing').every(watch => watch.hasSynced()) ? 'everything' : knownOfPeers()),
    openBgp,
    setBfdSessions: sessions => wire.send({ kind: 'bfd', sessions }),
    interfaces: () => [...(news.interfaces ?? []), ...news.excluded],
    dwellMs: Math.min(options.bgpDwellSeconds, options.handOverTimeoutSeconds) * 1000,
    isDrained: () => drained() !== undefined,
    onChange: () => recorder.update(),
    log,
  })
  const recorder = createRecorder({
    transport,
    sources,
    events,
    node,
    namespace,
    view: () => router.view(),
    members: () => (members.joined() && !members.isCutOff() ? members.current() : noMembers),
    log,
  })

  /** Told in the Lease, so that all speakers go by the same, whatever their own flags are. */
  function reluctance(): Reluctance | undefined {
    if (!proxyWatch.isHealthy()) return { kind: 'proxyUnhealthy' }
    const by = drained()
    return by === undefined ? undefined : { kind: 'drained', by }
  }

  function drained(): string | undefined {
    const own = sources.nodes.get(node)
    return own && drainedBy(own, options.drain)
  }

  /** The watches whose first list this part of the speaker waits for. */
  function needed(part: 'layer2' | 'routing'): readonly NamedWatch[] {
    return sources.watches.filter(({ neededBy }) => neededBy === 'both' || neededBy === part)
  }

  /** Sessions need not wait for thousands of Services: where a router bridges our restart, its patience has an end. */
  function knownOfPeers(): 'peers' | 'nothing' {
    const { nodes, bgpPeers, bfdProfiles } = sources
    return nodes.hasSynced && bgpPeers.hasSynced && bfdProfiles.hasSynced ? 'peers' : 'nothing'
  }

  /** What is to be announced may be another, by either way. */
  function wakeBoth(what: RouterNews): void {
    // First, so that it runs first: a withdrawal must not wait for an election.
    router.wake(what)
    reconciler.wake(what === 'configuration' ? 'nodes' : undefined)
  }

  sources.nodes.subscribe(({ before, after }) => {
    const same =
      before?.networkUnavailable === after?.networkUnavailable &&
      JSON.stringify(before?.labels) === JSON.stringify(after?.labels) &&
      before?.internalIPs.join() === after?.internalIPs.join()
    if (!same) wakeBoth('configuration')
    if ((after ?? before)?.name === node) {
      if (news.interfaces) members.tellFacts()
      // It may be drained now.
      router.wake()
    }
    if (before?.internalIPs.join() !== after?.internalIPs.join()) feed.tellMembers()
  })
  sources.services.subscribe(({ before, after }) => {
    if (before && !after) endpoints.forget(before.key)
    // Nearly always the echo of what a speaker has just written.
    const service = after ?? before
    if (before && after && differsInConditionsOnly(before, after)) reconciler.wakeLater()
    else if (service) wakeBoth({ service: service.key })
  })
  sources.records.subscribe(({ before, after }) => {
    if (after?.claim && after.claim.node !== before?.claim?.node) members.takeClaim(after.claim.node)
    reconciler.wake()
  })
  sources.sessionRecords.subscribe(({ before, after }) => {
    if (before?.state !== after?.state) reconciler.wake()
  })
  sources.subscribeConfig(() => wakeBoth('configuration'))

  /** Says that it is leaving, and goes on answering until others do, or for as long as it may. */
  async function handOver(): Promise<void> {
    leaving = true
    members.tellFactsNow()
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
      members.watchTime(signal),
      recorder.run(signal),
      proxyWatch.run(signal),
    ]
    // Also that there is none of something is news.
    for (const { task } of sources.watches) void task.ready.then(() => wakeBoth('configuration'))
    // Without knowing its interfaces a speaker has nothing to say in a Lease.
    await Promise.race([news.started, aborted(signal)])
    if (!signal.aborted) running.push(members.holdLease(signal))
    await Promise.race([Promise.all(needed('layer2').map(({ task }) => task.ready)), aborted(signal)])
    synced = !signal.aborted
    reconciler.wake('nodes')
    await Promise.all(running)
  }

  async function run(signal: AbortSignal): Promise<void> {
    const stop = new AbortController()
    const working = work(stop)
    try {
      await Promise.race([aborted(signal), lost.promise, working])
      await Promise.race([Promise.all([handOver(), router.leave()]), lost.promise])
    } finally {
      await router.stop()
      feed.stop()
      // BFD's last word comes after BGP's: nothing that hangs on it is left.
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
      interfacesKnown: news.interfaces !== undefined,
      synced: sources.watches.every(({ neededBy, hasSynced }) => neededBy === 'nobody' || hasSynced()),
      joined: members.joined(),
      cutOff: members.isCutOff(),
      fence: news.fence,
      leaving,
      leaseRenewedAtMs: members.leaseRenewedAtMs,
      members: withoutRemovedNodes(members.current(), name => sources.nodes.get(name) !== undefined),
      watches: sources.watches.map(({ resource, neededBy, task, hasSynced }) => ({
        resource,
        neededBy,
        hasSynced: hasSynced(),
        ...task.health(),
      })),
      writesWaiting: writer.queue.depth,
      writesRunning: writer.queue.running,
      eventsDropped: events.dropped,
      reconciler: reconciler.state,
      wire: announcer.wire,
      servicesOf: address => reconciler.servicesOf(address),
      totals: news.totals,
      conflicts: announcer.conflicts,
      takeOvers: announcer.takeOvers,
      rivals: announcer.rivals,
      reach: news.reach,
      addressesOf: key => {
        const ingress = sources.services.get(key)?.ingress ?? []
        return ingress.flatMap(one => (one.kind === 'address' ? [one.address] : []))
      },
      router: router.state,
      routing: router.view(),
      bfdCounters: news.bfdCounters,
      recordsWaiting: recorder.waiting,
    }),
  }
}

/** BGP is read into memory when the first peer wants it. */
async function openBgp(options: BgpOptions): Promise<Bgp> {
  const { createBgp } = await import('./bgp/speaker.ts')
  return createBgp(options)
}
