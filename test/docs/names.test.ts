import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { pages, readPage, root } from './pages.ts'

/* Names in docs/ that belong to something: what they name exists. */

const told = ['comparison', 'concepts', 'configuration', 'operations', 'security', 'troubleshooting'].map(
  name => `docs/${name}.md`,
)
const text = told.map(readPage).join('\n')

/** What a pattern finds in these pages, once each. */
function found(pattern: RegExp): readonly string[] {
  return [...new Set(Array.from(text.matchAll(pattern), ([all, word]) => word ?? all))]
}

test('the pages are there', () => expect(pages()).toEqual(expect.arrayContaining(told)))

test('every metric that is named exists', () => {
  const metrics = readPage('docs/metrics.md')
  const names = found(/\bberth_\w+/g)
  expect(names.length).toBeGreaterThan(5)
  expect(names.filter(name => !metrics.includes(`| \`${name}\` |`))).toEqual([])
})

test('every alert that is named exists', () => {
  const { groups } = parse(readFileSync(join(root, 'charts/berth/files/alerts.yaml'), 'utf8')) as {
    readonly groups: readonly { readonly rules: readonly { readonly alert: string }[] }[]
  }
  const alerts = groups.flatMap(({ rules }) => rules.map(({ alert }) => alert))
  const names = found(/\bBerth[A-Z]\w+/g)
  expect(names.length).toBeGreaterThan(4)
  expect(names.filter(name => !alerts.includes(name))).toEqual([])
})

test('every value of the chart that is named exists', () => {
  const values: unknown = parse(readFileSync(join(root, 'charts/berth/values.yaml'), 'utf8'))
  const has = (path: string): boolean => {
    let at = values
    for (const name of path.split('.')) {
      if (typeof at !== 'object' || at === null || !(name in at)) return false
      at = (at as Readonly<Record<string, unknown>>)[name]
    }
    return true
  }
  const names = found(/`((?:controller|speaker|networkPolicy|monitoring)\.[\w.]+)`/g)
  expect(names.length).toBeGreaterThan(8)
  expect(names.filter(name => !has(name))).toEqual([])
})
