import type {
  Detector,
  DetectorAction,
  DetectorEvent,
  DetectorSettings,
  Peer,
  PeerState,
  ReachReport,
} from './detector-state.ts'
import { judge, unionOf, youthMs } from './judgement.ts'
import type { VerdictKind } from './verdict-message.ts'
import { watchGraph } from './watchers.ts'

/*
 * Who lives, within a few hundred milliseconds and without the API server.
 *
 *   BFD sessions with six others ─→ whom do I miss? ─→ datagrams to all members ─→ whom can I count on? ─→ report to main
 *
 * A speaker says whom it misses to all members at once, and again after 40 and 120 ms and then every second while it misses
 * anybody; at rest nothing is said at all. From its own sessions and from what the others said each speaker computes for
 * itself whom it can count on (reach.ts). So one round trip after the last of the watchers has noticed, everyone knows.
 *
 * What it does not decide: whether anybody may take over (main's suspicion.ts, which also knows the Leases), and whether
 * this node may still answer (fence.ts).
 *
 * A session that was never up says nothing: where BFD cannot pass at all, the Leases decide alone, as if this did not exist.
 * Only where others miss that node, or we miss others, its silence counts in the end (judgement.ts).
 * One that the other end has shut down on purpose (AdminDown) says nothing either: its Lease says that it is leaving, and
 * when it ends it says farewell, which is heard where the API server is not.
 */

/** Before the first members are known. */
export function createDetector(self: Peer, settings: DetectorSettings): Detector {
  return {
    self,
    settings,
    peers: new Map(),
    former: new Map(),
    graph: watchGraph([self.node]),
    survivors: watchGraph([self.node]),
    standing: 'most',
    sequence: 0,
    able: true,
    missed: [],
    missedSinceMs: Number.NEGATIVE_INFINITY,
    toldAtMs: Number.NEGATIVE_INFINITY,
    toldMissedAtMs: Number.NEGATIVE_INFINITY,
    wokeAtMs: Number.NEGATIVE_INFINITY,
    lookAtMs: undefined,
  }
}

/** What follows from an event: the new state and what to do. */
export function step(
  before: Detector,
  event: DetectorEvent,
  nowMs: number,
): readonly [Detector, readonly DetectorAction[]] {
  const actions: DetectorAction[] = []
  const taken = take(before, event, nowMs, actions)
  if (isRepetition(before, event, nowMs)) return [taken, []]
  const judged = judge(trust(taken, nowMs), nowMs)
  const lookDue = judged.lookAtMs !== undefined && nowMs >= judged.lookAtMs
  let told = tell(before, withNextLook(judged, nowMs), nowMs, actions)
  if (sessionsOf(before) !== sessionsOf(told)) {
    const nodes = sessionNodes(told)
    if (String(nodes) !== String(sessionNodes(before))) {
      actions.push({ kind: 'watch', nodes })
      told = withWatched(told, nodes, nowMs)
    }
  }
  if (lookDue || isReunited(before, told)) actions.push({ kind: 'checkSegment' })
  const report = reportOf(told)
  if (JSON.stringify(report) !== JSON.stringify(reportOf(before))) actions.push({ kind: 'report', report })
  return [told, actions]
}

function withWatched(detector: Detector, nodes: readonly string[], nowMs: number): Detector {
  const since = (peer: PeerState): number | undefined =>
    nodes.includes(peer.node) ? (peer.watchedSinceMs ?? nowMs) : undefined
  const peers = Array.from(detector.peers, ([node, peer]) => [node, { ...peer, watchedSinceMs: since(peer) }] as const)
  return { ...detector, peers: new Map(peers) }
}

/** Whether somebody only says again what it said: in a large cluster that is nearly all that is heard. */
function isRepetition(before: Detector, event: DetectorEvent, nowMs: number): boolean {
  if (event.kind !== 'verdict' || (event.about !== 'verdicts' && event.about !== 'unable')) return false
  const peer = before.peers.get(event.from)
  const opinion = peer?.opinion
  if (!peer || !opinion || nowMs >= opinion.atMs + before.settings.opinionLifeMs) return false
  return peer.left === (event.about === 'unable') && String(opinion.missed) === String(event.missed)
}

