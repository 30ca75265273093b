import { describe, expect, it } from 'vitest'
import type { IPAddressPool } from '../crds/config.ts'
import type { Service } from '../kube/service.ts'
import { formatAddress } from '../net/address.ts'
import { createLedger, type Grant } from './ledger.ts'
import { allocatedCondition, planService, type ServiceAction } from './plan.ts'
import { namespacesFrom, type PoolSetAside } from './pool-choice.ts'
import { claimOf } from './sharing.ts'
import { address, afterPatch, labelled, onlyFor, pool, service, shows, withCondition } from './test-values.ts'

interface World {
  readonly pools?: readonly IPAddressPool[]
  readonly setAside?: readonly PoolSetAside[]
  /** What others hold. */
  readonly others?: readonly Grant[]
  /** What the Service itself held when its plan is made. */
  readonly held?: Grant
  readonly labels?: Readonly<Record<string, string>>
}

const both: Partial<Service> = { clusterIPFamilies: ['IPv4', 'IPv6'], ipFamilyPolicy: 'PreferDualStack' }
const required: Partial<Service> = { ...both, ipFamilyPolicy: 'RequireDualStack' }
const dual = pool('a', ['192.0.2.0/29', '2001:db8::/125'])

function grant(one: Service, texts: readonly string[], more: Partial<Grant> = {}): Grant {
  return {
    service: one.key,
    uid: one.uid,
    pool: 'a',
    addresses: texts.map(address),
    claim: claimOf(one),
    published: true,
    ...more,
  }
}

const allocated = { status: 'True', reason: 'Allocated', message: 'x' } as const

/** Plans, carries the plan out and checks that it leaves nothing to do. Returns the plan and the Service as it is then. */
function settle(one: Service, world: World = {}): { plan: readonly ServiceAction[]; after: Service } {
  const pools = world.pools ?? [dual]
  const ledger = createLedger(pools)
  for (const other of world.others ?? []) ledger.hold(other)
  if (world.held) ledger.hold(world.held)
  const namespaces = namespacesFrom(new Map([['default', world.labels ?? {}]]))
  const look = (current: Service): readonly ServiceAction[] =>
    planService(
      {
        service: current,
        ledger,
        book: { pools, setAside: world.setAside ?? [] },
        namespaces,
        loadBalancerClass: undefined,
      },
      current.key,
    )
  const enter = (plan: readonly ServiceAction[]): void => {
    for (const action of plan) {
      if (action.kind === 'hold') ledger.hold(action.grant)
      if (action.kind === 'release') ledger.release(action.service)
      if (action.kind === 'wait') ledger.wait(action.waiter)
      if (action.kind === 'stopWaiting') ledger.stopWaiting(action.service)
    }
  }
  const plan = look(one)
  enter(plan)
  const after = afterPatch(one, plan)
  // The answer to the patch is noted in the ledger; after that there is nothing.
  enter(look(after).filter(action => action.kind === 'hold' && action.grant.published))
  expect(look(after)).toEqual([])
  return { plan, after }
}

function has(one: Service): string {
  return one.ingress
    .map(element => (element.kind === 'address' ? formatAddress(element.address) : element.text))
    .join(' ')
}

function events(plan: readonly ServiceAction[]): readonly string[] {
  return plan.flatMap(action =>
    action.kind === 'recordEvent' ? [`${action.type} ${action.reason}: ${action.note}`] : [],
  )
}

