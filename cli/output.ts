import { stringify } from 'yaml'

/** How the answer is to be written; undefined = for people. */
export type OutputFormat = 'json' | 'yaml' | 'wide' | undefined

/** The answer as programs read it, or as `text` makes it for people. */
export function formatOutput(
  value: unknown,
  format: OutputFormat,
  text: (options: { wide: boolean }) => string,
): string {
  switch (format) {
    case 'json':
      return `${JSON.stringify(value, plainValue, 2)}\n`
    case 'yaml':
      return stringify(JSON.parse(JSON.stringify(value, plainValue)))
    case 'wide':
      return text({ wide: true })
    case undefined:
      return text({ wide: false })
  }
}

/** Counts of IPv6 addresses may be beyond what JSON's readers take for exact; those are written as text. */
function plainValue(_: string, value: unknown): unknown {
  if (typeof value !== 'bigint') return value
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : String(value)
}
