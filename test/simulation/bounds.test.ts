import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { bounds } from './bounds.ts'
import { type Experiment, lasting, observe, type Seen } from './experiment.ts'
import type { Fault, ScheduledFault } from './faults.ts'
import type { Cable } from './network.ts'

type Row = keyof typeof bounds

/** How a row is brought about in a cluster of so many. */
interface Trial {
  readonly row: Row
  readonly nodes: readonly number[]
  readonly apiApart?: boolean
  readonly later?: number
  readonly faults: (nodes: number) => readonly ScheduledFault[]
  readonly fromMs?: number
  readonly untilMs?: number
}

const beginMs = 1_000
const both: readonly Cable[] = ['nodes', 'segment']
const all = [2, 3, 5]

const first = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `n${String(index + 1).padStart(2, '0')}`)
const dead = (count: number): readonly ScheduledFault[] =>
  first(count).map(node => lasting(beginMs, { kind: 'powerCut', node }))
const apiAway = lasting(beginMs, { kind: 'apiAway' })
const once = (fault: Fault): readonly ScheduledFault[] => [lasting(beginMs, fault)]
const forMs = (lastsMs: number, fault: Fault): ScheduledFault => ({ atMs: beginMs, lastsMs, fault })

const trials: readonly Trial[] = [
  { row: 'powerCut', nodes: [3, 5, 20], faults: () => dead(1) },
  { row: 'powerCut', nodes: [5, 9, 20], faults: () => dead(2) },
  { row: 'powerCut', nodes: [20], faults: () => dead(5) },
  { row: 'fewLeft', nodes: [2, 4, 6], faults: nodes => dead(nodes / 2) },
  { row: 'fewLeft', nodes: [3, 5, 7], faults: nodes => dead((nodes + 1) / 2) },
  { row: 'fewLeftOfMany', nodes: [8, 12, 20], faults: nodes => dead(nodes / 2 + 1) },
  { row: 'halfLeftAlone', nodes: [2, 4, 6], faults: nodes => [apiAway, ...dead(nodes / 2)] },
  { row: 'fewLeftAlone', nodes: [3, 5, 20], faults: nodes => [apiAway, ...dead((nodes >> 1) + 1)] },
  { row: 'handOver', nodes: all, faults: () => once({ kind: 'leave', node: 'n02' }) },
  { row: 'handOver', nodes: all, faults: () => once({ kind: 'drain', node: 'n02' }) },
  { row: 'handOver', nodes: [3, 5], faults: rollingRestart, untilMs: 60_000 },
  { row: 'handOverAlone', nodes: all, faults: () => [apiAway, ...once({ kind: 'leave', node: 'n02' })] },
  { row: 'nodeBack', nodes: all, faults: () => [forMs(9_000, { kind: 'powerCut', node: 'n02' })], fromMs: 10_000 },
  {
    row: 'nodeBack',
    nodes: [3, 5, 20],
    later: 1,
    faults: nodes => once({ kind: 'join', node: first(nodes).at(-1) ?? '' }),
  },
  { row: 'apiAway', nodes: all, faults: () => [apiAway], untilMs: 60_000 },
  {
    row: 'apiAwayPowerCut',
    nodes: [3, 5, 20],
    faults: () => [apiAway, lasting(10_000, { kind: 'powerCut', node: 'n02' })],
  },
  {
    row: 'apiAwayPowerCutTorn',
    nodes: [3, 4, 5],
    apiApart: false,
    faults: () => [
      apiAway,
      lasting(10_000, { kind: 'powerCut', node: 'n02' }),
      { atMs: 20_000, lastsMs: 1_000, fault: { kind: 'tear', cables: ['nodes'], nodes: ['n01'] } },
    ],
    fromMs: 19_000,
    untilMs: 30_000,
  },
  { row: 'apiCut', nodes: all, faults: () => once({ kind: 'apiCut', node: 'n02' }), untilMs: 30_000 },
  { row: 'stopped', nodes: [3, 5, 20], faults: () => [forMs(240, { kind: 'freeze', node: 'n02' })] },
  { row: 'stopped', nodes: [3, 5, 20], faults: () => [forMs(5_000, { kind: 'freeze', node: 'n02' })] },
  { row: 'clockStopped', nodes: [3, 5, 20], faults: () => [forMs(5_000, { kind: 'pause', node: 'n02' })] },
  { row: 'linkDown', nodes: all, faults: () => once({ kind: 'unplug', node: 'n02' }) },
  { row: 'linkDown', nodes: all, faults: () => [apiAway, ...once({ kind: 'unplug', node: 'n02' })] },
  {
    row: 'wayTorn',
    nodes: [3, 5, 20],
    apiApart: false,
    faults: () => once({ kind: 'tear', cables: ['nodes'], nodes: ['n02'] }),
  },
  {
    row: 'torn',
    nodes: [3, 5, 20],
    apiApart: false,
    faults: () => once({ kind: 'tear', cables: both, nodes: ['n02'] }),
  },
  {
    row: 'torn',
    nodes: [5, 7, 9],
    faults: nodes => once({ kind: 'tear', cables: both, nodes: first((nodes - 1) / 2) }),
  },
  { row: 'reunion', nodes: [2, 3, 4, 5, 6], apiApart: false, faults: tornFor(15_000), fromMs: 16_000, untilMs: 40_000 },
  { row: 'reunion', nodes: [2, 3, 4, 5, 6], faults: tornFor(15_000), fromMs: 16_000, untilMs: 40_000 },
  {
    row: 'reunionAlone',
    nodes: [2, 4, 6],
    faults: nodes => [apiAway, ...tornFor(4_000)(nodes)],
    fromMs: 5_000,
    untilMs: 40_000,
  },
  {
    row: 'reunionAlone',
    nodes: [2, 4, 6],
    faults: nodes => [apiAway, ...tornFor(25_000)(nodes)],
    fromMs: 26_000,
    untilMs: 60_000,
  },
  ...[['nodes'] as const, ['segment'] as const, both].map(
    (cables): Trial => ({
      row: 'oneWay',
      nodes: all,
      faults: () => once({ kind: 'oneWay', cables, from: 'n02', to: 'n01' }),
      untilMs: 30_000,
    }),
  ),
]