function take(detector: Detector, event: DetectorEvent, nowMs: number, actions: DetectorAction[]): Detector {
  switch (event.kind) {
    case 'peers':
      return takePeers(detector, event.peers, nowMs)
    case 'session':
      return withPeer(detector, event.node, peer => takeSession(detector, peer, event.state, nowMs))
    case 'verdict': {
      if (event.about === 'question') return answer(detector, event, nowMs, actions)
      // An answer is for the fence; it says more of us than the sender's own sessions do.
      if (event.about === 'answer') return detector
      const leftUntilMs = untilOf(event.about, detector.settings, nowMs)
      const left = nowMs < leftUntilMs
      const opinion = { sequence: event.sequence, missed: event.missed, atMs: nowMs }
      return withPeer(detector, event.from, peer => ({ ...peer, left, leftUntilMs, opinion }))
    }
    case 'able':
      return event.able === detector.able ? detector : { ...detector, able: event.able }
    case 'leave':
      return sayFarewell(detector, actions)
    case 'woke':
      return { ...detector, wokeAtMs: nowMs }
    case 'due':
      return detector
  }
}

/** How long a message keeps its sender out. */
function untilOf(about: VerdictKind, { opinionLifeMs }: DetectorSettings, nowMs: number): number {
  if (about === 'farewell') return Number.POSITIVE_INFINITY
  return about === 'unable' ? nowMs + opinionLifeMs : Number.NEGATIVE_INFINITY
}

function withPeer(detector: Detector, node: string, change: (peer: PeerState) => PeerState): Detector {
  const peer = detector.peers.get(node)
  if (!peer) return detector
  const changed = change(peer)
  return changed === peer ? detector : { ...detector, peers: new Map(detector.peers).set(node, changed) }
}

function takePeers(detector: Detector, peers: readonly Peer[], nowMs: number): Detector {
  const next = new Map<string, PeerState>()
  for (const { node, run } of peers) {
    if (node === detector.self.node) continue
    const known = detector.peers.get(node)
    if (known?.run === run) next.set(node, known)
    else {
      // A session that is up is the new run's already: its Lease came later than its packets.
      const session = known?.session === 'up' ? 'up' : 'unknown'
      const passes = known?.passes ?? false
      next.set(node, {
        node,
        run,
        hereSinceMs: nowMs,
        watchedSinceMs: known?.watchedSinceMs === undefined ? undefined : nowMs,
        session,
        sessionSinceMs: nowMs,
        passes,
        opinion: undefined,
        left: false,
        leftUntilMs: Number.NEGATIVE_INFINITY,
        missedAtMs: Number.NEGATIVE_INFINITY,
        lostSinceMs: undefined,
      })
    }
  }
  const same = next.size === detector.peers.size && [...next.keys()].every(node => detector.peers.has(node))
  const members = [detector.self.node, ...next.keys()]
  const graph = same ? detector.graph : watchGraph(members)
  // Who is no member any more would still lead to others, or be counted on.
  const areAll = detector.survivors === detector.graph
  const stay = members.filter(node => detector.survivors.has(node))
  const survivors = same ? detector.survivors : areAll ? graph : watchGraph(stay)
  const former = new Map(detector.former)
  for (const { node, run } of detector.peers.values()) if (!next.has(node)) former.set(node, run)
  return { ...detector, peers: next, former, graph, survivors }
}

/** Whether somebody can be counted on again that is the same process as before. */
function isReunited(before: Detector, now: Detector): boolean {
  if (before.peers === now.peers) return false
  return [...now.peers.values()].some(({ node, run, lostSinceMs }) => {
    if (lostSinceMs !== undefined) return false
    const known = before.peers.get(node)
    return known === undefined ? before.former.get(node) === run : known.run === run && known.lostSinceMs !== undefined
  })
}

