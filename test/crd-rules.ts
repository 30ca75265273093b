import { isDeepStrictEqual } from 'node:util'
import type { ChangeExample } from '../crds/rule-examples/changes.ts'
import type { RuleExample } from '../crds/rule-examples/example.ts'
import { definitions, schemasIn, type Validation } from './crd-definitions.ts'

/* The rules that the CRDs have in CEL, and which of them an example is about. */

export interface SchemaRule {
  readonly kind: string
  /** Where in an object it stands, as `schemasIn` writes it. */
  readonly path: string
  readonly message: string
  /** Every rule of this place with this message, since one message may need more than one to say when. */
  readonly validations: readonly Validation[]
}

/** Every rule of every kind. */
export const schemaRules: readonly SchemaRule[] = definitions.flatMap(({ spec }) => {
  const kind = spec.names.kind
  return schemasIn(spec.versions[0].schema.openAPIV3Schema).flatMap(([path, schema]) => {
    const byMessage = Map.groupBy(schema['x-kubernetes-validations'] ?? [], ({ message }) => message)
    return Array.from(byMessage, ([message, validations]) => ({ kind, path, message, validations }))
  })
})

/** The rules that a bad example breaks, by its place in the object and the answer that it expects. */
export function rulesBrokenBy(example: RuleExample | ChangeExample): readonly SchemaRule[] {
  const { kind, good, bad, answer } = example
  const part = 'part' in example ? example.part : 'spec'
  return schemaRules.filter(
    rule =>
      rule.kind === kind &&
      says(rule, answer) &&
      valuesAt({ [part]: bad }, rule.path).length > 0 &&
      !isDeepStrictEqual(valuesAt({ [part]: bad }, rule.path), valuesAt({ [part]: good }, rule.path)),
  )
}

/** Whether an answer, or a part of one, is what the API server says to whoever breaks the rule. */
function says({ message, validations }: SchemaRule, answer: string): boolean {
  const fixed = validations.flatMap(({ messageExpression }) => literalsOf(messageExpression ?? ''))
  // What the object at hand has said stands in quotes before.
  const said = answer.replace(/^"[^"]*"/, '"')
  return fixed.length === 0 ? message.includes(said) : fixed.some(text => text.includes(said) || said.includes(text))
}

/** The texts in a CEL expression that say something, in contrast to a hyphen between two values. */
function literalsOf(expression: string): readonly string[] {
  return Array.from(expression.matchAll(/'([^']*)'/g), ([, text = '']) => text).filter(text => text.length > 12)
}

/** The values of an object at a path of its schema; lists and maps have many. */
export function valuesAt(value: unknown, path: string): readonly unknown[] {
  const steps = Array.from(path.matchAll(/\.([^.[\]]+)|\[\]/g), ([, name]) => name)
  return steps.reduce<readonly unknown[]>((values, name) => values.flatMap(one => childrenOf(one, name)), [value])
}

/** What stands under a name; `*` is every value of a map, undefined every item of a list. */
function childrenOf(value: unknown, name: string | undefined): readonly unknown[] {
  if (typeof value !== 'object' || value === null) return []
  if (name === undefined) return Array.isArray(value) ? value : []
  const children: Readonly<Record<string, unknown>> = { ...value }
  if (name === '*') return Object.values(children)
  return name in children ? [children[name]] : []
}

/** The place of a field in an answer of the API server, written as a path of the schema that has it. */
export function schemaPathOf(kind: string, field: string): string | undefined {
  return schemaRules.find(rule => rule.kind === kind && patternOf(rule.path).test(`.${field}`))?.path
}

function patternOf(path: string): RegExp {
  const quoted = path.replaceAll('.*', '[*]').replaceAll(/[.[\]]/g, String.raw`\$&`)
  return new RegExp(
    `^${quoted.replaceAll(String.raw`\[\]`, String.raw`\[\d+\]`).replaceAll(String.raw`\[*\]`, String.raw`\[.+\]`)}$`,
  )
}
