import { type AllocationRequest, allocate } from '../../controller/allocator.ts'
import { createLedger, type Ledger } from '../../controller/ledger.ts'
import { namespacesFrom, type PoolBook } from '../../controller/pool-choice.ts'
import type { IPAddressPool } from '../../crds/config.ts'
import type { ServiceKey } from '../../kube/service.ts'
import type { IpFamily } from '../../net/address.ts'
import { parseRange } from '../../net/range.ts'
import { number, table } from './report.ts'

interface Row {
  readonly name: string
  readonly range: string
  readonly family: IpFamily
  /** Addresses that are taken, from the lowest up, before the measurement. */
  readonly inUse: number
  readonly avoidBuggyIPs?: boolean
}

const rows: readonly Row[] = [
  { name: 'IPv4 /24, 10 in use', range: '10.0.0.0/24', family: 'IPv4', inUse: 10 },
  { name: 'IPv4 /24, 250 in use', range: '10.0.0.0/24', family: 'IPv4', inUse: 250 },
  { name: 'IPv4 /12, 10 in use', range: '10.16.0.0/12', family: 'IPv4', inUse: 10 },
  { name: 'IPv4 /12, all but 4 in use', range: '10.16.0.0/12', family: 'IPv4', inUse: 2 ** 20 - 4 },
  {
    name: 'IPv4 /12, .0 and .255 avoided, all but 4',
    range: '10.16.0.0/12',
    family: 'IPv4',
    inUse: 4096 * 254 - 4,
    avoidBuggyIPs: true,
  },
  { name: 'IPv6 /48, 10 in use', range: '2001:db8::/48', family: 'IPv6', inUse: 10 },
  { name: 'IPv6 /48, a million in use', range: '2001:db8::/48', family: 'IPv6', inUse: 1_000_000 },
]

/**
 * The allocator alone. Each step takes the lowest free address and gives another one back from the middle of what is in
 * use, so that the free space is never one neat rest: the state in which a pool spends its life.
 */
export async function allocatorSection(options: {
  readonly quick: boolean
  readonly progress: (line: string) => void
}): Promise<string> {
  const steps = options.quick ? 20_000 : 200_000
  const measured = rows.map(row => {
    const { perSecond, searchNanos } = measureRow(row, steps)
    options.progress(`${row.name}: ${number(perSecond)} assignments a second, a search ${number(searchNanos)} ns`)
    return { row, perSecond, searchNanos }
  })
  const cells = measured.map(({ row, perSecond, searchNanos }) => [
    row.name,
    `${number(searchNanos)} ns`,
    number(perSecond),
  ])
  return `## Allocator: a free address in a pool of any size

The search for the lowest free address, and ${number(steps)} whole assignments in one thread, each with its entry in the ledger and
followed by the release of an address in the middle of the pool. The search costs the same in a full /12 as in an empty
/24; what grows with a million holders is the processor's cache misses in the ledger's maps.

${table(['pool', 'search', 'assignments per second'], cells)}
`
}

function measureRow(row: Row, steps: number): { readonly perSecond: number; readonly searchNanos: number } {
  const { book, ledger } = filled(row)
  const namespaces = namespacesFrom(new Map())
  const held = Array.from({ length: Math.min(row.inUse, 10_000) }, (_, index) =>
    keyOf(Math.floor((index * row.inUse) / Math.min(row.inUse, 10_000))),
  )
  const start = performance.now()
  for (let step = 0; step < steps; step++) {
    const service: ServiceKey = `bench/step-${step}`
    const answer = allocate(book, namespaces, ledger, request(service, row.family))
    if (answer.kind !== 'allocation') throw new Error(`the pool is full: ${answer.kind}`)
    hold(ledger, service, answer)
    const slot = (step * 7919) % held.length
    const leaving = held[slot]
    if (leaving) ledger.release(leaving)
    held[slot] = service
  }
  const perSecond = steps / ((performance.now() - start) / 1000)
  const searchStart = performance.now()
  for (let step = 0; step < steps; step++) {
    if (!ledger.lowestAvailable('bench', row.family, aloneClaim)) throw new Error('the pool is full')
  }
  return { perSecond, searchNanos: ((performance.now() - searchStart) * 1e6) / steps }
}

function filled(row: Row): { readonly book: PoolBook; readonly ledger: Ledger } {
  const range = parseRange(row.range)
  if ('problem' in range) throw new Error(range.problem)
  const pool: IPAddressPool = {
    name: 'bench',
    ranges: [range],
    labels: {},
    autoAssign: true,
    avoidBuggyIPs: row.avoidBuggyIPs ?? false,
    avoidConflicts: false,
    serviceAllocation: undefined,
  }
  const book = { pools: [pool], setAside: [] }
  const ledger = createLedger(book.pools)
  const namespaces = namespacesFrom(new Map())
  for (let index = 0; index < row.inUse; index++) {
    const answer = allocate(book, namespaces, ledger, request(keyOf(index), row.family))
    if (answer.kind !== 'allocation') throw new Error(`the pool is full: ${answer.kind}`)
    hold(ledger, keyOf(index), answer)
  }
  return { book, ledger }
}

function hold(
  ledger: Ledger,
  service: ServiceKey,
  answer: { readonly pool: string; readonly addresses: AllocationRequest['addresses'] },
): void {
  ledger.hold({
    service,
    uid: service,
    pool: answer.pool,
    addresses: answer.addresses,
    claim: aloneClaim,
    published: true,
  })
}

const aloneClaim = { key: undefined, backends: 'Cluster', ports: [{ protocol: 'TCP', port: 80 }] } as const

function request(service: ServiceKey, family: IpFamily): AllocationRequest {
  return {
    service,
    namespace: 'bench',
    labels: {},
    wish: { kind: 'one', family },
    addresses: [],
    pool: undefined,
    claim: aloneClaim,
  }
}

function keyOf(index: number): ServiceKey {
  return `bench/filled-${index}`
}
