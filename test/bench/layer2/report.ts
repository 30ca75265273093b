import { number, promiseTable, table } from '../report.ts'
import { median } from '../statistics.ts'
import type { Seen } from './stage.ts'

/** All runs of one thing that happened. */
export interface Outcome {
  readonly contender: string
  readonly nodes: number
  readonly scenario: string
  readonly seen: readonly Seen[]
}

/** A row for each. */
export function outcomesTable(outcomes: readonly Outcome[]): string {
  const columns = [
    '',
    'nodes',
    'what happens',
    'runs',
    'no answer, p50',
    'worst',
    'unreachable, p50',
    'worst',
    'pings lost, worst',
    'two answer, worst',
    'moved, worst',
  ]
  const rows = outcomes.map(({ contender, nodes, scenario, seen }) => {
    const asked = seen.map(one => one.askedMs)
    const reached = seen.map(one => one.reachedMs)
    return [
      contender,
      number(nodes),
      scenario,
      number(seen.length),
      `${number(median(asked))} ms`,
      `${number(Math.max(...asked))} ms`,
      `${number(median(reached))} ms`,
      `${number(Math.max(...reached))} ms`,
      number(Math.max(...seen.map(one => one.lostPings))),
      `${number(Math.max(...seen.map(one => one.doubledMs)))} ms`,
      number(Math.max(...seen.map(one => one.moved))),
    ]
  })
  return table(columns, rows)
}

/** The section of docs/benchmarks.md. */
export function layer2Text(outcomes: readonly Outcome[]): string {
  return `## Layer 2: how long nobody answers

Real speakers on nodes that are network namespaces, 25 dual-stack Services, and a client that every 10 ms asks for three
addresses of each family (ARP and Neighbor Discovery) and pings them. *No answer* is the longest time without an answer to
a question, which is what a client meets that does not know the address yet. *Unreachable* is the longest time without an
answer to a ping, which goes where the client's kernel believes the address to be: it holds until the next node has made
itself known. 10 ms are none. *Pings lost* is of all six addresses together. *Two answer*: for how long two nodes answered
for one address. *Moved*: of all 50 addresses, those that have another owner afterwards though theirs had not failed;
with Berth these are hand-overs, one after the other, by which a node that was away gets its share again.
MetalLB is the real speaker with memberlist, in the same lab.

${outcomesTable(outcomes)}

${promises(outcomes)}
`
}

/** Whoever is handed an address begins before the other stops (docs/layer2.md). */
const handOverMs = 50
export const powerCutMs = { median: 350, worst: 700, medianAtTwiceThePace: 200 } as const

function promises(outcomes: readonly Outcome[]): string {
  const of = (contender: string, scenario: string): readonly Seen[] =>
    outcomes
      .filter(one => one.contender.startsWith(contender) && one.scenario.startsWith(scenario))
      .flatMap(one => one.seen)
  const ours = outcomes.filter(one => one.contender === 'Berth')
  const cuts = ours.filter(one => one.scenario === 'power cut').flatMap(one => one.seen)
  const asked = (seen: readonly Seen[]): number => median(seen.map(one => one.askedMs))
  const worst = (seen: readonly Seen[], what: 'askedMs' | 'doubledMs' | 'moved' | 'lostPings'): number =>
    Math.max(0, ...seen.map(one => one[what]))
  const target = { limitName: 'the promised', unit: ' ms' }
  return promiseTable([
    { promise: 'power cut, p50', value: asked(cuts), limit: powerCutMs.median, ...target },
    { promise: 'power cut, worst', value: worst(cuts, 'askedMs'), limit: powerCutMs.worst, ...target },
    {
      promise: 'power cut at 50 ms × 3, p50',
      value: asked(of('Berth, 50', 'power cut')),
      limit: powerCutMs.medianAtTwiceThePace,
      ...target,
    },
    {
      promise: 'power cut, ten times, p50',
      value: asked(cuts) * 10,
      limit: asked(of('MetalLB', 'power cut')),
      limitName: 'MetalLB’s',
      unit: ' ms',
    },
    {
      promise: 'segment cut, two answer',
      value: worst(of('Berth', 'segment cut'), 'doubledMs'),
      limit: handOverMs,
      limitName: 'as at a hand-over,',
      unit: ' ms',
    },
    ...['SIGTERM', 'node back', 'rolling restart of all'].map(name => ({
      promise: `${name}, pings lost`,
      value: worst(of('Berth', name), 'lostPings'),
      limit: 0,
      limitName: 'the promised',
      unit: '',
    })),
  ])
}
