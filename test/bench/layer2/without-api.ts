import { promiseTable } from '../report.ts'
import { median } from '../statistics.ts'
import { inLab, onStage, type Progress } from './lab.ts'
import { measure } from './measure.ts'
import { type Outcome, outcomesTable, powerCutMs } from './report.ts'
import { withoutApi } from './scenarios.ts'
import { berth } from './speakers.ts'

/** An API server that is away alone changes nothing, and a node that dies meanwhile is taken over from as ever. */
export async function withoutApiSection(options: {
  readonly quick: boolean
  readonly progress: Progress
}): Promise<string> {
  const { quick, progress } = options
  const outcomes: Outcome[] = []
  await inLab(3, progress, async lab => {
    await onStage(lab, await berth(lab), progress, async stage => {
      for (const scenario of withoutApi) {
        outcomes.push(await measure(stage, scenario, quick ? 1 : scenario.runs, progress))
      }
    })
  })
  return withoutApiText(outcomes)
}

function withoutApiText([away, cut]: readonly Outcome[]): string {
  if (!away || !cut) throw new Error('not everything was measured')
  const cutMs = cut.seen.map(one => one.askedMs)
  const target = { limitName: 'the promised', unit: ' ms' }
  return `## Layer 2: without the API server

As above on three nodes, while the speakers cannot reach the API server.

${outcomesTable([away, cut])}

${promiseTable([
  {
    promise: `${away.scenario}, pings lost`,
    value: Math.max(...away.seen.map(one => one.lostPings)),
    limit: 0,
    limitName: 'the promised',
    unit: '',
  },
  { promise: 'power cut meanwhile, p50', value: median(cutMs), limit: powerCutMs.median, ...target },
  { promise: 'power cut meanwhile, worst', value: Math.max(...cutMs), limit: powerCutMs.worst, ...target },
])}
`
}
