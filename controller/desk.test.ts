import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { IPAddressPool } from '../crds/config.ts'
import type { Service, ServiceKey } from '../kube/service.ts'
import { formatAddress } from '../net/address.ts'
import { createDesk, type Desk } from './desk.ts'
import { claimOf, mayShare } from './sharing.ts'
import { address, afterPatch, labelled, onlyFor, pool, service, shows } from './test-values.ts'

/** A controller without its shell: every decision is written at once, the written Service is seen at once. */
function run(services: Map<string, Service>, pools: readonly IPAddressPool[]): { desk: Desk; settle: () => void } {
  const work = new Set<ServiceKey>()
  const desk = createDesk({ services, loadBalancerClass: undefined, onWork: key => work.add(key) })
  desk.setNamespace('default', {})
  desk.setPools({ pools, setAside: [] })
  desk.adopt()
  desk.reviewAll()
  function settle(): void {
    for (const key of work) {
      work.delete(key)
      const actions = desk.decide(key)
      const before = services.get(key)
      if (before && actions.length > 0) services.set(key, afterPatch(before, actions))
      expect(desk.decide(key)).toEqual([])
    }
  }
  settle()
  return { desk, settle }
}

function mapOf(...services: readonly Service[]): Map<string, Service> {
  return new Map(services.map(one => [one.key, one]))
}

function shown(services: Map<string, Service>, key: string): string {
  const texts = services.get(key)?.ingress.map(one => (one.kind === 'address' ? formatAddress(one.address) : one.text))
  return texts?.join(' ') ?? 'no such Service'
}

