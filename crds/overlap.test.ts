import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { AddressRange } from '../net/range.ts'
import { claim, noClaims } from './overlap.ts'

const small: fc.Arbitrary<AddressRange> = fc
  .record({ family: fc.constantFrom('IPv4' as const, 'IPv6' as const), start: fc.nat(60), size: fc.nat(20) })
  .map(({ family, start, size }) => ({ family, first: BigInt(start), last: BigInt(start + size) }))

function members(ranges: readonly AddressRange[]): string[] {
  return ranges.flatMap(({ family, first, last }) =>
    Array.from({ length: Number(last - first) + 1 }, (_, index) => `${family} ${first + BigInt(index)}`),
  )
}

test('each address goes to whoever claims it first, and the others hear who that was', () => {
  fc.assert(
    fc.property(fc.array(small, { maxLength: 12 }), ranges => {
      const claims = noClaims()
      const owners = new Map<string, string>()
      for (const [index, range] of ranges.entries()) {
        const { free, taken } = claim(claims, `claimer ${index}`, range)
        expect(members(free)).toEqual(members([range]).filter(address => !owners.has(address)))
        for (const { owner, range: part } of taken) {
          for (const address of members([part])) expect(owners.get(address)).toBe(owner)
        }
        expect(members([...free, ...taken.map(part => part.range)]).toSorted()).toEqual(members([range]).toSorted())
        for (const address of members(free)) owners.set(address, `claimer ${index}`)
      }
    }),
  )
})
