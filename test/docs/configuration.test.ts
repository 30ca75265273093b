import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { parseService } from '../../kube/service.ts'
import { annotationOf } from '../../kube/service-annotations.ts'
import { definitions } from '../crd-definitions.ts'
import { configurationPage, filledIn } from './configuration.ts'
import { manifests, resolved, snippet, snippets } from './snippets.ts'

/* docs/configuration.md beside the CRDs and the code: what is generated is up to date, and what is not is true. */

const text = readFileSync(configurationPage, 'utf8')
const page = 'configuration.md'

test('docs/configuration.md says what the CRDs say; else run node test/docs/configuration.ts', () => {
  expect(filledIn(text)).toBe(text)
})

test('a kind whose marks are missing is an error, and so are marks of no kind', () => {
  expect(() => filledIn(text.replace('generated: BGPPeer', 'generated: BGPPeers'))).toThrow('BGPPeers')
  expect(() => filledIn('')).toThrow('no marks for BFDProfile')
})

test('every kind has its chapter, and every one that admins write an example that is in use as written', () => {
  const kinds = definitions.map(({ spec }) => spec.names.kind)
  expect(kinds.filter(kind => !text.includes(`\n## ${kind}\n`))).toEqual([])
  const names = [...snippets(page).keys()].filter(name => name !== 'service')
  const objects = names.flatMap(name => manifests(page, name))
  const shown = new Set<string>(objects.map(({ kind }) => kind))
  expect(kinds.filter(kind => !shown.has(kind) && !kind.endsWith('Status'))).toEqual([])
  expect(resolved(objects).problems).toEqual([])
  expect(text.match(/^```yaml$/gm)).toHaveLength(names.length + 1)
})

test('the Service of the page asks for what the page says', () => {
  expect(parseService(parse(snippet(page, 'service')))).toMatchObject({
    key: 'default/web',
    type: 'LoadBalancer',
    externalTrafficPolicy: 'Local',
    request: { pool: 'shops', problem: undefined },
  })
})

describe('annotations', () => {
  const rows = Array.from(
    text.matchAll(/^\| `berth\.dev\/([\w-]+)` \| (`metallb[^|]+) \|/gm),
    ([, name = '', others = '']) => ({
      name: name as Parameters<typeof annotationOf>[1],
      all: [`berth.dev/${name}`, ...Array.from(others.matchAll(/`([^`]+)`/g), ([, alias = '']) => alias)],
    }),
  )

  test('there is a row for each that Services are read for', () => {
    // The fourth is Berth's own, which the page has elsewhere.
    const names: Record<Parameters<typeof annotationOf>[1], boolean> = {
      'address-pool': true,
      loadBalancerIPs: true,
      'allow-shared-ip': true,
      'ip-allocated-from-pool': false,
    }
    const wanted = Object.entries(names).flatMap(([name, isAsked]) => (isAsked ? [name] : []))
    expect(rows.map(({ name }) => name).toSorted()).toEqual(wanted.toSorted())
  })

  test.each(rows)('$name is read by each of its names, the first of the row first', ({ name, all }) => {
    expect(all).toHaveLength(3)
    for (const [index, alias] of all.entries()) {
      const present = Object.fromEntries(all.slice(index).map(one => [one, one]))
      expect(annotationOf(present, name)).toEqual({ name: alias, value: alias })
    }
  })
})
