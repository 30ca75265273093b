import { promiseTable } from '../report.ts'
import { median } from '../statistics.ts'
import { inLab, onStage, type Progress } from './lab.ts'
import { measure } from './measure.ts'
import { type Outcome, outcomesTable } from './report.ts'
import { scenarios } from './scenarios.ts'
import { berth } from './speakers.ts'

const nodes = 20
/** Twenty speakers with 100 ms have no room on two cores. */
const intervalMs = 250
const detectMultiplier = 3
/** What of layer2's scenarios may depend on the number of nodes, and how often. */
const runsOf = new Map([
  ['power cut', 20],
  ['kill -9', 5],
  ['SIGTERM', 5],
  ['node back', 3],
])

/** A cluster in which nobody watches everybody. */
export async function manySection(options: { readonly quick: boolean; readonly progress: Progress }): Promise<string> {
  const { quick, progress } = options
  const outcomes: Outcome[] = []
  await inLab(nodes, progress, async lab => {
    await onStage(lab, await berth(lab, { intervalMs }), progress, async stage => {
      for (const scenario of scenarios) {
        const runs = runsOf.get(scenario.name)
        if (runs !== undefined) outcomes.push(await measure(stage, scenario, quick ? 1 : runs, progress))
      }
    })
  })
  return manyText(outcomes)
}

function manyText(outcomes: readonly Outcome[]): string {
  const seenIn = (name: string) => outcomes.filter(one => one.scenario === name).flatMap(one => one.seen)
  const cuts = seenIn('power cut').map(one => one.askedMs)
  const detectionMs = intervalMs * detectMultiplier
  // A plan and three questions; the shortest detection is one packet shorter.
  const afterDetectionMs = 50
  const detection = { limitName: `the detection time and ${afterDetectionMs} ms,`, unit: ' ms' }
  const lost = (name: string) => ({
    promise: `${name}, pings lost`,
    value: Math.max(0, ...seenIn(name).map(one => one.lostPings)),
    limit: 0,
    limitName: 'the promised',
    unit: '',
  })
  return `## Layer 2: twenty nodes

The same client and the same addresses as above on ${nodes} nodes, of which each has BFD sessions with six; a node is lost when more
than half of its six have missed it and told all others so. On this machine's two cores twenty speakers have no room for 100 ms
between packets: it is ${intervalMs} ms × ${detectMultiplier}, so a detection time of ${detectionMs} ms.

${outcomesTable(outcomes)}

${promiseTable([
  { promise: 'power cut, p50', value: median(cuts), limit: detectionMs + afterDetectionMs, ...detection },
  {
    promise: 'power cut, worst',
    value: Math.max(...cuts),
    limit: 2 * detectionMs,
    limitName: 'twice the detection time,',
    unit: ' ms',
  },
  lost('SIGTERM'),
  lost('node back'),
])}
`
}