describe('the desk', () => {
  it('takes over every assignment before it gives out the first address', () => {
    const services = mapOf(
      service('older-and-pending', { creationTimestampMs: 1 }),
      service('assigned', { creationTimestampMs: 2, ingress: shows('192.0.2.0') }),
    )
    run(services, [pool('a', ['192.0.2.0/31'])])
    expect(shown(services, 'default/assigned')).toBe('192.0.2.0')
    expect(shown(services, 'default/older-and-pending')).toBe('192.0.2.1')
  })

  it('leaves an address held twice to the older Service and tells the other who has it', () => {
    const services = mapOf(
      service('b', { creationTimestampMs: 2, ingress: shows('192.0.2.0') }),
      service('a', { creationTimestampMs: 1, ingress: shows('192.0.2.0') }),
    )
    run(services, [pool('a', ['192.0.2.0/30'])])
    expect(shown(services, 'default/a')).toBe('192.0.2.0')
    expect(shown(services, 'default/b')).toBe('192.0.2.1')
    expect(services.get('default/b')?.conditions[0]).toMatchObject({
      reason: 'Reassigned',
      message: expect.stringContaining('192.0.2.0 is held by Service default/a'),
    })
  })

  it('settles Services of one age by their UIDs', () => {
    const services = mapOf(
      service('b', { uid: '2', ingress: shows('192.0.2.0') }),
      service('a', { uid: '1', ingress: shows('192.0.2.0') }),
    )
    run(services, [pool('a', ['192.0.2.0/30'])])
    expect(shown(services, 'default/a')).toBe('192.0.2.0')
  })

  it('hands a freed address to the Service that waited longest, whatever order they came in', () => {
    const services = mapOf(
      service('holder', { creationTimestampMs: 1 }),
      service('young', { creationTimestampMs: 3 }),
      service('old', { creationTimestampMs: 2 }),
    )
    const { desk, settle } = run(services, [pool('a', ['192.0.2.7/32'])])
    expect(desk.waiting).toBe(2)
    services.delete('default/holder')
    desk.decide('default/holder')
    settle()
    expect(shown(services, 'default/old')).toBe('192.0.2.7')
    expect(shown(services, 'default/young')).toBe('')
  })

  it('passes over who cannot use what was freed', () => {
    const services = mapOf(
      service('holder', { creationTimestampMs: 1 }),
      service('wants-six', { creationTimestampMs: 2, clusterIPFamilies: ['IPv6'] }),
      service('wants-four', { creationTimestampMs: 3 }),
    )
    const { desk, settle } = run(services, [pool('a', ['192.0.2.7/32'])])
    services.delete('default/holder')
    desk.decide('default/holder')
    settle()
    expect(shown(services, 'default/wants-four')).toBe('192.0.2.7')
  })

  it('wakes a waiter when a holder begins to share', () => {
    const sharing = { sharingKey: 'k' }
    const services = mapOf(
      service('holder', { creationTimestampMs: 1 }),
      service('waiter', { creationTimestampMs: 2, request: sharing, ports: [{ protocol: 'TCP', port: 443 }] }),
    )
    const { desk, settle } = run(services, [pool('a', ['192.0.2.7/32'])])
    expect(shown(services, 'default/waiter')).toBe('')
    services.set('default/holder', {
      ...(services.get('default/holder') as Service),
      request: { ...service('x').request, ...sharing },
    })
    desk.decide('default/holder')
    settle()
    expect(shown(services, 'default/waiter')).toBe('192.0.2.7')
    expect(shown(services, 'default/holder')).toBe('192.0.2.7')
  })

  it('lets a Service in when its namespace gets the label that a pool asks for', () => {
    const services = mapOf(service('web'))
    const rules = onlyFor({ namespaceSelectors: [labelled('team', 'a')] })
    const { desk, settle } = run(services, [pool('a', ['192.0.2.7/32'], { serviceAllocation: rules })])
    expect(shown(services, 'default/web')).toBe('')
    desk.setNamespace('default', { team: 'a' })
    settle()
    expect(shown(services, 'default/web')).toBe('192.0.2.7')
  })

  it('gives a Service that was made anew under its name no part in what the old one held', () => {
    const services = mapOf(service('web', { request: { addresses: [address('192.0.2.9')] } }))
    const { desk, settle } = run(services, [pool('a', ['192.0.2.0/24'])])
    expect(shown(services, 'default/web')).toBe('192.0.2.9')
    services.set('default/web', service('web', { uid: 'another' }))
    services.set('default/other', service('other', { request: { addresses: [address('192.0.2.9')] } }))
    desk.decide('default/web')
    for (const key of ['default/other', 'default/web'] as const) {
      const actions = desk.decide(key)
      services.set(key, afterPatch(services.get(key) as Service, actions))
    }
    settle()
    expect(shown(services, 'default/web')).toBe('192.0.2.0')
    expect(shown(services, 'default/other')).toBe('192.0.2.9')
  })

  it('waits for the addresses of a pool that is set aside, takes none back and gives none out', () => {
    const services = mapOf(service('has', { ingress: shows('192.0.2.1'), allocatedFromPool: 'a' }), service('wants'))
    const { desk, settle } = run(services, [pool('a', ['192.0.2.0/30'])])
    desk.setPools({ pools: [], setAside: [{ name: 'a', reason: 'OverlappingPool', message: 'overlaps pool "b"' }] })
    desk.reviewAll()
    settle()
    expect(shown(services, 'default/has')).toBe('192.0.2.1')
    services.set('default/new', service('new'))
    const actions = desk.decide('default/new')
    expect(actions).toContainEqual(expect.objectContaining({ reason: 'AllocationFailed' }))
  })
})

// --- Any order of events, restarts, stale stores, lost and doubled events --------------------------------------------

interface World {
  /** What the API server has. */
  readonly truth: Map<string, Service>
  /** What the controller has been shown. */
  readonly store: Map<string, Service>
  pools: readonly IPAddressPool[]
  version: number
  clock: number
}

const poolSets: readonly (readonly IPAddressPool[])[] = [
  [pool('a', ['192.0.2.0/30', '2001:db8::/127']), pool('b', ['198.51.100.0/30'])],
  [pool('a', ['192.0.2.2/31', '192.0.2.0/31', '2001:db8::/126']), pool('b', ['198.51.100.0/30'])],
  [pool('a', ['192.0.2.0/29', '2001:db8::/127'])],
  [pool('c', ['192.0.2.0/30']), pool('b', ['198.51.100.0/30', '2001:db8::/127'], { autoAssign: false })],
]

