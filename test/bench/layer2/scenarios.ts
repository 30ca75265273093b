import { setTimeout as delay } from 'node:timers/promises'
import type { LabNode } from '../../lab/node.ts'
import { type Seen, type Stage, see } from './stage.ts'

/** Something that happens to a cluster, and how it is put right again afterwards. */
export interface Scenario {
  readonly name: string
  /** How often per round; what takes a minute each time less often. */
  readonly runs: number
  run(stage: Stage, victim: LabNode): Promise<Seen>
}

const apiAwayMs = 60_000
const partitionMs = 40_000

/** A node dies at once, with everything on it. */
export const powerCut: Scenario = {
  name: 'power cut',
  runs: 20,
  run: async (stage, victim) => {
    const seen = await see(stage, victim, async () => await victim.powerOff())
    await backToLife(stage, victim)
    return seen
  },
}

/** The speakers do not hear each other on the segment, while the API server and the client hear all of them. */
export const partition: Scenario = {
  name: `segment cut between all nodes for ${partitionMs / 1000} s`,
  runs: 2,
  run: async stage =>
    await see(stage, undefined, async () => {
      await isolate(stage, 'on')
      await delay(partitionMs)
      await isolate(stage, 'off')
    }),
}

export const scenarios: readonly Scenario[] = [
  powerCut,
  {
    name: 'kill -9',
    runs: 20,
    run: async (stage, victim) => {
      const seen = await see(stage, victim, async () => await speakerOn(stage, victim).kill())
      await stage.start(victim)
      return seen
    },
  },
  {
    name: 'SIGSTOP, SIGCONT after 3 s',
    runs: 20,
    run: async (stage, victim) =>
      await see(stage, victim, async () => {
        speakerOn(stage, victim).freeze()
        await delay(3_000)
        speakerOn(stage, victim).thaw()
      }),
  },
  {
    name: 'SIGTERM',
    runs: 20,
    run: async (stage, victim) => {
      const seen = await see(stage, victim, async () => await speakerOn(stage, victim).stop())
      await stage.start(victim)
      return seen
    },
  },
  {
    name: 'node back',
    runs: 20,
    run: async (stage, victim) => {
      await victim.powerOff()
      await delay(stage.contender.observeMs)
      return await see(stage, undefined, async () => {
        await backToLife(stage, victim)
        await delay(stage.contender.settleMs)
      })
    },
  },
  {
    name: 'link down for 0.5 s',
    runs: 20,
    run: async (stage, victim) =>
      await see(stage, victim, async () => {
        await victim.cutSegment()
        await delay(500)
        await victim.healSegment()
      }),
  },
  partition,
  {
    name: 'rolling restart of all',
    runs: 4,
    run: async stage =>
      await see(stage, undefined, async () => {
        for (const node of stage.lab.nodes) {
          await speakerOn(stage, node).stop()
          await stage.start(node)
          await delay(stage.contender.settleMs)
        }
      }),
  },
]

/** The same with an API server that nobody reaches for a minute. */
export const withoutApi: readonly Scenario[] = [
  {
    name: `API server away for ${apiAwayMs / 1000} s`,
    runs: 2,
    run: async stage =>
      await see(stage, undefined, async () => {
        stage.lab.apiRelay.pause()
        await delay(apiAwayMs)
        stage.lab.apiRelay.resume()
      }),
  },
  {
    name: `the same, and a power cut after ${apiAwayMs / 2000} s`,
    runs: 6,
    run: async (stage, victim) => {
      const seen = await see(stage, victim, async () => {
        stage.lab.apiRelay.pause()
        await delay(apiAwayMs / 2)
        await victim.powerOff()
        await delay(apiAwayMs / 2)
        stage.lab.apiRelay.resume()
      })
      await backToLife(stage, victim)
      return seen
    },
  },
]

function speakerOn(stage: Stage, node: LabNode) {
  const speaker = stage.speakers.get(node.name)
  if (!speaker) throw new Error(`no speaker runs on ${node.name}`)
  return speaker
}

/** Power again, and a speaker; pings are answered as before. */
export async function backToLife(stage: Stage, node: LabNode): Promise<void> {
  await node.powerOn()
  // kube-proxy, which the lab starts with a node.
  await node.namespace.killAll()
  await stage.start(node)
}

/** Ports of a bridge that are isolated reach all others but each other. */
async function isolate({ lab }: Stage, how: 'on' | 'off'): Promise<void> {
  const commands = lab.nodes.map(node => `link set dev ${node.name} isolated ${how}`)
  await lab.segment.namespace.run(['bridge', '-batch', '-'], { input: `${commands.join('\n')}\n` })
}
