import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { healthy } from './healthy.ts'
import { documentedMetrics, namedIn, unknownIn } from './promql.ts'
import { alertCases, renderedRules, rulesOf, shippedRules } from './rules.ts'

const docs = join(import.meta.dirname, '../../../docs')
const rules = rulesOf(shippedRules())
const everyRule = rules.map(rule => ({ name: [rule.alert, rule.labels['family']].join(' ').trim(), rule }))

test('the chart renders the rules that it ships', () => {
  expect(rules.length).toBeGreaterThan(20)
  expect(renderedRules()).toEqual(shippedRules())
})

test.each(everyRule)('$name goes by metrics that exist', ({ rule }) => {
  expect(unknownIn(rule.expr, documentedMetrics())).toEqual([])
})

test('docs/metrics.md has just these alerts worth one', () => {
  const text = readFileSync(join(docs, 'metrics.md'), 'utf8')
  const section = text.split(/^## /m).find(part => part.startsWith('Worth an alert')) ?? ''
  const told = Array.from(
    section.matchAll(/^\| .+ \| `(\w+)` \| `([^`]+)`(?: for (a|\d+) minutes?)? \|$/gm),
    ([, alert, expr, minutes]) => ({ alert, expr, for: minutes && `${minutes === 'a' ? 1 : minutes}m` }),
  )
  expect(told).toEqual(rules.map(rule => ({ alert: rule.alert, expr: rule.expr, for: rule.for })))
})

test.each(everyRule)('$name has a situation in which it fires and one in which it does not', ({ rule }) => {
  const family = rule.labels['family']
  const cases = alertCases.filter(({ alert }) => alert === rule.alert)
  const firing = cases
    .flatMap(({ fires }) => fires ?? [])
    .filter(({ labels }) => labels?.['family'] === family || !family)
  expect(firing.length).toBeGreaterThan(0)
  expect(cases.some(({ fires }) => !fires)).toBe(true)
})

test('no situation is about an alert that does not exist', () => {
  const known = new Set(rules.map(({ alert }) => alert))
  expect(alertCases.filter(({ alert }) => !known.has(alert))).toEqual([])
})

const everySeries = [...new Set([...alertCases.map(({ series }) => series), healthy].flatMap(Object.keys))]

test.each(everySeries)('%s has the labels that the programs give', series => {
  const metrics = documentedMetrics()
  expect(unknownIn(series, metrics)).toEqual([])
  const labels = namedIn(series).selectors.flatMap(one => one.labels)
  const documented = namedIn(series).selectors.flatMap(({ metric }) => metrics.get(metric) ?? [])
  expect(labels.toSorted()).toEqual(['instance', ...documented].toSorted())
})

const link = /^https:\/\/github\.com\/berth-lb\/berth\/blob\/main\/docs\/troubleshooting\.md#([\w-]+)$/

test.each(everyRule)('$name says what is wrong, what to do and where more of it is written', ({ rule }) => {
  const { labels, annotations } = rule
  expect(Object.keys(annotations)).toEqual(['summary', 'description', 'runbook_url'])
  expect(annotations.summary).toMatch(/\.$/)
  expect(annotations.description).toMatch(/(\.|\?)$/)
  expect(annotations.runbook_url).toMatch(link)
  expect(['critical', 'warning']).toContain(labels['severity'])
})

const page = join(docs, 'troubleshooting.md')

test.skipIf(!existsSync(page))('the page that they link to has each place', () => {
  const headings = Array.from(readFileSync(page, 'utf8').matchAll(/^#+ (.+)$/gm), ([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, '')
      .replaceAll(' ', '-'),
  )
  const places = rules.map(({ annotations }) => link.exec(annotations.runbook_url)?.[1] ?? '')
  expect(places.filter(place => !headings.includes(place))).toEqual([])
})
