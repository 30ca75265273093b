import { type PageAddress, parsePageAddress } from '../page/address.ts'
import { type Answer, type Given, logLevels, parseFlags } from '../program/flags.ts'

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
  /** Undefined: there is no status page. */
  readonly statusPage: PageAddress | undefined
}

const program = {
  about:
    'berth-controller: gives every Service of type LoadBalancer an address from the IPAddressPools of the cluster.',
  flags: {
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
    'log-level': { hint: 'LEVEL', text: `one of ${logLevels.join(', ')} (default info)` },
    'lease-duration': {
      hint: 'SECONDS',
      text: 'a standby takes over from a controller that was not heard of for so long (default 15)',
    },
    'status-page-address': {
      hint: 'HOST:PORT',
      text: 'where the status page listens; on loopback for port-forward, elsewhere it wants a token (default: nowhere)',
    },
  },
} as const

/** Flags win over environment: `--log-level` is also `BERTH_LOG_LEVEL`. */
export function parseOptions(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): { readonly options: ControllerOptions } | { readonly answer: Answer } {
  return parseFlags(program, args, environment, given => ({
    kubeconfig: given.text('kubeconfig'),
    namespace: given.text('namespace') ?? 'berth-system',
    port: given.number('port', 7472, { min: 0, max: 65_535 }),
    loadBalancerClass: given.text('load-balancer-class'),
    logLevel: given.oneOf('log-level', logLevels, 'info'),
    leaseDurationMs: given.number('lease-duration', 15, { min: 1, max: 3_600 }) * 1_000,
    statusPage: readPageAddress(given),
  }))
}

function readPageAddress(given: Given<keyof typeof program.flags>): PageAddress | undefined {
  const text = given.text('status-page-address')
  if (text === undefined) return undefined
  const address = parsePageAddress(text)
  if (!address) given.refuse(`--status-page-address is an address and a port such as 127.0.0.1:7474, not "${text}"`)
  return address
}
