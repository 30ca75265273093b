import { inLab, onStage, type Progress } from './lab.ts'
import { measure } from './measure.ts'
import { layer2Text, type Outcome } from './report.ts'
import { partition, powerCut, type Scenario, scenarios } from './scenarios.ts'
import { berth, metallb } from './speakers.ts'

/**
 * How long nobody answers, and how long two do, whatever happens to a node: Berth's layer 2, and MetalLB's beside it.
 * BERTH_BENCH_NODES=3,5,20 says in which clusters (3,5 unless told), BERTH_BENCH_RUNS=2 how many times as often each thing is done.
 */
export async function layer2Section(options: {
  readonly quick: boolean
  readonly progress: Progress
}): Promise<string> {
  const { quick, progress } = options
  const sizes = (process.env['BERTH_BENCH_NODES'] ?? (quick ? '3' : '3,5')).split(',').map(Number)
  const times = Number(process.env['BERTH_BENCH_RUNS'] ?? 1)
  const outcomes: Outcome[] = []
  const runsOf = (scenario: Scenario): number => (quick ? 1 : scenario.runs * times)

  for (const [index, size] of sizes.entries()) {
    await inLab(size, progress, async lab => {
      await onStage(lab, await berth(lab), progress, async stage => {
        // The first size is looked at from all sides, the others for what may depend on the number of nodes.
        const chosen = index === 0 ? scenarios : [powerCut]
        const share = index === 0 ? 1 : 0.5
        for (const scenario of chosen) {
          outcomes.push(await measure(stage, scenario, Math.ceil(runsOf(scenario) * share), progress))
        }
      })
    })
  }
  await inLab(3, progress, async lab => {
    await onStage(lab, await berth(lab, { intervalMs: 50 }), progress, async stage => {
      outcomes.push(await measure(stage, powerCut, runsOf(powerCut), progress))
    })
    await onStage(lab, await metallb(lab), progress, async stage => {
      outcomes.push(await measure(stage, powerCut, quick ? 1 : 5 * times, progress))
      outcomes.push(await measure(stage, partition, 1, progress))
    })
  })
  return layer2Text(outcomes)
}
