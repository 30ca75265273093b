import type { Condition, Service } from '../kube/service.ts'

/** The type of the Service's condition that speakers keep: whether anybody announces it, and who or why not. */
export const announcedCondition = 'berth.dev/Announced'

/** What speakers decide of it; the times are added where it is written. */
export type AnnouncedCondition = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>

/** The condition as it stands in the Service's status. */
export function conditionOf(service: Service): Condition | undefined {
  return service.conditions.find(one => one.type === announcedCondition)
}

/** Whether there is anything to write. */
export function differs(now: Condition | undefined, wanted: AnnouncedCondition): boolean {
  return now?.status !== wanted.status || now.reason !== wanted.reason || now.message !== wanted.message
}
