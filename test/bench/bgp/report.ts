import { number, promiseTable, table } from '../report.ts'
import { median, percentile } from '../statistics.ts'
import type { DeadPeerResult } from './dead-peer.ts'
import { fastProfile } from './frr-configuration.ts'
import type { AnnouncerResult } from './measure.ts'

/** All that the section tells of. */
export interface BgpNumbers {
  readonly routes: number
  readonly withdrawals: number
  readonly announcers: readonly AnnouncerResult[]
  readonly deadPeer: readonly DeadPeerResult[]
  /** One for each power cut of a node, as a client behind the router saw it. */
  readonly clientOutagesMs: readonly number[]
}

const detectionMs = fastProfile.intervalMs * fastProfile.multiplier
const withdrawalPromiseMs = 100
const outagePromiseMs = 300

/** The section in words and tables. */
export function bgpText(numbers: BgpNumbers): string {
  const { routes, withdrawals } = numbers
  return `## BGP: routes at a router

${number(routes)} Services with an address and a ready endpoint each; one node tells three routers, of which one, FRR, is asked every
10 ms what it has. Seconds are from the start of the process, which finds the Services at the API server, and from the
moment a new session stands; messages are the UPDATEs that the router counted (two FRRs agree on messages of up to 64 KB).
FRR (8.4, as in Debian 12) and BIRD have their routes from a file. MetalLB's FRR mode has the first ${number(routesOf(numbers, 'MetalLB, FRR'))} Services only:
its reload script takes more than in proportion.

A withdrawal is timed from the beginning of its cause (the API write that takes the only endpoint away, the start of vtysh,
of frr-reload.py or of birdc) until a router is told, ${number(withdrawals)} times one after the other (frr-reload.py 3, MetalLB's FRR mode 2).

${routesTable(numbers)}

${causes(numbers)}

${memoryTable(numbers)}

Berth's BGP and BFD are in its speaker. MetalLB needs FRR for BFD, IPv6 and graceful restart: the sum is its speaker as
measured here and FRR's daemons with the same routes, without watchfrr, the reload script and the metrics exporter that
its pod holds besides.

The cable of a router is cut that has a BFD session of ${fastProfile.intervalMs} ms × ${fastProfile.multiplier} with Berth's speaker on one node and with FRR on another:
milliseconds from the cut until each had given its BGP session up, and until the router had none of its routes.
${number(numbers.deadPeer[0]?.ownMs.length ?? 0)} cuts.

${deadPeerTable(numbers)}

A client behind such a router, which spreads connections over three nodes, asks every 10 ms while one of them loses power:
${number(numbers.clientOutagesMs.length)} times, without answers for ${milliseconds(median(numbers.clientOutagesMs))} (p50), ${milliseconds(Math.max(...numbers.clientOutagesMs))} at most.

${promisesTable(numbers)}
`
}

/** What nobody can be sooner than. */
function causes(numbers: BgpNumbers): string {
  const row = (name: string): string => {
    const { causingMs } = resultOf(numbers, name)
    return `${milliseconds(median(causingMs))} (p50) and ${milliseconds(percentile(causingMs, 0.99))} (p99) beside ${name}`
  }
  return `Until the API server had answered the write: ${row('Berth')}, ${row('MetalLB, native')}.`
}

function resultOf({ announcers }: BgpNumbers, name: string): AnnouncerResult {
  const found = announcers.find(one => one.name === name)
  if (!found) throw new Error(`${name} was not measured`)
  return found
}

function routesOf(numbers: BgpNumbers, name: string): number {
  return resultOf(numbers, name).routes
}

function routesTable({ announcers }: BgpNumbers): string {
  const rows = announcers.map(({ name, routes, fromStart, fromSession, withdrawalMs }) => [
    name,
    number(routes),
    `${number(fromStart.seconds, 2)} s`,
    number(fromStart.updates),
    fromSession.seconds < 0.01 ? '<0.01 s' : `${number(fromSession.seconds, 2)} s`,
    number(fromSession.updates),
    milliseconds(median(withdrawalMs)),
    milliseconds(percentile(withdrawalMs, 0.99)),
  ])
  const columns = ['announcer', 'routes', 'from start', 'messages', 'from session', 'messages', 'withdrawal p50', 'p99']
  return table(columns, rows)
}

