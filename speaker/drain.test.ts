import { expect, test } from 'vitest'
import { drainedBy, parseDrainPolicy } from './drain.ts'

const cordoned = { unschedulable: true, taints: ['node.kubernetes.io/unschedulable:NoSchedule'] }
const tainted = { unschedulable: false, taints: ['other:NoExecute', 'maintenance=disk:NoSchedule'] }

test.each([
  { policy: 'never', node: cordoned, drained: undefined },
  { policy: 'never', node: tainted, drained: undefined },
  { policy: 'cordon', node: cordoned, drained: 'cordon' },
  { policy: 'cordon', node: tainted, drained: undefined },
  { policy: 'cordon,maintenance', node: tainted, drained: 'maintenance=disk:NoSchedule' },
  { policy: 'maintenance', node: cordoned, drained: undefined },
  { policy: 'maintenance:NoSchedule', node: tainted, drained: 'maintenance=disk:NoSchedule' },
  { policy: 'maintenance:NoExecute', node: tainted, drained: undefined },
  { policy: 'maintenance=disk', node: tainted, drained: 'maintenance=disk:NoSchedule' },
  { policy: 'maintenance=power:NoSchedule', node: tainted, drained: undefined },
  { policy: 'maintenance=', node: tainted, drained: undefined },
  { policy: 'other=', node: tainted, drained: 'other:NoExecute' },
  { policy: 'absent, other', node: tainted, drained: 'other:NoExecute' },
])('$policy: $node.taints is drained by $drained', ({ policy, node, drained }) => {
  const parsed = parseDrainPolicy(policy)
  expect('problem' in parsed ? parsed : drainedBy(node, parsed)).toBe(drained)
})

test.each(['', 'never,cordon', 'cordon,', 'maintenance:Sometimes', 'a b', '=x'])('"%s" is no policy', text => {
  expect(parseDrainPolicy(text)).toHaveProperty('problem')
})
