import type { plurals } from '../resources.ts'
import { peer } from './example.ts'

/** For a rule about how an object may change, or about what Berth itself writes: what it is before and may become. */
export interface ChangeExample {
  readonly rule: string
  readonly kind: keyof typeof plurals
  readonly part: 'spec' | 'status'
  readonly before: object
  readonly good: object
  readonly bad: object
  /** Part of the API server's answer: what to write instead. */
  readonly answer: string
}

const service = { serviceName: 'web', serviceNamespace: 'shop' }

function fixed(kind: ChangeExample['kind'], what: string, before: object, field: string): ChangeExample {
  const answer = `the ${what} of a status cannot change; delete the object and create another`
  const change = { good: { ...before, since: '2026-01-01T00:00:00Z' }, bad: { ...before, [field]: 'other' } }
  return { rule: `${field} stays as it is`, kind, part: 'status', before, ...change, answer }
}

/** Every rule that concerns a change of one object. */
export const changeExamples: readonly ChangeExample[] = [
  {
    rule: 'enableGracefulRestart cannot be changed, other fields can',
    kind: 'BGPPeer',
    part: 'spec',
    before: peer({}),
    good: peer({ holdTime: '9s', enableGracefulRestart: false }),
    bad: peer({ enableGracefulRestart: true }),
    answer: 'enableGracefulRestart cannot be changed',
  },
  fixed('ServiceL2Status', 'Service', { node: 'one', ...service }, 'serviceName'),
  fixed('ServiceL2Status', 'Service', { node: 'one', ...service }, 'serviceNamespace'),
  {
    rule: 'what is answered for are addresses, and the node may change',
    kind: 'ServiceL2Status',
    part: 'status',
    before: { node: 'one', addresses: ['192.0.2.7'] },
    good: { node: 'two', addresses: ['192.0.2.7', '2001:db8::7'] },
    bad: { node: 'one', addresses: ['web'] },
    answer: 'write an IPv4 or IPv6 address',
  },
  fixed('ServiceBGPStatus', 'node', { node: 'one', ...service }, 'node'),
  fixed('ServiceBGPStatus', 'Service', { node: 'one', ...service }, 'serviceName'),
  fixed('ServiceBGPStatus', 'Service', { node: 'one', ...service }, 'serviceNamespace'),
  fixed('BGPSessionStatus', 'node', { node: 'one', peer: 'tor' }, 'node'),
  fixed('BGPSessionStatus', 'peer', { node: 'one', peer: 'tor' }, 'peer'),
]