describe('a new Service', () => {
  it('gets its address, its pool, its condition and its Event in one plan', () => {
    const { plan, after } = settle(service('web'))
    expect(has(after)).toBe('192.0.2.0')
    expect(after.allocatedFromPool).toBe('a')
    expect(after.conditions).toMatchObject([{ type: 'berth.dev/Allocated', status: 'True', reason: 'Allocated' }])
    expect(events(plan)).toEqual(['Normal IPAllocated: 192.0.2.0 from pool "a".'])
  })

  it.for<[string, Service, string]>([
    ['without a cluster IP', service('web', { clusterIPFamilies: [] }), 'NoClusterIP'],
    [
      'that requires two families in a cluster of one',
      service('web', { ipFamilyPolicy: 'RequireDualStack' }),
      'SecondClusterIPMissing',
    ],
    [
      'whose request cannot be read',
      service('web', { request: { problem: '"x" is not an IP address' } }),
      'RequestUnreadable',
    ],
    ['that asks for a pool that is not there', service('web', { request: { pool: 'z' } }), 'UnknownPool'],
    [
      'that asks for one address of two families',
      service('web', { ...both, request: { addresses: [address('192.0.2.1')] } }),
      'FamilyMismatch',
    ],
  ])('%s is told why it has none', ([, one, reason]) => {
    const { plan, after } = settle(one)
    expect(has(after)).toBe('')
    expect(after.conditions).toMatchObject([{ status: 'False', reason }])
    expect(events(plan)).toHaveLength(1)
  })

  it('that hundreds of pools refuse is told so in a message that the API server takes', () => {
    const pools = Array.from({ length: 500 }, (_, index) => pool(`pool-${index}`, [`2001:db8:${index}::/64`]))
    const { after } = settle(service('web'), { pools })
    expect(after.conditions[0]?.message).toHaveLength(8_000)
    expect(after.conditions[0]?.message).toMatch(
      /^The Service cannot have an IPv4 address\. Pool "pool-0" has no IPv4 addresses\..*…$/,
    )
  })

  it('of another class is left alone, whatever it shows', () => {
    expect(settle(service('web', { loadBalancerClass: 'other/lb', ingress: shows('192.0.2.1') })).plan).toEqual([])
  })

  it('that is being deleted gets nothing new', () => {
    expect(settle(service('web', { beingDeleted: true })).plan).toEqual([])
  })
})

describe('an address that is still valid stays', () => {
  const web = service('web', { ingress: shows('192.0.2.5'), allocatedFromPool: 'a' })

  it.for<[string, Service, World]>([
    ['when it is found in the status after a restart', web, {}],
    ['when the note of its pool is missing', { ...web, allocatedFromPool: undefined }, {}],
    ['when the pool is reordered', web, { pools: [pool('a', ['192.0.2.4/30', '192.0.2.0/30'])] }],
    [
      'when its range moves to another pool',
      web,
      { pools: [pool('b', ['192.0.2.0/29']), pool('a', ['198.51.100.0/30'])] },
    ],
    ['when an earlier pool appears', web, { pools: [pool('0', ['198.51.100.0/30']), dual] }],
    ['when autoAssign is turned off', web, { pools: [pool('a', ['192.0.2.0/29'], { autoAssign: false })] }],
    ['when its pool is set aside', web, { pools: [], setAside: [{ name: 'a', reason: 'Invalid', message: 'x' }] }],
    ['when the status was wiped by hand', { ...web, ingress: [] }, { held: grant(web, ['192.0.2.5']) }],
    [
      'when the status is from before the write',
      { ...web, ingress: [], allocatedFromPool: undefined },
      { held: grant(web, ['192.0.2.5']) },
    ],
    [
      'when the status was replaced by hand',
      { ...web, ingress: shows('192.0.2.6') },
      { held: grant(web, ['192.0.2.5']) },
    ],
    ['when a hostname was added', { ...web, ingress: [...web.ingress, { kind: 'foreign', text: 'lb.example' }] }, {}],
    ['when its request becomes unreadable', { ...web, request: { ...web.request, problem: 'no' } }, {}],
    [
      'when it is asked for by name',
      { ...web, request: { ...web.request, addresses: [address('192.0.2.5')], pool: 'a' } },
      {},
    ],
    [
      'when its namespace is not known, whatever the pool asks of it',
      { ...web, namespace: 'elsewhere', key: 'elsewhere/web' },
      {
        pools: [
          pool('a', ['192.0.2.0/29'], { serviceAllocation: onlyFor({ namespaceSelectors: [labelled('a', 'b')] }) }),
        ],
      },
    ],
    [
      'when the Service comes to prefer two families',
      { ...web, ...both, ingress: shows('192.0.2.5') },
      { pools: [pool('a', ['192.0.2.0/29'])] },
    ],
    [
      'when a later pool has both families',
      { ...web, ...both },
      { pools: [pool('a', ['192.0.2.0/29']), pool('b', ['198.51.100.0/30', '2001:db8::/126'])] },
    ],
    ['when two become one', { ...web, ingress: shows('192.0.2.5', '2001:db8::5') }, {}],
    [
      'when the pool loses the other family',
      { ...web, ...both, ingress: shows('192.0.2.5', '2001:db8::5') },
      { pools: [pool('a', ['192.0.2.0/29'])] },
    ],
  ])('%s', ([, one, world]) => {
    expect(has(settle(one, world).after)).toBe('192.0.2.5')
  })

  it('and is joined by the other family from the same pool as soon as there is one', () => {
    const { plan, after } = settle({ ...web, ...both })
    expect(has(after)).toBe('192.0.2.5 2001:db8::')
    expect(events(plan)).toEqual(['Normal IPAllocated: 2001:db8:: from pool "a".'])
  })

  it('when the Service requires two families and its pool has the other', () => {
    expect(has(settle({ ...web, ...required }).after)).toBe('192.0.2.5 2001:db8::')
  })

  it('while the Service waits for its finalizers', () => {
    const { plan, after } = settle({ ...web, beingDeleted: true })
    expect(has(after)).toBe('192.0.2.5')
    expect(plan.map(action => action.kind)).toEqual(['hold'])
  })

  it('against a wish of the ledger that never reached the Service', () => {
    expect(has(settle(web, { held: grant(web, ['192.0.2.0'], { published: false }) }).after)).toBe('192.0.2.5')
  })

  it('and what the condition says of the past is not rewritten', () => {
    const condition = {
      type: 'berth.dev/Allocated',
      status: 'True' as const,
      reason: 'Reassigned',
      message: '192.0.2.5 from pool "a". 192.0.2.9 was taken back: pool "b" was deleted.',
    }
    expect(settle({ ...web, conditions: [condition] }).plan.map(action => action.kind)).toEqual(['hold'])
  })
})

