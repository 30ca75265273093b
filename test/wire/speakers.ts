import { randomUUID } from 'node:crypto'
import type { ClusterMember, WireReport } from '../../speaker/wire/messages.ts'
import type { World } from '../lab/namespace.ts'
import type { LabHost } from '../lab/node.ts'
import type { Cable, Segment } from '../lab/segment.ts'
import { startWireProcess, type WireProcess } from './hosts.ts'

/** The wire thread of a speaker on a host of its own, without the main thread's decisions. */
export interface WireSpeaker {
  readonly host: LabHost
  readonly run: string
  readonly wire: WireProcess
  readonly cable: Cable
}

/** How quickly they notice each other's death, and what they share. */
export interface ClusterTerms {
  readonly keyOf: (index: number) => Uint8Array
  readonly port: number
  readonly intervalMs: number
  readonly detectMultiplier: number
}

/** Starts so many on a segment, `node-1` and so on, and lets them look after each other. `subnet` is a /24 without its last octet. */
export async function startWireSpeakers(
  world: World,
  segment: Segment,
  { count, subnet, ...terms }: ClusterTerms & { readonly count: number; readonly subnet: string },
): Promise<readonly WireSpeaker[]> {
  const speakers: WireSpeaker[] = []
  for (let ordinal = 1; ordinal <= count; ordinal++) {
    speakers.push(await startOne(world, segment, `${subnet}.${ordinal}`, ordinal))
  }
  for (const [index, { wire, host, run }] of speakers.entries()) {
    const { keyOf, ...rest } = terms
    const leases = { leaseDurationMs: 10_000, renewPeriodMs: 3_000 }
    wire.send({ kind: 'cluster', settings: { node: host.name, run, key: keyOf(index), ...rest, ...leases } })
    wire.send({ kind: 'members', members: speakers.map(memberOf) })
  }
  return speakers
}

async function startOne(world: World, segment: Segment, ipv4: string, ordinal: number): Promise<WireSpeaker> {
  const namespace = await world.createNamespace()
  const name = `node-${ordinal}`
  const mac = `02:00:00:00:00:${ordinal.toString(16).padStart(2, '0')}`
  const port = `p${ipv4.replaceAll('.', '-')}`
  const cable = await segment.attach(namespace, { port, interface: 'eth0', mac, addresses: [`${ipv4}/24`] })
  const { exec, spawn } = namespace
  const host: LabHost = { name, namespace, interface: 'eth0', mac, ipv4, ipv6: '', exec, spawn }
  return { host, run: randomUUID(), wire: await startWireProcess(host), cable }
}

function memberOf({ host, run }: WireSpeaker): ClusterMember {
  return { node: host.name, run, address: host.ipv4, neighbour: true }
}

/** Waits until so many sessions of a speaker have been up. */
export async function watching({ wire }: WireSpeaker, sessions: number): Promise<void> {
  await wire.until(`${sessions} sessions are up`, reports => {
    const last = reports.findLast(report => report.kind === 'bfdCounters')
    return last?.kind === 'bfdCounters' && last.counters.sessions.filter(({ ups }) => ups > 0).length === sessions
  })
}

/** The nodes that the last report calls lost. */
export function lostNodes(reports: readonly WireReport[]): readonly string[] {
  const last = reports.findLast(({ kind }) => kind === 'reach')
  return last?.kind === 'reach' ? last.report.lost.map(({ node }) => node).sort() : []
}
