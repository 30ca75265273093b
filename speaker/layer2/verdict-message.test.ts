import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeVerdicts, encodeVerdicts, isFresh, mostMissed, type VerdictMessage } from './verdict-message.ts'

const sign = (bytes: Uint8Array): Uint8Array => createHmac('sha256', 'key of the installation').update(bytes).digest()
const otherSign = (bytes: Uint8Array): Uint8Array => createHmac('sha256', 'another').update(bytes).digest()

const one = '00000000-0000-4000-8000-000000000001'
const two = '00000000-0000-4000-8000-000000000002'
const three = '12345678-9abc-4def-8123-456789abcdef'

const message: VerdictMessage = {
  kind: 'verdicts',
  sender: one,
  receiver: two,
  sequence: 2 ** 33 + 7,
  nonce: 0,
  missed: [three],
}

test('a message is these octets and its signature', () => {
  const bytes = encodeVerdicts(message, sign)
  expect(Buffer.from(bytes.subarray(0, 72)).toString('hex')).toBe(
    '42560100' +
      '00010000' +
      '0000000200000007' +
      '0000000000000000' +
      '00000000000040008000000000000001' +
      '00000000000040008000000000000002' +
      '123456789abc4def8123456789abcdef',
  )
  expect(bytes).toHaveLength(72 + 32)
  expect(decodeVerdicts(bytes, sign)).toEqual({ ok: true, value: message })
})

const run = fc.uuid()
const anyMessage: fc.Arbitrary<VerdictMessage> = fc.record({
  kind: fc.constantFrom('verdicts', 'question', 'answer', 'unable', 'farewell'),
  sender: run,
  receiver: run,
  sequence: fc.maxSafeNat(),
  nonce: fc.maxSafeNat(),
  missed: fc.array(run, { maxLength: mostMissed }),
})

test('whatever is encoded is decoded again, wherever in a buffer it lies', () => {
  fc.assert(
    fc.property(anyMessage, any => {
      const bytes = encodeVerdicts(any, sign)
      const inside = new Uint8Array(bytes.length + 3)
      inside.set(bytes, 3)
      expect(decodeVerdicts(inside.subarray(3), sign)).toEqual({ ok: true, value: any })
    }),
  )
})

test('no octets make the decoder throw, and none that were changed are believed', () => {
  const bytes = encodeVerdicts(message, sign)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), any => {
      expect(decodeVerdicts(any, sign).ok).toBe(false)
    }),
  )
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const forged = Uint8Array.from(bytes)
      forged[at] = (forged[at] ?? 0) ^ change
      expect(decodeVerdicts(forged, sign).ok).toBe(false)
    }),
  )
})

describe('a message is refused', () => {
  const signed = (body: Uint8Array): Uint8Array => Uint8Array.from([...body, ...sign(body)])
  const body = encodeVerdicts(message, sign).subarray(0, 72)
  const changed = (at: number, to: number): Uint8Array => signed(body.with(at, to))
  test.each([
    { situation: 'of another installation', bytes: encodeVerdicts(message, otherSign), problem: /signature/ },
    { situation: 'of another protocol', bytes: changed(0, 0x43), problem: /version/ },
    { situation: 'of another version', bytes: changed(2, 2), problem: /version/ },
    { situation: 'of an unknown kind', bytes: changed(3, 5), problem: /kind/ },
    { situation: 'that names more than it holds', bytes: changed(5, 2), problem: /do not fit/ },
    { situation: 'that holds more than it names', bytes: changed(5, 0), problem: /do not fit/ },
    { situation: 'with a sequence nobody can count', bytes: changed(8, 0x80), problem: /2\^53/ },
    { situation: 'that is cut off', bytes: encodeVerdicts(message, sign).subarray(0, 80), problem: /octets/ },
  ])('$situation', ({ bytes, problem }) => {
    const decoded = decodeVerdicts(bytes, sign)
    expect(decoded).toMatchObject({ ok: false, problem: expect.stringMatching(problem) })
  })
})

describe('a message is fresh', () => {
  test.each([
    { situation: 'the first of its sender', self: two, last: undefined, fresh: true },
    { situation: 'newer than the last', self: two, last: message.sequence - 1, fresh: true },
    { situation: 'not when it was seen before', self: two, last: message.sequence, fresh: false },
    { situation: 'not when it was for an earlier run of ours', self: three, last: undefined, fresh: false },
    { situation: 'not when we sent it ourselves', self: one, last: undefined, fresh: false },
  ])('$situation', ({ self, last, fresh }) => {
    expect(isFresh(message, { run: self }, last)).toBe(fresh)
  })
})

test('a run that is no UUID is a programming error', () => {
  expect(() => encodeVerdicts({ ...message, sender: 'a-run' }, sign)).toThrow(RangeError)
})
