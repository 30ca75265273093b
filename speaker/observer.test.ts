import { expect, test } from 'vitest'
import type { Member } from './layer2/membership.ts'
import { createObserver } from './observer.ts'
import { advertisement, endpointsOn, member, node, pool, service } from './test-values.ts'

const nodes = ['a', 'b', 'c']
const known = new Map(nodes.map(name => [name, member(name)]))
const alive = membersOf('a', 'b', 'c')

/** All three have a Lease; those that are not named are not heard any more. */
function membersOf(...heard: readonly string[]): ReadonlyMap<string, Member> {
  return new Map(nodes.map(name => [name, heard.includes(name) ? heardOf(name) : lost(name)]))
}

function heardOf(name: string): Member {
  return known.get(name) ?? member(name)
}

function lost(name: string): Member {
  return { ...heardOf(name), liveness: 'gone', unheard: true }
}

/** An observer of some Services, and how often it had to begin from the nodes and the configuration. */
function watching(): { readonly observer: ReturnType<typeof createObserver>; readonly begun: () => number } {
  let begun = 0
  const config = {
    pools: [pool('lan', '192.0.2.0/24')],
    layer2Advertisements: [advertisement('all')],
    bgpAdvertisements: [],
  }
  const services = [service('web', ['192.0.2.1']), service('mail', ['192.0.2.2']), service('pending', [])]
  const observer = createObserver({
    sources: {
      config() {
        begun++
        return config
      },
      nodes: { values: () => nodes.map(name => node(name)) },
      services: { values: () => services },
    },
    endpoints: { of: () => ready },
  })
  return { observer, begun: () => begun }
}

const ready = endpointsOn('a', 'b', 'c')
const candidates = (observed: ReturnType<ReturnType<typeof createObserver>['observe']>) =>
  observed.groups.map(({ key, candidates: { nodes: names } }) => [key, names])

test('what was prepared is what would be found out, and is not found out again', () => {
  const { observer, begun } = watching()
  observer.observe(alive)
  const prepared = observer.prepare(membersOf('a', 'b'))
  const observed = observer.observe(membersOf('a', 'b'))
  expect(begun()).toBe(2)
  expect(observed.groups).toEqual(prepared?.groups)
  expect(observed.groups[0]).toBe(prepared?.groups[0])
  expect(candidates(observed)).toEqual(candidates(watching().observer.observe(membersOf('a', 'b'))))
  expect(candidates(observed)[0]).toEqual(['192.0.2.1', ['a', 'b']])
})

test('what was prepared for others than there are is of no use', () => {
  const { observer } = watching()
  observer.observe(alive)
  observer.prepare(membersOf('a', 'b'))
  expect(candidates(observer.observe(membersOf('a', 'c')))[0]).toEqual(['192.0.2.1', ['a', 'c']])
  expect(candidates(observer.observe(alive))[0]).toEqual(['192.0.2.1', ['a', 'b', 'c']])
})

test('nothing is prepared twice, and what was is forgotten with the configuration', () => {
  const { observer, begun } = watching()
  observer.observe(alive)
  expect(observer.prepare(membersOf('a', 'b'))).toBeDefined()
  expect(observer.prepare(membersOf('a', 'b'))).toBeUndefined()
  observer.forget()
  observer.observe(membersOf('a', 'b'))
  expect(begun()).toBe(3)
})

test('one run after the other with the same members remembers what they mean', () => {
  const { observer, begun } = watching()
  const members = membersOf('a', 'b')
  observer.prepare(membersOf('a', 'b'))
  for (let run = 0; run < 3; run++) observer.observe(members)
  expect(begun()).toBe(1)
})

test('a preparation does not take the time of many runs', () => {
  const { observer, begun } = watching()
  observer.observe(alive)
  const prepared = [membersOf('a', 'b'), membersOf('a', 'c'), membersOf('b', 'c'), membersOf('a')].filter(members =>
    observer.prepare(members),
  )
  expect(prepared.length).toBeLessThan(4)
  expect(begun()).toBe(1 + prepared.length)
})
