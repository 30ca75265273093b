import { number, type Promised, promiseTable, table } from '../report.ts'
import { withBystanders } from './bystanders.ts'
import { inLab, onStage, type Progress } from './lab.ts'
import { type AtRest, measureRest, writesPerMinute } from './rest.ts'
import { createMore, removeServices } from './services.ts'
import { berth } from './speakers.ts'

/** More speakers with BFD at 100 ms than that have no room on two cores: they would wait for each other's turns. */
const nodesPerMachine = 10
const crowdedIntervalMs = 500

/** A cluster that one machine cannot run: of its nodes these are real, and the others only renew their Leases. */
const large = { nodes: 100, real: 7 } as const

interface Measured extends AtRest {
  readonly nodes: number
  /** Those of them that run a speaker. */
  readonly real: number
  /** Between two packets of BFD. */
  readonly intervalMs: number
  readonly services: number
}

/** What speakers write and compute at rest. BERTH_BENCH_NODES=3,20 says in which clusters (3 unless told). */
export async function restSection(options: { readonly quick: boolean; readonly progress: Progress }): Promise<string> {
  const rest: Measured[] = []
  for (const nodes of (process.env['BERTH_BENCH_NODES'] ?? '3').split(',').map(Number)) {
    rest.push(...(await restOf(nodes, options.quick ? 10 : 40, options.progress)))
  }
  const inLarge = await restInLarge(options.quick ? 10 : 40, options.progress)
  const rows = [...rest, inLarge].map(one => [
    one.real === one.nodes ? number(one.nodes) : `${number(one.nodes)}, of which ${number(one.real)} run`,
    `${number(one.intervalMs)} ms`,
    number(one.services),
    one.real === one.nodes ? number(one.writesPerMinute) : '',
    `${number(one.coreShare * 100, 1)} %`,
    `${number(one.highestCoreShare * 100, 1)} %`,
  ])
  return `## Layer 2: at rest

Writes to the API server (its own counted out) and the processor time of a speaker while nothing happens.

${table(['nodes', 'BFD every', 'Services', 'writes per minute, all speakers', 'of a core, each', 'the busiest'], rows)}

${promiseTable([...promises(rest), coreShareOf(inLarge)])}

Each speaker has BFD sessions with six others at most, so from seven nodes on their number makes no difference to that part;
what grows is the number of Leases that are renewed every three seconds, which each speaker hears of. Of the ${number(large.nodes)} nodes
${number(large.real)} run speakers that are neighbours of each other, and of the others only the Leases are real.
Twenty speakers have no room on this machine's two cores with 100 ms between packets: there it is ${crowdedIntervalMs} ms, which
changes nothing of what is written.
`
}

/** What speakers cost while nothing happens, with many Services and with none. */
async function restOf(nodes: number, seconds: number, progress: Progress): Promise<readonly Measured[]> {
  const more = 475
  const rest: Measured[] = []
  await inLab(nodes, progress, async (lab, api) => {
    const baseline = await writesPerMinute(api, seconds)
    const intervalMs = nodes > nodesPerMachine ? crowdedIntervalMs : 100
    await onStage(lab, await berth(lab, { intervalMs }), progress, async stage => {
      const look = async (services: number): Promise<void> => {
        progress(`${nodes} nodes at rest for ${seconds} s, with ${services} Services`)
        rest.push({ nodes, real: nodes, intervalMs, services, ...(await measureRest(stage, api, seconds, baseline)) })
      }
      await createMore(api, more)
      await stage.settle()
      await look(500)
      await removeServices(api, more)
      await look(0)
    })
  })
  return rest
}

/** What one of a hundred computes. */
async function restInLarge(seconds: number, progress: Progress): Promise<Measured> {
  const { nodes, real } = large
  const measured: AtRest[] = []
  await inLab(real, progress, async (lab, api) => {
    await onStage(lab, await berth(lab), progress, async stage => {
      const names = lab.nodes.map(node => node.name)
      await withBystanders(api, names, nodes - real, async () => {
        await stage.settle()
        progress(`${real} of ${nodes} nodes at rest for ${seconds} s`)
        measured.push(await measureRest(stage, api, seconds, 0))
      })
    })
  })
  const [atRest] = measured
  if (!atRest) throw new Error('nothing was measured')
  return { nodes, real, intervalMs: 100, services: 25, ...atRest }
}

/** What is written at rest goes by the nodes, not by the Services; a twentieth is for what the API server does itself. */
function promises(rest: readonly Measured[]): readonly Promised[] {
  return rest.flatMap(one => {
    const without = rest.find(other => other.nodes === one.nodes && other.services === 0)
    if (one.services === 0 || !without) return []
    const where = `${number(one.nodes)} nodes, ${number(one.services)} Services`
    return [
      {
        promise: `writes per minute at rest, ${where}`,
        value: one.writesPerMinute,
        limit: without.writesPerMinute * 1.05,
        limitName: 'those without Services,',
        unit: '',
      },
      coreShareOf(one),
    ]
  })
}

function coreShareOf({ nodes, services, highestCoreShare }: Measured): Promised {
  return {
    promise: `of a core at rest, ${number(nodes)} nodes, ${number(services)} Services, the busiest`,
    value: highestCoreShare * 100,
    limit: 5,
    limitName: 'the promised',
    unit: ' %',
    digits: 1,
  }
}