/** What a node's memory goes to: each of them does BGP and BFD. */
function memories(numbers: BgpNumbers): Readonly<Record<'berth' | 'speaker' | 'frr', readonly Resident[]>> {
  const of = (name: string) => resultOf(numbers, name).residentMB ?? []
  return { berth: of('Berth'), speaker: of('MetalLB, native'), frr: of('FRR, vtysh') }
}

type Resident = NonNullable<AnnouncerResult['residentMB']>[number]

function sum(programs: readonly Resident[]): number {
  return programs.reduce((total, { megabytes }) => total + megabytes, 0)
}

function memoryTable(numbers: BgpNumbers): string {
  const { berth, speaker, frr } = memories(numbers)
  const row = (name: string, programs: readonly Resident[]) => [
    name,
    programs.map(one => `${one.name} ${number(one.megabytes)}`).join(', '),
    `${number(sum(programs))} MB`,
  ]
  return table(
    ['memory at rest, 3 peers', 'of it', 'together'],
    [row('Berth', berth), row('MetalLB with FRR', [...speaker, ...frr])],
  )
}

function deadPeerTable({ deadPeer }: BgpNumbers): string {
  const rows = deadPeer.map(({ name, ownMs, routerMs }) => [
    name,
    milliseconds(median(ownMs)),
    milliseconds(Math.max(...ownMs)),
    milliseconds(median(routerMs)),
    milliseconds(Math.max(...routerMs)),
  ])
  return table(['cut off', 'its session down p50', 'longest', 'router without its routes p50', 'longest'], rows)
}

function promisesTable(numbers: BgpNumbers): string {
  const [ours, native] = [resultOf(numbers, 'Berth'), resultOf(numbers, 'MetalLB, native')]
  const floor = resultOf(numbers, 'BIRD')
  const { berth, speaker, frr } = memories(numbers)
  const [dead] = numbers.deadPeer
  if (!dead) throw new Error('no cable was cut')
  return promiseTable([
    {
      promise: 'all routes sooner than MetalLB',
      value: ours.fromStart.seconds,
      limit: native.fromStart.seconds,
      limitName: 'MetalLB’s',
      unit: ' s',
      digits: 2,
    },
    {
      promise: 'in no more messages than BIRD',
      value: ours.fromStart.updates,
      limit: floor.fromStart.updates,
      limitName: 'BIRD’s',
      unit: '',
    },
    {
      promise: 'withdrawal, p50',
      value: median(ours.withdrawalMs),
      limit: withdrawalPromiseMs,
      limitName: 'the promised',
      unit: ' ms',
    },
    {
      promise: 'withdrawal, p99',
      value: percentile(ours.withdrawalMs, 0.99),
      limit: withdrawalPromiseMs,
      limitName: 'the promised',
      unit: ' ms',
    },
    {
      promise: 'dead router, p50',
      value: median(dead.ownMs),
      limit: detectionMs,
      limitName: 'the detection time,',
      unit: ' ms',
    },
    {
      promise: 'client’s outage when a node loses power, p50',
      value: median(numbers.clientOutagesMs),
      limit: outagePromiseMs,
      limitName: 'the promised',
      unit: ' ms',
    },
    {
      promise: 'client’s outage when a node loses power, worst',
      value: Math.max(...numbers.clientOutagesMs),
      limit: outagePromiseMs,
      limitName: 'the promised',
      unit: ' ms',
    },
    {
      promise: 'memory with BGP and BFD',
      value: sum(berth),
      limit: sum([...speaker, ...frr]),
      limitName: 'MetalLB’s with FRR',
      unit: ' MB',
    },
  ])
}

function milliseconds(value: number): string {
  return `${number(value)} ms`
}
