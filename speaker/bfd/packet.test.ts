import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { hex, shifted } from '../../test/packets/bytes.ts'
import {
  type Authentication,
  type ControlPacket,
  type DigestKind,
  decodeControlPacket,
  digestKinds,
  encodeControlPacket,
  formatDiagnostic,
  sessionStates,
} from './packet.ts'

const down: ControlPacket = {
  diagnostic: 0,
  state: 'Down',
  poll: false,
  final: false,
  controlPlaneIndependent: false,
  demand: false,
  detectMult: 3,
  myDiscriminator: 0x01020304,
  yourDiscriminator: 0,
  desiredMinTxInterval: 1_000_000,
  requiredMinRxInterval: 50_000,
  requiredMinEchoRxInterval: 0,
  authentication: undefined,
}
const up: ControlPacket = { ...down, state: 'Up', yourDiscriminator: 0xfffefdfc, desiredMinTxInterval: 50_000 }

const rows: readonly { name: string; packet: ControlPacket; bytes: Uint8Array }[] = [
  {
    name: 'the first packet of an active system',
    packet: down,
    bytes: hex('20 40 03 18  01020304 00000000  000f4240 0000c350 00000000'),
  },
  {
    name: 'Up, with a poll',
    packet: { ...up, poll: true },
    bytes: hex('20 e0 03 18  01020304 fffefdfc  0000c350 0000c350 00000000'),
  },
  {
    name: 'the final of a session that has lost its neighbour',
    packet: { ...down, diagnostic: 1, final: true },
    bytes: hex('21 50 03 18  01020304 00000000  000f4240 0000c350 00000000'),
  },
  {
    name: 'AdminDown, with every other bit',
    packet: { ...down, state: 'AdminDown', diagnostic: 7, controlPlaneIndependent: true, demand: true },
    bytes: hex('27 0a 03 18  01020304 00000000  000f4240 0000c350 00000000'),
  },
  {
    name: 'a diagnostic that has no name, and the greatest of all numbers',
    packet: {
      ...up,
      diagnostic: 31,
      detectMult: 255,
      desiredMinTxInterval: 0xffffffff,
      requiredMinRxInterval: 0,
      requiredMinEchoRxInterval: 0xffffffff,
    },
    bytes: hex('3f c0 ff 18  01020304 fffefdfc  ffffffff 00000000 ffffffff'),
  },
  {
    name: 'a password',
    packet: { ...up, authentication: { kind: 'simplePassword', keyId: 9, password: hex('6869') } },
    bytes: hex('20 c4 03 1d  01020304 fffefdfc  0000c350 0000c350 00000000  01 05 09 6869'),
  },
  ...(['keyedMd5', 'meticulousKeyedMd5'] as const).map((kind, index) => ({
    name: kind,
    packet: {
      ...up,
      authentication: { kind, keyId: 7, sequenceNumber: 0x80000001, digest: new Uint8Array(16).fill(0xab) },
    },
    bytes: hex(
      `20 c4 03 30  01020304 fffefdfc  0000c350 0000c350 00000000  0${2 + index} 18 07 00 80000001 ${'ab'.repeat(16)}`,
    ),
  })),
  ...(['keyedSha1', 'meticulousKeyedSha1'] as const).map((kind, index) => ({
    name: kind,
    packet: {
      ...up,
      authentication: { kind, keyId: 255, sequenceNumber: 1, digest: new Uint8Array(20).fill(0xcd) },
    },
    bytes: hex(
      `20 c4 03 34  01020304 fffefdfc  0000c350 0000c350 00000000  0${4 + index} 1c ff 00 00000001 ${'cd'.repeat(20)}`,
    ),
  })),
  {
    name: 'an authentication of another day',
    packet: { ...up, authentication: { kind: 'unknown', type: 77, data: hex('010203') } },
    bytes: hex('20 c4 03 1d  01020304 fffefdfc  0000c350 0000c350 00000000  4d 05 010203'),
  },
]

