import { pages, readPage } from './pages.ts'

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

/** What speaks to a cluster, or is asked on a machine of one, and tests can run. */
const ofClusters = ['kubectl', 'kubectl-berth', 'helm', 'tcpdump', 'sysctl']
/** What else stands in sentences. `show` is what a router of FRR is asked. */
const ofMachines = 'arping ctr curl docker ip ndisc6 nft node npm npx ping show skopeo ss vitest'.split(' ')
/** Programs by whose name a command is known where it stands within a sentence. */
const programs = [...ofClusters, ...ofMachines]

/**
 * The commands of a page: each line of its blocks of sh, each line behind a prompt in a block that shows what comes of it, and
 * each span of code that begins with a program's name. A block that is held to a golden file has its test.
 */
export function commandsOf(page: string): readonly DocumentedCommand[] {
  const text = readPage(page).replaceAll(/^<!-- golden: \S+ -->\n```\n[^]*?^```$/gm, '')
  const blocks = Array.from(text.matchAll(/^( *)```(\w*)\n([^]*?)^\1```$/gm), ([, , language = '', body = '']) => {
    return { language, lines: body.replaceAll(/\\\n\s*/g, '').split('\n') }
  })
  const lines = blocks.filter(({ language }) => language === 'sh').flatMap(block => block.lines)
  const shown = blocks.filter(({ language }) => language === '').flatMap(block => block.lines)
  const prompted = shown.flatMap(line => /^ *(?:\$|router#) (.+)$/.exec(line)?.[1] ?? [])
  const spans = Array.from(text.replaceAll(/^ *```[^]*?^ *```$/gm, '').matchAll(/`([^`]+)`/g), ([, span = '']) =>
    span.replaceAll(/\s+/g, ' '),
  )
  const within = spans.filter(span => programs.some(program => span.startsWith(`${program} `)))
  const command = (line: string, isInBlock: boolean) => ({ page, text: line, words: wordsOf(line), isInBlock })
  return [
    ...[...lines, ...prompted].map(line => command(line.trim(), true)),
    ...within.map(span => command(span.trim(), false)),
  ].filter(({ text }) => text !== '' && !text.startsWith('#'))
}

const proceedings = ['docs/cli.md', 'docs/install.md', 'docs/status-page.md']

/**
 * Commands that make what the next one needs, or take it away, or are joined by a shell: as-written.api.test.ts runs them as
 * they stand, in the order of their pages.
 */
export function asWritten(): readonly DocumentedCommand[] {
  const ofShell = [...ofClusters, 'kustomize']
  return proceedings
    .flatMap(commandsOf)
    .filter(({ words }) => ofShell.includes(words[0] ?? ''))
    .filter(({ words, isInBlock }) => isInBlock || words.includes('delete') || words.includes('restart'))
}

/** The page whose commands test/e2e/migrate.net.test.ts runs, block by block. */
export const migration = 'docs/migration.md'

/** The test, or the part of commands.api.test.ts, that runs a command. */
export type Runner = 'asWritten' | 'migration' | 'kubectl' | 'kubectl berth' | 'helm' | 'tcpdump' | 'sysctl' | 'ip'

/** By its text, what runs each command that one of these runs; what is only mentioned, as `kubectl apply`, is none. */
export function runners(): ReadonlyMap<string, Runner> {
  const all = pages().flatMap(commandsOf)
  const ofMigration = all.filter(({ page, isInBlock }) => page === migration && isInBlock)
  return new Map([
    ...all.flatMap(command => {
      const runner = runnerOf(command)
      return runner ? [[command.text, runner] as const] : []
    }),
    ...ofMigration.map(({ text }) => [text, 'migration'] as const),
    ...asWritten().map(({ text }) => [text, 'asWritten'] as const),
  ])
}

function runnerOf({ page, text, words: [program = '', first = '', ...rest] }: DocumentedCommand): Runner | undefined {
  switch (program) {
    case 'kubectl':
      // Where MetalLB is.
      if (page === migration && text.includes('metallb')) return undefined
      if (first !== 'berth') return rest.length > 0 ? 'kubectl' : undefined
      return /^[a-z]/.test(rest[0] ?? '') && rest.length > (rest[0] === 'explain' ? 1 : 0) ? 'kubectl berth' : undefined
    case 'helm':
      return rest.length > 0 ? 'helm' : undefined
    case 'tcpdump':
    case 'sysctl':
      return program
    case 'ip':
      // An interface of IPVS mode is where kube-proxy runs in it.
      return text.includes('kube-ipvs0') ? undefined : program
    default:
      return undefined
  }
}

/** Whether it is more than the name of a command: of kubectl and helm a verb alone is what a sentence is about. */
export function isWhole({ text, words: [program = '', ...rest] }: DocumentedCommand): boolean {
  if (text.startsWith('kubectl berth') || program === 'kubectl-berth') {
    const [command = ''] = rest.filter(word => word !== 'berth')
    return /^[a-z]/.test(command) && rest.at(-1) !== 'explain'
  }
  return !['kubectl', 'helm'].includes(program) || rest.length > 1
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
