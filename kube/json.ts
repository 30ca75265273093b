/*
 * Reading JSON whose shape nobody vouches for: a field that is missing or of another type is undefined, never an exception.
 */

/** The field of an object, own properties only; undefined for anything that has no such field. */
export function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
  return (value as Readonly<Record<string, unknown>>)[name]
}

/** The value where it is a text. */
export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** The value where it is a finite number. */
export function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}

/** The elements of an array; none for anything else. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

/** The entries of a map of texts (labels, annotations); entries that are no text are left out. */
export function textsOf(value: unknown): Readonly<Record<string, string>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return noTexts
  const entries = Object.entries(value)
  if (entries.length === 0) return noTexts
  if (entries.every(([, text]) => typeof text === 'string')) return value as Readonly<Record<string, string>>
  return Object.fromEntries(entries.filter(([, text]) => typeof text === 'string')) as Record<string, string>
}

const noTexts: Readonly<Record<string, string>> = Object.freeze({})

/** What every object of the API carries, and stores need. */
export interface Identity {
  /** `namespace/name`, or the name alone where there is no namespace. */
  readonly key: string
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly resourceVersion: string
}

/** Who an object is, or undefined where it is none of the API's. */
export function identityOf(object: unknown): Identity | undefined {
  const metadata = fieldOf(object, 'metadata')
  const name = textOf(fieldOf(metadata, 'name'))
  if (!name) return undefined
  const namespace = textOf(fieldOf(metadata, 'namespace')) ?? ''
  return {
    key: namespace === '' ? name : `${namespace}/${name}`,
    namespace,
    name,
    uid: textOf(fieldOf(metadata, 'uid')) ?? '',
    resourceVersion: textOf(fieldOf(metadata, 'resourceVersion')) ?? '',
  }
}
