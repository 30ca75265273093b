import { setTimeout as delay } from 'node:timers/promises'
import { diagnostics } from '../../speaker/bfd/packet.ts'
import { bfdSession } from '../interop/bfd-berth.ts'
import { startFrr } from '../interop/frr-daemons.ts'
import { until } from '../interop/until.ts'
import { createWorld, kill } from '../lab/namespace.ts'
import type { LabHost } from '../lab/node.ts'
import { createTwoHosts, startWireProcess, type WireProcess } from '../wire/hosts.ts'
import { number, table } from './report.ts'

/** One end of a BFD session, over the whole time. */
interface End {
  /** Times that it gave the other up, though nothing was wrong. */
  readonly alarms: number
  readonly packets: number
  /** The longest time between two packets that it sent, as the cable saw them. */
  readonly longestGapMs: number
}

const intervalMs = 50
const multiplier = 3
const stallMs = 500
const everyMs = 1_000

/**
 * Berth's BFD in the wire thread and FRR's, 50 ms × 3, on a cable with nothing wrong: how often either gives the other
 * up while the speaker's main thread stands still for half of every second and two endless loops have both cores.
 */
export async function bfdAlarmsSection(options: {
  readonly quick: boolean
  readonly progress: (line: string) => void
}): Promise<string> {
  const seconds = options.quick ? 30 : 600
  options.progress(`${seconds} s of BFD on a busy machine`)
  const { berth, frr } = await measureAlarms(seconds)
  const row = (name: string, { alarms, packets, longestGapMs }: End) => [
    name,
    number(alarms),
    number(packets),
    `${number(longestGapMs)} ms`,
  ]
  return `## BFD: false alarms of a busy node

A session of ${intervalMs} ms × ${multiplier} between the speaker's wire thread and FRR's bfdd, for ${number(seconds)} s. The speaker's main thread
stands still for ${stallMs} ms of every second, and two endless loops have the machine's cores. Nothing is ever wrong with the cable, so each
time that one end gives the other up is a false alarm. bfdd runs in real time, as on a router of its own; what it gives up is
therefore the speaker's fault. Between packets of one end there should be ${intervalMs} ms at most. A gap beyond the detection time that
both ends have and neither calls an alarm is the machine's own: for so long nothing ran on it, and no timer either.

${table(['end', 'false alarms', 'packets sent', 'longest gap'], [row('Berth', berth), row('FRR', frr)])}
`
}

async function measureAlarms(seconds: number): Promise<{ readonly berth: End; readonly frr: End }> {
  const world = await createWorld()
  try {
    const { node, client } = await createTwoHosts(world)
    const timers = [`receive-interval ${intervalMs}`, `transmit-interval ${intervalMs}`]
    const peer = ['peer 192.0.2.1 local-address 192.0.2.2 interface eth0', ...timers, `detect-multiplier ${multiplier}`]
    const frr = await startFrr(client, ['bfdd'], ['bfd', ...peer.map(line => ` ${line}`)])
    const wire = await startWireProcess(node)
    const timing = { transmitIntervalMs: intervalMs, receiveIntervalMs: intervalMs, detectMultiplier: multiplier }
    wire.send({ kind: 'bfd', sessions: [bfdSession(timing)] })
    await wire.until('BFD is Up', () => {
      const last = lastStatus(wire)
      return last?.state === 'Up' && last.detectionTimeMs === intervalMs * multiplier
    })
    await client.namespace.run(['chrt', '--rr', '--pid', '10', String(frr.daemons.bfdd?.pid)])
    const alarmsOf = (diagnostic: number): number => fallsBecause(wire, diagnostic)
    const { controlDetectionTimeExpired, neighborSignaledSessionDown } = diagnostics
    const before = { berth: alarmsOf(controlDetectionTimeExpired), frr: alarmsOf(neighborSignaledSessionDown) }
    const watch = await watchGaps(client)
    // Killed below, and by the kernel should this process end before.
    const endless = [0, 1].map(() => node.spawn(['sh', '-c', 'while :; do :; done']))
    const endMs = performance.now() + seconds * 1000
    while (performance.now() < endMs) {
      const startMs = performance.now()
      await wire.block(stallMs)
      await delay(Math.max(0, everyMs - (performance.now() - startMs)))
    }
    const gaps = await watch.end()
    await Promise.all(endless.map(child => kill(child)))
    const measured = {
      berth: { alarms: alarmsOf(controlDetectionTimeExpired) - before.berth, ...gaps.of(node.ipv4) },
      frr: { alarms: alarmsOf(neighborSignaledSessionDown) - before.frr, ...gaps.of(client.ipv4) },
    }
    await wire.stop()
    await frr.end('SIGKILL')
    return measured
  } finally {
    await world.end()
  }
}

function statuses({ reports }: WireProcess) {
  return reports.flatMap(report => (report.kind === 'bfd' ? [report.status] : []))
}

function lastStatus(wire: WireProcess) {
  return statuses(wire).at(-1)
}

/** How often Berth's session fell for this reason: it gave up, or the other end did and said so. */
function fallsBecause(wire: WireProcess, diagnostic: number): number {
  const all = statuses(wire)
  const fallen = all.filter(({ state }, index) => state !== 'Up' && all[index - 1]?.state === 'Up')
  return fallen.filter(status => status.diagnostic === diagnostic).length
}

/** Notes when the kernel put each control packet onto the cable. */
async function watchGaps(host: LabHost) {
  const argv = ['tcpdump', '-i', 'eth0', '-n', '-tt', '-l', '--immediate-mode', 'udp', 'dst', 'port', '3784']
  const child = host.spawn(argv, { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  child.stdout?.on('data', chunk => {
    said += String(chunk)
  })
  const packets = () => [...said.matchAll(/^(\d+\.\d+) IP ([\d.]+)\.\d+ > /gm)]
  await until(
    'tcpdump listens',
    async () => packets().length,
    count => count > 4,
  )
  return {
    async end() {
      await kill(child, 'SIGTERM')
      return {
        of(address: string): Omit<End, 'alarms'> {
          const times = packets().flatMap(([, time, from]) => (from === address ? [Number(time) * 1000] : []))
          const gaps = times.slice(1).map((time, index) => time - (times[index] ?? time))
          return { packets: times.length, longestGapMs: gaps.reduce((most, gap) => Math.max(most, gap), 0) }
        },
      }
    },
  }
}
