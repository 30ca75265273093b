import { describe, expect, test } from 'vitest'
import { formatSelector, matches, matchesAny, type SelectorRequirement } from './selector.ts'

const rows: readonly {
  requirement: SelectorRequirement
  labels: Record<string, string>
  holds: boolean
  text: string
}[] = [
  { requirement: { operator: 'In', key: 'zone', values: ['a'] }, labels: { zone: 'a' }, holds: true, text: 'zone=a' },
  {
    requirement: { operator: 'In', key: 'zone', values: ['a', 'b'] },
    labels: { zone: 'c' },
    holds: false,
    text: 'zone in (a,b)',
  },
  { requirement: { operator: 'In', key: 'zone', values: ['a'] }, labels: {}, holds: false, text: 'zone=a' },
  { requirement: { operator: 'NotIn', key: 'zone', values: ['a'] }, labels: {}, holds: true, text: 'zone notin (a)' },
  {
    requirement: { operator: 'NotIn', key: 'zone', values: ['a'] },
    labels: { zone: 'a' },
    holds: false,
    text: 'zone notin (a)',
  },
  { requirement: { operator: 'Exists', key: 'zone' }, labels: { zone: '' }, holds: true, text: 'zone' },
  { requirement: { operator: 'Exists', key: 'toString' }, labels: {}, holds: false, text: 'toString' },
  { requirement: { operator: 'DoesNotExist', key: 'zone' }, labels: { zone: 'a' }, holds: false, text: '!zone' },
  { requirement: { operator: 'DoesNotExist', key: 'zone' }, labels: {}, holds: true, text: '!zone' },
]

describe('a requirement', () => {
  for (const { requirement, labels, holds, text } of rows) {
    test(`${text} ${holds ? 'holds' : 'fails'} for ${JSON.stringify(labels)}`, () => {
      expect(matches({ requirements: [requirement] }, labels)).toBe(holds)
      expect(formatSelector({ requirements: [requirement] })).toBe(text)
    })
  }
})

test('every requirement must hold, and one selector of several is enough', () => {
  const inA: SelectorRequirement = { operator: 'In', key: 'zone', values: ['a'] }
  const large: SelectorRequirement = { operator: 'Exists', key: 'large' }
  expect(matches({ requirements: [inA, large] }, { zone: 'a' })).toBe(false)
  expect(matchesAny([{ requirements: [inA] }, { requirements: [large] }], { zone: 'a' })).toBe(true)
  expect(formatSelector({ requirements: [inA, large] })).toBe('zone=a,large')
})

test('a selector without requirements matches everything, a list without selectors nothing', () => {
  expect(matches({ requirements: [] }, {})).toBe(true)
  expect(formatSelector({ requirements: [] })).toBe('everything')
  expect(matchesAny([], { zone: 'a' })).toBe(false)
})
