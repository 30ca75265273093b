import { readPage } from './pages.ts'

/** A command that a page tells its reader to run. */
export interface DocumentedCommand {
  readonly page: string
  /** As it stands there. */
  readonly text: string
  /** Its words, as a shell would hand them over; what other programs are given by a pipe or a file is left out. */
  readonly words: readonly string[]
  /** In a block of its own, and not within a sentence. */
  readonly isInBlock: boolean
}

/** Programs by whose name a command is known where it stands within a sentence. */
const programs = ['kubectl', 'kubectl-berth', 'helm', 'tcpdump', 'sysctl']

/** The commands of a page: each line of its blocks of sh, and each span of code that begins with a program's name. */
export function commandsOf(page: string): readonly DocumentedCommand[] {
  const text = readPage(page)
  const blocks = Array.from(text.matchAll(/^ *```sh\n([^]*?)^ *```$/gm), ([, body = '']) => body)
  const lines = blocks.flatMap(body => body.replaceAll(/\\\n\s*/g, '').split('\n'))
  const spans = Array.from(text.replaceAll(/^ *```[^]*?^ *```$/gm, '').matchAll(/`([^`]+)`/g), ([, span = '']) =>
    span.replaceAll(/\s+/g, ' '),
  )
  const within = spans.filter(span => programs.some(program => span.startsWith(`${program} `)))
  const command = (line: string, isInBlock: boolean) => ({ page, text: line, words: wordsOf(line), isInBlock })
  return [...lines.map(line => command(line.trim(), true)), ...within.map(span => command(span.trim(), false))].filter(
    ({ text }) => text !== '' && !text.startsWith('#'),
  )
}

const proceedings = ['docs/cli.md', 'docs/install.md', 'docs/status-page.md']

/**
 * Commands that make what the next one needs, or take it away, or are joined by a shell: as-written.api.test.ts runs them as
 * they stand, in the order of their pages.
 */
export function asWritten(): readonly DocumentedCommand[] {
  const ofShell = [...programs, 'kustomize']
  return proceedings
    .flatMap(commandsOf)
    .filter(({ words }) => ofShell.includes(words[0] ?? ''))
    .filter(({ words, isInBlock }) => isInBlock || words.includes('delete') || words.includes('restart'))
}

/** Splits at blanks outside of quotes, up to a comment or to what a shell would do with the output. */
export function wordsOf(line: string): readonly string[] {
  const words: string[] = []
  for (const [word] of line.matchAll(/(?:[^\s'"]|'[^']*'|"[^"]*")+/g)) {
    if (/^[#|&;<>]/.test(word)) break
    words.push(word.replaceAll(/'([^']*)'|"([^"]*)"/g, (_, single?: string, double?: string) => single ?? double ?? ''))
  }
  return words
}

/** What stands in place of a name of the reader's own. */
const placeholders: Readonly<Record<string, string>> = {
  CHANGE: 'config/',
  COMMAND: 'status',
  NAME: 'web',
  NAMESPACE: 'default',
  NODE: 'node-1',
  PEER: 'tor',
  POOL: 'public',
}

/** With names of a cluster of ours in place of placeholders. */
export function withNames(words: readonly string[]): readonly string[] {
  return words.map(word => word.replaceAll(/\b[A-Z]{4,}\b/g, name => placeholders[name] ?? name))
}