function takeSession(detector: Detector, peer: PeerState, state: 'up' | 'down' | 'stopped', nowMs: number): PeerState {
  switch (state) {
    case 'up':
      return { ...peer, session: 'up', sessionSinceMs: nowMs, passes: true }
    case 'stopped':
      return { ...peer, session: 'unknown', sessionSinceMs: nowMs }
    case 'down': {
      if (peer.session !== 'up') return peer
      const ourFault = nowMs < detector.wokeAtMs + detector.settings.distrustMs
      return { ...peer, session: ourFault ? 'doubted' : 'down', sessionSinceMs: nowMs }
    }
  }
}

function sayFarewell(detector: Detector, actions: DetectorAction[]): Detector {
  const to = [...detector.peers.values()].map(({ node, run }) => ({ node, run }))
  const { sequence } = detector
  actions.push({ kind: 'send', to, message: { kind: 'farewell', sequence, nonce: 0, missed: [] } })
  return { ...detector, able: false, sequence: sequence + to.length }
}

function answer(
  detector: Detector,
  { from, nonce }: { readonly from: string; readonly nonce: number },
  nowMs: number,
  actions: DetectorAction[],
): Detector {
  const peer = detector.peers.get(from)
  if (!peer) return detector
  // It asks because it was away, and its first packets may have been here before its question.
  const wasMissed = nowMs < peer.missedAtMs + detector.settings.missedMemoryMs
  const told = wasMissed && !detector.missed.includes(peer.run)
  const missed = told ? [peer.run, ...detector.missed] : detector.missed
  actions.push({ kind: 'send', to: [peer], message: { kind: 'answer', sequence: detector.sequence, nonce, missed } })
  return { ...detector, sequence: detector.sequence + 1 }
}

/** What was doubted and is still down was not our fault; and what should have come up by now has not. */
function trust(detector: Detector, nowMs: number): Detector {
  const over = [...detector.peers.values()].filter(peer => peer.left && nowMs >= peer.leftUntilMs)
  const ripe = [...detector.peers.values()].filter(peer => {
    const dueMs = trustedAtMs(peer, detector.settings)
    return dueMs !== undefined && nowMs >= dueMs
  })
  if (ripe.length === 0 && over.length === 0) return detector
  const peers = new Map(detector.peers)
  for (const peer of over) peers.set(peer.node, { ...peer, left: false })
  for (const { node } of ripe) {
    const peer = peers.get(node)
    if (peer) peers.set(node, { ...peer, session: 'down' })
  }
  return { ...detector, peers }
}

/** When a session that says nothing yet will have to be held against the other end. */
function trustedAtMs(peer: PeerState, { distrustMs, newRunMs }: DetectorSettings): number | undefined {
  if (peer.session === 'doubted') return peer.sessionSinceMs + distrustMs
  return peer.session === 'unknown' && peer.passes ? peer.sessionSinceMs + newRunMs : undefined
}

/** Sets when the segment is to be looked at next. */
function withNextLook(detector: Detector, nowMs: number): Detector {
  const { peers, settings, lookAtMs } = detector
  const anyLost = [...peers.values()].some(({ left, lostSinceMs }) => lostSinceMs !== undefined && !left)
  if (!anyLost) return lookAtMs === undefined ? detector : { ...detector, lookAtMs: undefined }
  return lookAtMs !== undefined && nowMs < lookAtMs ? detector : { ...detector, lookAtMs: nowMs + settings.lookEveryMs }
}

function sessionsOf({ graph, survivors, self }: Detector): unknown {
  return graph === survivors ? graph.get(self.node) : survivors
}

function sessionNodes(detector: Detector): readonly string[] {
  return [...(unionOf(detector).get(detector.self.node) ?? [])].sort()
}

