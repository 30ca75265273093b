import { setTimeout as delay } from 'node:timers/promises'
import { addClient } from '../../lab/clients.ts'
import type { LabHost } from '../../lab/node.ts'
import { startWatch, type WatchedAddress } from '../../lab/watch.ts'
import { number, promiseTable, table } from '../report.ts'
import { median } from '../statistics.ts'
import { inLab, onStage, type Progress } from './lab.ts'
import { backToLife } from './scenarios.ts'
import { both } from './services.ts'
import { berth } from './speakers.ts'
import { reachedGapMs, type Stage } from './stage.ts'

const clientCount = 16
const askEveryMs = 20
const promisedMs = 500

/** What one client saw of the power cut. */
interface Client {
  readonly isOrphan: boolean
  readonly silentMs: number
  readonly lostPings: number
}

interface Run {
  /** By node. */
  readonly clientsOfEach: readonly number[]
  readonly clients: readonly Client[]
}

/** One address that three nodes share, and what its clients notice when one of the nodes dies. */
export async function sharingSection(options: {
  readonly quick: boolean
  readonly progress: Progress
}): Promise<string> {
  const runs: Run[] = []
  await inLab(3, options.progress, async lab => {
    const clients = await Promise.all(Array.from({ length: clientCount }, (_, index) => addClient(lab, index)))
    await onStage(lab, await berth(lab, { loadSharing: 'perClient' }), options.progress, async stage => {
      for (let index = 0; index < (options.quick ? 1 : 20); index++) {
        runs.push(await cutPower(stage, clients, index, options.progress))
      }
    })
  })
  return sharingText(runs)
}

async function cutPower(stage: Stage, clients: readonly LabHost[], index: number, progress: Progress): Promise<Run> {
  await stage.settle()
  const { nodes } = stage.lab
  const victim = nodes[index % nodes.length]
  if (!victim) throw new Error('the lab has no nodes')
  const [ipv4, ipv6] = both(index % 5)
  const watches = await Promise.all(
    clients.map((client, ordinal) => startWatch(client, [ordinal % 2 === 0 ? ipv4 : ipv6], askEveryMs)),
  )
  // Linux keeps what it has in its cache for a second (neigh/locktime), while what the watch is answered goes by the hash.
  await delay(2_500)
  const cutAtMs = performance.timeOrigin + performance.now()
  await victim.powerOff()
  await delay(stage.contender.observeMs)
  const watched = (await Promise.all(watches.map(watch => watch.stop()))).flat()
  await backToLife(stage, victim)
  const answererOf = ({ answers }: WatchedAddress): string | undefined =>
    answers.findLast(([atMs]) => atMs < cutAtMs)?.[1]
  const run: Run = {
    clientsOfEach: nodes.map(node => watched.filter(one => answererOf(one) === node.mac).length),
    clients: watched.map(one => ({
      isOrphan: answererOf(one) === victim.mac,
      silentMs: reachedGapMs(one),
      lostPings: one.echoes.filter(([, done]) => done === null).length,
    })),
  }
  const silent = run.clients.filter(client => client.isOrphan).map(client => client.silentMs)
  progress(
    `${run.clientsOfEach.join(' + ')} clients; those of ${victim.name} were silent for ` +
      `${silent.map(ms => ms.toFixed(0)).join(', ')} ms; the others lost ${lostByOthers(run)} pings`,
  )
  return run
}

function lostByOthers({ clients }: Run): number {
  return clients.reduce((sum, client) => sum + (client.isOrphan ? 0 : client.lostPings), 0)
}

function sharingText(runs: readonly Run[]): string {
  const all = runs.flatMap(run => run.clients)
  const orphans = all.filter(client => client.isOrphan).map(client => client.silentMs)
  const others = all.filter(client => !client.isOrphan).map(client => client.silentMs)
  const shares = runs.flatMap(run => run.clientsOfEach)
  const row = (who: string, silentMs: readonly number[], lost: number): readonly string[] => [
    who,
    number(silentMs.length),
    `${number(median(silentMs))} ms`,
    `${number(Math.max(...silentMs))} ms`,
    number(lost),
  ]
  const lost = runs.reduce((sum, run) => sum + lostByOthers(run), 0)
  const lostByOrphans = all.reduce((sum, client) => sum + (client.isOrphan ? client.lostPings : 0), 0)
  const unit = ' ms'
  return `## Layer 2: one address that three nodes share

\`loadSharing: perClient\`, ${number(clientCount)} clients with hardware addresses of their own, half of them with IPv4 and half with IPv6, each of
which asks for the address and pings it every ${askEveryMs} ms; one of the three nodes loses power, ${number(runs.length)} times. *Silent* is the longest
time without an answer to a ping; ${askEveryMs} ms are none. Each node had ${Math.min(...shares)} to ${Math.max(...shares)} of the clients.

${table(
  ['clients', 'seen', 'silent, p50', 'worst', 'pings lost'],
  [row('of the node that died', orphans, lostByOrphans), row('of the other two', others, lost)],
)}

${promiseTable([
  {
    promise: 'clients of the dead node go on',
    value: Math.max(...orphans),
    limit: promisedMs,
    limitName: 'the promised',
    unit,
  },
  { promise: 'pings that other clients lost', value: lost, limit: 0, limitName: 'the promised', unit: '' },
])}
`
}
