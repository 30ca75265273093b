import { conditionsOf } from '../kube/conditions.ts'
import { fieldOf, identityOf, numberOf, textOf, textsOf } from '../kube/json.ts'
import type { ParsedResource } from './parsed.ts'

/** Of an object's metadata and status, what every parsed object keeps. */
export type ResourceMetadata = Omit<ParsedResource<never>, 'kind' | 'value' | 'problem'>

/** Undefined for an object without a name; what else is missing or odd is left out, for no admin writes it. */
export function metadataOf(object: unknown): ResourceMetadata | undefined {
  const identity = identityOf(object)
  if (!identity) return undefined
  const metadata = fieldOf(object, 'metadata')
  const created = Date.parse(textOf(fieldOf(metadata, 'creationTimestamp')) ?? '')
  return {
    ...identity,
    key: `${identity.namespace}/${identity.name}`,
    generation: numberOf(fieldOf(metadata, 'generation')) ?? 0,
    creationTimestampMs: Number.isNaN(created) ? 0 : created,
    labels: textsOf(fieldOf(metadata, 'labels')),
    conditions: conditionsOf(fieldOf(fieldOf(object, 'status'), 'conditions')),
  }
}
