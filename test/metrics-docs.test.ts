import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Counter, type Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { createMetrics as createControllerMetrics } from '../controller/metrics.ts'
import { createMetrics as createSpeakerMetrics } from '../speaker/metrics.ts'
import { well } from '../speaker/test-health.ts'
import { rulesOf, shippedRules } from './charts/monitoring/rules.ts'

const text = readFileSync(join(import.meta.dirname, '../docs/metrics.md'), 'utf8')

/** What stands under a heading of the second order. */
function section(heading: string): string {
  return text.split(/^## /m).find(part => part.startsWith(`${heading}\n`)) ?? ''
}

/** The rows of the tables whose first cell names a metric. */
function documented(heading: string): readonly string[] {
  return section(heading)
    .split('\n')
    .filter(line => line.startsWith('| `berth_'))
    .sort()
}

function held(registry: Registry): readonly string[] {
  // Names of our own; those of the process are prom-client's.
  const own = registry.getMetricsAsArray().filter(({ name }) => name.startsWith('berth_'))
  return own
    .map(metric => {
      const kind = (metric as unknown) instanceof Counter ? 'counter' : 'gauge'
      const { name, help, labelNames } = metric as unknown as { name: string; help: string; labelNames: string[] }
      return `| \`${name}\` | ${kind} | ${labelNames.map(label => `\`${label}\``).join(', ')} | ${help} |`
    })
    .sort()
}

test.each([
  {
    program: 'Controller',
    registry: async () => await createControllerMetrics({ session: () => undefined, isLeader: () => false }),
  },
  { program: 'Speaker', registry: async () => createSpeakerMetrics(() => well) },
])(
  'docs/metrics.md has every metric of the $program as /metrics has it, and no other',
  async ({ program, registry }) => {
    const rows = held(await registry())
    expect(rows.length).toBeGreaterThan(10)
    expect(documented(program)).toEqual(rows)
  },
)

test('every name of Berth’s in the rest of docs/metrics.md exists', () => {
  const existing = new Set(
    ['Controller', 'Speaker'].flatMap(program => documented(program).map(row => row.match(/`(\w+)`/)?.[1])),
  )
  const rest = ['Worth an alert', "From MetalLB's names"].map(section).join('\n')
  const named = new Set(rest.match(/\bberth_\w+/g))
  expect(named.size).toBeGreaterThan(25)
  expect([...named].filter(name => !existing.has(name))).toEqual([])
})

/** What MetalLB 0.16 has, in all its modes, as its source and its documents name it. */
const metallb = {
  allocator: `addresses_total addresses_in_use_total ipv4_addresses_total ipv4_addresses_in_use_total ipv6_addresses_total
    ipv6_addresses_in_use_total services_allocated_total`,
  k8s_client: 'updates_total update_errors_total config_loaded_bool config_stale_bool',
  speaker: 'announced',
  layer2: 'requests_received responses_sent gratuitous_sent',
  bgp: `session_up updates_total announced_prefixes_total pending_prefixes_total opens_sent opens_received notifications_sent
    updates_total_received keepalives_sent keepalives_received route_refresh_sent total_sent total_received`,
  bfd: `session_up control_packet_input control_packet_output echo_packet_input echo_packet_output session_up_events
    session_down_events zebra_notifications`,
}

test('every metric of MetalLB’s has its row, with one of Berth’s or a reason why there is none', () => {
  const rows = section("From MetalLB's names")
    .split('\n')
    .map(line => line.split('|').map(cell => cell.trim()))
    .filter(([, name = '']) => name.startsWith('`metallb_'))
  const wanted = Object.entries(metallb).flatMap(([part, names]) =>
    names.split(/\s+/).map(name => `metallb_${part}_${name}`),
  )
  const named = rows.flatMap(([, names = '']) => Array.from(names.matchAll(/`(\w+)`/g), ([, name = '']) => name))
  expect(named.toSorted()).toEqual(wanted.toSorted())
  const empty = rows.filter(([, , berth = '', difference = '']) => !/^`berth_\w+`$/.test(berth) && difference === '')
  expect(empty).toEqual([])
})

test('MetalLB’s alerts have theirs among those of the chart', () => {
  const rules = new Set(rulesOf(shippedRules()).map(({ alert }) => alert))
  const rows = section("From MetalLB's names").matchAll(/^\| `MetalLB.+? \| `(\w+)` \|/gm)
  const alerts = Array.from(rows, ([, alert = '']) => alert)
  expect(alerts.length).toBe(5)
  expect(alerts.filter(alert => !rules.has(alert))).toEqual([])
})
