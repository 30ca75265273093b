import type { ConfigKind } from '../crds/config.ts'
import { parseConfig } from '../crds/parse.ts'
import { apiGroup, apiVersion, type ConfigResources, configLists, plurals } from '../crds/resources.ts'
import { unknownFields } from '../crds/unknown-fields.ts'
import { fieldOf, textOf } from '../kube/json.ts'
import { parseService } from '../kube/service.ts'

/*
 * What the controller would say of manifests, before anybody applies them: each object on its own and all of them
 * together, as crds/parse.ts and crds/resolve.ts judge them in the cluster. The files are taken for the whole
 * configuration: what they refer to must stand in them.
 */

/** One object of a file. */
export interface Manifest {
  readonly file: string
  /** Where its document begins, counted from 1. */
  readonly line: number
  readonly object: unknown
}

export interface ManifestProblem {
  readonly file: string
  readonly line: number
  /** `IPAddressPool public`; empty where not even that is known. */
  readonly object: string
  readonly reason: string
  readonly message: string
}

export interface Validation {
  readonly files: number
  /** Objects of Berth's, and Services that it would be asked about. */
  readonly checked: number
  /** Objects that are none of Berth's business. */
  readonly passedOver: number
  readonly problems: readonly ManifestProblem[]
}

const listNames: Readonly<Record<string, keyof ConfigResources>> = configLists

/** Everything that is wrong with the manifests, in the order of the files. `unreadable` are those found while reading them. */
export function validate(
  manifests: readonly Manifest[],
  unreadable: readonly ManifestProblem[],
  options: { readonly namespace: string; readonly files: number },
): Validation {
  const { namespace, files } = options
  const problems: ManifestProblem[] = [...unreadable]
  const lists: { -readonly [Name in keyof ConfigResources]: unknown[] } = {}
  const places = new Map<string, Manifest>()
  let passedOver = 0
  for (const manifest of manifests) {
    const { object } = manifest
    const kind = textOf(fieldOf(object, 'kind')) ?? ''
    const wrong = problemOfKind(object, kind)
    if (wrong) problems.push({ ...placeOf(manifest), ...wrong })
    else if (kind === 'Service' && fieldOf(object, 'apiVersion') === 'v1') {
      const problem = problemOfService(object)
      if (problem) problems.push({ ...placeOf(manifest), reason: 'RequestUnreadable', message: problem })
    } else if (!Object.hasOwn(listNames, kind) || fieldOf(object, 'apiVersion') !== apiVersion) passedOver++
    const list = listNames[kind]
    if (wrong || !list || fieldOf(object, 'apiVersion') !== apiVersion) continue
    for (const { path, meant } of unknownFields(kind as ConfigKind, object)) {
      const advice = meant === undefined ? 'take it out; kubectl explain lists the fields' : `did you mean ${meant}?`
      const message = `${path}: ${kind} has no such field: ${advice}`
      problems.push({ ...placeOf(manifest), reason: 'UnknownField', message })
    }
    const placed = withNamespace(object, namespace)
    const id = identityOf(placed, kind)
    const before = places.get(id)
    if (!textOf(fieldOf(fieldOf(object, 'metadata'), 'name'))) {
      problems.push({
        ...placeOf(manifest),
        reason: 'Invalid',
        message: 'metadata.name: is missing; give the object a name.',
      })
    } else if (before) {
      const message = `${before.file}:${before.line} has the same object already; keep one of them.`
      problems.push({ ...placeOf(manifest), reason: 'Duplicate', message })
    } else {
      places.set(id, manifest)
      lists[list] = [...(lists[list] ?? []), placed]
    }
  }
  for (const verdict of parseConfig(lists as ConfigResources, { namespace }).verdicts) {
    const manifest = places.get(`${verdict.kind} ${verdict.key}`)
    const { ready, reason, message } = verdict
    if (!ready && manifest) problems.push({ ...placeOf(manifest), reason, message })
  }
  const order = new Map(manifests.map(({ file }, index) => [file, index]))
  return {
    files,
    checked: manifests.length - passedOver,
    passedOver,
    problems: problems.sort(
      (one, other) => (order.get(one.file) ?? -1) - (order.get(other.file) ?? -1) || one.line - other.line,
    ),
  }
}

/** What the API server would not take, or would not know. */
const refusedReasons = [
  'NotYAML',
  'NoObject',
  'OtherGroup',
  'UnknownVersion',
  'UnknownKind',
  'UnknownField',
  'Invalid',
  'Duplicate',
]

/** Of what is wrong with the manifests that which keeps them from being applied at all. */
export function unusable(
  manifests: readonly Manifest[],
  unreadable: readonly ManifestProblem[],
  options: { readonly namespace: string; readonly files: number },
): readonly ManifestProblem[] {
  const { problems } = validate(manifests, unreadable, options)
  return problems.filter(({ reason }) => refusedReasons.includes(reason))
}

function placeOf({ file, line, object }: Manifest): Pick<ManifestProblem, 'file' | 'line' | 'object'> {
  const name = textOf(fieldOf(fieldOf(object, 'metadata'), 'name'))
  return { file, line, object: [textOf(fieldOf(object, 'kind')), name].filter(text => text).join(' ') }
}

/** An object that is meant for Berth and that Berth would never see. */
function problemOfKind(object: unknown, kind: string): Pick<ManifestProblem, 'reason' | 'message'> | undefined {
  const given = textOf(fieldOf(object, 'apiVersion')) ?? ''
  // Beside manifests lie values of charts and the like.
  if (given === '' && kind === '') return undefined
  if (given === '' || kind === '') {
    return { reason: 'NoObject', message: 'apiVersion and kind must both be given.' }
  }
  const group = given.split('/')[0] ?? ''
  if (group === 'metallb.io' && Object.hasOwn(listNames, kind)) {
    return {
      reason: 'OtherGroup',
      message: `apiVersion: "${given}" is MetalLB's; write ${apiVersion}, the rest may stay.`,
    }
  }
  if (group !== apiGroup) return undefined
  if (given !== apiVersion)
    return { reason: 'UnknownVersion', message: `apiVersion: "${given}" does not exist; write ${apiVersion}.` }
  if (Object.hasOwn(listNames, kind)) return undefined
  const kinds = Object.keys(listNames).join(', ')
  const message = Object.hasOwn(plurals, kind)
    ? `kind: ${kind} is written by Berth itself; take it out of the files.`
    : `kind: "${kind}" does not exist in ${apiGroup}; write one of ${kinds}.`
  return { reason: 'UnknownKind', message }
}

function problemOfService(object: unknown): string | undefined {
  const service = parseService(withNamespace(object, 'default'))
  return service?.type === 'LoadBalancer' ? service.request.problem : undefined
}

/** What names no namespace is meant for the one that it will be applied to. */
function withNamespace(object: unknown, namespace: string): object {
  const metadata = fieldOf(object, 'metadata')
  return { ...(object as object), metadata: { namespace, ...(metadata as object | undefined) } }
}

function identityOf(object: unknown, kind: string): string {
  const metadata = fieldOf(object, 'metadata')
  return `${kind} ${textOf(fieldOf(metadata, 'namespace'))}/${textOf(fieldOf(metadata, 'name'))}`
}
