import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { destinationPorts } from '../../speaker/bfd/udp.ts'
import { type Rule, rightsOf } from '../charts/rights.ts'
import { root } from './pages.ts'
import { rightsTold, rowsUnder } from './rights-table.ts'

/* docs/security.md beside the chart: the rights that it explains are those that are granted, and the ports those that are used. */

interface Granted {
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly rules?: readonly Rule[]
}

const chart = parseAllDocuments(readFileSync(join(root, 'test/charts/golden/default.yaml'), 'utf8')).map(
  document => document.toJS() as Granted,
)

test.each([
  { program: 'Controller', account: 'berth-controller' },
  { program: 'Speaker', account: 'berth-speaker' },
  { program: 'Status page', account: 'berth-status-page' },
])('the rights of the $program are those of the chart, each with a reason', ({ program, account }) => {
  for (const [kind, place] of [
    ['ClusterRole', 'everywhere'],
    ['Role', 'its own'],
  ] as const) {
    const rules = chart.find(one => one.kind === kind && one.metadata.name === account)?.rules ?? []
    const told = rightsTold(program, place)
    expect(rightsOf(rules).length).toBeGreaterThan(3)
    expect(rightsOf(told).toSorted()).toEqual(rightsOf(rules).toSorted())
  }
  expect(rowsUnder(program).filter(row => row.length !== 5 || (row[4] ?? '').length < 8)).toEqual([])
})

test('every port that the chart and the programs use is in the table', () => {
  const values = parse(readFileSync(join(root, 'charts/berth/values.yaml'), 'utf8')) as {
    readonly controller: { readonly port: number; readonly statusPage: { readonly address: string } }
    readonly speaker: { readonly port: number; readonly detection: { readonly port: number } }
    readonly networkPolicy: { readonly apiServerPorts: readonly number[] }
  }
  const page = Number(values.controller.statusPage.address.split(':').at(-1))
  const tcp = [values.controller.port, page, values.speaker.port, 179, ...values.networkPolicy.apiServerPorts]
  const udp = [values.speaker.detection.port, ...Object.values(destinationPorts)]
  const told = rowsUnder('Ports').map(([port = '']) => port)
  const isTold = (protocol: string, port: number): boolean =>
    told.some(cell => cell.startsWith(protocol) && cell.split(/[ ,]+/).includes(String(port)))
  expect(tcp.filter(port => !isTold('TCP', port))).toEqual([])
  expect(udp.filter(port => !isTold('UDP', port))).toEqual([])
})
