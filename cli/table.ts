/** Columns as kubectl sets them: headings in capitals, three spaces between, nothing behind the last; empty cells are `-`. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[], indent = ''): string {
  const cells = [headings.map(heading => heading.toUpperCase()), ...rows.map(row => row.map(cell => cell || '-'))]
  const widths = headings.map((_, column) => Math.max(...cells.map(row => widthOf(row[column] ?? ''))))
  return cells
    .map(row => {
      const line = row.map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - widthOf(cell))).join('   ')
      return `${indent}${line.trimEnd()}\n`
    })
    .join('')
}

// What a terminal takes for a colour has no width.
// oxlint-disable-next-line no-control-regex
const colours = /\u001b\[\d+m/g

function widthOf(text: string): number {
  return text.replace(colours, '').length
}

/** A text broken between words, so that no line is longer than `width`; every line begins with `indent`. */
export function wrap(text: string, indent: string, width = 100): string {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && indent.length + line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line].map(one => `${indent}${one}\n`).join('')
}
