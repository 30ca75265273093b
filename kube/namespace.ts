import type { Labels } from '../crds/selector.ts'
import { fieldOf, identityOf, textsOf } from './json.ts'

/** What of a Namespace Berth looks at. */
export interface KubeNamespace {
  /** The name again. */
  readonly key: string
  readonly name: string
  readonly uid: string
  readonly resourceVersion: string
  readonly labels: Labels
}

/** The Namespace that an object is, or undefined where it is none. Never throws. */
export function parseNamespace(object: unknown): KubeNamespace | undefined {
  const identity = identityOf(object)
  if (identity === undefined) return undefined
  const { name, uid, resourceVersion } = identity
  return { key: name, name, uid, resourceVersion, labels: textsOf(fieldOf(fieldOf(object, 'metadata'), 'labels')) }
}
