import { parseArgs } from 'node:util'

/** What the program is told by flags and environment. */
export interface ControllerOptions {
  /** Undefined: the service account of the pod. */
  readonly kubeconfig: string | undefined
  readonly namespace: string
  /** 0 = no HTTP. */
  readonly port: number
  readonly loadBalancerClass: string | undefined
  readonly logLevel: string
  readonly leaseDurationMs: number
}

const flags = {
  kubeconfig: {
    hint: 'FILE',
    text: 'kubeconfig to reach the API server with; without it the service account of the pod',
  },
  namespace: {
    hint: 'NAME',
    text: 'where the configuration and the Lease of the controller live (default berth-system)',
  },
  port: { hint: 'PORT', text: 'HTTP port of /metrics, /healthz and /readyz; 0 = none (default 7472)' },
  'load-balancer-class': {
    hint: 'CLASS',
    text: 'serve Services of this spec.loadBalancerClass only; without it those that have none',
  },
  'log-level': { hint: 'LEVEL', text: 'trace, debug, info, warn, error or silent (default info)' },
  'lease-duration': {
    hint: 'SECONDS',
    text: 'a standby takes over from a controller that was not heard of for so long (default 15)',
  },
} as const satisfies Record<string, { hint: string; text: string }>

type Flag = keyof typeof flags

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']

/** Why the program does not run: help was asked for, or it was told nonsense. */
export interface NoOptions {
  readonly exitCode: 0 | 2
  readonly text: string
}

/** Flags win over environment: `--log-level` is also `BERTH_LOG_LEVEL`. */
export function parseOptions(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): ControllerOptions | NoOptions {
  let values: Readonly<Partial<Record<Flag | 'help', string | boolean>>>
  try {
    const options = Object.fromEntries(Object.keys(flags).map(name => [name, { type: 'string' as const }]))
    values = parseArgs({ args: [...args], options: { ...options, help: { type: 'boolean', short: 'h' } } }).values
  } catch (error) {
    return wrong(error instanceof Error ? error.message : String(error))
  }
  if (values.help) return { exitCode: 0, text: helpText() }

  const given = (flag: Flag): string | undefined => {
    const value = values[flag] ?? environment[variableOf(flag)]
    return typeof value === 'string' && value !== '' ? value : undefined
  }
  const port = Number(given('port') ?? 7472)
  if (!Number.isInteger(port) || port < 0 || port > 65_535) return wrong(`--port ${given('port')}: write 0 to 65535`)
  const logLevel = given('log-level') ?? 'info'
  if (!logLevels.includes(logLevel)) return wrong(`--log-level ${logLevel}: write one of ${logLevels.join(', ')}`)
  const leaseSeconds = Number(given('lease-duration') ?? 15)
  if (!Number.isInteger(leaseSeconds) || leaseSeconds < 1 || leaseSeconds > 3_600)
    return wrong(`--lease-duration ${given('lease-duration')}: write 1 to 3600 seconds`)
  return {
    kubeconfig: given('kubeconfig'),
    namespace: given('namespace') ?? 'berth-system',
    port,
    loadBalancerClass: given('load-balancer-class'),
    logLevel,
    leaseDurationMs: leaseSeconds * 1_000,
  }
}

function variableOf(flag: Flag): string {
  return `BERTH_${flag.toUpperCase().replaceAll('-', '_')}`
}

function wrong(problem: string): NoOptions {
  return { exitCode: 2, text: `${problem}\nTry --help.\n` }
}

function helpText(): string {
  const lines = Object.entries(flags).map(([name, { hint, text }]) => `  ${`--${name} ${hint}`.padEnd(30)}${text}`)
  return [
    'berth-controller: gives every Service of type LoadBalancer an address from the IPAddressPools of the cluster.',
    '',
    ...lines,
    `  ${'--help'.padEnd(30)}this text`,
    '',
    'Each flag can also be given by environment: --log-level is BERTH_LOG_LEVEL.',
    '',
  ].join('\n')
}
