import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { IPAddressPool } from '../crds/config.ts'
import type { AddressConflict } from '../crds/parsed.ts'
import type { Service, ServiceKey } from '../kube/service.ts'
import { afterLooking, settledCondition, settledConditionOf, standingsOf } from '../kube/settled.ts'
import { formatAddress } from '../net/address.ts'
import { mostOfOneStation } from './avoid.ts'
import { conflictLastsMs, createDesk, type Desk } from './desk.ts'
import { allocatedCondition, type ServiceAction } from './plan.ts'
import { address, afterPatch, pool, service, shows, withCondition } from './test-values.ts'

/** A controller without its shell, beside speakers that look at the segment. */
function start(pools: readonly IPAddressPool[], services: readonly Service[] = []) {
  const store = new Map<string, Service>(services.map(one => [one.key, one]))
  const work = new Set<ServiceKey>()
  const events: string[] = []
  let nowMs = 1_000_000
  let desk: Desk
  function open(conflicts: Iterable<AddressConflict> = []): void {
    desk = createDesk({ services: store, loadBalancerClass: undefined, now: () => nowMs, onWork: key => work.add(key) })
    desk.setNamespace('default', {})
    desk.setPools({ pools, setAside: [] })
    desk.recall(conflicts)
    desk.adopt()
    desk.reviewAll()
  }
  function settle(): void {
    for (const key of work) {
      work.delete(key)
      const actions = desk.decide(key)
      const before = store.get(key)
      if (!before || actions.length === 0) continue
      tell(actions)
      store.set(key, afterPatch(before, actions))
      work.add(key)
    }
  }
  function tell(actions: readonly ServiceAction[]): void {
    for (const action of actions) {
      if (action.kind === 'recordEvent') events.push(`${action.type} ${action.reason}: ${action.note}`)
    }
  }
  function get(name: string): Service {
    return store.get(`default/${name}`) ?? service(name)
  }
  /** A speaker writes what it has found. */
  function look(
    name: string,
    seen: { announced?: readonly string[]; inUse?: readonly string[] },
    mac = stranger,
  ): void {
    const { announced = [], inUse = [] } = seen
    const before = standingsOf(get(name).conditions)
    const rivals = inUse.map(text => ({ address: text, mac, interface: 'eth0' }))
    const after = settledConditionOf(afterLooking(before, { announced, inUse: rivals }))
    put(withCondition(get(name), settledCondition, after))
  }
  function put(one: Service): void {
    store.set(one.key, one)
    work.add(one.key)
    settle()
  }
  open()
  settle()
  return {
    get,
    look,
    put,
    events,
    desk: () => desk,
    create: (name: string, edits: Parameters<typeof service>[1] = {}) => put(service(name, edits)),
    remove(name: string) {
      store.delete(`default/${name}`)
      desk.decide(`default/${name}`)
      settle()
    },
    /** Another controller, which knows what is written, after so long without any. */
    restart(afterMs = 0) {
      const written = pools.flatMap(({ name }) => desk.ledger.conflictsIn(name) ?? [])
      nowMs += afterMs
      open(written)
      settle()
    },
    edit(edited: readonly IPAddressPool[]) {
      desk.setPools({ pools: edited, setAside: [] })
      desk.reviewAll()
      settle()
    },
    wait(ms: number) {
      nowMs += ms
      desk.retryConflicts()
      settle()
    },
    has: (name: string) =>
      get(name)
        .ingress.map(one => (one.kind === 'address' ? formatAddress(one.address) : one.text))
        .join(' '),
    condition: (name: string, type = allocatedCondition) => {
      const found = get(name).conditions.find(one => one.type === type)
      return found && `${found.status} ${found.reason}: ${found.message}`
    },
  }
}

const stranger = '02:00:00:00:00:66'
const avoiding = pool('a', ['192.0.2.0/29', '2001:db8::/125'], { avoidConflicts: true })
const both = { clusterIPFamilies: ['IPv4', 'IPv6'], ipFamilyPolicy: 'PreferDualStack' } as const

