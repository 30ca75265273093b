import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { hex } from '../../test/packets/bytes.ts'
import { goodAttributes, mpReach, oneRoute, updateBody, updateErrors } from '../../test/packets/update-errors.ts'
import { joinOctets } from './octets.ts'
import { decodeUpdate, type UpdateContext } from './update.ts'

const external: UpdateContext = { fourOctetAs: true, internal: false }

function outcomeOf(bytes: Uint8Array, context: UpdateContext): string {
  const decoded = decodeUpdate(bytes, context)
  if (!decoded.ok) return `${decoded.problem.code}/${decoded.problem.subcode}`
  const { update: value, problems } = decoded.value
  const gone =
    value.withdrawn.length +
    (value.attributes.mpUnreach?.kind === 'unicast' ? value.attributes.mpUnreach.withdrawn.length : 0)
  const here =
    value.nlri.length + (value.attributes.mpReach?.kind === 'unicast' ? value.attributes.mpReach.nlri.length : 0)
  const handling = problems.map(problem => `${problem.handling} ${problem.type}`).join(', ')
  return `${here} announced, ${gone} withdrawn${handling && `; ${handling}`}`
}

describe('an error in an UPDATE, by RFC 7606', () => {
  for (const { name, body, outcome, internal = false } of updateErrors) {
    test(name, () => expect(outcomeOf(body, { fourOctetAs: true, internal })).toBe(outcome))
  }

  test('the NOTIFICATION carries the attribute that caused it', () => {
    const decoded = decodeUpdate(updateBody(`${goodAttributes} 40 63 02 abcd`), external)
    expect(decoded).toEqual({ ok: false, problem: { code: 3, subcode: 2, data: hex('40 63 02 abcd') } })
  })
})

test('no bytes make the decoder throw, not even an UPDATE with one octet changed', () => {
  const whole = updateBody(`${mpReach} ${goodAttributes} 80 04 04 00000001 c0 08 04 00000001`, oneRoute, oneRoute)
  const damaged = fc
    .tuple(fc.nat(whole.length - 1), fc.nat(255), fc.nat(whole.length))
    .map(([index, octet, end]) => whole.with(index, octet).subarray(0, end))
  fc.assert(
    fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 200 })), fc.boolean(), (bytes, isInternal) => {
      const decoded = decodeUpdate(bytes, { fourOctetAs: true, internal: isInternal })
      expect(decoded.ok || decoded.problem.code === 3).toBe(true)
    }),
    { numRuns: 2000 },
  )
})

test('a thousand routes of junk in one message are read and leave nothing behind', () => {
  const nlri = joinOctets(Array.from({ length: 1000 }, (_, index) => Uint8Array.of(24, 10, index >> 8, index)))
  const decoded = decodeUpdate(joinOctets([updateBody(goodAttributes, ''), nlri]), external)
  expect(decoded.ok && decoded.value.update.nlri.length).toBe(1000)
})
