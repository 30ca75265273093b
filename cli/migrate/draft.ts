import type { Remark, RemarkWeight } from './remark.ts'
import type { SourceObject } from './source.ts'

/*
 * How a spec is carried over: fields that mean the same are taken, those at their defaults are left out, and a field that
 * nobody here has heard of is said to be lost.
 */

/** What is left out, since it says what an object without it says too. */
const defaults: Readonly<Record<string, unknown>> = {
  autoAssign: true,
  avoidBuggyIPs: false,
  aggregationLength: 32,
  aggregationLengthV6: 128,
  peerPort: 179,
  ebgpMultiHop: false,
  enableGracefulRestart: false,
  dualStackAddressFamily: false,
  echoMode: false,
  passiveMode: false,
}

/** A spec in the making. */
export interface Draft {
  readonly spec: Record<string, unknown>
  readonly remarks: Remark[]
  readonly remark: (weight: RemarkWeight, field: string, what: string, todo?: string) => void
}

/** A spec with the fields of which `plain` are taken as they are, and `special` are left to the caller. */
export function draftOf(
  { kind, name, spec }: SourceObject,
  plain: readonly string[],
  special: readonly string[],
): Draft {
  const remarks: Remark[] = []
  const remark: Draft['remark'] = (weight, field, what, todo = '') =>
    void remarks.push({ weight, object: `${kind} ${name}`, field: field && `spec.${field}`, what, todo })
  const taken: Record<string, unknown> = {}
  for (const [field, value] of Object.entries(spec)) {
    if (special.includes(field) || isNothing(value)) continue
    if (!plain.includes(field)) remark('lost', field, 'is not known here.', 'Look whether Berth has its like.')
    else if (defaults[field] !== value) taken[field] = value
  }
  return { spec: taken, remarks, remark }
}

/** As Go writes what is not given. */
export function isNothing(value: unknown): boolean {
  if (value === null || value === undefined || value === '') return true
  if (Array.isArray(value)) return value.length === 0
  return typeof value === 'object' && Object.keys(value).length === 0
}

/** What of this kind can be referred to. */
export function namesOf(all: readonly SourceObject[], kind: SourceObject['kind']): ReadonlySet<string> {
  return new Set(all.filter(object => object.kind === kind).map(({ name }) => name))
}
