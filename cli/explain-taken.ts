import { allocatedCondition } from '../controller/plan.ts'
import type { Service } from '../kube/service.ts'
import { announcedCondition } from '../speaker/condition.ts'
import type { Picture } from './picture.ts'

/** An address that another station has and that stays the Service's nonetheless. */
export interface TakenExplanation {
  readonly reason: 'AddressInUse'
  readonly text: string
  readonly advice: readonly string[]
}

/** Why the controller does not replace an address that another station has, and what to do; undefined where nobody has it. */
export function explainTaken({ snapshot, ledger, book }: Picture, service: Service): TakenExplanation | undefined {
  const reason = 'AddressInUse'
  const conditionOf = (type: string) => service.conditions.find(one => one.type === type)
  if (conditionOf(announcedCondition)?.reason !== reason) return undefined
  const pool = book.pools.find(({ name }) => name === ledger.grantOf(service.key)?.pool)
  if (!pool) return undefined
  const edit = `kubectl -n ${snapshot.namespace} edit ipaddresspool ${pool.name}`
  const annotate = `kubectl -n ${service.namespace} annotate service ${service.name} --overwrite`
  if (!pool.avoidConflicts) {
    const text = `Another station has its address, and pool "${pool.name}" does not replace it (avoidConflicts: false).`
    return {
      reason,
      text,
      advice: [`Let it choose another where one was never announced (avoidConflicts: true): ${edit}`],
    }
  }
  if (service.request.addresses.length > 0) {
    const text = 'Another station has its address, and the Service asks for that one: it is not replaced.'
    return { reason, text, advice: [`Ask for another, or for none: ${annotate} berth.dev/loadBalancerIPs=…`] }
  }
  const allocated = conditionOf(allocatedCondition)
  if (allocated?.reason === reason) {
    return { reason, text: allocated.message, advice: [`Add a range, which moves nothing: ${edit}`] }
  }
  const text =
    'Another station has its address. It may have been in use by clients before, or Services share it; so it is not replaced.'
  return { reason, text, advice: [`To give it up, ask for another: ${annotate} berth.dev/loadBalancerIPs=…`] }
}
