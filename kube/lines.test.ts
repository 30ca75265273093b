import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createLineSplitter } from './lines.ts'

describe('lines of a watch', () => {
  it('come out whole wherever the bytes are cut, also within a character', () => {
    const line = fc.string({ unit: 'binary', minLength: 1 }).map(text => text.replaceAll('\n', ' '))
    fc.assert(
      fc.property(fc.array(line), fc.array(fc.nat(400)), (lines, cuts) => {
        const bytes = Buffer.from(lines.map(text => `${text}\n`).join(''))
        const expected = bytes.toString('utf8').split('\n').slice(0, -1)
        const split = createLineSplitter()
        const got: string[] = []
        let start = 0
        for (const cut of [...cuts.sort((one, other) => one - other), bytes.length]) {
          const end = Math.min(Math.max(cut, start), bytes.length)
          got.push(...split(bytes.subarray(start, end)))
          start = end
        }
        expect(got).toEqual(expected)
      }),
    )
  })

  it('are refused where one is longer than any object can be', () => {
    const split = createLineSplitter(8)
    expect(split(Buffer.from('1234\n5678'))).toEqual(['1234'])
    expect(() => split(Buffer.from('90123'))).toThrow(/longer than 8 bytes/)
  })
})
