import { describe, expect, test } from 'vitest'
import { rows } from './dashboard-panels.ts'
import { findPromtool, openPromtool } from './promtool.ts'

const found = await findPromtool()
const obstacle = 'obstacle' in found ? found.obstacle : undefined
if (obstacle !== undefined) console.warn(`Skipped, no promtool on this machine: ${obstacle}`)

describe.skipIf(obstacle !== undefined)('the dashboard of the chart', () => {
  test('asks in PromQL, whatever is chosen at the top of the page', async () => {
    if (!('path' in found)) return
    await using promtool = await openPromtool(found.path)
    const expressions = rows.flatMap(({ panels }) => panels.flatMap(({ queries }) => queries.map(({ expr }) => expr)))
    const chosen = (expr: string): string =>
      expr.replaceAll('$__rate_interval', '2m').replaceAll(/\$\w+/g, 'node-1|node-2')
    const rules = expressions.map((expr, index) => ({ record: `dashboard:query_${index}`, expr: chosen(expr) }))
    const { said, failed } = await promtool.check({ groups: [{ name: 'dashboard', rules }] })
    expect(failed).toBe('')
    expect(said).toContain(`SUCCESS: ${expressions.length} rules found`)
    const broken = [...rules.slice(1), { record: 'dashboard:broken', expr: 'sum by (peer (berth_leader)' }]
    expect((await promtool.check({ groups: [{ name: 'dashboard', rules: broken }] })).failed).toContain(
      'could not parse',
    )
  })
})
