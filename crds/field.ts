/**
 * Reading of JSON that nobody vouches for: a field knows its path, and each reader gives a value of the right type or
 * throws a FieldProblem, which parse.ts catches once per object. Absent, null and empty text all count as not given.
 */

/** What is wrong with a field, in words that say what to write instead. */
export class FieldProblem extends Error {
  override readonly name = 'FieldProblem'
}

/** A place in an object, `spec.addresses[3]`, and what stands there. */
export interface Field {
  readonly path: string
  readonly value: unknown
}

/** The field of this name; where the parent is absent, so is the child. */
export function child(parent: Field, name: string): Field {
  const object = objectAt(parent)
  const path = parent.path === '' ? name : `${parent.path}.${name}`
  return { path, value: object && Object.hasOwn(object, name) ? object[name] : undefined }
}

/** Whether anything is given there. */
export function isGiven(field: Field): boolean {
  return field.value !== undefined && field.value !== null && field.value !== ''
}

/** Throws what is wrong, with the path in front. */
export function refuse(field: Field, problem: string): never {
  throw new FieldProblem(`${field.path}: ${problem}`)
}

export function objectAt(field: Field): Readonly<Record<string, unknown>> | undefined {
  if (!isGiven(field)) return undefined
  if (typeof field.value !== 'object' || Array.isArray(field.value)) refuse(field, 'must be an object')
  return field.value as Readonly<Record<string, unknown>>
}

export function listAt(field: Field): readonly Field[] {
  if (!isGiven(field)) return []
  if (!Array.isArray(field.value)) refuse(field, 'must be a list')
  return field.value.map((value: unknown, index) => ({ path: `${field.path}[${index}]`, value }))
}

export function textAt(field: Field): string | undefined {
  if (!isGiven(field)) return undefined
  if (typeof field.value !== 'string') refuse(field, 'must be text')
  return field.value
}

export function requiredText(field: Field): string {
  return textAt(field) ?? refuse(field, 'is missing')
}

export function booleanAt(field: Field, otherwise: boolean): boolean {
  if (!isGiven(field)) return otherwise
  if (typeof field.value !== 'boolean') refuse(field, 'must be true or false')
  return field.value
}

export interface Bounds {
  readonly min: number
  readonly max: number
}

export function integerAt(field: Field, { min, max }: Bounds): number | undefined {
  if (!isGiven(field)) return undefined
  const { value } = field
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    refuse(field, `must be a whole number from ${min} to ${max}`)
  }
  return value
}

/** A list of texts of which none stands there twice. */
export function namesAt(field: Field): readonly string[] {
  const names = new Set<string>()
  for (const item of listAt(field)) {
    const name = requiredText(item)
    if (names.has(name)) refuse(item, `"${name}" stands there twice; write it once`)
    names.add(name)
  }
  return [...names]
}

/** An object of texts, such as labels. */
export function textsAt(field: Field): Readonly<Record<string, string>> {
  const entries = Object.entries(objectAt(field) ?? {})
  for (const [key, value] of entries) {
    if (typeof value !== 'string') refuse({ path: `${field.path}.${key}`, value }, 'must be text')
  }
  return Object.fromEntries(entries) as Readonly<Record<string, string>>
}
