/** What a client on the segment sees of addresses that it asks for a hundred times a second. */
import { join } from 'node:path'
import { buildRawsock } from '../../speaker/rawsock/build.ts'
import { kill } from './namespace.ts'
import type { LabHost } from './node.ts'

/** Times are milliseconds since the epoch, with fractions; MAC addresses stand as usual, in small letters. */
export interface WatchedAddress {
  readonly address: string
  /** To our questions. */
  readonly answers: readonly (readonly [atMs: number, mac: string])[]
  /** Unasked, to everybody. */
  readonly announcements: readonly (readonly [atMs: number, mac: string])[]
  /** Pings, which went where the kernel's neighbour table said; null = no answer came. */
  readonly echoes: readonly (readonly [sentAtMs: number, doneAtMs: number | null])[]
}

/** Undefined once, when the first question has left. */
export interface FromWatch {
  readonly watched: readonly WatchedAddress[] | undefined
}

export interface Watch {
  /** Asks no more, and tells. */
  stop(): Promise<readonly WatchedAddress[]>
}

/** Lets a host ask the segment for the addresses and ping them, all every few milliseconds. */
export async function startWatch(host: LabHost, addresses: readonly string[], everyMs = 10): Promise<Watch> {
  await buildRawsock()
  const [link] = JSON.parse(await host.namespace.run(['ip', '-j', 'link', 'show', host.interface])) as {
    ifindex: number
  }[]
  const script = join(import.meta.dirname, 'watch-process.ts')
  const self = [String(link?.ifindex), host.mac, host.ipv4, host.ipv6]
  const child = host.spawn([process.execPath, script, ...self, String(everyMs), ...addresses], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const next = async (): Promise<FromWatch> =>
    await new Promise((resolve, reject) => {
      child.once('message', message => resolve(message as FromWatch))
      child.once('exit', code => reject(new Error(`the process that watches has ended with code ${code}`)))
    })
  await next()
  return {
    async stop() {
      const told = next()
      child.send('stop')
      const { watched = [] } = await told
      await kill(child)
      return watched
    },
  }
}

/** The longest time without an event, the watched time's ends being events. */
export function longestGapMs(atMs: readonly number[], fromMs: number, untilMs: number): number {
  const inside = atMs.filter(at => at > fromMs && at < untilMs).sort((one, other) => one - other)
  const moments = [fromMs, ...inside, untilMs]
  return Math.max(...moments.slice(1).map((at, index) => at - (moments[index] ?? at)))
}

/** For how long more than one station answered; each counts as answering from one answer to the next that came soon. */
export function doubledMs(answers: WatchedAddress['answers'], everyMs = 10): number {
  const stretches = [...Map.groupBy(answers, ([, mac]) => mac).values()].flatMap(own =>
    stretchesOf(
      own.map(([atMs]) => atMs),
      everyMs,
    ),
  )
  // At each edge so many more answer, or fewer.
  const edges = stretches.flatMap(([fromMs, untilMs]) => [[fromMs, 1] as const, [untilMs, -1] as const])
  edges.sort(([one], [other]) => one - other)
  let sum = 0
  let answering = 0
  let beforeMs = 0
  for (const [atMs, change] of edges) {
    if (answering > 1) sum += atMs - beforeMs
    answering += change
    beforeMs = atMs
  }
  return sum
}

/** A busy machine's answers may come some questions late. A single answer lasts until the next question. */
function stretchesOf(atMs: readonly number[], everyMs: number): (readonly [number, number])[] {
  const stretches: [number, number][] = []
  for (const at of atMs.toSorted((one, other) => one - other)) {
    const last = stretches.at(-1)
    if (last && at - last[1] < 5 * everyMs) last[1] = at
    else stretches.push([at, at])
  }
  return stretches.map(([from, until]) => [from, until === from ? from + everyMs : until])
}

/** The stations that answered, in the order of their first answers. */
export function answerersOf(answers: WatchedAddress['answers']): readonly string[] {
  return [...new Set(answers.map(([, mac]) => mac))]
}
