import { fieldOf, identityOf, listOf, textOf, textsOf } from '../../kube/json.ts'
import { metallbLabel } from './source.ts'

/*
 * On which nodes MetalLB opens BGP sessions. On the way back its speakers are started first, and wait: a node's label then
 * lets the session change hands between two programs that both run, and nobody waits for a pod.
 */

/** A BGPPeer of MetalLB's. */
export interface PeerNodes {
  readonly name: string
  /** One of them must match a node; none = all nodes. */
  readonly nodeSelectors: readonly unknown[]
}

/** The BGPPeers that are objects of the cluster: what older versions had in a ConfigMap is none. */
export function peersAmong(objects: readonly unknown[], namespace: string): readonly PeerNodes[] {
  return objects.flatMap(object => {
    const identity = identityOf(object)
    const isPeer =
      fieldOf(object, 'kind') === 'BGPPeer' && textOf(fieldOf(object, 'apiVersion'))?.startsWith('metallb.io/')
    if (!isPeer || identity?.namespace !== namespace) return []
    return [{ name: identity.name, nodeSelectors: listOf(fieldOf(fieldOf(object, 'spec'), 'nodeSelectors')) }]
  })
}

/** Whether it opens sessions on nodes with the label alone. */
export function isHeld({ nodeSelectors }: PeerNodes): boolean {
  return nodeSelectors.length > 0 && nodeSelectors.every(selector => labelsOf(selector)[metallbLabel] === 'true')
}

/** Its selectors, so that it is held. */
export function heldSelectors({ nodeSelectors }: PeerNodes): readonly object[] {
  return (nodeSelectors.length > 0 ? nodeSelectors : [{}]).map(selector => {
    return { ...(Object(selector) as object), matchLabels: { ...labelsOf(selector), [metallbLabel]: 'true' } }
  })
}

/** Its selectors as they were before it was held. */
export function ownSelectors({ nodeSelectors }: Pick<PeerNodes, 'nodeSelectors'>): readonly unknown[] {
  const own = nodeSelectors.map(selector => {
    if (!Object.hasOwn(labelsOf(selector), metallbLabel)) return selector
    const rest = Object.entries(Object(selector) as object).filter(([field]) => field !== 'matchLabels')
    const labels = Object.entries(labelsOf(selector)).filter(([key]) => key !== metallbLabel)
    return Object.fromEntries(labels.length > 0 ? [['matchLabels', Object.fromEntries(labels)], ...rest] : rest)
  })
  return own.some(selector => Object.keys(Object(selector) as object).length === 0) ? [] : own
}

function labelsOf(selector: unknown): Readonly<Record<string, string>> {
  return textsOf(fieldOf(selector, 'matchLabels'))
}
