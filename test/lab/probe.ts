/** What a client on the segment can find out: who answers for an address, and how long nobody does. */
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { kill } from './namespace.ts'
import type { LabHost } from './node.ts'

/** The MAC addresses that answer an ARP request for `address` within a second, by arping; empty when nobody does. */
export async function whoHasIPv4(host: LabHost, address: string): Promise<string[]> {
  const { stdout } = await host.exec(['arping', '-w', '1', '-I', host.interface, address])
  return distinct([...stdout.matchAll(/reply from \S+ \[([0-9A-F:]+)\]/g)])
}

/** The MAC addresses that answer a Neighbor Solicitation for `address` within a second, by ndisc6; empty when nobody does. */
export async function whoHasIPv6(host: LabHost, address: string): Promise<string[]> {
  const { stdout } = await host.exec(['ndisc6', '-m', '-r', '1', '-w', '1000', address, host.interface])
  return distinct([...stdout.matchAll(/link-layer address: +([0-9A-F:]+)/g)])
}

/** Either of the two, by the family of the address. */
export async function whoHas(host: LabHost, address: string): Promise<string[]> {
  return await (address.includes(':') ? whoHasIPv6(host, address) : whoHasIPv4(host, address))
}

function distinct(matches: readonly RegExpExecArray[]): string[] {
  return [...new Set(matches.map(match => (match[1] ?? '').toLowerCase()))]
}

/** Forgets every neighbour that `host` has learnt, so that the next packet resolves its address anew. */
export async function forgetNeighbours(host: LabHost): Promise<void> {
  await host.namespace.run(['ip', 'neigh', 'flush', 'dev', host.interface])
}

/**
 * Lets `host` forget its neighbours many times a second until the function returned is called: whoever it talks to meanwhile must
 * answer for its address all the time, and not just have done so once.
 */
export function keepForgetting(host: LabHost): () => Promise<void> {
  // Not those that it is asking for right now: with such an entry the packets that wait for the answer would be dropped.
  const flush = `ip neigh flush dev ${host.interface} nud reachable nud stale nud delay nud probe`
  const child = host.spawn(['sh', '-c', `while :; do ${flush}; sleep 0.03; done`], { stdio: 'ignore' })
  return async () => await kill(child)
}

/** The link-layer address that the host's kernel has for a neighbour; undefined when none. */
export async function neighbourOf(host: LabHost, address: string): Promise<string | undefined> {
  const { stdout } = await host.exec(['ip', '-j', 'neigh', 'show', address, 'dev', host.interface])
  const entries = JSON.parse(stdout || '[]') as { lladdr?: string }[]
  return entries[0]?.lladdr
}

/** Sends a line by TCP or UDP, or in SCTP's INIT, and says what came back within a second; undefined when nothing did. */
export async function talk(
  host: LabHost,
  protocol: 'tcp' | 'udp' | 'sctp',
  address: string,
  port: number,
  text: string,
): Promise<string | undefined> {
  const script = join(import.meta.dirname, 'talk-process.ts')
  const argv = ['timeout', '1.5', process.execPath, script, protocol, address, String(port), text]
  const { stdout } = await host.exec(argv)
  return stdout.trim() || undefined
}

/** Puts frames on the segment as they are, Ethernet header and all, one after the other. */
export async function sendFrames(host: LabHost, ...frames: readonly Uint8Array[]): Promise<void> {
  const script = join(import.meta.dirname, 'frame-process.ts')
  const [link] = JSON.parse(await host.namespace.run(['ip', '-j', 'link', 'show', host.interface])) as {
    ifindex: number
  }[]
  const texts = frames.map(frame => Buffer.from(frame).toString('hex'))
  await host.namespace.run([process.execPath, script, String(link?.ifindex), ...texts])
}

/** `http://…/` of an address of either family. */
export function urlOf(address: string, port = 80): string {
  const host = address.includes(':') ? `[${address}]` : address
  return port === 80 ? `http://${host}/` : `http://${host}:${port}/`
}

/** One request that was answered by a node, or was not. Times are milliseconds since the epoch, with fractions. */
export interface Request {
  readonly sentAtMs: number
  readonly doneAtMs: number
  readonly node: string | undefined
  readonly problem: string | undefined
  /** It was answered, or not, only when it was made once more: its first connection was reset. */
  readonly askedAgain: boolean
}