function rollingRestart(nodes: number): readonly ScheduledFault[] {
  return first(nodes).map((node, index) => ({
    atMs: beginMs + index * 8_000,
    lastsMs: 4_000,
    fault: { kind: 'leave', node },
  }))
}

function tornFor(lastsMs: number): (nodes: number) => readonly ScheduledFault[] {
  return nodes => [forMs(lastsMs, { kind: 'tear', cables: both, nodes: first(nodes >> 1) })]
}

/** The longest of several seeds. */
function measure(
  { faults, later, fromMs, untilMs = 14_000, apiApart = true }: Trial,
  nodes: number,
): Omit<Seen, 'cluster'> {
  const worst = { none: 0, two: 0, moved: 0 }
  for (let seed = 1; seed <= (nodes > 10 ? 1 : 3); seed++) {
    const cluster = { seed, nodes, addresses: nodes * 4, apiApart, ...(later !== undefined && { later }) }
    const experiment: Experiment = { cluster, faults: faults(nodes), untilMs, ...(fromMs !== undefined && { fromMs }) }
    const { none, two, moved } = observe(experiment)
    worst.none = Math.max(worst.none, none)
    worst.two = Math.max(worst.two, two)
    worst.moved = Math.max(worst.moved, moved)
  }
  return worst
}

test.each(
  trials.flatMap(trial => trial.nodes.map(nodes => ({ ...trial, nodes, situation: bounds[trial.row].situation }))),
)('$situation, $nodes nodes', ({ nodes, ...trial }) => {
  const { none, two } = bounds[trial.row]
  const seen = measure({ ...trial, nodes: [nodes] }, nodes)
  expect(seen.none).toBeLessThanOrEqual(none ?? Number.POSITIVE_INFINITY)
  expect(seen.two).toBeLessThanOrEqual(two)
  // What is bounded has happened: a fault that nobody notices proves nothing.
  expect(seen.none).toBeGreaterThanOrEqual(none === 0 || trial.row.startsWith('reunion') ? 0 : 1)
  expect(seen.two).toBeGreaterThanOrEqual(trial.row === 'handOver' ? 1 : 0)
})

test.each([
  { nodes: 5, torn: 2 },
  { nodes: 12, torn: 5 },
  { nodes: 20, torn: 8 },
])('$torn of $nodes that are torn off stop within the time of the fence, and for good', ({ nodes, torn }) => {
  const { cluster } = observe({
    cluster: { seed: 1, nodes, addresses: nodes * 2, apiApart: false },
    faults: once({ kind: 'tear', cables: both, nodes: first(torn) }),
    untilMs: 14_000,
  })
  const silent = cluster.monitor.episodes.filter(
    ({ ill, side, toMs }) => ill === 'none' && side === 1 && toMs === 14_000,
  )
  expect(silent).toHaveLength(cluster.addresses.length)
  expect(Math.max(...silent.map(({ fromMs }) => fromMs))).toBeLessThan(beginMs + 2_400)
})

test('fewer than half without the API server stop within the time of the fence, and for good', () => {
  const seen = observe({
    cluster: { seed: 1, nodes: 5, addresses: 20, apiApart: true },
    faults: [apiAway, ...dead(3)],
    untilMs: 20_000,
  })
  const { cluster } = seen
  expect(
    cluster.addresses.filter(address => cluster.names.some(name => cluster.machines.get(name)?.answers(address))),
  ).toEqual([])
  const stopped = cluster.monitor.episodes.filter(({ ill, toMs }) => ill === 'none' && toMs === 20_000)
  expect(Math.max(...stopped.map(({ fromMs }) => fromMs))).toBeLessThan(beginMs + 2_300)
})

/** The cells of the page's table, by the words of the first. */
const page = readFileSync(join(import.meta.dirname, '../../docs/layer2.md'), 'utf8')
const table =
  page
    .slice(page.indexOf('## What goes wrong, and what is promised'))
    .split('\n\n')
    .find(part => part.startsWith('|')) ?? ''
const stated = new Map(
  table
    .split('\n')
    .slice(2)
    .map(line => {
      const [situation = '', none = '', two = ''] = line
        .replaceAll('`', '')
        .split('|')
        .slice(1)
        .map(cell => cell.trim())
      return [situation, { none: boundIn(none), two: boundIn(two) }] as const
    }),
)

/** What a cell begins with: `0`, `50 ms`, `0.7 s`, or no number where there is no bound. */
function boundIn(cell: string): number | undefined {
  const [, number, unit] = /^([0-9.]+)(?: (s|ms)\b)?/.exec(cell) ?? []
  if (number === undefined) return undefined
  return Math.round(Number(number) * (unit === 's' ? 1_000 : 1))
}

describe('docs/layer2.md', () => {
  test.each(Object.values(bounds))('says of $situation what is checked here', ({ situation, none, two }) => {
    expect(stated.get(situation)).toEqual({ none, two })
  })

  test('promises nothing that is not checked', () => {
    const known = new Map(Object.entries(bounds).map(([row, { situation }]) => [situation as string, row]))
    const tried = new Set<string>(trials.map(({ row }) => row))
    for (const situation of stated.keys()) expect(tried).toContain(known.get(situation))
  })
})
