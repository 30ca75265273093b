import { expect, test } from 'vitest'
import { linkTo, parseRoute } from './route.ts'
import { count, percent, share, since, spoken } from './words.ts'

test('counts are exact as long as anybody reads them', () => {
  expect([0, 1_234, '65536', 1n << 64n, (1n << 64n) - 3n].map(count)).toEqual([
    '0',
    '1,234',
    '65,536',
    '2^64',
    'about 2^64',
  ])
})

test('something is never nothing, and not all is never all', () => {
  expect([percent('0', '10'), percent('1', '65536'), percent('65535', '65536'), percent('4', '4')]).toEqual([
    '0%',
    '<1%',
    '>99%',
    '100%',
  ])
  expect(percent('1', String(1n << 64n))).toBe('<1%')
  expect(share('0', '0')).toBe(0)
})

test('times without a time are empty', () => {
  expect(since(undefined, 0)).toBe('')
  expect(since('2026-11-23T12:00:00Z', Date.parse('2026-11-23T12:05:00Z'))).toBe('5m')
})

test('reasons as words', () => {
  expect(['NoUsableEndpoints', 'AddressInUse', 'IPAllocated', 'BFDDown', 'ownerGone'].map(spoken)).toEqual([
    'No usable endpoints',
    'Address in use',
    'IP allocated',
    'BFD down',
    'Owner gone',
  ])
})

test('a place is what its link says, whatever its name', () => {
  for (const name of ['web', 'a/b', 'ä ö', '100%', '?x=1&y#z']) {
    expect(parseRoute(linkTo('pools', [name], { from: '::1', to: undefined }))).toEqual({
      view: 'pools',
      path: [name],
      query: { from: '::1' },
    })
  }
  expect(parseRoute('')).toEqual({ view: 'overview', path: [], query: {} })
  expect(linkTo('overview')).toBe('#/')
  expect(parseRoute('#/services/%zz').path).toEqual(['%zz'])
})
