import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { manifests, resolved, snippets } from './snippets.ts'

/* docs/bgp.md beside the schemas: what it says of fields is there, and what is there it speaks of. */

const page = 'bgp.md'
const root = join(import.meta.dirname, '../..')
const text = readFileSync(join(root, 'docs', page), 'utf8')

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>
  readonly items?: Schema
  readonly default?: unknown
}

function schemaOf(plural: string, part: 'spec' | 'status' = 'spec'): Schema {
  const file = readFileSync(join(root, 'crds', `${plural}.yaml`), 'utf8')
  const { spec } = parse(file, { maxAliasCount: 1000 }) as {
    spec: { versions: { schema: { openAPIV3Schema: Schema } }[] }
  }
  const found = spec.versions[0]?.schema.openAPIV3Schema.properties?.[part]
  if (!found) throw new Error(`${plural} has no ${part}`)
  return found
}

/** Names of fields as the page writes them; selectors are known to whoever uses Kubernetes. */
function fieldsOf(schema: Schema, path = ''): readonly string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    if (name.endsWith('Selectors')) return [`${path}${name}`]
    if (field.items?.properties) return fieldsOf(field.items, `${path}${name}[].`)
    if (field.properties) return fieldsOf(field, `${path}${name}.`)
    return [`${path}${name}`]
  })
}

/** The rows of the table under a heading: the fields of the first cell, and the second cell. */
function rowsUnder(heading: string): readonly { readonly fields: readonly string[]; readonly bounds: string }[] {
  const section = text.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? ''
  return section
    .split('\n')
    .filter(line => line.startsWith('| `'))
    .map(line => {
      const [names = '', bounds = ''] = line.slice(2).split(' | ')
      return { fields: Array.from(names.matchAll(/`([^`]+)`/g), ([, name = '']) => name), bounds }
    })
}

const kinds = {
  BGPPeer: 'bgppeers',
  BGPAdvertisement: 'bgpadvertisements',
  BFDProfile: 'bfdprofiles',
  Community: 'communities',
}

describe.each(Object.entries(kinds))('%s', (kind, plural) => {
  test('has a row for every field, and no other', () => {
    const documented = rowsUnder(kind).flatMap(({ fields }) => fields)
    expect(documented.toSorted()).toEqual(fieldsOf(schemaOf(plural)).toSorted())
  })

  test('has the defaults that the schema writes', () => {
    const defaults = Object.entries(schemaOf(plural).properties ?? {}).filter(
      ([, field]) => field.default !== undefined,
    )
    const wrong = defaults.filter(([name, field]) => {
      const row = rowsUnder(kind).find(({ fields }) => fields.includes(name))
      return row && !new RegExp(`\\b${String(field.default)}\\b`).test(row.bounds)
    })
    expect(wrong).toEqual([])
  })
})

test('BGPSessionStatus has a row for every field, and no other', () => {
  const rows = rowsUnder('What you can see').flatMap(({ fields }) => fields)
  const known = Object.keys(schemaOf('bgpsessionstatuses', 'status').properties ?? {})
  // The one condition stands beside the list of them.
  expect(rows.toSorted()).toEqual([...known, 'Established'].toSorted())
})

const yaml = Array.from(snippets(page)).filter(([, body]) => body.startsWith('apiVersion'))

test('every manifest on the page is one that tests read', () => {
  expect(yaml.length).toBeGreaterThan(3)
  expect(text.match(/^```yaml$/gm)).toHaveLength(yaml.length)
})

test('every manifest on the page is in use as written, with the aliases that the page gives', () => {
  const aliases = manifests(page, 'communities')
  for (const [name] of yaml) {
    const more = name === 'communities' ? [] : aliases
    const objects = manifests(page, name)
    // A page shows parts; pools and profiles of another snippet may be meant.
    const problems = resolved([...objects, ...more]).problems
    expect({ name, problems }).toEqual({ name, problems: [] })
  }
})

/** The words of a closed union in a source file. */
function unionIn(file: string, name: string): readonly string[] {
  const source = readFileSync(join(root, file), 'utf8')
  const union = new RegExp(`type ${name} =\\n((?:  (?:\\||//|/\\*).*\\n)+)`).exec(source)?.[1] ?? ''
  return Array.from(union.matchAll(/\| '(\w+)'/g), ([, word = '']) => word)
}

test('every reason of a condition about a session or an object is explained', () => {
  // Those of pools are not BGP's; what is Invalid says itself why.
  const elsewhere = ['Invalid', 'OverlappingPool', 'UnknownPool']
  const ofObjects = unionIn('crds/config.ts', 'ConfigProblemReason').filter(reason => !elsewhere.includes(reason))
  const ofSessions = unionIn('speaker/routing/session-words.ts', 'SessionReason')
  expect(ofObjects.length).toBeGreaterThan(8)
  expect(ofSessions.length).toBeGreaterThan(8)
  expect([...ofObjects, ...ofSessions].filter(reason => !text.includes(`\`${reason}\``))).toEqual([])
})

test('every metric that is named exists', () => {
  const sources = ['bgp-metrics.ts', 'bfd-metrics.ts'].map(file =>
    readFileSync(join(root, 'speaker/routing', file), 'utf8'),
  )
  const named = text.match(/\bberth_\w+/g) ?? []
  expect(named.length).toBeGreaterThan(3)
  expect(named.filter(name => !sources.some(source => source.includes(`'${name}'`)))).toEqual([])
})