const serviceEdit = fc.oneof(
  fc.constant<Partial<Service>>({ type: 'other' }),
  fc.constant<Partial<Service>>({ type: 'LoadBalancer' }),
  fc.constantFrom<Partial<Service>>(
    { clusterIPFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack' },
    { clusterIPFamilies: ['IPv4', 'IPv6'], ipFamilyPolicy: 'PreferDualStack' },
    { clusterIPFamilies: ['IPv6', 'IPv4'], ipFamilyPolicy: 'RequireDualStack' },
  ),
  fc.constantFrom<Partial<Service>>(
    { ports: [{ protocol: 'TCP', port: 80 }] },
    { ports: [{ protocol: 'UDP', port: 80 }] },
    { externalTrafficPolicy: 'Local' },
    { externalTrafficPolicy: 'Cluster' },
  ),
  fc
    .record({
      addresses: fc.constantFrom([], [], [], [address('192.0.2.1')], [address('198.51.100.2')]),
      pool: fc.constantFrom(undefined, undefined, 'a', 'b'),
      sharingKey: fc.constantFrom(undefined, 'k', 'l'),
      problem: fc.constantFrom(undefined, undefined, 'nonsense'),
    })
    .map<Partial<Service>>(request => ({ request })),
)

const command = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('create' as const),
      name: fc.integer({ min: 0, max: 7 }),
      edit: serviceEdit,
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete' as const), name: fc.integer({ min: 0, max: 7 }) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('edit' as const),
      name: fc.integer({ min: 0, max: 7 }),
      edit: serviceEdit,
    }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('deliver' as const), name: fc.integer({ min: 0, max: 7 }) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('work' as const),
      name: fc.integer({ min: 0, max: 7 }),
      answerLost: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('pools' as const), set: fc.integer({ min: 0, max: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('relist' as const) }) },
)
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never

const keyOf = (name: number): ServiceKey => `default/s${name}`

