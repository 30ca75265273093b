import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'

/* crds/*.yaml as values, for those who hold tests, pages and copies to them. */

/** A field as OpenAPI describes it. */
export interface Schema {
  readonly type?: string
  readonly description?: string
  readonly format?: string
  readonly default?: string | number | boolean | object
  readonly enum?: readonly string[]
  readonly minimum?: number
  readonly maximum?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly maxProperties?: number
  readonly required?: readonly string[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly items?: Schema
  readonly additionalProperties?: Schema
  readonly 'x-kubernetes-list-type'?: string
  readonly 'x-kubernetes-list-map-keys'?: readonly string[]
  readonly 'x-kubernetes-validations'?: readonly Validation[]
}

/** A rule in CEL, and what the API server says to whoever breaks it. */
export interface Validation {
  readonly rule: string
  readonly message: string
  /** Words the message for the object at hand. */
  readonly messageExpression?: string
}

/** A CRD. */
export interface Definition {
  readonly metadata: { readonly name: string }
  readonly spec: {
    readonly group: string
    readonly scope: string
    readonly names: {
      readonly kind: string
      readonly plural: string
      readonly shortNames: readonly string[]
      readonly categories: readonly string[]
    }
    readonly versions: readonly [
      {
        readonly name: string
        readonly subresources: object
        readonly additionalPrinterColumns: readonly {
          readonly name: string
          readonly description: string
          readonly priority?: number
        }[]
        readonly schema: { readonly openAPIV3Schema: Schema }
      },
    ]
  }
}

const folder = join(import.meta.dirname, '../crds')

/** Every kind's definition. */
export const definitions: readonly Definition[] = readdirSync(folder)
  .filter(file => file.endsWith('.yaml'))
  .map(file => parse(readFileSync(join(folder, file), 'utf8'), { maxAliasCount: 1000 }) as Definition)

/** Every schema inside a schema, with its path: `.spec.addresses[]` are the items, `.matchLabels.*` the values. */
export function schemasIn(schema: Schema, path = ''): readonly (readonly [path: string, schema: Schema])[] {
  return [
    [path, schema] as const,
    ...Object.entries(schema.properties ?? {}).flatMap(([name, child]) => schemasIn(child, `${path}.${name}`)),
    ...(schema.items ? schemasIn(schema.items, `${path}[]`) : []),
    ...(schema.additionalProperties ? schemasIn(schema.additionalProperties, `${path}.*`) : []),
  ]
}
