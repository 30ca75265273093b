/** What one check came to. */
export interface Finding {
  /** CamelCase, for programs: `StrictARP`. */
  readonly check: CheckName
  /** `unknown`: what it takes could not be read. */
  readonly verdict: 'ok' | 'warn' | 'fail' | 'unknown'
  /** What is wrong, and where; or that all is well; or what could not be seen, and why. */
  readonly what: string
  /** What to do, a step each. */
  readonly todo: readonly string[]
}

/** The checks, in the order in which they are told. */
export const checkNames = [
  'APIServerVersion',
  'CRDs',
  'ProgramVersions',
  'Controller',
  'Speakers',
  'SpeakerRights',
  'PodSecurity',
  'SpeakersHearEachOther',
  'Clocks',
  'KubeProxyMode',
  'StrictARP',
  'OtherLoadBalancers',
  'ExcludedNodes',
  'PoolsApart',
  'PoolsAdvertised',
  'Configuration',
  'LocalEndpoints',
  'KernelSettings',
  'MTU',
] as const
export type CheckName = (typeof checkNames)[number]

export function ok(check: CheckName, what: string): Finding {
  return { check, verdict: 'ok', what, todo: [] }
}

export function warn(check: CheckName, what: string, ...todo: readonly string[]): Finding {
  return { check, verdict: 'warn', what, todo }
}

export function fail(check: CheckName, what: string, ...todo: readonly string[]): Finding {
  return { check, verdict: 'fail', what, todo }
}

export function unknown(check: CheckName, what: string, ...todo: readonly string[]): Finding {
  return { check, verdict: 'unknown', what, todo }
}
