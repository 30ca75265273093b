/** Marks texts; without colours it leaves them as they are. */
export interface Paint {
  readonly bold: (text: string) => string
  readonly dim: (text: string) => string
  readonly good: (text: string) => string
  readonly bad: (text: string) => string
  readonly warn: (text: string) => string
}

/** Texts as they are. */
export const plain: Paint = { bold: same, dim: same, good: same, bad: same, warn: same }

/** Texts in the terminal's own colours. */
export const coloured: Paint = {
  bold: sgr(1, 22),
  dim: sgr(2, 22),
  good: sgr(32, 39),
  bad: sgr(31, 39),
  warn: sgr(33, 39),
}

function same(text: string): string {
  return text
}

function sgr(on: number, off: number): (text: string) => string {
  return text => (text === '' ? '' : `\u001b[${on}m${text}\u001b[${off}m`)
}

/** Colours only on a terminal that has them, and not where the user wants none (no-color.org). */
export function paintFor(terminal: boolean, environment: Readonly<Record<string, string | undefined>>): Paint {
  return terminal && !environment['NO_COLOR'] && environment['TERM'] !== 'dumb' ? coloured : plain
}
