import { parseArgs } from 'node:util'
import { version } from './version.ts'

/** What one flag is for, as `--help` says it. */
export interface FlagDescription {
  /** What to write behind it: `FILE`, `SECONDS`. */
  readonly hint: string
  readonly text: string
}

/** A program as its `--help` shows it. */
export interface ProgramDescription<Flag extends string> {
  /** One line: what the program does. */
  readonly about: string
  readonly flags: Readonly<Record<Flag, FlagDescription>>
}

/** The program does not run: it was asked about itself, or told nonsense. */
export interface Answer {
  readonly exitCode: 0 | 2
  readonly text: string
}

/** What was given, flag by flag. What makes no sense is noted, and `parseFlags` answers with all of it at once. */
export interface Given<Flag extends string> {
  text(flag: Flag): string | undefined
  /** A number from `min` to `max`, whole unless `fraction` is allowed. */
  number(flag: Flag, fallback: number, limits: { min: number; max: number; fraction?: boolean }): number
  oneOf(flag: Flag, choices: readonly string[], fallback: string): string
  refuse(problem: string): void
}

/** The levels of pino, which both programs take. */
export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']

/** Reads `--log-level debug`, else `BERTH_LOG_LEVEL` of the environment, else the default that `read` names. */
export function parseFlags<Flag extends string, Options>(
  program: ProgramDescription<Flag>,
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  read: (given: Given<Flag>) => Options,
): { readonly options: Options } | { readonly answer: Answer } {
  const names = Object.keys(program.flags)
  let values: Readonly<Record<string, unknown>>
  try {
    const options = Object.fromEntries(names.map(name => [name, { type: 'string' as const }]))
    const asking = { help: { type: 'boolean', short: 'h' }, version: { type: 'boolean' } } as const
    values = parseArgs({ args: [...args], options: { ...options, ...asking } }).values
  } catch (error) {
    return wrong([error instanceof Error ? error.message : String(error)])
  }
  if (values['help'] === true) return { answer: { exitCode: 0, text: helpText(program) } }
  if (values['version'] === true) return { answer: { exitCode: 0, text: `${version}\n` } }

  const problems: string[] = []
  const text = (flag: Flag): string | undefined => {
    const value = values[flag] ?? environment[variableOf(flag)]
    return typeof value === 'string' && value !== '' ? value : undefined
  }
  const options = read({
    text,
    number(flag, fallback, { min, max, fraction = false }) {
      const given = text(flag)
      const value = given === undefined ? fallback : Number(given)
      const fits = fraction ? Number.isFinite(value) : Number.isInteger(value)
      if (fits && value >= min && value <= max) return value
      problems.push(`--${flag} is a ${fraction ? '' : 'whole '}number from ${min} to ${max}, not "${given}"`)
      return fallback
    },
    oneOf(flag, choices, fallback) {
      const value = text(flag) ?? fallback
      if (!choices.includes(value)) problems.push(`--${flag} is one of ${choices.join(', ')}, not "${value}"`)
      return value
    },
    refuse: problem => void problems.push(problem),
  })
  return problems.length > 0 ? wrong(problems) : { options }
}

/** The environment variable that stands for a flag. */
function variableOf(flag: string): string {
  return `BERTH_${flag.toUpperCase().replaceAll('-', '_')}`
}

function wrong(problems: readonly string[]): { readonly answer: Answer } {
  return { answer: { exitCode: 2, text: `${problems.join('\n')}\nTry --help.\n` } }
}

function helpText({ about, flags }: ProgramDescription<string>): string {
  const own = Object.entries(flags).map(([name, { hint, text }]) => [`--${name} ${hint}`, text] as const)
  const all = [...own, ['--version', 'its version'] as const, ['--help', 'this text'] as const]
  const width = Math.max(...all.map(([form]) => form.length)) + 2
  const lines = all.map(([form, text]) => `  ${form.padEnd(width)}${text}`)
  return `${about}\n\n${lines.join('\n')}\n\nEach flag can also be given by environment: --log-level is BERTH_LOG_LEVEL.\n`
}
