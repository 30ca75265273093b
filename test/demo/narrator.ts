import { styleText } from 'node:util'

/** Tells a story in numbered steps on standard output; in colours where that is a terminal. */
export interface Narrator {
  /** Opens the next step. */
  step(title: string): void
  /** A sentence of the story; none = an empty line. */
  say(text?: string): void
  /** A line of progress of something that takes long. */
  progress(line: string): void
  /** A command as one would type it. */
  command(line: string, where?: string): void
  /** What a program printed. */
  output(text: string): void
  /** A result, marked as good. */
  done(text: string): void
  /** Shows `text()` in place, again and again, until the promise settles; without a terminal it shows nothing. */
  meanwhile<T>(promise: Promise<T>, text: () => string): Promise<T>
  /** Ends the story: what went wrong, and what to do. */
  failed(text: string): void
}

type Style = Parameters<typeof styleText>[0]

const indent = '   '
const width = 100

/** `stream` is where it goes: a terminal, a file, a pipe. */
export function createNarrator(stream: NodeJS.WriteStream): Narrator {
  let steps = 0
  let stepStartedMs = performance.now()
  const paint = (style: Style, text: string): string => styleText(style, text, { stream })
  const line = (text = ''): void => void stream.write(`${text}\n`)
  const paragraph = (text: string, first: string, rest: string, style?: Style): void => {
    for (const [index, part] of wrap(text, width - rest.length).entries()) {
      line((index === 0 ? first : rest) + (style === undefined ? part : paint(style, part)))
    }
  }
  return {
    step(title) {
      steps += 1
      stepStartedMs = performance.now()
      line()
      line(paint('bold', `${String(steps).padStart(2)} ${title}`))
    },
    say: text => (text === undefined ? line() : paragraph(text, indent, indent)),
    progress: text => line(paint('dim', `${indent}${text}`)),
    command(text, where) {
      line()
      line(`${indent}${where === undefined ? '' : paint('dim', `${where} `)}${paint('cyan', `$ ${text}`)}`)
    },
    output(text) {
      for (const part of text.trimEnd().split('\n')) line(paint('dim', `${indent}${part}`).trimEnd())
    },
    done(text) {
      const seconds = ((performance.now() - stepStartedMs) / 1000).toFixed(1)
      line()
      paragraph(`${text} (${seconds}\u00A0s)`, `${indent}${paint('green', '✓')} `, `${indent}  `)
    },
    async meanwhile(promise, text) {
      if (!stream.isTTY) return await promise
      const show = (): void => void stream.write(`\r\u001B[K${indent}${text()}`)
      const showing = setInterval(show, 100)
      try {
        return await promise
      } finally {
        clearInterval(showing)
        stream.write('\r\u001B[K')
      }
    },
    failed(text) {
      line()
      for (const [index, part] of text.trimEnd().split('\n').entries()) {
        line(index === 0 ? `${paint('red', ' ✗')} ${part}` : `${indent}${part}`.trimEnd())
      }
    },
  }
}

/** Lines of at most `columns`, broken at spaces. */
export function wrap(text: string, columns: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > columns) {
      lines.push(line)
      line = word
    } else {
      line = line === '' ? word : `${line} ${word}`
    }
  }
  return [...lines, line]
}
