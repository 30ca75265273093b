import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { dashboardFile, dashboardText, placedPanels, variables } from './dashboard.ts'
import { rows } from './dashboard-panels.ts'
import { documentedMetrics, namedIn, targetLabels, unknownIn } from './promql.ts'

const metrics = documentedMetrics()
const queries = rows.flatMap(({ title, panels }) =>
  panels.flatMap(panel =>
    panel.queries.map(({ expr, legend = '' }) => ({ place: `${title}, ${panel.title}`, expr, legend })),
  ),
)

test('the dashboard of the chart is what stands here; else run node test/charts/monitoring/dashboard.ts', () => {
  const text = readFileSync(dashboardFile, 'utf8')
  expect(text).toBe(dashboardText())
  const { panels, templating } = JSON.parse(text) as { panels: unknown[]; templating: { list: unknown[] } }
  expect(panels.length).toBe(rows.length + rows.flatMap(row => row.panels).length)
  expect(templating.list.length).toBe(variables.length + 1)
})

test.each(queries)('$place: $expr goes by metrics that exist', ({ expr, legend }) => {
  expect(unknownIn(expr, metrics)).toEqual([])
  const { selectors } = namedIn(expr)
  const known = new Set([...targetLabels, ...selectors.flatMap(({ metric }) => metrics.get(metric) ?? [])])
  expect(
    Array.from(legend.matchAll(/\{\{(\w+)\}\}/g), ([, label = '']) => label).filter(one => !known.has(one)),
  ).toEqual([])
})

test('the lists at the top are of metrics and labels that exist, and every expression takes those alone', () => {
  const names = variables.map(({ name, definition }) => {
    const [, metric = '', label = ''] = /^label_values\((\w+), (\w+)\)$/.exec(definition) ?? []
    expect([...targetLabels, ...(metrics.get(metric) ?? [])]).toContain(label)
    return name
  })
  const taken = new Set(queries.flatMap(({ expr }) => Array.from(expr.matchAll(/\$(\w+)/g), ([, name = '']) => name)))
  expect(taken).toEqual(new Set([...names, '__rate_interval']))
})

test('panels lie beside each other within the page, and none on another', () => {
  const cells = new Set<string>()
  let covered = 0
  for (const { gridPos } of placedPanels()) {
    const { x, y, w, h } = gridPos
    expect(x + w).toBeLessThanOrEqual(24)
    covered += w * h
    for (let row = y; row < y + h; row++) for (let column = x; column < x + w; column++) cells.add(`${column} ${row}`)
  }
  expect(cells.size).toBe(covered)
})

test('what an admin looks for is there', () => {
  const shown = new Set(queries.flatMap(({ expr }) => namedIn(expr).selectors.map(({ metric }) => metric)))
  // Each of these is told elsewhere on the page, or is for whoever looks for the cause of something with a query of his own.
  const left = [...metrics.keys()].filter(metric => !shown.has(metric))
  expect(left.length).toBeLessThan(metrics.size / 3)
  for (const metric of ['berth_layer2_takeovers_total', 'berth_bgp_session_up', 'berth_bfd_session_up'])
    expect(shown).toContain(metric)
})
