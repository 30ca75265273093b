import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Conflict, goesBefore, judgeConflict } from './conflict.ts'

const [high, low] = goesBefore('a', 'b', '192.0.2.1') ? ['a', 'b'] : ['b', 'a']
const base: Conflict = {
  self: high,
  address: '192.0.2.1',
  other: low,
  claimant: undefined,
  cutOff: false,
  defendedAtMs: undefined,
}

test.each([
  { situation: 'a stranger', more: { other: undefined, claimant: 'c' }, verdict: 'defend' },
  { situation: 'a stranger, soon after the last time', more: { other: undefined, defendedAtMs: 1 }, verdict: 'endure' },
  { situation: 'a stranger, ten seconds later', more: { other: undefined, defendedAtMs: -9_000 }, verdict: 'defend' },
  {
    situation: 'a speaker, and the record names us',
    more: { self: low, other: high, claimant: low },
    verdict: 'defend',
  },
  { situation: 'a speaker, and the record names it', more: { claimant: low }, verdict: 'yield' },
  { situation: 'a speaker that scores lower', more: { claimant: 'c' }, verdict: 'defend' },
  { situation: 'a speaker that scores higher', more: { self: low, other: high, claimant: 'c' }, verdict: 'yield' },
  { situation: 'a speaker that insists', more: { claimant: high, defendedAtMs: 1 }, verdict: 'endure' },
  { situation: 'a speaker that goes on insisting', more: { claimant: high, defendedAtMs: -600 }, verdict: 'defend' },
  {
    situation: 'a speaker that insists while we are cut off',
    more: { claimant: high, defendedAtMs: 1, cutOff: true },
    verdict: 'yield',
  },
] as const)('$situation claims what we answer for: $verdict', ({ more, verdict }) => {
  expect(judgeConflict({ ...base, ...more }, 1_000)).toBe(verdict)
})

test('of two speakers that know the same exactly one goes before the other', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.string(), (one, other, address) => {
      fc.pre(one !== other)
      expect(goesBefore(one, other, address)).toBe(!goesBefore(other, one, address))
    }),
  )
})
