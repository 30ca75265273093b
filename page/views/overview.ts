import { isUp } from '../../cli/peers.ts'
import type { ControllerView, StatusView, TroubledService } from '../../cli/status.ts'
import { countConflicts } from './holdings.ts'
import { type PoolSummary, poolSummaries } from './pools.ts'
import type { Scene } from './scene.ts'
import type { TimeLineEntry } from './time-line.ts'

/** The first page, which is also what is pushed at every change: bounded, however large the cluster. */
export interface Overview {
  readonly namespace: string
  readonly controller: ControllerView
  readonly nodes: { readonly total: number; readonly alive: number; readonly wrong: readonly string[] }
  readonly services: StatusView['services']
  /** Why Services are without address or announcement, the most frequent reason first. */
  readonly reasons: readonly TroubleGroup[]
  readonly pools: readonly PoolSummary[]
  readonly morePools: number
  readonly notReady: StatusView['notReady']
  readonly moreNotReady: number
  readonly sessions: { readonly total: number; readonly up: number; readonly bfdDown: number }
  readonly conflicts: number
  readonly recent: readonly TimeLineEntry[]
  readonly trouble: readonly string[]
}

/** Services that suffer from the same. */
export interface TroubleGroup {
  readonly what: TroubledService['what']
  readonly reason: string
  readonly count: number
  /** One of them, and what it was told. */
  readonly example: { readonly service: string; readonly message: string }
}

const mostPools = 24
const mostNotReady = 20
const mostRecent = 8

export function overviewOf(scene: Scene): Overview {
  const { status, timeLine, trouble } = scene
  const pools = poolSummaries(scene)
  const wrong = status.speakers.filter(({ state }) => state !== 'alive')
  return {
    namespace: status.namespace,
    controller: { ...status.controller, renewed: undefined },
    nodes: {
      total: status.speakers.length,
      alive: status.speakers.length - wrong.length,
      wrong: wrong.slice(0, 5).map(({ node, state }) => `${node}: ${state}`),
    },
    services: status.services,
    reasons: groupsOf(status.troubled),
    pools: pools.slice(0, mostPools),
    morePools: Math.max(0, pools.length - mostPools),
    notReady: status.notReady.slice(0, mostNotReady).map(({ kind, name, reason, message }) => {
      return { kind, name, reason, message }
    }),
    moreNotReady: Math.max(0, status.notReady.length - mostNotReady),
    sessions: {
      total: status.peers.length,
      up: status.peers.filter(isUp).length,
      bfdDown: status.peers.filter(({ bfd }) => bfd !== undefined && bfd !== 'Up').length,
    },
    conflicts: countConflicts(scene),
    recent: timeLine.filter(({ kind }) => kind !== 'other').slice(0, mostRecent),
    trouble: trouble.slice(0, 5),
  }
}

function groupsOf(troubled: readonly TroubledService[]): readonly TroubleGroup[] {
  const groups = Map.groupBy(troubled, ({ what, reason }) => `${what} ${reason}`)
  return [...groups.values()]
    .flatMap(([first, ...more]) => {
      if (!first) return []
      const { what, reason, service, message } = first
      return [{ what, reason, count: more.length + 1, example: { service, message } }]
    })
    .sort((one, other) => other.count - one.count)
    .slice(0, 12)
}
