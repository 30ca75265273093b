import { fieldOf } from '../kube/json.ts'
import type { ConfigKind } from './config.ts'
import { specFields } from './spec-fields.ts'

/** A field of an object that its kind does not have. */
export interface UnknownField {
  /** `spec.serviceAllocation.namespaceSelector`, with the numbers of list items. */
  readonly path: string
  /** What may have been meant. */
  readonly meant: string | undefined
}

/** Fields of an object that nobody would read: typing errors, mostly. The API server drops or refuses them. */
export function unknownFields(kind: ConfigKind, object: unknown): readonly UnknownField[] {
  const paths = ['apiVersion', 'kind', 'metadata', 'spec', 'status', ...specFields[kind].map(path => `spec.${path}`)]
  const children = new Map<string, string[]>()
  for (const path of paths) {
    const at = path.lastIndexOf('.')
    const parent = at < 0 ? '' : path.slice(0, at)
    children.set(parent, [...(children.get(parent) ?? []), path.slice(at + 1)])
  }

  function look(value: unknown, schema: string, path: string): readonly UnknownField[] {
    if (Array.isArray(value)) return value.flatMap((item, index) => look(item, schema, `${path}[${index}]`))
    const known = children.get(schema)
    // What has no fields of its own is a text, a number, or a map whose keys are the writer's.
    if (!known || typeof value !== 'object' || value === null) return []
    return Object.keys(value).flatMap(name => {
      const below = path === '' ? name : `${path}.${name}`
      if (!known.includes(name)) return [{ path: below, meant: nearest(name, known) }]
      return look(fieldOf(value, name), schema === '' ? name : `${schema}.${name}`, below)
    })
  }

  return look(object, '', '')
}

/** The name that is only a slip away; undefined where none is. */
function nearest(name: string, known: readonly string[]): string | undefined {
  const lower = name.toLowerCase()
  const [best] = known
    .map(other => ({ other, distance: distanceOf(lower, other.toLowerCase()) }))
    .sort((one, another) => one.distance - another.distance)
  return best && best.distance <= Math.max(1, Math.floor(name.length / 4)) ? best.other : undefined
}

/** How many letters must be put in, taken out or changed (Levenshtein). */
function distanceOf(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index)
  for (const [above, letter] of one.split('').entries()) {
    const next = [above + 1]
    for (let at = 0; at < other.length; at++) {
      const changed = (row[at] ?? 0) + (letter === other[at] ? 0 : 1)
      next.push(Math.min(changed, (row[at + 1] ?? 0) + 1, (next[at] ?? 0) + 1))
    }
    row = next
  }
  return row[other.length] ?? 0
}
