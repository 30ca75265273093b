import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createDesk } from '../controller/desk.ts'
import type { LedgerView } from '../controller/ledger.ts'
import { address, pool, service, shows } from '../controller/test-values.ts'
import type { Service } from '../kube/service.ts'
import { type Adoption, adopt, type Claims } from './adoption.ts'

const nowMs = 1_700_000_900_000
const mapOf = (...services: readonly Service[]) => new Map(services.map(one => [one.key, one]))
const claims = (services: Claims['services'], changes: Partial<Claims> = {}): Claims => ({
  services,
  loadBalancerClass: undefined,
  book: { pools: [pool('public', ['192.0.2.0/30', '2001:db8::/126'])], setAside: [] },
  labelsByNamespace: new Map([['default', {}]]),
  conflicts: [],
  ...changes,
})

/** What the controller's own desk takes over. */
function deskOf({ services, loadBalancerClass, book, labelsByNamespace, conflicts }: Claims, atMs: number): LedgerView {
  const all = { get: (key: string) => services.get(key), values: () => services.values() }
  const desk = createDesk({ services: all, loadBalancerClass, now: () => atMs, onWork: () => {} })
  for (const [name, labels] of labelsByNamespace) desk.setNamespace(name, labels)
  desk.setPools(book)
  desk.recall(conflicts)
  desk.adopt()
  return desk.ledger
}

const texts = ['192.0.2.0', '192.0.2.1', '192.0.2.2', '192.0.2.9', '2001:db8::1', '2001:db8::2']

/** All that can be asked of a ledger about these Services and addresses. */
function saidBy(ledger: LedgerView, names: readonly string[]): object {
  return {
    grants: names.map(name => ledger.grantOf(`default/${name}`)),
    holders: texts.map(text => ledger.holdersOf(address(text)).map(({ service }) => service)),
    conflicts: texts.map(text => ledger.conflictAt(address(text))),
    usage: (['IPv4', 'IPv6'] as const).map(family => ledger.usage('public', family)),
  }
}

describe('taking over what Services show', () => {
  test('goes on from the ledger of the last time where one Service has changed', () => {
    const [one, two] = [service('one', { ingress: shows('192.0.2.0') }), service('two')]
    const before = adopt(claims(mapOf(one, two)), nowMs)
    const after = adopt(claims(mapOf(one, { ...two, ingress: shows('192.0.2.1') })), nowMs, before)
    expect(after.ledger).toBe(before.ledger)
    expect(after.ledger.grantOf('default/two')?.addresses).toEqual([address('192.0.2.1')])
  })

  test('lets two Services change places', () => {
    const [one, two] = [
      service('one', { ingress: shows('192.0.2.0') }),
      service('two', { ingress: shows('192.0.2.1') }),
    ]
    const before = adopt(claims(mapOf(one, two)), nowMs)
    const changed = mapOf({ ...one, ingress: two.ingress }, { ...two, ingress: one.ingress })
    const after = adopt(claims(changed), nowMs, before)
    expect(after.ledger).toBe(before.ledger)
    expect(after.ledger.holdersOf(address('192.0.2.0')).map(({ service }) => service)).toEqual(['default/two'])
  })

  test.each([
    { what: 'a pool is edited', changes: { book: { pools: [], setAside: [] } } },
    { what: 'a namespace is labelled', changes: { labelsByNamespace: new Map([['default', { team: 'a' }]]) } },
    { what: 'another class is served', changes: { loadBalancerClass: 'other' } },
  ])('begins anew when $what', ({ changes }) => {
    const services = mapOf(service('one', { ingress: shows('192.0.2.0') }))
    const before = adopt(claims(services), nowMs)
    expect(adopt(claims(services, changes), nowMs, before).ledger).not.toBe(before.ledger)
  })

  test('gives an address that two show to the older one, whichever came to show it first', () => {
    const younger = service('younger', { creationTimestampMs: 2, ingress: shows('192.0.2.0') })
    const older = service('older', { creationTimestampMs: 1 })
    const before = adopt(claims(mapOf(younger, older)), nowMs)
    const after = adopt(claims(mapOf(younger, { ...older, ingress: younger.ingress })), nowMs, before)
    expect(after.ledger.holdersOf(address('192.0.2.0')).map(({ service }) => service)).toEqual(['default/older'])
    // Who lost it gets it back when the other is gone.
    const last = adopt(claims(mapOf(younger)), nowMs, after)
    expect(last.ledger.holdersOf(address('192.0.2.0')).map(({ service }) => service)).toEqual(['default/younger'])
  })
})

