import { expect, test } from 'vitest'
import { labelValueOf, recordNameOf } from './record-metadata.ts'

test('what fits stays as it is', () => {
  expect(labelValueOf('node-1.example.org')).toBe('node-1.example.org')
  expect(labelValueOf('n'.repeat(63))).toBe('n'.repeat(63))
  expect(recordNameOf('n'.repeat(253))).toBe('n'.repeat(253))
})

test('what is too long fits, ends in letters or digits, and is told from others that begin alike', () => {
  const first = `${'n'.repeat(100)}.example.org`
  const second = `${'n'.repeat(100)}.example.net`
  expect(labelValueOf(first)).toMatch(/^n{54}-[0-9a-f]{8}$/)
  expect(labelValueOf(first)).not.toBe(labelValueOf(second))
  const name = `web-12345678.${'n'.repeat(253)}`
  expect(recordNameOf(name)).toHaveLength(253)
  expect(recordNameOf(name)).not.toBe(recordNameOf(`${name.slice(0, -1)}m`))
})

test('a name is not cut behind a dot, which no name may have beside a dash', () => {
  const name = `${'n'.repeat(243)}.${'m'.repeat(20)}`
  expect(recordNameOf(name)).toMatch(/^n{243}-[0-9a-f]{8}$/)
})