describe('an address that a stranger has', () => {
  it('is replaced where nobody announced it yet, and everybody can read why', () => {
    const world = start([avoiding])
    world.create('web')
    expect(world.condition('web', settledCondition)).toBe(
      'Unknown NotAnnouncedYet: 192.0.2.0 has not been announced yet',
    )
    world.look('web', { inUse: ['192.0.2.0'] })
    expect(world.has('web')).toBe('192.0.2.1')
    const why =
      '192.0.2.0 was replaced by 192.0.2.1 before it was ever announced: a station that is no node of this cluster (02:00:00:00:00:66 on eth0) answers for it; take the address away from it, or leave it out of pool "a".'
    expect(world.events).toEqual([
      'Normal IPAllocated: 192.0.2.0 from pool "a".',
      `Warning AddressAvoided: ${why}`,
      'Normal IPAllocated: 192.0.2.1 from pool "a".',
    ])
    expect(world.condition('web')).toBe(`True Reassigned: 192.0.2.1 from pool "a". ${why}`)
    expect(world.condition('web', settledCondition)).toBe(
      'Unknown NotAnnouncedYet: 192.0.2.1 has not been announced yet',
    )
    expect(world.desk().ledger.usage('a', 'IPv4')).toEqual({ size: 8n, inUse: 1n, conflicting: 1n })
  })

  it('is given to nobody for ten minutes, but to who asks for it; then it is tried again', () => {
    const world = start([avoiding])
    world.create('web')
    world.look('web', { inUse: ['192.0.2.0'] })
    world.create('second')
    expect(world.has('second')).toBe('192.0.2.2')
    world.wait(conflictLastsMs - 1)
    world.create('third')
    expect(world.has('third')).toBe('192.0.2.3')
    world.wait(1)
    world.create('fourth')
    expect(world.has('fourth')).toBe('192.0.2.0')
    world.look('fourth', { inUse: ['192.0.2.0'] })
    expect(world.has('fourth')).toBe('192.0.2.4')
    world.create('asks', { request: { addresses: [address('192.0.2.0')] } })
    expect(world.has('asks')).toBe('192.0.2.0')
    expect(world.desk().ledger.usage('a', 'IPv4')).toMatchObject({ inUse: 5n, conflicting: 0n })
  })

  it('is remembered by the next controller, for what is left of the ten minutes', () => {
    const world = start([avoiding])
    world.create('web')
    world.look('web', { inUse: ['192.0.2.0'] })
    world.wait(conflictLastsMs / 2)
    world.restart()
    world.create('second')
    expect(world.has('second')).toBe('192.0.2.2')
    world.wait(conflictLastsMs / 2)
    world.create('third')
    expect(world.has('third')).toBe('192.0.2.0')
  })

  it('is tried again by a controller that comes long after', () => {
    const world = start([avoiding])
    world.create('web')
    world.look('web', { inUse: ['192.0.2.0'] })
    world.restart(conflictLastsMs)
    world.create('second')
    expect(world.has('second')).toBe('192.0.2.0')
  })

  it('is given to nobody, however its pool is edited, while that avoids conflicts', () => {
    const world = start([avoiding])
    world.create('web')
    world.look('web', { inUse: ['192.0.2.0'] })
    const wider = ['192.0.2.0/28', '2001:db8::/125']
    world.edit([{ ...avoiding, ranges: pool('a', wider).ranges }])
    world.create('second')
    expect(world.has('second')).toBe('192.0.2.2')
    world.edit([pool('a', wider)])
    world.create('third')
    expect(world.has('third')).toBe('192.0.2.0')
  })

  it('is no longer spoken of where the Service has no address any more', () => {
    const world = start([avoiding])
    world.create('web')
    world.edit([])
    expect(world.has('web')).toBe('')
    expect(world.condition('web', settledCondition)).toBeUndefined()
  })

  it('is replaced by a controller that was not there when it was found', () => {
    const standings = [{ kind: 'inUse', address: '192.0.2.0', mac: stranger, interface: 'eth0' }] as const
    const found = service('web', { ingress: shows('192.0.2.0'), allocatedFromPool: 'a' })
    const world = start([avoiding], [withCondition(found, settledCondition, settledConditionOf(standings))])
    expect(world.has('web')).toBe('192.0.2.1')
  })

  it('is replaced alone where the Service has one of the other family', () => {
    const world = start([avoiding])
    world.create('web', both)
    world.look('web', { announced: ['2001:db8::'], inUse: ['192.0.2.0'] })
    expect(world.has('web')).toBe('192.0.2.1 2001:db8::')
    expect(world.condition('web', settledCondition)).toBe(
      'Unknown NotAnnouncedYet: 192.0.2.1 has not been announced yet; 2001:db8:: has been announced',
    )
    world.look('web', { announced: ['192.0.2.1'] })
    expect(world.condition('web', settledCondition)).toMatch(/^True Announced: /)
  })

  it('is replaced from another pool where its own has none left', () => {
    const world = start([
      pool('a', ['192.0.2.0/32'], { avoidConflicts: true }),
      pool('b', ['198.51.100.0/32'], { avoidConflicts: true }),
    ])
    world.create('web')
    world.look('web', { inUse: ['192.0.2.0'] })
    expect(world.has('web')).toBe('198.51.100.0')
    expect(world.get('web').allocatedFromPool).toBe('b')
  })

  it('stays the Service’s where there is no other, which is told, until one is freed', () => {
    const world = start([pool('a', ['192.0.2.0/31'], { avoidConflicts: true })])
    world.create('holder')
    world.look('holder', { announced: ['192.0.2.0'] })
    world.create('web')
    world.look('web', { inUse: ['192.0.2.1'] })
    expect(world.has('web')).toBe('192.0.2.1')
    const why =
      '192.0.2.1 is in use by another station (02:00:00:00:00:66 on eth0), and nothing is there to replace it: Pool "a" has no IPv4 address left (2 of 2 in use); enlarge it or free some.'
    expect(world.condition('web')).toBe(`True AddressInUse: 192.0.2.1 from pool "a". ${why}`)
    expect(world.events.at(-1)).toBe(`Warning AddressInUse: ${why}`)
    world.remove('holder')
    expect(world.has('web')).toBe('192.0.2.0')
  })

  it('is not replaced for ever: a router with proxy ARP answers for every address', () => {
    const world = start([pool('a', ['192.0.2.0/24'], { avoidConflicts: true })])
    world.create('web')
    for (let index = 0; index < 200; index++) world.look('web', { inUse: [world.has('web')] })
    expect(world.events.filter(text => text.includes(' AddressInUse: '))).toHaveLength(1)
    expect(world.has('web')).toBe(`192.0.2.${mostOfOneStation}`)
    expect(world.condition('web')).toContain(
      `that station answers for ${mostOfOneStation} or more addresses of pool "a", as a router`,
    )
  })

  it('is refused to whom the pool has nothing else for, and the numbers say whose it is', () => {
    const world = start([pool('a', ['192.0.2.0/31'], { avoidConflicts: true })])
    world.create('web')
    world.look('web', { inUse: ['192.0.2.0'] })
    world.create('second')
    expect(world.has('second')).toBe('')
    expect(world.condition('second')).toContain('(1 of 2 in use, 1 in use by other stations)')
    world.wait(conflictLastsMs)
    expect(world.has('second')).toBe('192.0.2.0')
  })
})

