import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { chart } from '../helm.ts'
import { type Panel, type PanelKind, type Query, rows } from './dashboard-panels.ts'

/*
 * `node test/charts/monitoring/dashboard.ts` writes charts/berth/files/dashboard.json, which a test holds to what stands
 * here. A panel is a line of it, so that a change can be read.
 */

export const dashboardFile = join(chart, 'files/dashboard.json')

const datasource = { type: 'prometheus', uid: '${datasource}' }
const heights: Readonly<Record<PanelKind, number>> = {
  stat: 4,
  timeseries: 8,
  'state-timeline': 8,
  bargauge: 8,
  table: 8,
}

interface PlacedPanel {
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly [key: string]: unknown
}

/** Row after row, each from left to right, and as high as its highest. */
export function placedPanels(): readonly PlacedPanel[] {
  const placed: PlacedPanel[] = []
  let y = 0
  const id = (): number => placed.length + 1
  for (const { title, panels } of rows) {
    placed.push({ id: id(), type: 'row', title, collapsed: false, panels: [], gridPos: { x: 0, y, w: 24, h: 1 } })
    y++
    let x = 0
    let high = 0
    for (const panel of panels) {
      const [w, h] = [panel.width, heights[panel.kind]]
      if (x + w > 24) {
        y += high
        x = 0
        high = 0
      }
      placed.push({ id: id(), ...panelOf(panel), gridPos: { x, y, w, h } })
      x += w
      high = Math.max(high, h)
    }
    y += high
  }
  return placed
}

function panelOf({ title, description, kind, unit = 'short', badFrom, badBelow, queries }: Panel): object {
  return {
    type: kind,
    title,
    description,
    datasource,
    targets: queries.map((query, index) => targetOf(query, kind, String.fromCharCode(65 + index))),
    fieldConfig: { defaults: { unit, ...look(kind, badFrom, badBelow) }, overrides: [] },
    ...optionsOf(kind),
  }
}

function targetOf({ expr, legend }: Query, kind: PanelKind, refId: string): object {
  const isNow = kind === 'stat' || kind === 'bargauge' || kind === 'table'
  return {
    refId,
    datasource,
    expr,
    ...(legend === undefined ? {} : { legendFormat: legend }),
    ...(isNow ? { instant: true, range: false } : { range: true }),
    ...(kind === 'table' ? { format: 'table' } : {}),
  }
}

function look(kind: PanelKind, badFrom: number | undefined, badBelow: number | undefined): object {
  const good = { color: 'green', value: null }
  const bad = { color: 'red', value: null }
  switch (kind) {
    case 'stat':
    case 'bargauge': {
      const steps =
        badBelow === undefined
          ? [good, { color: 'red', value: badFrom ?? 1 }]
          : [bad, { color: 'green', value: badBelow }]
      return { min: 0, ...(kind === 'bargauge' && { max: 1 }), thresholds: { mode: 'absolute', steps } }
    }
    case 'state-timeline': {
      const options = { 0: { text: 'down', color: 'red' }, 1: { text: 'up', color: 'green' } }
      return { custom: { fillOpacity: 80, lineWidth: 0 }, mappings: [{ type: 'value', options }] }
    }
    case 'timeseries':
      return { min: 0, custom: { lineWidth: 1, fillOpacity: 8, showPoints: 'never' } }
    case 'table':
      return { custom: { filterable: true } }
  }
}

function optionsOf(kind: PanelKind): object {
  switch (kind) {
    case 'stat':
      return { options: { colorMode: 'value', graphMode: 'none', reduceOptions: { calcs: ['lastNotNull'] } } }
    case 'bargauge':
      return { options: { orientation: 'horizontal', displayMode: 'lcd', reduceOptions: { calcs: ['lastNotNull'] } } }
    case 'state-timeline':
      return { options: { mergeValues: true, showValue: 'never', legend: { showLegend: false } } }
    case 'timeseries':
      return {
        options: { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi', sort: 'desc' } },
      }
    case 'table': {
      const organize = { id: 'organize', options: { excludeByName: { Time: true, Value: true } } }
      return { options: { showHeader: true }, transformations: [organize] }
    }
  }
}

interface Variable {
  readonly name: string
  readonly definition: string
  readonly [key: string]: unknown
}

/** A list at the top of the page; all of it is chosen at first. */
function variable(name: string, label: string, query: string): Variable {
  return {
    name,
    label,
    type: 'query',
    datasource,
    query: { query, refId: name },
    definition: query,
    refresh: 2,
    sort: 1,
    multi: true,
    includeAll: true,
    allValue: '.*',
    current: { selected: true, text: ['All'], value: ['$__all'] },
  }
}

/** The queries behind the lists at the top. */
export const variables = [
  variable('instance', 'Node', 'label_values(berth_speaker_members, instance)'),
  variable('pool', 'Pool', 'label_values(berth_allocator_addresses_total, pool)'),
  variable('peer', 'BGP peer', 'label_values(berth_bgp_session_up, peer)'),
]

/** The whole file. */
export function dashboardText(): string {
  const source = { name: 'datasource', label: 'Prometheus', type: 'datasource', query: 'prometheus', current: {} }
  const dashboard = {
    uid: 'berth',
    title: 'Berth',
    description:
      'Pools, Services, layer 2, BGP, BFD and the programs of Berth. docs/metrics.md has what each metric means.',
    tags: ['berth', 'kubernetes', 'load-balancer'],
    editable: true,
    graphTooltip: 1,
    refresh: '30s',
    schemaVersion: 39,
    time: { from: 'now-6h', to: 'now' },
    timezone: 'browser',
    templating: { list: [source, ...variables] },
  }
  const panels = placedPanels().map(panel => `    ${JSON.stringify(panel)}`)
  const head = JSON.stringify(dashboard, undefined, 2).replace(/\n\}$/, '')
  return `${head},\n  "panels": [\n${panels.join(',\n')}\n  ]\n}\n`
}

if (import.meta.main) await writeFile(dashboardFile, dashboardText())
