import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Layer2Advertisement } from '../../crds/config.ts'
import { advertisement, endpointsOn, labelled, node, service, survey } from '../test-values.ts'
import { groupsOf, offersAt, sharersOf } from './groups.ts'

const nodes = [node('a', { zone: 'east' }), node('b', { zone: 'east' }), node('c', { zone: 'west' })]

/** The groups of Services, each given as its addresses and the nodes with its endpoints (policy Local), if any are named. */
function groups(services: Readonly<Record<string, readonly [readonly string[], ...string[]]>>) {
  const where = survey({ nodes })
  return groupsOf(
    Object.entries(services).flatMap(([name, [addresses, ...local]]) => {
      const policy = local.length > 0 ? ({ externalTrafficPolicy: 'Local' } as const) : {}
      const result = where.advertisementsFor(
        service(name, addresses, policy),
        endpointsOn(...(local.length > 0 ? local : ['z'])),
      )
      return result ? [result] : []
    }),
  ).toSorted(byKey)
}

function byKey(one: { readonly key: string }, other: { readonly key: string }): number {
  return one.key < other.key ? -1 : 1
}

function names(group: ReturnType<typeof groups>[number] | undefined): string[] {
  return group?.members.map(member => member.service.name) ?? []
}

describe('Services', () => {
  test('with addresses of their own are groups of their own, hashed by their lowest address, IPv4 first', () => {
    const result = groups({ one: [['2001:db8::1', '192.0.2.9']], two: [['192.0.2.2']], three: [['2001:db8::3']] })
    expect(result.map(group => [group.key, ...names(group)])).toEqual([
      ['192.0.2.2', 'two'],
      ['192.0.2.9', 'one'],
      ['2001:db8::3', 'three'],
    ])
  })

  test('that share an address are one group, and so are those that hang together by others', () => {
    const result = groups({
      one: [['192.0.2.1']],
      two: [['192.0.2.2']],
      three: [['192.0.2.3']],
      link: [['192.0.2.1', '192.0.2.3']],
    })
    expect(result.map(names)).toEqual([['link', 'one', 'three'], ['two']])
  })
})

describe('who may have a group', () => {
  test('is every node that can announce all of it', () => {
    const [group] = groups({ one: [['192.0.2.1'], 'a', 'b'], two: [['192.0.2.1'], 'b', 'c'] })
    expect(group?.candidates.nodes).toEqual(['b'])
  })

  test('is whoever can announce the most of it, where nobody can announce all', () => {
    const [group] = groups({
      one: [['192.0.2.1'], 'a'],
      two: [['192.0.2.1'], 'a', 'b'],
      three: [['192.0.2.1'], 'c', 'b'],
    })
    expect(group?.candidates.nodes).toEqual(['a', 'b'])
    expect(offersAt(group ?? { key: '', members: [], candidates: { nodes: [], lesser: new Set() } }, 'a')).toEqual(
      new Map([
        ['shop/one', [{ address: '192.0.2.1', interfaces: 'all' }]],
        ['shop/three', []],
        ['shop/two', [{ address: '192.0.2.1', interfaces: 'all' }]],
      ]),
    )
  })

  test('is those of the highest preference; the others come after them', () => {
    const preferredNodeSelectors = [{ weight: 1, preference: labelled('zone', 'east') }]
    const where = survey({ nodes, advertisements: [advertisement('all', { preferredNodeSelectors })] })
    const result = where.advertisementsFor(service('web', ['192.0.2.1']), endpointsOn('z'))
    const [group] = groupsOf(result ? [result] : [])
    expect(group?.candidates).toEqual({ nodes: ['a', 'b'], lesser: new Set(['c']) })
  })
})

describe('a group is answered for by', () => {
  const shared = advertisement('shared', { loadSharing: 'perClient' })
  const sharers = (advertisements: readonly Layer2Advertisement[], ...addresses: readonly string[]) => {
    const result = survey({ nodes, advertisements }).advertisementsFor(service('web', addresses), endpointsOn('z'))
    const [group] = groupsOf(result ? [result] : [])
    return group && sharersOf(group)
  }

  test('one node, unless every advertisement says otherwise', () => {
    expect(sharers([advertisement('all')], '192.0.2.1')).toEqual([])
    expect(sharers([advertisement('all'), shared], '192.0.2.1')).toEqual([])
  })

  test('all nodes that are preferred alike, where they share the load', () => {
    const preferredNodeSelectors = [{ weight: 1, preference: labelled('zone', 'east') }]
    expect(sharers([shared], '192.0.2.1', '2001:db8::1')).toEqual(['a', 'b', 'c'])
    expect(sharers([{ ...shared, preferredNodeSelectors }], '192.0.2.1')).toEqual(['a', 'b'])
  })
})

test('every address is in exactly one group, whatever is shared and in whatever order', () => {
  const address = fc.integer({ min: 1, max: 12 }).map(last => `192.0.2.${last}`)
  const services = fc.array(fc.uniqueArray(address, { minLength: 1, maxLength: 3 }), { maxLength: 12 })
  fc.assert(
    fc.property(services, fc.infiniteStream(fc.nat()), (lists, chance) => {
      const where = survey({ nodes })
      const offered = lists.flatMap((addresses, index) => {
        const result = where.advertisementsFor(service(`s${index}`, addresses), endpointsOn('z'))
        return result ? [{ result, at: chance.next().value ?? 0 }] : []
      })
      const inOrder = groupsOf(offered.map(({ result }) => result)).toSorted(byKey)
      const shuffled = groupsOf(
        offered.toSorted((one, other) => one.at - other.at).map(({ result }) => result),
      ).toSorted(byKey)
      expect(shuffled).toEqual(inOrder)
      const homes = inOrder.map(
        group => new Set(group.members.flatMap(({ offers }) => offers.map(offer => offer.text))),
      )
      const all = homes.flatMap(home => [...home])
      expect(new Set(all).size).toBe(all.length)
      expect(new Set(all)).toEqual(new Set(lists.flat()))
      expect(inOrder.flatMap(names)).toHaveLength(lists.length)
    }),
  )
})
