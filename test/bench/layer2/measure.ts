import type { Progress } from './lab.ts'
import type { Outcome } from './report.ts'
import type { Scenario } from './scenarios.ts'
import type { Stage } from './stage.ts'

/** Lets something happen so many times, to each node in its turn, each time to a cluster that has settled. */
export async function measure(stage: Stage, scenario: Scenario, runs: number, progress: Progress): Promise<Outcome> {
  const seen = []
  for (let run = 0; run < runs; run++) {
    const owners = [...(await stage.settle()).values()]
    const { nodes } = stage.lab
    // Each in its turn, as far as it has something to lose.
    const inTurn = [...nodes.slice(run % nodes.length), ...nodes.slice(0, run % nodes.length)]
    const victim = inTurn.find(node => owners.includes(node.name))
    if (!victim) throw new Error('no node answers for an address')
    const one = await scenario.run(stage, victim)
    seen.push(one)
    progress(
      `${scenario.name}: asked ${one.askedMs.toFixed(0)} ms, reached ${one.reachedMs.toFixed(0)} ms, ` +
        `lost ${one.lostPings}, doubled ${one.doubledMs.toFixed(0)} ms, moved ${one.moved}`,
    )
  }
  return { contender: stage.contender.name, nodes: stage.lab.nodes.length, scenario: scenario.name, seen }
}
