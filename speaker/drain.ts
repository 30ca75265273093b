import type { KubeNode } from '../kube/node.ts'

/*
 * When a node is to hand its layer 2 addresses over though it could go on. Never, unless the admin says otherwise: to cordon
 * a node is to say that no new pods are wanted there, and nothing of its traffic (Kubernetes itself no longer takes such
 * nodes out of cloud load balancers). A move loses no packet, but connections that kube-proxy has translated on one node
 * are unknown on another, so a node that is only cordoned for a while would break them for nothing. And a speaker that
 * is stopped hands over without loss anyhow. Who drains nodes in order to switch them off chooses `cordon`. By BGP such a node
 * asks its routers to prefer others for as long as it is drained (GRACEFUL_SHUTDOWN, routing/router.ts).
 */

/** What makes a node a drained one. */
export interface DrainPolicy {
  readonly cordoned: boolean
  readonly taints: readonly TaintPattern[]
}

/** A taint; what is undefined may be anything. */
interface TaintPattern {
  readonly key: string
  readonly value: string | undefined
  readonly effect: string | undefined
}

export const neverDrained: DrainPolicy = { cordoned: false, taints: [] }

/** `never`, or `cordon` and taints with commas between, each as kubectl writes it: `KEY`, `KEY:EFFECT`, `KEY=VALUE:EFFECT`. */
export function parseDrainPolicy(text: string): DrainPolicy | { readonly problem: string } {
  if (text === 'never') return neverDrained
  const words = text.split(',').map(word => word.trim())
  if (words.includes('never')) return { problem: 'never stands alone' }
  const taints: TaintPattern[] = []
  for (const word of words) {
    if (word === 'cordon') continue
    const [, key, value, effect] =
      /^([\w./-]+)(?:=([\w.-]*))?(?::(NoSchedule|PreferNoSchedule|NoExecute))?$/.exec(word) ?? []
    if (key === undefined) {
      return { problem: `"${word}" is no taint; write never, or cordon and taints such as maintenance:NoSchedule` }
    }
    taints.push({ key, value, effect })
  }
  return { cordoned: words.includes('cordon'), taints }
}

/** What drains the node by this policy, in words; undefined = nothing. */
export function drainedBy(
  { unschedulable, taints }: Pick<KubeNode, 'unschedulable' | 'taints'>,
  policy: DrainPolicy,
): string | undefined {
  if (policy.cordoned && unschedulable) return 'cordon'
  return taints.find(taint => policy.taints.some(pattern => isMatch(taint, pattern)))
}

/** A taint of a node is `key=value:effect`, or `key:effect` without a value. */
function isMatch(taint: string, { key, value, effect }: TaintPattern): boolean {
  const [pair = '', ownEffect] = taint.split(':')
  const [ownKey, ownValue = ''] = pair.split('=')
  return ownKey === key && (value === undefined || value === ownValue) && (effect === undefined || effect === ownEffect)
}
