import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Definition, definitions, type Schema } from '../crd-definitions.ts'

/*
 * `node test/docs/configuration.ts` writes into docs/configuration.md, between its marks, what crds/*.yaml say: names,
 * fields, rules, status and columns of every kind. A test holds the page to it. What stands around the marks is written
 * by hand.
 */

/** The page that is written into. */
export const configurationPage = join(import.meta.dirname, '../../docs/configuration.md')

/** The page with everything between its marks written anew. Throws where a kind has no marks, or marks no kind. */
export function filledIn(page: string): string {
  const parts = generated()
  const missing = new Set(parts.keys())
  const filled = page.replace(/^<!-- generated: (.+) -->\n[^]*?^<!-- end -->$/gm, (_, name: string) => {
    const part = parts.get(name)
    if (part === undefined) throw new Error(`docs/configuration.md asks for "${name}", which nothing is known of`)
    missing.delete(name)
    return `<!-- generated: ${name} -->\n\n${part}\n\n<!-- end -->`
  })
  if (missing.size > 0) throw new Error(`docs/configuration.md has no marks for ${[...missing].join(', ')}`)
  return filled
}

/** What belongs between the marks, by their names. */
function generated(): ReadonlyMap<string, string> {
  const root = definitions.find(({ spec }) => spec.names.kind === 'IPAddressPool')?.spec.versions[0].schema
    .openAPIV3Schema
  const selector = root && fieldsOf(root).find(({ field }) => isSelector(field.items))?.field.items
  const conditions = root && fieldsOf(root).find(({ path }) => path === 'status.conditions')?.field.items
  if (!selector || !conditions) throw new Error('crds/ipaddresspools.yaml: expected selectors and conditions')
  return new Map([
    ...definitions.map(definition => [definition.spec.names.kind, kindText(definition)] as const),
    ['label selector', [fieldTable(selector, 'field'), ruleTable(selector)].join('\n\n')] as const,
    ['condition', fieldTable(conditions, 'field')] as const,
  ])
}

function kindText({ spec }: Definition): string {
  const { plural, shortNames } = spec.names
  const [{ schema, additionalPrinterColumns }] = spec.versions
  const { openAPIV3Schema: root } = schema
  const wanted = root.properties?.['spec']
  const status = root.properties?.['status']
  const names = [plural, ...shortNames].map(name => `\`${name}\``).join(', ')
  return [
    `${root.description} For kubectl: ${names}.`,
    ...(wanted ? [fieldTable(wanted, 'field of `spec`'), ruleTable(wanted, root)] : []),
    ...(status ? [fieldTable(status, 'field of `status`'), ruleTable(status)] : []),
    table(
      ['column', 'shown', 'meaning'],
      additionalPrinterColumns.map(({ name, priority, description }) => [
        name.toUpperCase(),
        priority ? 'with `-o wide`' : 'always',
        description,
      ]),
    ),
  ]
    .filter(text => text !== '')
    .join('\n\n')
}

interface NamedField {
  readonly path: string
  readonly field: Schema
  readonly required: boolean
}

/** Every field inside, in the schema's order; selectors and conditions are described once for all. */
function fieldsOf(schema: Schema, before = ''): readonly NamedField[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    if (before === '' && ['apiVersion', 'kind', 'metadata'].includes(name)) return []
    const path = `${before}${name}`
    const own = { path, field, required: schema.required?.includes(name) ?? false }
    if (isSelector(field) || isSelector(field.items) || name === 'conditions') return [own]
    if (field.properties) return [own, ...fieldsOf(field, `${path}.`)]
    if (field.items?.properties) return [own, ...fieldsOf(field.items, `${path}[].`)]
    return [own]
  })
}

function fieldTable(schema: Schema, heading: string): string {
  const rows = fieldsOf(schema).map(({ path, field, required }) => [
    `\`${path}\``,
    typeOf(field),
    [...(required ? ['required'] : []), ...defaultOf(field), ...boundsOf(field)].join('; '),
    field.description ?? '',
  ])
  return table([heading, 'type', 'default, bounds', 'meaning'], rows)
}

/** What is refused, in the API server's words, and where; nothing where no rule is. */
function ruleTable(schema: Schema, object?: Schema): string {
  const places = new Map<string, Set<string>>()
  const note = (path: string, one: Schema | undefined): void => {
    for (const { message } of one?.['x-kubernetes-validations'] ?? [])
      places.set(message, (places.get(message) ?? new Set()).add(`\`${path}\``))
  }
  note('spec', object && schema)
  for (const { path, field } of fieldsOf(schema)) {
    note(path, field)
    if (!isSelector(field.items)) note(`${path}[]`, field.items)
    note(`${path}[]`, field.additionalProperties)
  }
  return table(
    ['refused in', 'with these words'],
    Array.from(places, ([message, paths]) => [[...paths].join(', '), message]),
  )
}

function typeOf(field: Schema): string {
  if (isSelector(field)) return '[label selector](#label-selectors)'
  if (isSelector(field.items)) return 'list of [label selectors](#label-selectors)'
  if (field.items?.properties?.['lastTransitionTime']) return 'list of [conditions](#conditions)'
  if (field.items) return `list of ${field.items.properties ? 'objects' : scalar(field.items)}`
  if (field.additionalProperties) return `map of ${scalar(field.additionalProperties)}`
  return scalar(field)
}

function scalar(field: Schema): string {
  if (field.enum) return field.enum.map(word => `\`${word}\``).join(', ')
  if (field.format === 'date-time') return 'time'
  return field.type === 'string' ? 'text' : (field.type ?? '')
}

function defaultOf(field: Schema): readonly string[] {
  const { default: value } = field
  return value === undefined || typeof value === 'object' ? [] : [`default \`${String(value)}\``]
}

function boundsOf(field: Schema): readonly string[] {
  const { minimum, maximum, minItems, maxItems, maxProperties, items, additionalProperties } = field
  const inner = items ?? additionalProperties
  const isSet = field['x-kubernetes-list-type'] === 'set'
  const keys = field['x-kubernetes-list-map-keys'] ?? []
  return [
    range(minimum, maximum, ''),
    range(field.minLength, field.maxLength, ' characters'),
    range(minItems, maxItems, ' entries'),
    range(undefined, maxProperties, ' entries'),
    ...(isSet ? ['none twice'] : []),
    ...(keys.length > 0 ? [`one of each ${keys.join(' and ')}`] : []),
    ...(inner && !inner.properties ? boundsOf(inner).map(text => `each ${text}`) : []),
  ].filter(text => text !== '')
}

function range(least: number | undefined, most: number | undefined, noun: string): string {
  if (most === undefined) return least === undefined ? '' : `${least} or more${noun}`
  return least === undefined ? `up to ${most}${noun}` : `${least}–${most}${noun}`
}

function isSelector(schema: Schema | undefined): boolean {
  return schema?.properties?.['matchLabels'] !== undefined
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return ''
  const line = (cells: readonly string[]): string =>
    `| ${cells.map(cell => cell.replaceAll('|', '\\|').replaceAll(/\s+/g, ' ').trim()).join(' | ')} |`
  return [line(heads), line(heads.map(() => '---')), ...rows.map(line)].join('\n')
}

/** Brings the page up to date. */
export function writeConfigurationPage(): void {
  writeFileSync(configurationPage, filledIn(readFileSync(configurationPage, 'utf8')))
}

if (import.meta.main) writeConfigurationPage()
