import { describe, expect, test } from 'vitest'
import { rulesBrokenBy, schemaRules, valuesAt } from '../test/crd-rules.ts'
import { changeExamples } from './rule-examples/changes.ts'
import { ruleExamples } from './rule-examples.ts'

const examples = [...ruleExamples, ...changeExamples].map(example => ({
  name: `${example.kind}: ${example.rule}`,
  broken: rulesBrokenBy(example),
  good: { ['part' in example ? example.part : 'spec']: example.good },
}))

test('there are rules and examples', () => {
  expect(schemaRules.length).toBeGreaterThan(100)
  expect(new Set(examples.map(({ name }) => name)).size).toBe(examples.length)
})

describe('every rule of the CRDs has an example that breaks it and one that keeps it', () => {
  test.each(schemaRules)('$kind $path: $message', rule => {
    const about = examples.filter(({ broken }) => broken.includes(rule))
    expect(about.length).toBeGreaterThanOrEqual(rule.validations.length)
    expect(about.some(({ good }) => valuesAt(good, rule.path).length > 0)).toBe(true)
  })
})

test('no example is about more than one rule', () => {
  const ambiguous = examples.filter(({ broken }) => broken.length > 1)
  expect(ambiguous.map(({ name, broken }) => [name, broken.map(({ path }) => path)])).toEqual([])
})