describe('BFD packets', () => {
  test.each(rows)('$name: the same in values and in bytes', ({ packet, bytes }) => {
    expect(encodeControlPacket(packet)).toEqual(bytes)
    expect(decodeControlPacket(shifted(bytes))).toEqual({ ok: true, value: packet })
  })

  test('padding behind a packet, which finds the path’s MTU, is nobody’s business (RFC 9764)', () => {
    for (const { packet, bytes } of rows) {
      const padded = new Uint8Array(200).fill(0x55)
      padded.set(bytes)
      expect(decodeControlPacket(padded)).toEqual({ ok: true, value: packet })
    }
  })

  const rest = '01020304 fffefdfc  0000c350 0000c350 00000000'
  test.each([
    { name: 'nothing', bytes: '', problem: '1 octets wanted at offset 0, 0 left' },
    { name: 'version 0', bytes: `00 c0 03 18 ${rest}`, problem: 'version 0, not 1' },
    { name: 'version 2', bytes: `40 c0 03 18 ${rest}`, problem: 'version 2, not 1' },
    { name: 'a length below the smallest', bytes: `20 c0 03 17 ${rest}`, problem: 'a length of 23' },
    { name: 'a length that leaves no room', bytes: `20 c4 03 19 ${rest} 01`, problem: 'a length of 25' },
    { name: 'a length beyond the datagram', bytes: `20 c0 03 19 ${rest}`, problem: 'a length of 25 in 24 octets' },
    { name: 'detect mult 0', bytes: `20 c0 00 18 ${rest}`, problem: 'a detect mult of 0' },
    { name: 'multipoint', bytes: `20 c1 03 18 ${rest}`, problem: 'the multipoint bit' },
    { name: 'poll and final', bytes: `20 f0 03 18 ${rest}`, problem: 'poll and final at once' },
    {
      name: 'my discriminator 0',
      bytes: '20 c0 03 18 00000000 fffefdfc 0000c350 0000c350 00000000',
      problem: 'my discriminator 0',
    },
    {
      name: 'Up without saying with whom',
      bytes: '20 c0 03 18 01020304 00000000 0000c350 0000c350 00000000',
      problem: 'your discriminator 0 in state Up',
    },
    {
      name: 'Init without saying with whom',
      bytes: '20 80 03 18 01020304 00000000 0000c350 0000c350 00000000',
      problem: 'your discriminator 0 in state Init',
    },
    {
      name: 'a section longer than the packet',
      bytes: `20 c4 03 1d ${rest} 01 06 09 6869 00`,
      problem: 'an authentication section of 6 octets in 5',
    },
    {
      name: 'a section of no length',
      bytes: `20 c4 03 1d ${rest} 01 00 09 6869`,
      problem: 'an authentication section of 0 octets in 5',
    },
    { name: 'an empty password', bytes: `20 c4 03 1b ${rest} 01 03 09`, problem: 'a password of 0 octets' },
    {
      name: 'a password of 17 octets',
      bytes: `20 c4 03 2c ${rest} 01 14 09 ${'61'.repeat(17)}`,
      problem: 'a password of 17 octets',
    },
    {
      name: 'SHA1 in the length of MD5',
      bytes: `20 c4 03 30 ${rest} 04 18 07 00 00000001 ${'ab'.repeat(16)}`,
      problem: 'an authentication section of 24 octets for keyedSha1',
    },
  ])('a problem: $name', ({ bytes, problem }) => {
    expect(decodeControlPacket(shifted(hex(bytes)))).toEqual({ ok: false, problem })
  })

  test('no bytes make the decoder throw, and what it accepts it would write so', () => {
    const head = fc
      .record({ first: fc.constantFrom(0x20, 0x27), flags: fc.nat(255), length: fc.constantFrom(24, 29, 48, 52) })
      .map(({ first, flags, length }) => Uint8Array.of(first, flags, 3, length))
    const anyBytes = fc.oneof(
      fc.uint8Array({ maxLength: 80 }),
      fc
        .tuple(head, fc.uint8Array({ minLength: 20, maxLength: 60 }))
        .map(([start, rest]) => Uint8Array.of(...start, ...rest)),
    )
    fc.assert(
      fc.property(anyBytes, bytes => {
        const decoded = decodeControlPacket(shifted(bytes))
        if (!decoded.ok) return
        const again = decodeControlPacket(encodeControlPacket(decoded.value))
        expect(again).toEqual(decoded)
      }),
    )
  })

  test('what is encoded is decoded', () => {
    fc.assert(
      fc.property(anyPacket, packet => {
        expect(decodeControlPacket(shifted(encodeControlPacket(packet)))).toEqual({ ok: true, value: packet })
      }),
    )
  })
})

const uint32 = fc.integer({ min: 0, max: 0xffffffff })
const octets = (minLength: number, maxLength: number) => fc.uint8Array({ minLength, maxLength })
const anyAuthentication: fc.Arbitrary<Authentication> = fc.oneof(
  fc.record({ kind: fc.constant('simplePassword' as const), keyId: fc.nat(255), password: octets(1, 16) }),
  fc.record({ kind: fc.constant('unknown' as const), type: fc.integer({ min: 6, max: 255 }), data: octets(1, 100) }),
  fc.constantFrom(...(Object.keys(digestKinds) as DigestKind[])).chain(kind => {
    const { size } = digestKinds[kind]
    return fc.record({
      kind: fc.constant(kind),
      keyId: fc.nat(255),
      sequenceNumber: uint32,
      digest: octets(size, size),
    })
  }),
)
const anyPacket: fc.Arbitrary<ControlPacket> = fc
  .record({
    diagnostic: fc.nat(31),
    state: fc.constantFrom(...sessionStates),
    answer: fc.constantFrom({ poll: true, final: false }, { poll: false, final: true }, { poll: false, final: false }),
    controlPlaneIndependent: fc.boolean(),
    demand: fc.boolean(),
    detectMult: fc.integer({ min: 1, max: 255 }),
    myDiscriminator: fc.integer({ min: 1, max: 0xffffffff }),
    yourDiscriminator: fc.integer({ min: 1, max: 0xffffffff }),
    desiredMinTxInterval: uint32,
    requiredMinRxInterval: uint32,
    requiredMinEchoRxInterval: uint32,
    authentication: fc.option(anyAuthentication, { nil: undefined }),
  })
  .map(({ answer, ...packet }) => ({ ...packet, ...answer }))

test.each([
  [0, 'none'],
  [1, 'control detection time expired'],
  [8, 'reverse concatenated path down'],
  [30, 'diagnostic 30'],
])('diagnostic %i is for people: %s', (diagnostic, words) => {
  expect(formatDiagnostic(diagnostic)).toBe(words)
})