test('a Service that must have two addresses and has lost one keeps the other as long as its pool has one more', () => {
  const both = service('both', {
    creationTimestampMs: 1_800_000_000_000,
    clusterIPFamilies: ['IPv4', 'IPv6'],
    ipFamilyPolicy: 'RequireDualStack',
    ingress: shows('198.51.100.1', '2001:db8::1'),
    allocatedFromPool: 'public',
  })
  const all = [0, 1, 2, 3].map(last => service(`s${last}`, { ingress: shows(`192.0.2.${last}`) }))
  const before = adopt(claims(mapOf(both, ...all.slice(1))), nowMs)
  expect(before.ledger.grantOf('default/both')?.addresses).toEqual([address('2001:db8::1')])
  expect(adopt(claims(mapOf(both, ...all)), nowMs, before).ledger.grantOf('default/both')).toBeUndefined()
})

const names = ['a', 'b', 'c', 'd']
const oneService = fc
  .record({
    name: fc.constantFrom(...names),
    exists: fc.boolean(),
    shown: fc.uniqueArray(fc.constantFrom(...texts), { maxLength: 2 }),
    age: fc.integer({ min: 1, max: 3 }),
    dual: fc.constantFrom('SingleStack' as const, 'PreferDualStack' as const, 'RequireDualStack' as const),
    sharingKey: fc.constantFrom(undefined, 'key'),
    port: fc.integer({ min: 1, max: 2 }),
    other: fc.boolean(),
  })
  .map(({ name, exists, shown, age, dual, sharingKey, port, other }) => {
    const made = service(name, {
      creationTimestampMs: age,
      ingress: shows(...shown),
      clusterIPFamilies: dual === 'SingleStack' ? ['IPv4'] : ['IPv4', 'IPv6'],
      ipFamilyPolicy: dual,
      ports: [{ protocol: 'TCP', port }],
      loadBalancerClass: other ? 'other' : undefined,
      request: { sharingKey },
    })
    return { name, made: exists ? made : undefined }
  })
interface Rules {
  readonly ranges: readonly string[]
  readonly conflict: string | undefined
  readonly afterMs: number
}
const rules: fc.Arbitrary<Rules> = fc.record({
  ranges: fc.constantFrom(['192.0.2.0/30', '2001:db8::/126'], ['192.0.2.0/31', '2001:db8::1-2001:db8::1']),
  conflict: fc.constantFrom(undefined, '192.0.2.0', '192.0.2.2'),
  afterMs: fc.constantFrom(0, 700_000),
})
const step = fc.record({ edits: fc.array(oneService, { maxLength: 3 }), rules: fc.option(rules, { freq: 4 }) })

test('whatever changes, look after look, the ledger is the one that the controller would begin with', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), steps => {
      const services = new Map<string, Service>()
      let current: Rules = {
        ranges: ['192.0.2.0/30', '2001:db8::/126'],
        conflict: undefined,
        afterMs: 0,
      }
      let last: Adoption | undefined
      for (const { edits, rules } of steps) {
        for (const { name, made } of edits) {
          if (made) services.set(`default/${name}`, made)
          else services.delete(`default/${name}`)
        }
        current = rules ?? current
        const conflicts = current.conflict
          ? [
              {
                address: address(current.conflict),
                mac: '02:00:00:00:00:01',
                interface: 'eth0',
                seenAtMs: nowMs,
              },
            ]
          : []
        const pools = [pool('public', current.ranges, { avoidConflicts: true })]
        const all = claims(new Map(services), { book: { pools, setAside: [] }, conflicts })
        last = adopt(all, nowMs + current.afterMs, last)
        expect(saidBy(last.ledger, names)).toEqual(saidBy(deskOf(all, nowMs + current.afterMs), names))
      }
    }),
    { numRuns: 300 },
  )
})
