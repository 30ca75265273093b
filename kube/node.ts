import type { Labels } from '../crds/selector.ts'
import { fieldOf, identityOf, listOf, textOf, textsOf } from './json.ts'

/** What of a Node Berth looks at. */
export interface KubeNode {
  /** The name again: Nodes have no namespace. */
  readonly key: string
  readonly name: string
  readonly uid: string
  readonly resourceVersion: string
  readonly labels: Labels
  /** Its addresses inside the cluster, as its kubelet reports them. */
  readonly internalIPs: readonly string[]
  /** Labelled `node.kubernetes.io/exclude-from-external-load-balancers`, whatever the value. */
  readonly excluded: boolean
  /** Condition NetworkUnavailable is True. */
  readonly networkUnavailable: boolean
  /** Condition Ready is True. */
  readonly ready: boolean
  /** Cordoned. */
  readonly unschedulable: boolean
  /** `key=value:effect`, or `key:effect` without a value. */
  readonly taints: readonly string[]
}

const excludeLabel = 'node.kubernetes.io/exclude-from-external-load-balancers'

/** The Node that an object is, or undefined where it is none. Never throws. */
export function parseNode(object: unknown): KubeNode | undefined {
  const identity = identityOf(object)
  if (identity === undefined) return undefined
  const { name, uid, resourceVersion } = identity
  const labels = textsOf(fieldOf(fieldOf(object, 'metadata'), 'labels'))
  const spec = fieldOf(object, 'spec')
  const status = fieldOf(object, 'status')
  const conditions = listOf(fieldOf(status, 'conditions'))
  const isTrue = (type: string): boolean =>
    conditions.some(condition => fieldOf(condition, 'type') === type && fieldOf(condition, 'status') === 'True')
  return {
    key: name,
    name,
    uid,
    resourceVersion,
    labels,
    internalIPs: listOf(fieldOf(status, 'addresses')).flatMap(internalIP),
    excluded: Object.hasOwn(labels, excludeLabel),
    networkUnavailable: isTrue('NetworkUnavailable'),
    ready: isTrue('Ready'),
    unschedulable: fieldOf(spec, 'unschedulable') === true,
    taints: listOf(fieldOf(spec, 'taints')).map(formatTaint),
  }
}

function internalIP(address: unknown): readonly string[] {
  const text = textOf(fieldOf(address, 'address'))
  return fieldOf(address, 'type') === 'InternalIP' && text !== undefined ? [text] : []
}

/** A taint as kubectl writes it. */
function formatTaint(taint: unknown): string {
  const value = textOf(fieldOf(taint, 'value'))
  const key = textOf(fieldOf(taint, 'key')) ?? ''
  return `${value ? `${key}=${value}` : key}:${textOf(fieldOf(taint, 'effect')) ?? ''}`
}
