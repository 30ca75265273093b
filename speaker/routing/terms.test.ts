import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { BGPCommunity } from '../../crds/config.ts'
import { formatDisagreement, termsOf } from './terms.ts'
import { bgpAdvertisement } from './test-routing.ts'

const standard = (high: number, low: number): BGPCommunity => ({ kind: 'standard', high, low })
const large = (data2: number): BGPCommunity => ({ kind: 'large', globalAdministrator: 64512, data1: 1, data2 })

test('one advertisement says what stands in it', () => {
  const only = bgpAdvertisement('only', {
    localPref: 200,
    multiExitDisc: 7,
    asPathPrepend: 2,
    weightByEndpoints: true,
    communities: [standard(64512, 5), large(9)],
  })
  expect(termsOf([only])).toEqual({
    localPref: 200,
    multiExitDisc: 7,
    prepend: 2,
    communities: [64512 * 65536 + 5],
    largeCommunities: [{ globalAdministrator: 64512, data1: 1, data2: 9 }],
    weightByEndpoints: true,
    disagreements: [],
  })
})

test('communities of several add up, each once, in the order of their numbers', () => {
  const terms = termsOf([
    bgpAdvertisement('b', { communities: [standard(2, 2), standard(1, 1), large(3)] }),
    bgpAdvertisement('a', { communities: [standard(1, 1), large(3), large(1), standard(0, 9)] }),
  ])
  expect(terms.communities).toEqual([9, 65537, 131074])
  expect(terms.largeCommunities.map(({ data2 }) => data2)).toEqual([1, 3])
  expect(terms.disagreements).toEqual([])
})

describe('where they differ, the path is as good as the best that is asked for', () => {
  test.each([
    { situation: 'the highest localPref', field: 'localPref', values: [150, 200], granted: 200 },
    {
      situation: 'an unset localPref, which is 100, over a lower one',
      field: 'localPref',
      values: [50, undefined],
      granted: undefined,
    },
    { situation: 'a localPref over one that is unset', field: 'localPref', values: [101, undefined], granted: 101 },
    { situation: 'the lowest MED', field: 'multiExitDisc', values: [30, 20], granted: 20 },
    { situation: 'no MED, which is 0, over any', field: 'multiExitDisc', values: [20, undefined], granted: undefined },
    { situation: 'the fewest prepends', field: 'asPathPrepend', values: [3, 1], granted: 1 },
  ] as const)('$situation', ({ field, values, granted }) => {
    const asked = values.map((value, index) => bgpAdvertisement(`ad${index}`, { [field]: value }))
    const terms = termsOf(asked)
    expect({ ...terms, asPathPrepend: terms.prepend }[field]).toBe(granted)
    expect(terms.disagreements).toEqual([
      {
        field: field === 'multiExitDisc' ? 'med' : field,
        granted,
        wishes: values.map((value, index) => ({ advertisement: `ad${index}`, value })),
      },
    ])
  })
})

test('what is unset agrees with what says the same, and what is said outright goes on the wire', () => {
  const terms = termsOf([
    bgpAdvertisement('silent'),
    bgpAdvertisement('outright', { localPref: 100, multiExitDisc: 0 }),
  ])
  expect(terms).toMatchObject({ localPref: 100, multiExitDisc: 0, disagreements: [] })
})

test('one that wants shares by endpoints is enough', () => {
  expect(termsOf([bgpAdvertisement('a'), bgpAdvertisement('b', { weightByEndpoints: true })]).weightByEndpoints).toBe(
    true,
  )
})

test('a disagreement says who asks for what, and what comes of it', () => {
  const [disagreement] = termsOf([
    bgpAdvertisement('silver'),
    bgpAdvertisement('gold', { localPref: 200 }),
    bgpAdvertisement('plate', { localPref: 200 }),
  ]).disagreements
  expect(disagreement && formatDisagreement(disagreement)).toBe(
    'BGPAdvertisements give it different localPref: 200 (gold, plate) and unset (silver); 200 is used',
  )
})

test('the order of advertisements does not matter', () => {
  const some = fc.uniqueArray(
    fc.record({
      name: fc.constantFrom('a', 'b', 'c', 'd'),
      localPref: fc.option(fc.constantFrom(50, 100, 150), { nil: undefined }),
      multiExitDisc: fc.option(fc.constantFrom(0, 5), { nil: undefined }),
      asPathPrepend: fc.constantFrom(0, 1),
      weightByEndpoints: fc.boolean(),
      communities: fc.array(fc.constantFrom(standard(1, 1), standard(0, 2), large(1), large(2))),
    }),
    { minLength: 1, selector: ({ name }) => name },
  )
  fc.assert(
    fc.property(some, list => {
      const asked = list.map(one => bgpAdvertisement(one.name, one))
      expect(termsOf([...asked].reverse())).toEqual(termsOf(asked))
    }),
  )
})
