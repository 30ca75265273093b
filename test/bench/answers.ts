import { join } from 'node:path'
import { createWorld } from '../lab/namespace.ts'
import type { LabHost } from '../lab/node.ts'
import { createTwoHosts, startWireProcess } from '../wire/hosts.ts'
import { percentile } from './statistics.ts'

/** How long an address takes to be resolved, as the asker sees it. */
export interface AnswerLatency {
  readonly protocol: 'ARP' | 'NDP'
  /** Who answers: Berth for an announced address, or the node's kernel for an address of its own. */
  readonly answerer: 'Berth' | 'kernel'
  readonly requests: number
  readonly unanswered: number
  readonly p50Micros: number
  readonly p99Micros: number
}

/**
 * Asks a node over a veth pair for an announced address and for one of its own, a request every 2 ms, each answered or
 * given up before the next. Berth and the kernel take turns, so that whatever else the machine does hits both.
 */
export async function measureAnswers(options: {
  readonly quick: boolean
  readonly progress?: (line: string) => void
}): Promise<readonly AnswerLatency[]> {
  const requestsPerTurn = options.quick ? 100 : 1_000
  const turns = options.quick ? 2 : 5
  const announced = ['192.0.2.50', '2001:db8:0:2::50'] as const
  const world = await createWorld()
  try {
    const { node, client } = await createTwoHosts(world)
    const wire = await startWireProcess(node)
    wire.send({ kind: 'announce', announcements: announced.map(address => ({ address, interfaces: 'all' })) })
    await wire.until('both announced', reports => reports.filter(({ kind }) => kind === 'announced').length === 2)
    const targets = [
      { protocol: 'ARP', answerer: 'Berth', address: announced[0] },
      { protocol: 'ARP', answerer: 'kernel', address: node.ipv4 },
      { protocol: 'NDP', answerer: 'Berth', address: announced[1] },
      { protocol: 'NDP', answerer: 'kernel', address: node.ipv6 },
    ] as const
    const samples = new Map<string, number[]>()
    for (let turn = 0; turn < turns; turn++) {
      for (const { address, protocol, answerer } of targets) {
        options.progress?.(`${protocol} by ${answerer}, turn ${turn + 1} of ${turns}`)
        const micros = await ask(client, address, requestsPerTurn)
        samples.set(address, [...(samples.get(address) ?? []), ...micros])
      }
    }
    await wire.stop()
    return targets.map(({ protocol, answerer, address }) => {
      const micros = samples.get(address) ?? []
      return {
        protocol,
        answerer,
        requests: requestsPerTurn * turns,
        unanswered: requestsPerTurn * turns - micros.length,
        p50Micros: percentile(micros, 0.5),
        p99Micros: percentile(micros, 0.99),
      }
    })
  } finally {
    await world.end()
  }
}

/** Microseconds of each request that was answered. */
async function ask(client: LabHost, address: string, requests: number): Promise<readonly number[]> {
  const program = join(import.meta.dirname, 'ask-process.ts')
  const [link] = JSON.parse(await client.namespace.run(['ip', '-j', 'link', 'show', 'dev', client.interface])) as {
    ifindex: number
  }[]
  const parameters = [String(link?.ifindex), client.mac, client.ipv4, client.ipv6, address, String(requests)]
  return JSON.parse(await client.namespace.run([process.execPath, program, ...parameters])) as readonly number[]
}
