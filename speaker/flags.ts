import { hostname } from 'node:os'
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util'

/** What the speaker can be told on its command line, or by the environment. */
export interface SpeakerFlags {
  /** A kubeconfig file; undefined = the service account of the pod. */
  readonly kubeconfig: string | undefined
  /** Where the Leases and the configuration are. */
  readonly namespace: string
  readonly nodeName: string
  /** Of /metrics, /healthz and /readyz; 0 = none. */
  readonly port: number
  readonly logLevel: string
  /** Without a renewal for so long a speaker is taken for dead. */
  readonly leaseDurationSeconds: number
  readonly renewPeriodSeconds: number
  /** How long a speaker that stops waits for others to take its addresses. */
  readonly handOverTimeoutSeconds: number
}

/** Either flags, or what to print instead of starting and with which exit code. */
export type FlagsOrAnswer = { readonly flags: SpeakerFlags } | { readonly answer: string; readonly exitCode: number }

const levels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']

const descriptions = {
  kubeconfig: 'kubeconfig file; default: the service account of the pod',
  namespace: "Berth's own namespace (default berth-system)",
  'node-name': 'name of the Node this speaker runs on (default: the host name)',
  port: 'port of /metrics, /healthz and /readyz; 0 = none (default 7473)',
  'log-level': `one of ${levels.join(', ')} (default info)`,
  'lease-duration': 'seconds without a renewal after which a speaker is taken for dead (default 10)',
  'renew-period': 'seconds between two renewals (default 3)',
  'hand-over-timeout': 'seconds that a stopping speaker waits for others to take its addresses (default 5)',
} as const

type FlagName = keyof typeof descriptions

/** Reads `--flag value`, then `BERTH_FLAG`, then the default. */
export function readFlags(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): FlagsOrAnswer {
  const options: ParseArgsOptionsConfig = { help: { type: 'boolean', short: 'h' } }
  for (const name of Object.keys(descriptions)) options[name] = { type: 'string' }
  let values: Readonly<Record<string, unknown>>
  try {
    values = parseArgs({ args: [...args], options, strict: true }).values
  } catch (error) {
    return { answer: `${error instanceof Error ? error.message : String(error)}\n\n${help()}`, exitCode: 2 }
  }
  if (values['help'] === true) return { answer: help(), exitCode: 0 }
  const problems: string[] = []
  const text = (name: FlagName): string | undefined => {
    const given = values[name] ?? environment[environmentName(name)]
    return typeof given === 'string' && given !== '' ? given : undefined
  }
  const number = (name: FlagName, fallback: number, min: number, max: number, whole = 'number'): number => {
    const given = text(name)
    const value = given === undefined ? fallback : Number(given)
    const fits = whole === 'number' ? Number.isFinite(value) : Number.isInteger(value)
    if (fits && value >= min && value <= max) return value
    problems.push(`--${name} is a ${whole} from ${min} to ${max}, not "${given}"`)
    return fallback
  }
  const flags: SpeakerFlags = {
    kubeconfig: text('kubeconfig'),
    namespace: text('namespace') ?? 'berth-system',
    nodeName: text('node-name') ?? hostname(),
    port: number('port', 7473, 0, 65_535, 'whole number'),
    logLevel: text('log-level') ?? 'info',
    leaseDurationSeconds: number('lease-duration', 10, 2, 3600, 'whole number'),
    renewPeriodSeconds: number('renew-period', 3, 0.2, 1200),
    handOverTimeoutSeconds: number('hand-over-timeout', 5, 0, 600),
  }
  if (!levels.includes(flags.logLevel)) problems.push(`--log-level is one of ${levels.join(', ')}`)
  // With less than two renewals in the duration, one that is late would look like a death.
  if (flags.renewPeriodSeconds * 2.5 > flags.leaseDurationSeconds) {
    problems.push('--lease-duration must be at least two and a half times --renew-period')
  }
  if (problems.length > 0) return { answer: `${problems.join('\n')}\n\n${help()}`, exitCode: 2 }
  return { flags }
}

function environmentName(flag: string): string {
  return `BERTH_${flag.toUpperCase().replaceAll('-', '_')}`
}

function help(): string {
  const lines = Object.entries(descriptions).map(
    ([name, description]) => `  --${name.padEnd(18)} ${environmentName(name).padEnd(24)} ${description}`,
  )
  return ['berth speaker: answers for Service addresses on the network', '', ...lines, `  --${'help'.padEnd(18)}`].join(
    '\n',
  )
}
