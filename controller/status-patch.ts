import { formatTime } from '../kube/conditions.ts'
import type { Condition, Service } from '../kube/service.ts'
import { settledCondition } from '../kube/settled.ts'
import { formatAddress } from '../net/address.ts'
import { allocatedCondition, type ServiceAction } from './plan.ts'

/** Where the controller notes which pool an address is from. */
export const poolAnnotation = 'berth.dev/ip-allocated-from-pool'

/** MetalLB's names for the same note, read by parseService: taken off together with ours, or they would speak in its place. */
const poolAnnotationAliases = ['metallb.io/ip-allocated-from-pool', 'metallb.universe.tf/ip-allocated-from-pool']

/**
 * All that a plan changes of a Service, as one strategic merge patch for its status; undefined where it changes nothing.
 * Strategic, because `status.conditions` then merges by type: conditions of the speaker and of others stay as they are.
 * The resourceVersion makes the API server refuse the patch where the Service has changed since the plan was made.
 */
export function statusPatch(service: Service, actions: readonly ServiceAction[], now: Date): object | undefined {
  let annotations: Record<string, string | null> | undefined
  const status: { loadBalancer?: object; conditions?: object[] } = {}
  for (const action of actions) {
    switch (action.kind) {
      case 'setIngress':
        status.loadBalancer = { ingress: action.addresses.map(address => ({ ip: formatAddress(address) })) }
        break
      case 'clearIngress':
        status.loadBalancer = { ingress: null }
        break
      case 'setPoolAnnotation':
        annotations = { [poolAnnotation]: action.pool ?? null }
        if (action.pool === undefined) for (const alias of poolAnnotationAliases) annotations[alias] = null
        break
      case 'setCondition':
        status.conditions = [
          ...(status.conditions ?? []),
          conditionPatch(service, allocatedCondition, action.condition, now),
        ]
        break
      case 'setSettled':
        status.conditions = [
          ...(status.conditions ?? []),
          conditionPatch(service, settledCondition, action.condition, now),
        ]
        break
      case 'recordEvent':
      case 'hold':
      case 'avoid':
      case 'release':
      case 'wait':
      case 'stopWaiting':
        break
    }
  }
  if (!annotations && !status.loadBalancer && !status.conditions) return undefined
  return { metadata: { resourceVersion: service.resourceVersion, ...(annotations && { annotations }) }, status }
}

function conditionPatch(
  { conditions }: Service,
  type: string,
  wanted: Pick<Condition, 'status' | 'reason' | 'message'> | undefined,
  now: Date,
): object {
  if (!wanted) return { type, $patch: 'delete' }
  const { status, reason, message } = wanted
  const current = conditions.find(condition => condition.type === type)
  // Moves only when the status flips.
  const isSame = current?.status === status && current.lastTransitionTime !== undefined
  return { type, status, reason, message, lastTransitionTime: isSame ? current.lastTransitionTime : formatTime(now) }
}