describe('an address that is not valid any more', () => {
  const web = service('web', { ingress: shows('192.0.2.5'), allocatedFromPool: 'a' })
  const other = service('other')

  it.for<[string, Service, World, string, string]>([
    [
      'its pool is deleted',
      web,
      { pools: [pool('b', ['198.51.100.0/30'])] },
      '198.51.100.0',
      'Warning AddressLost: 192.0.2.5 was taken back: pool "a" was deleted.',
    ],
    [
      'its pool shrinks',
      web,
      { pools: [pool('a', ['192.0.2.0/30'])] },
      '192.0.2.0',
      'Warning AddressLost: 192.0.2.5 was taken back: spec.addresses of pool "a" no longer contains it.',
    ],
    [
      'its pool admits it no more',
      web,
      {
        pools: [
          pool('a', ['192.0.2.0/29'], { serviceAllocation: onlyFor({ namespaces: ['shop'] }) }),
          pool('b', ['198.51.100.0/30']),
        ],
      },
      '198.51.100.0',
      'Warning AddressLost: 192.0.2.5 was taken back: pool "a" is only for namespaces shop, not for "default".',
    ],
    [
      'another pool is asked for',
      { ...web, request: { ...web.request, pool: 'b' } },
      { pools: [dual, pool('b', ['198.51.100.0/30'])] },
      '198.51.100.0',
      'Normal AddressReleased: 192.0.2.5 was given back: it is from pool "a", and the Service asks for pool "b".',
    ],
    [
      'another address is asked for',
      { ...web, request: { ...web.request, addresses: [address('192.0.2.7')] } },
      {},
      '192.0.2.7',
      'Normal AddressReleased: 192.0.2.5 was given back: the Service asks for 192.0.2.7.',
    ],
    [
      'another holds it',
      web,
      { others: [grant(other, ['192.0.2.5'])] },
      '192.0.2.0',
      'Warning AddressConflict: 192.0.2.5 is held by Service default/other (to share it, give both the same annotation berth.dev/allow-shared-ip).',
    ],
    [
      'both families are required and its pool has one',
      { ...web, ...required },
      { pools: [pool('a', ['192.0.2.0/29']), pool('b', ['198.51.100.0/30', '2001:db8::/126'])] },
      '198.51.100.0 2001:db8::',
      'Warning AddressLost: 192.0.2.5 was given back: RequireDualStack wants an IPv6 address from the same pool, which has no IPv6 addresses.',
    ],
  ])('is replaced, and Event and condition say why: %s', ([, one, world, expected, note]) => {
    const { plan, after } = settle(one, world)
    expect(has(after)).toBe(expected)
    expect(events(plan)[0]).toBe(note)
    expect(after.conditions[0]?.reason).toBe('Reassigned')
    expect(after.conditions[0]?.message).toContain(note.slice(note.indexOf(': ') + 2))
  })

  it('is cleared where there is no other, and the condition says both', () => {
    const { plan, after } = settle(withCondition(web, allocatedCondition, allocated), { pools: [] })
    expect(has(after)).toBe('')
    expect(after.allocatedFromPool).toBeUndefined()
    expect(after.conditions).toMatchObject([
      { status: 'False', reason: 'NoPools', message: expect.stringContaining('pool "a" was deleted') },
    ])
    expect(events(plan).map(text => text.split(':')[0])).toEqual(['Warning AddressLost', 'Warning AllocationFailed'])
  })

  it('stays where there are no pools and Berth never gave it: another load balancer has, or the pools are to come', () => {
    expect(settle(web, { pools: [] }).plan).toEqual([])
    // Berth has refused the Service before the other gave it an address.
    const refused = { ...allocated, status: 'False', reason: 'NoPools' } as const
    expect(settle(withCondition(web, allocatedCondition, refused), { pools: [] }).plan).toEqual([])
    const setAside = [{ name: 'b', reason: 'Overlap', message: 'x' }]
    expect(settle(web, { pools: [], setAside }).plan).not.toEqual([])
  })

  it('ends .0 when avoidBuggyIPs is set', () => {
    const one = service('web', { ingress: shows('192.0.2.0'), allocatedFromPool: 'a' })
    expect(has(settle(one, { pools: [pool('a', ['192.0.2.0/29'], { avoidBuggyIPs: true })] }).after)).toBe('192.0.2.1')
  })

  it('goes back with its pool when a sharer changes a port to one that is taken', () => {
    const sharing = { request: { sharingKey: 'k' }, ingress: shows('192.0.2.5'), allocatedFromPool: 'a' }
    const one = service('web', sharing)
    const held = grant({ ...one, ports: [{ protocol: 'TCP', port: 443 }] }, ['192.0.2.5'])
    const { plan, after } = settle(one, { held, others: [grant(service('other', sharing), ['192.0.2.5'])] })
    expect(has(after)).toBe('192.0.2.0')
    expect(events(plan)[0]).toContain('both use port 80/TCP')
  })
})

