import { hostname } from 'node:os'
import { type Answer, logLevels, parseFlags } from '../program/flags.ts'
import { type DrainPolicy, neverDrained, parseDrainPolicy } from './drain.ts'

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
  /** How long routers have to find other ways before a speaker that stops ends its BGP sessions, or a node that is taken out of use withdraws its routes. */
  readonly bgpDwellSeconds: number
  /** A file with the secret that all speakers share; without it their Leases alone tell who lives. */
  readonly speakerKeyFile: string | undefined
  /** UDP, by which speakers tell each other whom they miss. */
  readonly speakerPort: number
  /** Between two BFD packets of speakers, and how many may be missing. */
  readonly speakerIntervalMs: number
  readonly speakerMultiplier: number
  /** Which nodes hand their layer 2 addresses over and are the routers' last choice: this speaker's, where the policy says so. */
  readonly drain: DrainPolicy
  /** Where kube-proxy of this node says how it is; undefined = it is not asked. */
  readonly kubeProxyHealthz: URL | undefined
}

const program = {
  about: 'berth-speaker: answers on the network for the addresses of Services that this node has been elected for.',
  flags: {
    kubeconfig: {
      hint: 'FILE',
      text: 'kubeconfig to reach the API server with; without it the service account of the pod',
    },
    namespace: {
      hint: 'NAME',
      text: 'where the configuration and the Leases of the speakers live (default berth-system)',
    },
    'node-name': { hint: 'NAME', text: 'name of the Node this speaker runs on (default: the host name)' },
    port: { hint: 'PORT', text: 'HTTP port of /metrics, /healthz and /readyz; 0 = none (default 7473)' },
    'log-level': { hint: 'LEVEL', text: `one of ${logLevels.join(', ')} (default info)` },
    'lease-duration': {
      hint: 'SECONDS',
      text: 'without a renewal for so long a speaker is taken for dead (default 10)',
    },
    'renew-period': { hint: 'SECONDS', text: 'time between two renewals (default 3)' },
    'hand-over-timeout': {
      hint: 'SECONDS',
      text: 'how long a stopping speaker waits for others to take its addresses (default 5)',
    },
    'bgp-dwell-seconds': {
      hint: 'SECONDS',
      text: 'how long routers have, once told that this speaker stops or its node is taken out of use, until its BGP sessions end or its routes are withdrawn; 0 = no time (default 2)',
    },
    'speaker-key-file': {
      hint: 'FILE',
      text: 'secret of 16 octets or more that all speakers share, to look after each other; without it only Leases do',
    },
    'speaker-port': { hint: 'PORT', text: 'UDP port by which speakers talk to each other (default 7947)' },
    'speaker-interval': {
      hint: 'MILLISECONDS',
      text: 'between two BFD packets from speaker to speaker; 10 to 10000 (default 100)',
    },
    'speaker-multiplier': {
      hint: 'NUMBER',
      text: 'so many BFD packets missing, a speaker is missed; 2 to 50 (default 3)',
    },
    drain: {
      hint: 'WHEN',
      text: 'when this node hands its layer 2 addresses over, and asks BGP routers to prefer others: never, or any of cordon and taints (KEY, KEY:EFFECT, KEY=VALUE:EFFECT), with commas (default never)',
    },
    'kube-proxy-healthz': {
      hint: 'URL',
      text: 'asked every second; while kube-proxy is not healthy other nodes are preferred at layer 2 (default: not asked; usually http://127.0.0.1:10256/healthz)',
    },
  },
} as const

/** Flags win over environment: `--node-name` is also `BERTH_NODE_NAME`. */
export function readFlags(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): { readonly options: SpeakerFlags } | { readonly answer: Answer } {
  return parseFlags(program, args, environment, given => {
    const flags: SpeakerFlags = {
      kubeconfig: given.text('kubeconfig'),
      namespace: given.text('namespace') ?? 'berth-system',
      nodeName: given.text('node-name') ?? hostname(),
      port: given.number('port', 7473, { min: 0, max: 65_535 }),
      logLevel: given.oneOf('log-level', logLevels, 'info'),
      leaseDurationSeconds: given.number('lease-duration', 10, { min: 2, max: 3_600 }),
      renewPeriodSeconds: given.number('renew-period', 3, { min: 0.2, max: 1_200, fraction: true }),
      handOverTimeoutSeconds: given.number('hand-over-timeout', 5, { min: 0, max: 600, fraction: true }),
      speakerKeyFile: given.text('speaker-key-file'),
      speakerPort: given.number('speaker-port', 7947, { min: 1, max: 65_535 }),
      speakerIntervalMs: given.number('speaker-interval', 100, { min: 10, max: 10_000 }),
      speakerMultiplier: given.number('speaker-multiplier', 3, { min: 2, max: 50 }),
      drain: drainOf(given.text('drain'), problem => given.refuse(`--drain: ${problem}`)),
      kubeProxyHealthz: healthzOf(given.text('kube-proxy-healthz'), problem => given.refuse(problem)),
      bgpDwellSeconds: given.number('bgp-dwell-seconds', 2, { min: 0, max: 600, fraction: true }),
    }
    // With less than two renewals in the duration, one that is late would look like a death.
    if (flags.renewPeriodSeconds * 2.5 > flags.leaseDurationSeconds)
      given.refuse('--lease-duration must be at least two and a half times --renew-period')
    return flags
  })
}

function drainOf(text: string | undefined, refuse: (problem: string) => void): DrainPolicy {
  const policy = parseDrainPolicy(text ?? 'never')
  if (!('problem' in policy)) return policy
  refuse(policy.problem)
  return neverDrained
}

function healthzOf(text: string | undefined, refuse: (problem: string) => void): URL | undefined {
  if (text === undefined) return undefined
  const url = URL.parse(text)
  if (url?.protocol === 'http:') return url
  refuse(`--kube-proxy-healthz is a URL such as http://127.0.0.1:10256/healthz, not "${text}"`)
  return undefined
}
