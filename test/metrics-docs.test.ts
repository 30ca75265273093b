import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Counter, type Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { createMetrics as createControllerMetrics } from '../controller/metrics.ts'
import { createMetrics as createSpeakerMetrics } from '../speaker/metrics.ts'
import { well } from '../speaker/test-health.ts'

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
