import { fieldOf, listOf, numberOf, textOf } from './json.ts'
import type { Condition } from './service.ts'

/**
 * The conditions with this one in its place. `lastTransitionTime` moves only when the status flips; where nothing
 * changed, the very same array comes back, so that a caller sees by `===` that there is nothing to write.
 */
export function setCondition(
  conditions: readonly Condition[],
  condition: Omit<Condition, 'lastTransitionTime'>,
  now: Date,
): readonly Condition[] {
  const before = conditions.find(one => one.type === condition.type)
  if (before !== undefined && sameCondition(before, condition)) return conditions
  const flipped = before === undefined || before.status !== condition.status || !before.lastTransitionTime
  const after: Condition = {
    ...condition,
    lastTransitionTime: flipped ? formatTime(now) : (before.lastTransitionTime ?? formatTime(now)),
  }
  return before === undefined ? [...conditions, after] : conditions.map(one => (one === before ? after : one))
}

function sameCondition(before: Condition, after: Omit<Condition, 'lastTransitionTime'>): boolean {
  return (
    before.lastTransitionTime !== undefined &&
    before.status === after.status &&
    before.reason === after.reason &&
    before.message === after.message &&
    before.observedGeneration === after.observedGeneration
  )
}

/** `metav1.Time`: whole seconds, UTC. */
export function formatTime(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`
}

const noConditions: readonly Condition[] = Object.freeze([])

/** The readable conditions of a status whose type starts with `prefix`. */
export function conditionsOf(value: unknown, prefix = ''): readonly Condition[] {
  const conditions = listOf(value).flatMap(item => parseCondition(item, prefix))
  return conditions.length === 0 ? noConditions : conditions
}

function parseCondition(value: unknown, prefix: string): readonly Condition[] {
  const type = textOf(fieldOf(value, 'type'))
  const status = fieldOf(value, 'status')
  if (!type?.startsWith(prefix) || (status !== 'True' && status !== 'False' && status !== 'Unknown')) return []
  const observedGeneration = numberOf(fieldOf(value, 'observedGeneration'))
  const lastTransitionTime = textOf(fieldOf(value, 'lastTransitionTime'))
  return [
    {
      type,
      status,
      reason: textOf(fieldOf(value, 'reason')) ?? '',
      message: textOf(fieldOf(value, 'message')) ?? '',
      ...(observedGeneration !== undefined && { observedGeneration }),
      ...(lastTransitionTime !== undefined && { lastTransitionTime }),
    },
  ]
}
