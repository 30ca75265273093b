import type { Detector, DetectorSettings, PeerState, Standing } from './detector-state.ts'
import { countedOn, lostFrom, type Missing } from './reach.ts'
import { type WatchGraph, watchGraph } from './watchers.ts'

/*
 * What the detector makes of everything that it knows: whom we miss ourselves, who is lost to all of us, and how many are
 * left to count on. It looks at the whole after every event, and never at the event itself.
 */

/** Whom we can count on now. */
export function judge(detector: Detector, nowMs: number): Detector {
  const { self, settings } = detector
  const left = new Set([...detector.peers.values()].filter(peer => peer.left).map(({ node }) => node))
  const graph = unionOf(detector)
  const own = ownMissing(detector, graph, left, nowMs)
  const missing = missingIn(detector, own, nowMs)
  const lost = lostFrom(self.node, graph, missing, left)
  const missed = [...own].map(node => detector.peers.get(node)?.run ?? node).sort()
  const peers = withLost(detector.peers, lost, nowMs)
  const all = peers.size + 1
  const counted =
    lost.size === left.size
      ? all - lost.size
      : countedOn(self.node, graph, missing, lost, newcomers(peers, settings, nowMs))
  return {
    ...detector,
    peers,
    survivors: survivorsOf(detector, peers, nowMs),
    standing: standingOf(counted, all - left.size),
    missed: String(missed) === String(detector.missed) ? detector.missed : missed,
  }
}

/** Since when who is lost and when who was missed; the same object where that is as it was. */
function withLost(
  before: ReadonlyMap<string, PeerState>,
  lost: ReadonlySet<string>,
  nowMs: number,
): ReadonlyMap<string, PeerState> {
  const changed: PeerState[] = []
  for (const peer of before.values()) {
    const lostSinceMs = lost.has(peer.node) ? (peer.lostSinceMs ?? nowMs) : undefined
    const isMissed = lostSinceMs !== undefined || peer.session === 'down'
    if (!isMissed && peer.lostSinceMs === undefined) continue
    const isBack = lostSinceMs === undefined && peer.lostSinceMs !== undefined
    const hereSinceMs = isBack ? nowMs : peer.hereSinceMs
    changed.push({ ...peer, lostSinceMs, hereSinceMs, missedAtMs: isMissed ? nowMs : peer.missedAtMs })
  }
  if (changed.length === 0) return before
  const peers = new Map(before)
  for (const peer of changed) peers.set(peer.node, peer)
  return peers
}

/**
 * The graph between those that are not lost, made anew when somebody has been lost for long or is here again. Whoever is lost
 * then has no part in it, be it only for a moment longer: of nodes that die together one is noticed before the other, and
 * a session with a dead one that never was up would be held for a good one that leads to it and all the rest.
 */
function survivorsOf(
  { self, settings, graph, survivors }: Detector,
  peers: ReadonlyMap<string, PeerState>,
  nowMs: number,
): WatchGraph {
  const all = [...peers.values()]
  const gone = all.filter(
    ({ lostSinceMs }) => lostSinceMs !== undefined && nowMs >= lostSinceMs + settings.rewatchAfterMs,
  )
  if (gone.length === 0) return graph
  const stay = [self.node, ...all.filter(({ lostSinceMs }) => lostSinceMs === undefined).map(({ node }) => node)]
  const members = new Set([self.node, ...peers.keys()])
  const isCurrent =
    stay.every(node => survivors.has(node)) &&
    !gone.some(({ node }) => survivors.has(node)) &&
    [...survivors.keys()].every(node => members.has(node))
  return isCurrent ? survivors : watchGraph(stay)
}

function standingOf(reached: number, all: number): Standing {
  if (reached * 2 === all) return 'half'
  return reached * 2 > all ? 'most' : 'few'
}

/**
 * The nodes that we ourselves miss. One that no session ever came up with is missed where others miss it, or we miss
 * others, and nothing but our silence would lead to it: whoever begins in a torn network would hold it together for all
 * on its side, and whoever is alone would count on one that begins on the other.
 */
function ownMissing(
  detector: Detector,
  graph: WatchGraph,
  left: ReadonlySet<string>,
  nowMs: number,
): ReadonlySet<string> {
  const all = [...detector.peers.values()]
  const down = new Set(all.filter(({ session }) => session === 'down').map(({ node }) => node))
  const mute = all.filter(
    ({ session, passes, watchedSinceMs }) =>
      session === 'unknown' &&
      !passes &&
      watchedSinceMs !== undefined &&
      nowMs >= watchedSinceMs + detector.settings.newRunMs,
  )
  const missing = mute.length === 0 ? new Map() : missingIn(detector, down, nowMs)
  const accused = new Set([...missing.values()].flatMap(nodes => [...nodes]))
  const doubted = mute.filter(({ node }) => down.size > 0 || accused.has(node)).map(({ node }) => node)
  if (doubted.length === 0) return down
  const lost = lostFrom(
    detector.self.node,
    graph,
    new Map(missing).set(detector.self.node, new Set([...down, ...doubted])),
    left,
  )
  return new Set([...down, ...doubted.filter(node => lost.has(node))])
}

/** Those that came, or came back, just now while others were lost already; and those that we have a session with. */
function newcomers(
  peers: ReadonlyMap<string, PeerState>,
  settings: DetectorSettings,
  nowMs: number,
): Parameters<typeof countedOn>[4] {
  const all = [...peers.values()]
  const sinceMs = Math.min(...all.map(({ lostSinceMs }) => lostSinceMs ?? nowMs))
  const isYoung = ({ hereSinceMs }: PeerState): boolean =>
    hereSinceMs > sinceMs && nowMs < hereSinceMs + youthMs(settings)
  return {
    young: new Set(all.filter(isYoung).map(({ node }) => node)),
    heard: new Set(all.filter(({ session }) => session === 'up').map(({ node }) => node)),
  }
}

/** Whoever misses a new run by then has said so. */
export function youthMs({ newRunMs, refreshMs }: DetectorSettings): number {
  return newRunMs + refreshMs
}

/** Who misses whom, by the names of the nodes, as far as it still counts; `own` are those that we do. */
function missingIn(detector: Detector, own: ReadonlySet<string>, nowMs: number): Missing {
  const missing = new Map<string, ReadonlySet<string>>()
  const speaks = own.size > 0 || [...detector.peers.values()].some(({ opinion }) => opinion?.missed.length)
  if (!speaks) return missing
  const nodeOf = new Map<string, string>()
  for (const { node, run } of detector.peers.values()) nodeOf.set(run, node)
  nodeOf.set(detector.self.run, detector.self.node)
  if (own.size > 0) missing.set(detector.self.node, own)
  for (const { node, opinion } of detector.peers.values()) {
    if (!opinion || opinion.missed.length === 0) continue
    if (nowMs >= opinion.atMs + detector.settings.opinionLifeMs) continue
    const named = opinion.missed.map(run => nodeOf.get(run)).filter(name => name !== undefined)
    if (named.length > 0) missing.set(node, new Set(named))
  }
  return missing
}

/** Both graphs in one. */
export function unionOf({ graph, survivors }: Detector): ReadonlyMap<string, readonly string[]> {
  if (survivors === graph) return graph
  return new Map(
    Array.from(graph, ([node, watched]) => [node, [...new Set([...watched, ...(survivors.get(node) ?? [])])]]),
  )
}
