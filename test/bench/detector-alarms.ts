import { setTimeout as delay } from 'node:timers/promises'
import { createWorld, kill } from '../lab/namespace.ts'
import { createSegment } from '../lab/segment.ts'
import { lostNodes, startWireSpeakers, type WireSpeaker, watching } from '../wire/speakers.ts'
import { number, table } from './report.ts'

interface Group {
  readonly intervalMs: number
  readonly speakers: readonly WireSpeaker[]
}

const multiplier = 3
const groupSize = 3
const intervals = [100, 50]
const key = new TextEncoder().encode('what the speakers of a benchmark share')

/**
 * Speakers that look after each other on a segment with nothing wrong, while both cores have other work: how often one
 * misses another all the same, and how often that was believed.
 */
export async function detectorSection(options: {
  readonly quick: boolean
  readonly progress: (line: string) => void
}): Promise<string> {
  const seconds = options.quick ? 30 : 1_800
  const rows = await measure(seconds, options.progress)
  return `## Layer 2: false alarms of busy nodes

Two groups of ${groupSize} speakers, each on a segment with nothing wrong, for ${number(seconds / 60, 1)} minutes, while two endless loops have the machine's
cores. A session that falls is one speaker's alarm; a node is lost when more than half of those who watch it agree, and
only then may anything be taken over, after the segment has been asked.

${table(['detection', 'sessions', 'sessions that fell', 'nodes lost', 'pauses noticed'], rows)}
`
}

async function measure(seconds: number, progress: (line: string) => void): Promise<readonly (readonly string[])[]> {
  const world = await createWorld()
  try {
    const groups: Group[] = []
    for (const [index, intervalMs] of intervals.entries()) {
      const terms = { keyOf: () => key, port: 7_947, intervalMs, detectMultiplier: multiplier }
      const subnet = `192.0.${2 + index}`
      const segment = await createSegment(world)
      groups.push({
        intervalMs,
        speakers: await startWireSpeakers(world, segment, { count: groupSize, subnet, ...terms }),
      })
    }
    const all = groups.flatMap(({ speakers }) => speakers)
    for (const speaker of all) await watching(speaker, groupSize - 1)
    const before = groups.map(tally)
    const [host] = all
    // Killed below, and by the kernel should this process end before.
    const endless = [0, 1].map(() => host?.host.spawn(['sh', '-c', 'while :; do :; done']))
    progress(`${number(seconds)} s on a busy machine`)
    await delay(seconds * 1000)
    for (const child of endless) if (child) await kill(child)
    // What the last seconds brought is told by the next counters.
    await delay(4_000)
    return groups.map((group, index) => {
      const { falls, losses, pauses } = tally(group)
      const start = before[index] ?? { falls: 0, losses: 0, pauses: 0 }
      return [
        `${group.intervalMs} ms × ${multiplier}`,
        number((groupSize * (groupSize - 1)) / 2),
        number(falls - start.falls),
        number(losses - start.losses),
        number(pauses - start.pauses),
      ]
    })
  } finally {
    await world.end()
  }
}

/** Both ends of a session count its fall. */
function tally({ speakers }: Group): { readonly falls: number; readonly losses: number; readonly pauses: number } {
  let falls = 0
  let losses = 0
  let pauses = 0
  for (const { wire } of speakers) {
    const last = wire.reports.findLast(report => report.kind === 'bfdCounters')
    if (last?.kind === 'bfdCounters') falls += last.counters.sessions.reduce((sum, { downs }) => sum + downs, 0) / 2
    for (const [index, report] of wire.reports.entries()) {
      if (report.kind === 'fence' && report.state === 'woke') pauses++
      if (report.kind === 'reach' && lostNodes([report]).length > lostNodes(wire.reports.slice(0, index)).length)
        losses++
    }
  }
  return { falls, losses, pauses }
}
