import { spreadBound } from '../../speaker/layer2/election.ts'
import { fromTheDead } from '../../speaker/layer2/record.ts'
import { isAble, type Part, partsOf } from './allowance.ts'
import type { Cluster } from './cluster.ts'
import { isForBalance, type Move } from './episodes.ts'

/*
 * Whether an address moved that did not have to. It has to where its owner failed, was cut off, may not or cannot have it any
 * more, leaves, or has more than its share. What was taken over while the API server was away is written down when that is
 * back, and what two sides took from each other when they meet; so an owner counts as sound only after a while in which
 * everybody could write.
 */

/** So long a time in which the API server is reached by all must have passed since something was wrong with the owner. */
const graceMs = 20_000
const lookEveryMs = 500
/** Taken over, taken back, and moved for the spread. */
const mostTimes = 3
/** When sides meet, each has nodes of the other for dead until the claims and sessions of each show that it lives. */
const moreTimesOfTorn = 5

/** Looks at every move from now on, and has the monitor fail for those that were needless. */
export function watchMoves(cluster: Cluster): void {
  const { monitor, names, addresses, machines, timeline, api, network } = cluster
  // A clock that stands still while somebody does not reach the API server.
  let calmMs = 0
  let lookedAtMs = timeline.nowMs
  const troubledAtMs = new Map<string, number>()
  /** When who was torn off, or its clock stood still. */
  const strayedAtMs = new Map<string, number>()
  let awayAtMs = Number.NEGATIVE_INFINITY
  let moved = { sinceMs: 0, times: new Map<string, number>() }

  function look(): void {
    if (names.every(network.reachesApi)) calmMs += timeline.nowMs - lookedAtMs
    else awayAtMs = timeline.nowMs
    lookedAtMs = timeline.nowMs
    const sound = soundNodes(cluster)
    for (const name of names) if (!sound.has(name)) troubledAtMs.set(name, calmMs)
    for (const { nodes } of weakParts(partsOf(cluster))) for (const name of nodes) strayedAtMs.set(name, calmMs)
    for (const name of names) if (machines.get(name)?.clockStands) strayedAtMs.set(name, calmMs)
    // Where most stand still, who goes on is one of few; and those who wake have each other, and it, for dead at first.
    const going = names.filter(name => machines.get(name)?.process && !machines.get(name)?.isFrozen)
    if (going.length * 2 <= names.length) for (const name of names) strayedAtMs.set(name, calmMs)
  }

  function isOver(atMs: number | undefined): boolean {
    return atMs === undefined || calmMs - atMs >= graceMs
  }

  const isSound = (node: string): boolean => isOver(troubledAtMs.get(node))

  /** How often the address has moved since something changed. */
  function timesMoved(address: string): number {
    if (moved.sinceMs !== monitor.disturbedAtMs) moved = { sinceMs: monitor.disturbedAtMs, times: new Map() }
    const times = (moved.times.get(address) ?? 0) + 1
    moved.times.set(address, times)
    return times
  }

  function loadOf(node: string): number {
    const claimed = [...api.records.values()].filter(({ claim }) => claim?.node === node).length
    // The move is in the records by now; and not yet in them is what was taken over while nobody could write.
    return Math.max(claimed + 1, addresses.filter(address => machines.get(node)?.answers(address)).length)
  }

  function needless({ from, to, address, because }: Move): string | undefined {
    const limit = [...strayedAtMs.values()].every(isOver) ? mostTimes : mostTimes + moreTimesOfTorn + names.length
    if (timesMoved(address) > limit) return `${address} moves again and again`
    if (because === 'spread') {
      // What could not be written when it was planned is written when somebody answers again.
      if (timeline.nowMs - awayAtMs < graceMs || ![from, to].every(isSound)) return undefined
      const load = loadOf(from)
      return load > mostOf(cluster)
        ? undefined
        : `${address} moves to ${to} for the spread, and ${from} had only ${load}`
    }
    if (isForBalance({ because }) || !isSound(from)) return undefined
    // A tear is noticed node after node: for a moment the smaller side has some for dead and does not know that it is smaller.
    // And whose clock stood still learns only from others that its time has passed.
    if (fromTheDead({ because }) && !isOver(strayedAtMs.get(to))) return undefined
    return `${address} moves from ${from} to ${to}, ${because}, and nothing was wrong with ${from}`
  }

  const again = (): void => {
    look()
    timeline.at(timeline.nowMs + lookEveryMs, again)
  }
  again()
  monitor.onSettled = look
  monitor.onMove = move => {
    look()
    const why = needless(move)
    if (why !== undefined) monitor.fail(`${why} (${Math.round(move.atMs)} ms)`)
  }
}

/** What a node may have at the most where all take part: with fewer it is more. */
export function mostOf({ addresses, names }: Pick<Cluster, 'addresses' | 'names'>): number {
  const mean = addresses.length / names.length
  return Math.max(Math.ceil(mean), Math.floor(mean * spreadBound))
}

function weakParts(parts: readonly Part[]): readonly Part[] {
  return parts.length === 1 ? [] : parts.filter(({ share }) => share !== 'most')
}

/** Those that run, may have addresses, and are heard by most of the others both ways. */
function soundNodes(cluster: Cluster): ReadonlySet<string> {
  const { machines, network } = cluster
  const parts = partsOf(cluster)
  const weak = weakParts(parts)
  const strong = parts.filter(part => !weak.includes(part))
  return new Set(
    strong
      .flatMap(({ nodes }) => nodes)
      .filter(node => {
        const leaves = machines.get(node)?.process?.main.leaving ?? true
        const reaches = network.apiIsAway || network.reachesApi(node)
        const drained = machines.get(node)?.reluctance !== undefined
        const able = isAble(cluster, node, network.sideOf('segment', node))
        return !leaves && !drained && reaches && able && !network.isTangledAt(node)
      }),
  )
}
