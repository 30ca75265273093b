import type { Condition, ObjectKey } from '../kube/service.ts'
import { child, type Field, listAt, textAt, textsAt } from './field.ts'
import type { Labels } from './selector.ts'

/** Of an object's metadata and status, what every parsed object keeps. */
export interface ResourceMetadata {
  readonly key: ObjectKey
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly resourceVersion: string
  readonly generation: number
  readonly creationTimestampMs: number
  readonly labels: Labels
  readonly conditions: readonly Condition[]
}

/** Never refuses more than an object without a name: that is none of ours, and undefined. */
export function metadataOf(object: unknown): ResourceMetadata | undefined {
  const root: Field = { path: '', value: isObject(object) ? object : {} }
  const metadata = { path: 'metadata', value: lenient(() => child(root, 'metadata').value) }
  const name = lenient(() => textAt(child(metadata, 'name')))
  if (name === undefined) return undefined
  const namespace = lenient(() => textAt(child(metadata, 'namespace'))) ?? ''
  const created = Date.parse(lenient(() => textAt(child(metadata, 'creationTimestamp'))) ?? '')
  const generation = lenient(() => child(metadata, 'generation').value)
  return {
    key: `${namespace}/${name}`,
    namespace,
    name,
    uid: lenient(() => textAt(child(metadata, 'uid'))) ?? '',
    resourceVersion: lenient(() => textAt(child(metadata, 'resourceVersion'))) ?? '',
    generation: typeof generation === 'number' ? generation : 0,
    creationTimestampMs: Number.isNaN(created) ? 0 : created,
    labels: lenient(() => textsAt(child(metadata, 'labels'))) ?? {},
    conditions: lenient(() => listAt(child(child(root, 'status'), 'conditions')))?.flatMap(conditionAt) ?? [],
  }
}

function conditionAt(field: Field): readonly Condition[] {
  return (
    lenient(() => {
      const text = (name: string): string => textAt(child(field, name)) ?? ''
      const status = text('status')
      const observedGeneration = child(field, 'observedGeneration').value
      return [
        {
          type: text('type'),
          status: status === 'True' || status === 'False' ? status : ('Unknown' as const),
          reason: text('reason'),
          message: text('message'),
          lastTransitionTime: text('lastTransitionTime'),
          ...(typeof observedGeneration === 'number' ? { observedGeneration } : {}),
        },
      ]
    }) ?? []
  )
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** What metadata cannot say is left out: the API server writes it, and nothing an admin can mend stands there. */
function lenient<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