function simulate(commands: readonly Command[]): void {
  const world: World = { truth: new Map(), store: new Map(), pools: poolSets[0] ?? [], version: 1, clock: 1 }
  const work = new Set<ServiceKey>()
  let desk = start()

  function start(): Desk {
    world.store.clear()
    for (const [key, value] of world.truth) world.store.set(key, value)
    work.clear()
    const fresh = createDesk({ services: world.store, loadBalancerClass: undefined, onWork: key => work.add(key) })
    fresh.setNamespace('default', {})
    fresh.setPools({ pools: world.pools, setAside: [] })
    fresh.adopt()
    fresh.reviewAll()
    return fresh
  }

  function show(key: ServiceKey): void {
    const known = world.store.get(key)
    const actual = world.truth.get(key)
    if (actual === known) return
    if (actual) world.store.set(key, actual)
    else world.store.delete(key)
    if (!actual || (known && known.uid !== actual.uid)) desk.decide(key)
    work.add(key)
  }

  function write(key: ServiceKey, answerLost: boolean): void {
    work.delete(key)
    const actions = desk.decide(key)
    const seen = world.store.get(key)
    if (!seen || actions.length === 0) return
    const actual = world.truth.get(key)
    if (actual?.uid !== seen.uid || actual.resourceVersion !== seen.resourceVersion) {
      // Conflict: look again.
      work.add(key)
      show(key)
      return
    }
    const written = { ...afterPatch(actual, actions), resourceVersion: String(++world.version) }
    mustNotMoveWhatIsValid(actual, written)
    world.truth.set(key, written)
    if (answerLost) work.add(key)
    else {
      world.store.set(key, written)
      work.add(key)
    }
  }

  /** Seen from outside: an address that the Service shows and may have must still be there after a write. */
  function mustNotMoveWhatIsValid(before: Service, after: Service): void {
    for (const element of before.ingress) {
      if (element.kind !== 'address') continue
      const stays = after.ingress.some(
        one => one.kind === 'address' && formatAddress(one.address) === formatAddress(element.address),
      )
      if (stays) continue
      expect(whyItMayGo(before, element.address), `${before.key} lost ${formatAddress(element.address)}`).not.toBe('')
    }
  }

  /** A reading of the rules that shares no code with keep.ts. */
  function whyItMayGo(one: Service, held: ReturnType<typeof address>): string {
    if (one.type !== 'LoadBalancer') return 'type'
    const home = world.pools.find(each =>
      each.ranges.some(range => range.family === held.family && range.first <= held.value && held.value <= range.last),
    )
    if (!home) return 'in no pool'
    if (!one.clusterIPFamilies.includes(held.family)) return 'family'
    if (one.ipFamilyPolicy === 'RequireDualStack' && one.ingress.length < 2) return 'half of two'
    if (one.request.problem === undefined) {
      if (one.request.pool !== undefined && one.request.pool !== home.name) return 'pool asked for'
      if (one.request.addresses.length > 0) {
        const asked = one.request.addresses.map(formatAddress).toSorted().join(' ')
        const has = one.ingress
          .map(each => (each.kind === 'address' ? formatAddress(each.address) : ''))
          .toSorted()
          .join(' ')
        if (asked !== has) return 'addresses asked for'
      }
    }
    for (const other of one.ingress) {
      if (other.kind !== 'address' || other.address === held) continue
      const otherHome = world.pools.find(each =>
        each.ranges.some(
          range =>
            range.family === other.address.family &&
            range.first <= other.address.value &&
            other.address.value <= range.last,
        ),
      )
      if (otherHome !== home) return 'the two are of different pools now'
    }
    for (const other of [...world.truth.values(), ...world.store.values()]) {
      if (
        other.key === one.key ||
        !other.ingress.some(
          each => each.kind === 'address' && each.address.value === held.value && each.address.family === held.family,
        )
      )
        continue
      if (!mayShare(claimOf(one), claimOf(other))) return 'held by another'
    }
    return ''
  }

  for (const step of commands) {
    world.clock++
    switch (step.kind) {
      case 'create': {
        const key = keyOf(step.name)
        if (world.truth.has(key)) break
        const version = String(++world.version)
        world.truth.set(key, {
          ...service(`s${step.name}`, { ...step.edit, uid: `u${version}`, creationTimestampMs: world.clock }),
          ...step.edit,
          resourceVersion: version,
        })
        break
      }
      case 'delete':
        world.truth.delete(keyOf(step.name))
        break
      case 'edit': {
        const before = world.truth.get(keyOf(step.name))
        // The API server itself empties the status of what is no load balancer any more.
        const emptied = step.edit.type === 'other' ? { ingress: [] } : {}
        if (before)
          world.truth.set(before.key, { ...before, ...step.edit, ...emptied, resourceVersion: String(++world.version) })
        break
      }
      case 'deliver':
        show(keyOf(step.name))
        break
      case 'work':
        if (work.has(keyOf(step.name))) write(keyOf(step.name), step.answerLost)
        break
      case 'pools':
        world.pools = poolSets[step.set] ?? []
        desk.setPools({ pools: world.pools, setAside: [] })
        desk.reviewAll()
        break
      case 'restart':
        desk = start()
        break
      case 'relist':
        for (const key of new Set([...world.truth.keys(), ...world.store.keys()])) show(key as ServiceKey)
        break
    }
  }

  // Peace: everything is shown, everything is written. Then nothing is left to do and all the rules hold.
  for (const key of new Set([...world.truth.keys(), ...world.store.keys()])) show(key as ServiceKey)
  desk.reviewAll()
  for (let round = 0; work.size > 0; round++) {
    expect(round, 'the controller never comes to rest').toBeLessThan(1_000)
    for (const key of work) {
      show(key)
      write(key, false)
    }
  }
  for (const key of world.truth.keys()) expect(desk.decide(key as ServiceKey)).toEqual([])
  const grantsBefore = picture(world)
  desk = start()
  expect(work.size, 'a restart leaves nothing to write').toBe(0)
  expect(picture(world)).toBe(grantsBefore)
  const services = [...world.truth.values()]
  expect(services.filter(one => one.type === 'other' && one.ingress.length > 0)).toEqual([])
  const pairs = services.flatMap(one =>
    services.filter(other => other.key > one.key).map(other => [one, other] as const),
  )
  const together = pairs.filter(([one, other]) => addressesOf(one).some(text => addressesOf(other).includes(text)))
  expect(together.filter(([one, other]) => !mayShare(claimOf(one), claimOf(other)))).toEqual([])
}

function addressesOf(one: Service): readonly string[] {
  return one.ingress.flatMap(element => (element.kind === 'address' ? [formatAddress(element.address)] : []))
}

function picture(world: World): string {
  return [...world.truth.keys()]
    .toSorted()
    .map(key => `${key}: ${shown(world.truth, key)}`)
    .join('\n')
}

describe('under any order of events, restarts, stale stores, lost and doubled events', () => {
  it('gives no address twice, moves nothing that is valid and comes to rest', () => {
    fc.assert(fc.property(fc.array(command, { minLength: 5, maxLength: 80 }), simulate), {
      numRuns: 1_500,
      interruptAfterTimeLimit: 12_000,
    })
  }, 30_000)
})
