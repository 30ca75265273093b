import { expect, test } from 'vitest'
import { createCluster } from './cluster.ts'
import { disturb } from './faults.ts'

// As an operator of so many nodes sets it: a Lease is one write per node and period, and everybody reads them all.
const slowLeases = { leaseDurationMs: 60_000, renewPeriodMs: 20_000, planPauseMs: 100 }

test.each([
  { nodes: 100, addresses: 1_000, dead: 5, settings: {} },
  { nodes: 1_000, addresses: 5_000, dead: 1, settings: slowLeases },
])(
  '$dead of $nodes nodes with $addresses addresses die, and within a second others have taken over',
  ({ nodes, addresses, dead, settings }) => {
    const cluster = createCluster({ seed: nodes, nodes, addresses, apiApart: true, settings })
    const { machines, monitor, timeline } = cluster
    const begin = timeline.nowMs
    disturb(cluster, () => {
      for (const name of cluster.names.slice(3, 3 + dead)) machines.get(name)?.crash()
    })
    timeline.runUntil(begin + 1_500)
    monitor.finish()
    const outages = monitor.episodes.filter(({ ill, side, fromMs }) => ill === 'none' && side === 0 && fromMs >= begin)
    expect(outages.length).toBeGreaterThanOrEqual((addresses / nodes) * dead * 0.75)
    expect(Math.max(...outages.map(({ fromMs, toMs }) => toMs - fromMs))).toBeLessThan(700)
    expect(monitor.episodes.filter(({ ill, fromMs }) => ill === 'two' && fromMs >= begin)).toEqual([])
  },
)
