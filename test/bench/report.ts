import { readFile } from 'node:fs/promises'
import { cpus, release, totalmem } from 'node:os'

/** A markdown table; numbers go to the right. */
export function table(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = columns.map((column, index) => Math.max(column.length, 3, ...rows.map(row => row[index]?.length ?? 0)))
  const numeric = columns.map((_, index) =>
    rows.every(row => /^[<≥≤]?[\d.,]+( ?[a-zA-Zµ×/%]+)?$|^–?$/.test(row[index] ?? '')),
  )
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, index) => (numeric[index] ? cell.padStart(widths[index] ?? 0) : cell.padEnd(widths[index] ?? 0))).join(' | ')} |`
  const rule = `| ${widths.map((width, index) => (numeric[index] ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width))).join(' | ')} |`
  return [line(columns), rule, ...rows.map(line)].join('\n')
}

/** What was promised and what was measured, by name: at most `limit`, which is somebody's. */
export interface Promised {
  readonly promise: string
  readonly value: number
  readonly limit: number
  readonly limitName: string
  readonly unit: string
  readonly digits?: number
}

/** A markdown table of promises, each as a ratio to its limit. */
export function promiseTable(promises: readonly Promised[]): string {
  const rows = promises.map(({ promise, value, limit, limitName, unit, digits = 0 }) => [
    promise,
    `${number(value, digits)}${unit}`,
    `${limitName} ${number(limit, digits)}${unit}`,
    limit === 0 ? '–' : number(value / limit, 2),
    value <= limit ? 'kept' : 'broken',
  ])
  return table(['promise', 'Berth', 'at most', 'ratio', 'verdict'], rows)
}

/** A number with so many digits behind the point, and commas between thousands. */
export function number(value: number, digits = 0): string {
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

/** One line about the machine, since absolute numbers mean nothing without it. */
export async function machineLine(): Promise<string> {
  const processor = cpus()[0]?.model.trim() ?? 'unknown processor'
  const load = (await readFile('/proc/loadavg', 'utf8')).split(' ')[0]
  return `${cpus().length} × ${processor}, ${number(totalmem() / 1e9)} GB, Linux ${release()}, Node ${process.version}, load average ${load} at the start, ${new Date().toISOString().slice(0, 10)}`
}

/** A document whose sections (`## …`) with the headings of these texts are replaced by them; new ones come last. */
export function withSections(document: string, texts: readonly string[]): string {
  const [head = '', ...sections] = document.split(/\n(?=## )/)
  const headingOf = (text: string): string => text.split('\n')[0] ?? ''
  const byHeading = new Map([...sections, ...texts].map(text => [headingOf(text), text.trimEnd()]))
  return `${[head.trimEnd(), ...byHeading.values()].join('\n\n')}\n`
}
