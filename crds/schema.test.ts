import { describe, expect, test } from 'vitest'
import { definitions, schemasIn } from '../test/crd-definitions.ts'
import { apiGroup, plurals } from './resources.ts'

test('there is one definition for each kind', () => {
  expect(Object.fromEntries(definitions.map(({ spec }) => [spec.names.kind, spec.names.plural]))).toEqual(plurals)
})

test('no short name is used twice, or is one of those that Kubernetes itself has', () => {
  const core =
    'cm cs csr crd cj cr crds deploy ds ep ev gtw hpa ing ip limits netpol no ns pc pdb po psp pv pvc quota rc rs sa sc sts svc vac'
  const names = definitions.flatMap(({ spec }) => spec.names.shortNames)
  expect(new Set(names).size).toBe(names.length)
  expect(names.filter(name => core.split(' ').includes(name))).toEqual([])
})

describe.each(definitions.map(definition => ({ kind: definition.spec.names.kind, definition })))(
  '$kind',
  ({ definition }) => {
    const { spec } = definition
    const version = spec.versions[0]
    const schemas = schemasIn(version.schema.openAPIV3Schema)

    test('is namespaced, in its group and category, with a status of its own', () => {
      expect(spec).toMatchObject({ group: apiGroup, scope: 'Namespaced', names: { categories: ['berth'] } })
      expect(spec.versions.map(({ name, subresources }) => ({ name, subresources }))).toEqual([
        { name: 'v1beta1', subresources: { status: {} } },
      ])
    })

    test('describes every field', () => {
      expect(schemas.length).toBeGreaterThan(10)
      // What metadata is the API server describes; the items of a list of texts are described with the list.
      const silent = schemas.filter(
        ([path, { description, type }]) =>
          path !== '.metadata' && !(path.endsWith('[]') && type === 'string') && (description ?? '').length < 12,
      )
      expect(silent.map(([path]) => path)).toEqual([])
    })

    test('describes every column', () => {
      const columns = version.additionalPrinterColumns
      expect(columns.map(({ name }) => name)).toContain('Age')
      expect(columns.filter(({ description }) => !description)).toEqual([])
    })

    test('says with every rule what to write instead', () => {
      const rules = schemas.flatMap(([path, schema]) =>
        (schema['x-kubernetes-validations'] ?? []).map(rule => [path, rule.message] as const),
      )
      expect(rules.filter(([, message]) => message.length < 12)).toEqual([])
    })

    test('bounds every list, map and text, so that rules stay cheap', () => {
      const unbounded = schemas.filter(
        ([path, { type, maxItems, maxLength, format, additionalProperties, ...rest }]) => {
          if (path === '.apiVersion' || path === '.kind') return false
          if (type === 'array') return maxItems === undefined
          if (additionalProperties) return rest.maxProperties === undefined
          return type === 'string' && maxLength === undefined && rest.enum === undefined && format !== 'date-time'
        },
      )
      expect(unbounded.map(([path]) => path)).toEqual([])
    })

    test('says of every list how it is merged', () => {
      const lists = schemas.filter(([, { type }]) => type === 'array')
      expect(
        lists.filter(([, schema]) => schema['x-kubernetes-list-type'] === undefined).map(([path]) => path),
      ).toEqual([])
    })

    test('has conditions, one of each type', () => {
      const conditions = schemas.find(([path]) => path === '.status.conditions')?.[1]
      expect(conditions).toMatchObject({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] })
      expect(Object.keys(conditions?.items?.properties ?? {}).toSorted()).toEqual([
        'lastTransitionTime',
        'message',
        'observedGeneration',
        'reason',
        'status',
        'type',
      ])
    })
  },
)
