import type { Registry } from 'prom-client'
import type { IpFamily } from '../net/address.ts'
import type { PoolUsage } from './ledger.ts'
import type { Session } from './session.ts'

/** What /metrics tells. */
export interface MetricsSource {
  /** Undefined on a standby. */
  session(): Session | undefined
  isLeader(): boolean
}

interface Sample {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

interface Metric {
  readonly name: string
  readonly help: string
  readonly kind?: 'counter'
  readonly label?: 'pool' | 'resource'
  readonly read: (session: Session) => Iterable<Sample>
}

const families = ['IPv4', 'IPv6'] as const

/** All are read when they are asked for: nothing is counted twice, and a controller that nobody scrapes pays nothing. */
const metrics: readonly Metric[] = [
  {
    name: 'berth_allocator_addresses_total',
    help: 'Addresses that the pool can hand out, both families.',
    label: 'pool',
    read: session => perPool(session, pool => usage(session, pool, families, 'size')),
  },
  {
    name: 'berth_allocator_addresses_conflicting',
    help: 'Addresses of the pool that nobody gets for now, since other stations have them (avoidConflicts).',
    label: 'pool',
    read: session => perPool(session, pool => usage(session, pool, families, 'conflicting')),
  },
  {
    name: 'berth_allocator_addresses_in_use_total',
    help: 'Addresses of the pool that Services have, both families; a shared one counts once.',
    label: 'pool',
    read: session => perPool(session, pool => usage(session, pool, families, 'inUse')),
  },
  ...families.flatMap((family): readonly Metric[] => [
    {
      name: `berth_allocator_${family.toLowerCase()}_addresses_total`,
      help: `${family} addresses that the pool can hand out.`,
      label: 'pool',
      read: session => perPool(session, pool => usage(session, pool, [family], 'size')),
    },
    {
      name: `berth_allocator_${family.toLowerCase()}_addresses_in_use_total`,
      help: `${family} addresses of the pool that Services have; a shared one counts once.`,
      label: 'pool',
      read: session => perPool(session, pool => usage(session, pool, [family], 'inUse')),
    },
  ]),
  {
    name: 'berth_allocator_services_allocated_total',
    help: 'Services that have an address of the pool.',
    label: 'pool',
    read(session) {
      const counts = new Map<string, number>()
      for (const { pool } of session.desk.grants.values()) counts.set(pool, (counts.get(pool) ?? 0) + 1)
      return perPool(session, pool => counts.get(pool) ?? 0)
    },
  },
  {
    name: 'berth_allocator_services_waiting',
    help: 'Services that wait for an address, or for the second of two.',
    read: session => one(session.desk.waiting),
  },
  {
    name: 'berth_k8s_client_updates_total',
    kind: 'counter',
    help: 'Statuses of Services written.',
    read: session => one(session.counts.updates),
  },
  {
    name: 'berth_k8s_client_update_conflicts_total',
    kind: 'counter',
    help: 'Writes that were refused because the Service had changed; each was tried again at once.',
    read: session => one(session.counts.conflicts),
  },
  {
    name: 'berth_k8s_client_update_errors_total',
    kind: 'counter',
    help: 'Writes that failed otherwise; each is tried again later.',
    read: session => one(session.counts.errors),
  },
  {
    name: 'berth_k8s_client_config_loaded_bool',
    help: '1 once the configuration has been read.',
    read: session => one(Number(session.isServing)),
  },
  {
    name: 'berth_config_objects_not_ready',
    help: 'Objects of the configuration that are not in use as written; their condition Ready says why.',
    read: session => one(session.config.resolved().problems.length),
  },
  {
    name: 'berth_queue_depth',
    help: 'Services that wait for their turn or for a retry.',
    read: session => one(session.queue.depth),
  },
  {
    name: 'berth_events_waiting',
    help: 'Kubernetes Events that are still to be sent.',
    read: session => one(session.events.waiting),
  },
  {
    name: 'berth_events_dropped_total',
    kind: 'counter',
    help: 'Kubernetes Events that were given up.',
    read: session => one(session.events.dropped),
  },
  {
    name: 'berth_watch_up',
    help: '1 while the watch of the resource is open.',
    label: 'resource',
    read: session => perWatch(session, health => Number(health.state === 'watching')),
  },
  {
    name: 'berth_watch_failures_total',
    kind: 'counter',
    help: 'Lists and watches of the resource that failed.',
    label: 'resource',
    read: session => perWatch(session, health => health.failures),
  },
  {
    name: 'berth_watch_last_heard_seconds',
    help: 'Time since the API server last said anything about the resource.',
    label: 'resource',
    read: session =>
      perWatch(session, health =>
        health.lastHeardMs === undefined ? -1 : (performance.now() - health.lastHeardMs) / 1000,
      ),
  },
]

/** A registry of its own, with the process's own numbers beside ours. */
export async function createMetrics(source: MetricsSource): Promise<Registry> {
  // The default export, as in program/http.ts.
  const { default: prometheus } = await import('prom-client')
  const { collectDefaultMetrics, Counter, Gauge, Registry } = prometheus
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  registry.registerMetric(
    new Gauge({
      name: 'berth_leader',
      help: '1 while this replica leads; the others stand by.',
      registers: [],
      collect() {
        this.set(Number(source.isLeader()))
      },
    }),
  )
  for (const { name, help, kind, label, read } of metrics) {
    const labelNames = label ? [label] : []
    const samples = (): Iterable<Sample> => {
      const session = source.session()
      return session ? read(session) : []
    }
    const options = { name, help, labelNames, registers: [] }
    registry.registerMetric(
      kind === 'counter'
        ? new Counter({
            ...options,
            collect() {
              this.reset()
              for (const { labels, value } of samples()) this.inc(labels, value)
            },
          })
        : new Gauge({
            ...options,
            collect() {
              this.reset()
              for (const { labels, value } of samples()) this.set(labels, value)
            },
          }),
    )
  }
  return registry
}

function usage({ desk }: Session, pool: string, of: readonly IpFamily[], what: keyof PoolUsage): number {
  return of.reduce((sum, family) => sum + Number(desk.ledger.usage(pool, family)?.[what] ?? 0n), 0)
}

function perPool(session: Session, value: (pool: string) => number): readonly Sample[] {
  return session.config.resolved().config.pools.map(({ name }) => ({ labels: { pool: name }, value: value(name) }))
}

function perWatch(
  session: Session,
  value: (health: ReturnType<Session['watches'][number]['health']>) => number,
): readonly Sample[] {
  return session.watches.map(watch => ({ labels: { resource: watch.name }, value: value(watch.health()) }))
}

function one(value: number): readonly Sample[] {
  return [{ labels: {}, value }]
}
