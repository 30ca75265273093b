import { type Cluster, type ClusterOptions, createCluster } from './cluster.ts'
import { type Episode, isHandOver } from './episodes.ts'
import { type Fault, type ScheduledFault, schedule } from './faults.ts'

/*
 * One thing that goes wrong in a cluster at rest, and for how long nobody or two answered because of it.
 */

export interface Experiment {
  readonly cluster: ClusterOptions
  readonly faults: readonly ScheduledFault[]
  /** What was before is left aside: where only the mending is looked at. */
  readonly fromMs?: number
  readonly untilMs: number
}

export interface Seen {
  readonly cluster: Cluster
  /** The longest on the first part of the segment, which has the API server where it is not apart. */
  readonly none: number
  /** The longest on any part, hand-overs for the spread left aside: they come later and are no part of the fault. */
  readonly two: number
  readonly moved: number
}

/** A fault that stays. */
export function lasting(atMs: number, fault: Fault): ScheduledFault {
  return { atMs, lastsMs: Number.POSITIVE_INFINITY, fault }
}

export function observe({ cluster: options, faults, fromMs = 0, untilMs }: Experiment): Seen {
  const cluster = createCluster(options)
  const { monitor, timeline } = cluster
  schedule(cluster, faults)
  timeline.runUntil(untilMs)
  monitor.finish()
  const lengthOf = (episode: Episode): number => episode.toMs - Math.max(episode.fromMs, fromMs)
  const episodes = monitor.episodes.filter(({ toMs }) => toMs > Math.max(fromMs, faults[0]?.atMs ?? 0))
  const none = episodes.filter(({ ill, side }) => ill === 'none' && side === 0)
  const two = episodes.filter(episode => episode.ill === 'two' && !isHandOver(episode, monitor.moves))
  return {
    cluster,
    none: Math.max(0, ...none.map(lengthOf)),
    two: Math.max(0, ...two.map(lengthOf)),
    moved: monitor.moves.filter(({ atMs }) => atMs > fromMs).length,
  }
}