describe('a Service that is no load balancer any more', () => {
  it('gives its address back and loses the marks of Berth', () => {
    const one = service('web', {
      type: 'other',
      ingress: shows('192.0.2.5'),
      allocatedFromPool: 'a',
      conditions: [{ type: 'berth.dev/Allocated', status: 'True', reason: 'Allocated', message: 'x' }],
    })
    const { plan, after } = settle(one, { held: grant(one, ['192.0.2.5']) })
    expect(plan.map(action => action.kind)).toEqual(['release', 'clearIngress', 'setPoolAnnotation', 'setCondition'])
    expect(after).toMatchObject({ ingress: [], allocatedFromPool: undefined, conditions: [] })
  })

  it('and never was one is left alone', () => {
    expect(settle(service('web', { type: 'other', ingress: shows('192.0.2.5') })).plan).toEqual([])
  })
})

describe('a Service that prefers two families and can have one', () => {
  it('is told which is missing and waits in line for it', () => {
    const others = ['', '1', '2', '3', '4', '5', '6', '7'].map((end, index) =>
      grant(service(`o${index}`), [`2001:db8::${end}`]),
    )
    const { plan, after } = settle(service('web', both), { others })
    expect(has(after)).toBe('192.0.2.0')
    expect(after.conditions).toMatchObject([{ status: 'True', reason: 'SecondFamilyMissing' }])
    expect(plan).toContainEqual({
      kind: 'wait',
      waiter: expect.objectContaining({ service: 'default/web', lines: [{ pool: 'a', family: 'IPv6' }] }),
    })
  })
})
