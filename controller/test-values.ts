import type { IPAddressPool, ServiceAllocation } from '../crds/config.ts'
import type { LabelSelector } from '../crds/selector.ts'
import type { Condition, Ingress, Service } from '../kube/service.ts'
import { settledCondition } from '../kube/settled.ts'
import { type Address, parseAddress } from '../net/address.ts'
import { parseRange } from '../net/range.ts'
import { allocatedCondition, type ServiceAction } from './plan.ts'

/** Values for tests of the controller, written as users write them. */

export function address(text: string): Address {
  const parsed = parseAddress(text)
  if (!parsed) throw new Error(`${text} is no address`)
  return parsed
}

export function pool(name: string, ranges: readonly string[], more: Partial<IPAddressPool> = {}): IPAddressPool {
  return {
    name,
    ranges: ranges.map(text => {
      const range = parseRange(text)
      if ('problem' in range) throw new Error(`${text}: ${range.problem}`)
      return range
    }),
    labels: {},
    autoAssign: true,
    avoidBuggyIPs: false,
    avoidConflicts: false,
    serviceAllocation: undefined,
    ...more,
  }
}

export function onlyFor(rules: Partial<ServiceAllocation>): ServiceAllocation {
  return { priority: 0, namespaces: [], namespaceSelectors: [], serviceSelectors: [], ...rules }
}

export function labelled(key: string, value: string): LabelSelector {
  return { requirements: [{ operator: 'In', key, values: [value] }] }
}

export function shows(...texts: readonly string[]): readonly Ingress[] {
  return texts.map(text => ({ kind: 'address', address: address(text) }))
}

type ServiceEdits = Partial<Omit<Service, 'request'>> & { readonly request?: Partial<Service['request']> }

/** An IPv4 Service of type LoadBalancer, `default/<name>`, with the edits. */
export function service(name: string, { request, ...edits }: ServiceEdits = {}): Service {
  const namespace = edits.namespace ?? 'default'
  return {
    key: `${namespace}/${name}`,
    namespace,
    name,
    uid: `uid-${name}`,
    resourceVersion: '1',
    creationTimestampMs: 1_700_000_000_000,
    beingDeleted: false,
    labels: {},
    type: 'LoadBalancer',
    loadBalancerClass: undefined,
    clusterIPFamilies: ['IPv4'],
    ipFamilyPolicy: 'SingleStack',
    ports: [{ protocol: 'TCP', port: 80 }],
    externalTrafficPolicy: 'Cluster',
    podSelector: 'app=web',
    ingress: [],
    allocatedFromPool: undefined,
    conditions: [],
    ...edits,
    request: { addresses: [], pool: undefined, sharingKey: undefined, problem: undefined, ...request },
  }
}

/** The Service as the API server has it after the patch that carries the actions. */
export function afterPatch(before: Service, actions: readonly ServiceAction[]): Service {
  let after = before
  for (const action of actions) {
    if (action.kind === 'setIngress')
      after = { ...after, ingress: action.addresses.map(one => ({ kind: 'address', address: one })) }
    if (action.kind === 'clearIngress') after = { ...after, ingress: [] }
    if (action.kind === 'setPoolAnnotation') after = { ...after, allocatedFromPool: action.pool }
    if (action.kind === 'setCondition') after = withCondition(after, allocatedCondition, action.condition)
    if (action.kind === 'setSettled') after = withCondition(after, settledCondition, action.condition)
  }
  return after
}

/** The Service with this condition of that type, or without one. */
export function withCondition(
  one: Service,
  type: string,
  condition: Pick<Condition, 'status' | 'reason' | 'message'> | undefined,
): Service {
  const others = one.conditions.filter(present => present.type !== type)
  return { ...one, conditions: condition ? [...others, { ...condition, type }] : others }
}