/** Says whom we miss, when that has changed or is to be said again. */
function tell(before: Detector, now: Detector, nowMs: number, actions: DetectorAction[]): Detector {
  const news = now.missed !== before.missed || now.able !== before.able
  const detector = news ? { ...now, missedSinceMs: nowMs } : now
  const toAll = news || isDueForAll(detector, nowMs)
  const toMissed = detector.missed.length > 0 && nowMs >= detector.toldMissedAtMs + detector.settings.refreshToMissedMs
  if (!toAll && !toMissed) return detector
  const to = [...detector.peers.values()]
    .filter(({ run }) => toAll || detector.missed.includes(run))
    .map(({ node, run }) => ({ node, run }))
  const { sequence, missed, able } = detector
  const kind = able ? 'verdicts' : 'unable'
  if (to.length > 0) actions.push({ kind: 'send', to, message: { kind, sequence, nonce: 0, missed } })
  return {
    ...detector,
    sequence: sequence + to.length,
    toldAtMs: toAll ? nowMs : detector.toldAtMs,
    toldMissedAtMs: nowMs,
  }
}

function isDueForAll(detector: Detector, nowMs: number): boolean {
  const dueMs = nextForAllMs(detector)
  return dueMs !== undefined && nowMs >= dueMs
}

/** When all are to be told next what they were told before. */
function nextForAllMs({ able, missed, missedSinceMs, toldAtMs, settings }: Detector): number | undefined {
  const repeat = settings.repeatsMs.map(pauseMs => missedSinceMs + pauseMs).find(atMs => atMs > toldAtMs)
  if (repeat !== undefined && repeat !== Number.NEGATIVE_INFINITY) return repeat
  return missed.length > 0 || !able ? toldAtMs + settings.refreshMs : undefined
}

/** What main is told. */
export function reportOf({ peers, standing }: Detector): ReachReport {
  const all = [...peers.values()]
  return {
    standing,
    lost: all.flatMap(({ node, run, left, lostSinceMs }) =>
      lostSinceMs === undefined ? [] : [{ node, run, left, sinceMs: lostSinceMs }],
    ),
    ownMissed: all.filter(({ session }) => session === 'down').map(({ node }) => node),
    suspected: suspectedOf(all),
  }
}

function suspectedOf(peers: readonly PeerState[]): readonly string[] {
  const missed = new Set(peers.flatMap(peer => (peer.lostSinceMs === undefined ? (peer.opinion?.missed ?? []) : [])))
  const suspected = peers.filter(({ run, session, lostSinceMs }) => {
    return lostSinceMs === undefined && (session === 'down' || missed.has(run))
  })
  return suspected.map(({ node }) => node)
}

/** When `due` is to come next, if nothing else happens; everything that is due by now has been given. */
export function nextDueMs(detector: Detector, nowMs: number): number | undefined {
  const { settings, missed, toldMissedAtMs, lookAtMs } = detector
  const dues = [
    lookAtMs,
    nextForAllMs(detector),
    missed.length > 0 ? toldMissedAtMs + settings.refreshToMissedMs : undefined,
  ]
  for (const peer of detector.peers.values()) {
    const { opinion, lostSinceMs, hereSinceMs, watchedSinceMs } = peer
    dues.push(trustedAtMs(peer, settings), peer.left ? peer.leftUntilMs : undefined)
    dues.push(
      hereSinceMs + youthMs(settings),
      watchedSinceMs === undefined ? undefined : watchedSinceMs + settings.newRunMs,
    )
    if (opinion && opinion.missed.length > 0) dues.push(opinion.atMs + settings.opinionLifeMs)
    if (lostSinceMs !== undefined) dues.push(lostSinceMs + settings.rewatchAfterMs)
  }
  const ahead = dues.filter(
    dueMs => dueMs !== undefined && dueMs > nowMs && dueMs < Number.POSITIVE_INFINITY,
  ) as readonly number[]
  return ahead.length > 0 ? Math.min(...ahead) : undefined
}
