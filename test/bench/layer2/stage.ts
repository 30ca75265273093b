import { setTimeout as delay } from 'node:timers/promises'
import type { Lab } from '../../lab/lab.ts'
import type { LabNode } from '../../lab/node.ts'
import { doubledMs, longestGapMs, startWatch, type WatchedAddress } from '../../lab/watch.ts'
import { addresses } from './services.ts'
import type { Contender, RunningSpeaker } from './speakers.ts'

/** Speakers on all nodes of a lab, and a client that sees who answers. */
export interface Stage {
  readonly lab: Lab
  readonly contender: Contender
  readonly speakers: Map<string, RunningSpeaker>
  start(node: LabNode): Promise<void>
  /** The name of the node that answers, by address; asked now. */
  owners(): Promise<ReadonlyMap<string, string>>
  /** Waits until no address has been without an answer nor changed hands for a while. */
  settle(): Promise<ReadonlyMap<string, string>>
  stop(): Promise<void>
}

const settleWithinMs = 180_000
/**
 * A real cluster's speakers have a machine each to start on. Where twenty start at once on two cores none of them runs for a
 * while, wakes, and asks the segment for what others have, which keeps all of them from starting.
 */
const nodesAtOnce = 8
const startPauseMs = 4_000

export async function startStage(lab: Lab, contender: Contender): Promise<Stage> {
  const speakers = new Map<string, RunningSpeaker>()
  const byMac = new Map(lab.nodes.map(node => [node.mac, node.name]))
  const stage: Stage = {
    lab,
    contender,
    speakers,
    async start(node) {
      speakers.set(node.name, await contender.start(node))
    },
    async owners() {
      const watch = await startWatch(lab.client, addresses, 100)
      await delay(150)
      const watched = await watch.stop()
      return new Map(
        watched.flatMap(({ address, answers }) => {
          const mac = answers.at(-1)?.[1]
          return mac === undefined ? [] : [[address, byMac.get(mac) ?? mac] as const]
        }),
      )
    },
    async settle() {
      const giveUpAt = performance.now() + settleWithinMs
      let before = await stage.owners()
      for (;;) {
        await delay(contender.settleMs)
        const now = await stage.owners()
        const same =
          now.size === addresses.length && [...now].every(([address, owner]) => before.get(address) === owner)
        if (same) return now
        if (performance.now() > giveUpAt)
          throw new Error(
            `${contender.name}: ${now.size} of ${addresses.length} addresses are answered for, or they still move`,
          )
        before = now
      }
    },
    async stop() {
      await Promise.all([...speakers.values()].map(speaker => speaker.stop()))
    },
  }
  for (const node of lab.nodes) {
    await stage.start(node)
    if (lab.nodes.length > nodesAtOnce) await delay(startPauseMs)
  }
  await stage.settle()
  return stage
}

/** What a client saw of one event. */
export interface Seen {
  /** The longest time in which an address that was asked for had no answer. */
  readonly askedMs: number
  /** The same of pings, which go where the client's kernel believes the address to be. */
  readonly reachedMs: number
  readonly lostPings: number
  /** The longest time for which two nodes answered for one address. */
  readonly doubledMs: number
  /** Addresses that have another owner than before, though the one before was not the one that failed. */
  readonly moved: number
}

const warmUpMs = 600

/** Watches some addresses of `victim` (else of all nodes) while `event` happens, and for as long afterwards as it takes to be sure. */
export async function see(stage: Stage, victim: LabNode | undefined, event: () => Promise<void>): Promise<Seen> {
  const before = await stage.owners()
  const own = addresses.filter(address => victim === undefined || before.get(address) === victim.name)
  const watch = await startWatch(stage.lab.client, sampleOf(own))
  await delay(warmUpMs)
  await event()
  await delay(stage.contender.observeMs)
  const watched = await watch.stop()
  const after = await stage.owners()
  const moved = [...before].filter(([address, owner]) => owner !== victim?.name && after.get(address) !== owner)
  return {
    askedMs: Math.max(...watched.map(askedGapMs)),
    reachedMs: Math.max(...watched.map(reachedGapMs)),
    lostPings: watched.flatMap(({ echoes }) => echoes.filter(([, done]) => done === null)).length,
    doubledMs: Math.max(...watched.map(({ answers }) => doubledMs(answers))),
    moved: moved.length,
  }
}

/** Three of each family. */
function sampleOf(candidates: readonly string[]): readonly string[] {
  const spread = (list: readonly string[]): readonly string[] => {
    const step = Math.max(1, Math.floor(list.length / 3))
    return list.filter((_, index) => index % step === 0).slice(0, 3)
  }
  const sample = [
    ...spread(candidates.filter(address => !address.includes(':'))),
    ...spread(candidates.filter(address => address.includes(':'))),
  ]
  if (sample.length === 0) throw new Error('no address is answered for by the node that is to fail')
  return sample
}

function askedGapMs({ answers, echoes }: WatchedAddress): number {
  return gapMs(
    answers.map(([atMs]) => atMs),
    echoes,
  )
}

/** How long a client could not reach it. */
export function reachedGapMs({ echoes }: WatchedAddress): number {
  return gapMs(
    echoes.flatMap(([, doneAtMs]) => (doneAtMs === null ? [] : [doneAtMs])),
    echoes,
  )
}

/** From the first answer on until the last question; whoever never answered was silent all the time. */
function gapMs(times: readonly number[], asked: WatchedAddress['echoes']): number {
  const untilMs = asked.at(-1)?.[0] ?? 0
  return longestGapMs(times, times[0] ?? asked[0]?.[0] ?? 0, Math.max(untilMs, times.at(-1) ?? 0))
}
