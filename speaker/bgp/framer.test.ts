import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Frame, takeFrames } from './framer.ts'
import { encodeMessage, type Message } from './message.ts'
import { notification } from './notification.ts'
import { noOctets } from './octets.ts'

const fourOctetAs = { fourOctetAs: true }
const keepalive = encodeMessage({ kind: 'keepalive' }, fourOctetAs)

function withLength(length: number, type: number): Uint8Array {
  const octets = new Uint8Array(Math.max(length, 19)).fill(0)
  octets.fill(0xff, 0, 16)
  octets.set([length >> 8, length & 0xff, type], 16)
  return octets
}

test('messages come out as they went in, wherever the network cuts the stream', () => {
  const message = fc.oneof(
    fc.constant<Message>({ kind: 'keepalive' }),
    fc.record({ kind: fc.constant('routeRefresh' as const), afi: fc.nat(3), safi: fc.nat(3), subtype: fc.nat(2) }),
    fc
      .uint8Array({ maxLength: 4000 })
      .map((data): Message => ({ kind: 'notification', notification: notification('peerDeconfigured', data) })),
  )
  fc.assert(
    fc.property(fc.array(message, { maxLength: 6 }), fc.array(fc.integer({ min: 1, max: 5000 })), (messages, cuts) => {
      const encoded = messages.map(one => encodeMessage(one, fourOctetAs))
      const stream = Buffer.concat(encoded)
      const frames: Frame[] = []
      let rest = noOctets
      let offset = 0
      for (const cut of [...cuts, stream.length]) {
        const framed = takeFrames(rest, stream.subarray(offset, offset + cut))
        expect(framed.problem).toBeUndefined()
        frames.push(...framed.frames.map(({ kind, body }) => ({ kind, body: body.slice() })))
        ;({ rest } = framed)
        offset += cut
      }
      expect(rest.length).toBe(0)
      expect(frames).toEqual(encoded.map((octets, index) => ({ kind: messages[index]?.kind, body: octets.slice(19) })))
    }),
    { numRuns: 60 },
  )
})

test('no octets make it throw, and how they were cut decides nothing', () => {
  const good = encodeMessage({ kind: 'notification', notification: notification('peerDeconfigured') }, fourOctetAs)
  const junk = fc
    .tuple(fc.nat(3), fc.nat(good.length - 1), fc.nat(255), fc.uint8Array({ maxLength: 60 }))
    .map(([before, index, octet, after]) =>
      Buffer.concat([...Array.from({ length: before }, () => good), good.with(index, octet), after]),
    )
  fc.assert(
    fc.property(junk, fc.integer({ min: 1, max: 40 }), (stream, size) => {
      const whole = takeFrames(noOctets, stream)
      let rest = noOctets
      let count = 0
      for (let offset = 0; offset < stream.length; offset += size) {
        const framed = takeFrames(rest, stream.subarray(offset, offset + size))
        ;({ rest } = framed)
        count += framed.frames.length
        if (!framed.problem) continue
        expect(framed.problem).toEqual(whole.problem)
        break
      }
      expect([count, rest]).toEqual([whole.frames.length, whole.rest])
    }),
    { numRuns: 500 },
  )
})

test('one octet at a time works, and no more than one message is ever held', () => {
  const long = encodeMessage(
    { kind: 'notification', notification: notification('peerDeconfigured', new Uint8Array(4075)) },
    fourOctetAs,
  )
  expect(long.length).toBe(4096)
  let rest = noOctets
  let most = 0
  const bodies: number[] = []
  for (const octet of long) {
    const framed = takeFrames(rest, Uint8Array.of(octet))
    ;({ rest } = framed)
    most = Math.max(most, rest.length)
    bodies.push(...framed.frames.map(({ body }) => body.length))
  }
  expect([rest.length, most, ...bodies]).toEqual([0, 4095, 4077])
})

describe('a header that RFC 4271 §6.1 forbids', () => {
  const rows = [
    ['a marker with one bit missing', keepalive.with(7, 0xfe), 'connectionNotSynchronized', []],
    ['a length below the header', withLength(18, 4), 'badMessageLength', [0, 18]],
    ['a length of 4097', withLength(4097, 2), 'badMessageLength', [0x10, 0x01]],
    ['type 0', withLength(19, 0), 'badMessageType', [0]],
    ['type 6', withLength(19, 6), 'badMessageType', [6]],
    ['an OPEN of 28 octets', withLength(28, 1), 'badMessageLength', [0, 28]],
    ['an UPDATE of 22 octets', withLength(22, 2), 'badMessageLength', [0, 22]],
    ['a NOTIFICATION of 20 octets', withLength(20, 3), 'badMessageLength', [0, 20]],
    ['a KEEPALIVE of 20 octets', withLength(20, 4), 'badMessageLength', [0, 20]],
    ['a ROUTE-REFRESH of 22 octets', withLength(22, 5), 'badMessageLength', [0, 22]],
  ] as const
  for (const [name, octets, error, data] of rows) {
    test(`${name} is an error before its body arrives`, () => {
      const { frames, problem } = takeFrames(keepalive, octets.subarray(0, 19))
      expect(frames.map(({ kind }) => kind)).toEqual(['keepalive'])
      expect(problem).toEqual(notification(error, Uint8Array.from(data)))
    })
  }
})