/** Someone who keeps asking a URL. */
export interface Requests {
  /** Everything that has ended so far, in that order. */
  readonly done: readonly Request[]
  /** Resolves when the last `count` requests, and as many since the call, were all answered; fails when that takes too long. */
  answered(count?: number, timeoutMs?: number): Promise<void>
  /** No more requests; those under way are waited for. */
  stop(): Promise<RequestsReport>
}

export interface RequestsReport {
  readonly sent: number
  readonly answered: number
  /** What went wrong, and how often. */
  readonly problems: Readonly<Record<string, number>>
  /** How many were made once more. */
  readonly askedAgain: number
  /** How often each node answered. */
  readonly nodes: Readonly<Record<string, number>>
  /** The longest that an answered request took. */
  readonly slowestMs: number
  /** The longest time between two answers. */
  readonly longestSilenceMs: number
  /** How long requests got lost: from the sending of the first that was to that of the next after the last. 0 where none was. */
  readonly lossMs: number
}

export interface RequestsOptions {
  readonly everyMs?: number
  /** A request without an answer for so long is lost. */
  readonly timeoutMs?: number
  /**
   * Makes a request once more whose connection is reset, as HTTP clients do. A router that spreads packets over other nodes than before
   * knows nothing of connections: one that is open in that moment may come to a node that does not know it either.
   */
  readonly askAgain?: boolean
}

/** Lets `host` ask `url` every few milliseconds, each time over a new connection. */
export function startRequests(host: LabHost, url: string, options: RequestsOptions = {}): Requests {
  const { everyMs = 20, timeoutMs = 1000, askAgain = false } = options
  const script = join(import.meta.dirname, 'request-process.ts')
  const more = askAgain ? ['again'] : []
  const child = host.spawn([process.execPath, script, url, String(everyMs), String(timeoutMs), ...more], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const done: Request[] = []
  const waiting = new Set<() => void>()
  if (child.stdout === null) throw new Error('the requests have no output')
  const lines = createInterface({ input: child.stdout })
  lines.on('line', line => {
    done.push(JSON.parse(line) as Request)
    for (const look of waiting) look()
  })
  const ended = once(lines, 'close')
  return {
    done,
    async answered(count = 10, timeoutMs = 60_000) {
      const from = done.length
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const look = (): void => {
        if (done.length >= from + count && done.slice(-count).every(({ node }) => node !== undefined)) resolve()
      }
      const late = setTimeout(() => {
        const last = done.slice(-3).map(({ node, problem }) => node ?? problem)
        reject(
          new Error(`${url} was not answered ${count} times in a row within ${timeoutMs} ms; last: ${last.join(', ')}`),
        )
      }, timeoutMs)
      waiting.add(look)
      try {
        await promise
      } finally {
        clearTimeout(late)
        waiting.delete(look)
      }
    },
    async stop() {
      child.kill('SIGTERM')
      await ended
      return summarize(done)
    },
  }
}

/** What the requests amount to. */
export function summarize(requests: readonly Request[]): RequestsReport {
  const problems: Record<string, number> = {}
  const nodes: Record<string, number> = {}
  let slowestMs = 0
  let longestSilenceMs = 0
  let lastAnswerMs: number | undefined
  for (const { sentAtMs, doneAtMs, node, problem } of [...requests].sort((a, b) => a.doneAtMs - b.doneAtMs)) {
    if (node === undefined) {
      problems[problem ?? ''] = (problems[problem ?? ''] ?? 0) + 1
      continue
    }
    nodes[node] = (nodes[node] ?? 0) + 1
    slowestMs = Math.max(slowestMs, doneAtMs - sentAtMs)
    longestSilenceMs = Math.max(longestSilenceMs, doneAtMs - (lastAnswerMs ?? doneAtMs))
    lastAnswerMs = doneAtMs
  }
  const answered = Object.values(nodes).reduce((sum, count) => sum + count, 0)
  const askedAgain = requests.filter(request => request.askedAgain).length
  const counts = { sent: requests.length, answered, askedAgain, problems, nodes }
  return { ...counts, slowestMs, longestSilenceMs, lossMs: lossOf(requests) }
}

function lossOf(requests: readonly Request[]): number {
  const inOrder = [...requests].sort((a, b) => a.sentAtMs - b.sentAtMs)
  const isLost = ({ node }: Request): boolean => node === undefined
  const first = inOrder.find(isLost)
  const last = inOrder.findLastIndex(isLost)
  const end = inOrder[last + 1] ?? inOrder[last]
  return first === undefined || end === undefined ? 0 : end.sentAtMs - first.sentAtMs
}
