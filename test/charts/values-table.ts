import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { chart } from './helm.ts'

/*
 * `node test/charts/values-table.ts` prints the table of docs/install.md: every value by its path, its default and what
 * the schema says of it. A test holds the document to it.
 */

interface Schema {
  readonly description?: string
  readonly properties?: Readonly<Record<string, Schema>>
}

/** One row a value, in the order of the schema. */
export function valuesTable(): readonly string[] {
  const schema = JSON.parse(readFileSync(join(chart, 'values.schema.json'), 'utf8')) as Schema
  const defaults: unknown = parse(readFileSync(join(chart, 'values.yaml'), 'utf8'))
  return ['| value | default | meaning |', '| --- | --- | --- |', ...rowsOf(schema, defaults, '')]
}

function rowsOf(schema: Schema, value: unknown, path: string): readonly string[] {
  const { properties, description = '' } = schema
  if (!properties)
    return [`| \`${path}\` | ${value === undefined ? '' : `\`${JSON.stringify(value)}\``} | ${description} |`]
  return Object.entries(properties).flatMap(([name, inner]) => {
    // What helm itself adds to the values of every chart.
    if (name === 'global') return []
    return rowsOf(
      inner,
      (value as Readonly<Record<string, unknown>> | undefined)?.[name],
      path ? `${path}.${name}` : name,
    )
  })
}

if (import.meta.main) process.stdout.write(`${valuesTable().join('\n')}\n`)