describe('an address stays, though a stranger has it', () => {
  it.for<[string, IPAddressPool, Parameters<typeof service>[1]]>([
    ['where its pool does not avoid conflicts', { ...avoiding, avoidConflicts: false }, {}],
    ['where the Service asks for it', avoiding, { request: { addresses: [address('192.0.2.0')] } }],
    ['where its request cannot be read', avoiding, { request: { problem: 'no' } }],
    ['while the Service waits for its finalizers', avoiding, { beingDeleted: true }],
  ])('%s', ([, one, edits]) => {
    const standings = [{ kind: 'inUse', address: '192.0.2.0', mac: stranger, interface: 'eth0' }] as const
    const found = service('web', { ingress: shows('192.0.2.0'), allocatedFromPool: 'a', ...edits })
    const world = start([one], [withCondition(found, settledCondition, settledConditionOf(standings))])
    expect(world.has('web')).toBe('192.0.2.0')
    expect(world.events.filter(text => !text.includes('RequestUnreadable'))).toEqual([])
    expect(world.desk().ledger.conflictAt(address('192.0.2.0'))).toBeUndefined()
  })

  it('where the option came after it was announced, and nothing is known of it', () => {
    const world = start([avoiding], [service('web', { ingress: shows('192.0.2.0'), allocatedFromPool: 'a' })])
    expect(world.condition('web', settledCondition)).toBeUndefined()
    world.look('web', { inUse: ['192.0.2.0'] })
    expect(world.has('web')).toBe('192.0.2.0')
  })

  it('where Services share it', () => {
    const world = start([avoiding])
    const sharing = { request: { sharingKey: 'k' } }
    world.create('web', sharing)
    world.create('dns', { ...sharing, ports: [{ protocol: 'UDP', port: 53 }] })
    expect(world.has('dns')).toBe('192.0.2.0')
    world.look('web', { inUse: ['192.0.2.0'] })
    expect(world.has('web')).toBe('192.0.2.0')
  })

  it('where it was announced before the replacement was written: the patch is refused, and what it held is given back', () => {
    const store = new Map<string, Service>()
    const desk = createDesk({ services: store, loadBalancerClass: undefined, onWork: () => {} })
    desk.setNamespace('default', {})
    desk.setPools({ pools: [avoiding], setAside: [] })
    desk.adopt()
    const before = service('web')
    store.set(before.key, before)
    const given = afterPatch(before, desk.decide(before.key))
    const found = { kind: 'inUse', address: '192.0.2.0', mac: stranger, interface: 'eth0' } as const
    store.set(before.key, withCondition(given, settledCondition, settledConditionOf([found])))
    const ingressOf = (actions: readonly ServiceAction[]) =>
      actions.flatMap(action => (action.kind === 'setIngress' ? action.addresses.map(formatAddress) : []))
    expect(ingressOf(desk.decide(before.key))).toEqual(['192.0.2.1'])
    // Refused for another reason: the same again.
    expect(ingressOf(desk.decide(before.key))).toEqual(['192.0.2.1'])
    const announced = settledConditionOf([{ kind: 'announced', address: '192.0.2.0' }])
    store.set(before.key, withCondition(given, settledCondition, announced))
    expect(ingressOf(desk.decide(before.key))).toEqual([])
    expect(desk.ledger.grantOf(before.key)?.addresses.map(formatAddress)).toEqual(['192.0.2.0'])
    expect(desk.ledger.usage('a', 'IPv4')).toMatchObject({ inUse: 1n, conflicting: 0n })
  })

  it('once it was announced, whatever is found, forgotten, started anew or edited after that', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('create' as const), name: fc.constantFrom('x', 'y', 'z') }),
      fc.record({ kind: fc.constant('remove' as const), name: fc.constantFrom('x', 'y', 'z') }),
      fc.record({
        kind: fc.constantFrom('announce' as const, 'find' as const),
        name: fc.constantFrom('x', 'y', 'z', 'web'),
      }),
      fc.record({ kind: fc.constant('restart' as const) }),
      fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(1, conflictLastsMs / 2, conflictLastsMs) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.boolean(), (steps, isDual) => {
        const world = start([pool('a', ['192.0.2.0/30', '2001:db8::/126'], { avoidConflicts: true })])
        const edits = isDual ? both : {}
        world.create('web', edits)
        const announced = new Map<string, Set<string>>()
        for (const one of steps) {
          switch (one.kind) {
            case 'create':
              if (world.has(one.name) === '') world.create(one.name, edits)
              break
            case 'remove':
              world.remove(one.name)
              announced.delete(one.name)
              break
            case 'announce': {
              const shown = world.has(one.name).split(' ').slice(0, 1)
              if (shown[0] === '') break
              world.look(one.name, { announced: shown })
              announced.set(one.name, new Set([...(announced.get(one.name) ?? []), ...shown]))
              break
            }
            case 'find':
              world.look(one.name, { inUse: world.has(one.name).split(' ') })
              break
            case 'restart':
              world.restart()
              break
            case 'wait':
              world.wait(one.ms)
          }
          for (const [name, addresses] of announced)
            expect(world.has(name).split(' ')).toEqual(expect.arrayContaining([...addresses]))
          const held = ['web', 'x', 'y', 'z'].flatMap(name => world.has(name).split(' ')).filter(text => text !== '')
          expect(new Set(held).size).toBe(held.length)
        }
      }),
      { numRuns: 300, interruptAfterTimeLimit: 8_000 },
    )
  }, 20_000)
})
