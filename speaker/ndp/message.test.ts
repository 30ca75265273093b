import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Address } from '../../net/address.ts'
import { hex, shifted } from '../../test/packets/bytes.ts'
import { golden } from '../../test/packets/pcap.ts'
import { ip, mac } from '../../test/packets/values.ts'
import { icmpv6Checksum } from './ipv6.ts'
import {
  allNodes,
  decodeNeighborPacket,
  encodeNeighborPacket,
  type NeighborMessage,
  type NeighborPacket,
  solicitedNodeGroup,
} from './message.ts'
import type { NdpOption } from './option.ts'

const client = ip('2001:db8:0:2::2')
const target = ip('2001:db8:0:2::50')

const rows: readonly { name: string; packet: NeighborPacket; bytes: Uint8Array }[] = [
  {
    name: 'solicitation to the solicited-node group',
    packet: {
      source: client,
      destination: ip('ff02::1:ff00:50'),
      message: {
        kind: 'solicitation',
        targetAddress: target,
        options: [{ kind: 'sourceLinkLayerAddress', mac: mac('02:00:00:00:00:02') }],
      },
    },
    bytes: hex(`60000000 0020 3a ff  20010db8000000020000000000000002 ff0200000000000000000001ff000050
      87 00 1b85 00000000  20010db8000000020000000000000050  01 01 020000000002`),
  },
  {
    name: 'probe of Duplicate Address Detection',
    packet: {
      source: ip('::'),
      destination: ip('ff02::1:ff00:50'),
      message: { kind: 'solicitation', targetAddress: target, options: [] },
    },
    bytes: hex(`60000000 0018 3a ff  00000000000000000000000000000000 ff0200000000000000000001ff000050
      87 00 4c4d 00000000  20010db8000000020000000000000050`),
  },
  {
    name: 'solicited advertisement',
    packet: {
      source: target,
      destination: client,
      message: {
        kind: 'advertisement',
        router: false,
        solicited: true,
        override: true,
        targetAddress: target,
        options: [{ kind: 'targetLinkLayerAddress', mac: mac('02:00:00:00:00:01') }],
      },
    },
    bytes: hex(`60000000 0020 3a ff  20010db8000000020000000000000050 20010db8000000020000000000000002
      88 00 89cf 60000000  20010db8000000020000000000000050  02 01 020000000001`),
  },
  {
    name: 'unsolicited advertisement of a router, with an option that nobody here knows',
    packet: {
      source: target,
      destination: allNodes,
      message: {
        kind: 'advertisement',
        router: true,
        solicited: false,
        override: false,
        targetAddress: target,
        options: [{ kind: 'other', type: 14, value: hex('010203040506') }],
      },
    },
    bytes: hex(`60000000 0020 3a ff  20010db8000000020000000000000050 ff020000000000000000000000000001
      88 00 857d 80000000  20010db8000000020000000000000050  0e 01 010203040506`),
  },
]

/** A right packet with some octets changed and, unless the change is about it, its checksum put right. */
function forged(change: (bytes: Uint8Array) => void, options: { keepChecksum?: boolean } = {}): Uint8Array {
  const bytes = Uint8Array.from(rows[0]?.bytes ?? [])
  change(bytes)
  if (!options.keepChecksum) {
    bytes.set([0, 0], 42)
    new DataView(bytes.buffer).setUint16(42, icmpv6Checksum(bytes))
  }
  return bytes
}

describe('neighbor packets', () => {
  test.each(rows)('$name: the same in values and in bytes', ({ packet, bytes }) => {
    expect(Buffer.from(encodeNeighborPacket(packet)).toString('hex')).toBe(Buffer.from(bytes).toString('hex'))
    expect(decodeNeighborPacket(shifted(bytes))).toEqual({ ok: true, value: packet })
  })

  test('what Linux and ndisc6 send is read, and written the same', () => {
    const captured = golden('ndp-', 0x86dd)
    expect(captured.length).toBeGreaterThanOrEqual(10)
    const rewritten = captured.map(({ name, bytes }) => {
      const decoded = decodeNeighborPacket(bytes)
      return { name, bytes: decoded.ok ? encodeNeighborPacket(decoded.value) : undefined }
    })
    // All but the flow label, which Linux makes up and Berth leaves at zero.
    expect(rewritten).toEqual(
      captured.map(({ name, bytes }) => ({ name, bytes: Uint8Array.from(bytes).fill(0, 1, 4) })),
    )
  })

  test('padding behind the packet is nobody’s business', () => {
    const padded = new Uint8Array(120)
    padded.set(rows[0]?.bytes ?? [])
    expect(decodeNeighborPacket(padded)).toEqual({ ok: true, value: rows[0]?.packet })
  })

  test.each([
    {
      name: 'forwarded by a router',
      bytes: forged(b => b.fill(254, 7, 8)),
      problem: 'hop limit 254: the packet came through a router',
    },
    {
      name: 'wrong checksum',
      bytes: forged(b => b.fill(1, 42, 43), { keepChecksum: true }),
      problem: 'wrong checksum',
    },
    {
      name: 'a bit of the target flipped',
      bytes: forged(b => b.fill(0x51, 63, 64), { keepChecksum: true }),
      problem: 'wrong checksum',
    },
    { name: 'code 1', bytes: forged(b => b.fill(1, 41, 42)), problem: 'code 1' },
    { name: 'an echo request', bytes: forged(b => b.fill(128, 40, 41)), problem: 'ICMPv6 type 128' },
    { name: 'IPv4', bytes: forged(b => b.fill(0x45, 0, 1)), problem: 'IP version 4' },
    {
      name: 'a fragment header in between',
      bytes: forged(b => b.fill(44, 6, 7)),
      problem: 'next header 44, not ICMPv6',
    },
    { name: 'a target that is a group', bytes: forged(b => b.fill(0xff, 48, 49)), problem: 'the target is a group' },
    { name: 'a source that is a group', bytes: forged(b => b.fill(0xff, 8, 9)), problem: 'the source is a group' },
    { name: 'an option of length zero', bytes: forged(b => b.fill(0, 65, 66)), problem: 'an option of length zero' },
    {
      name: 'an option longer than the packet',
      bytes: forged(b => b.fill(2, 65, 66)),
      problem: '14 octets wanted at offset 26, 6 left',
    },
    {
      name: 'a payload longer than the packet',
      bytes: forged(b => b.fill(0x21, 5, 6)),
      problem: '33 octets wanted at offset 40, 32 left',
    },
    {
      name: 'a payload shorter than a solicitation',
      bytes: forged(b => b.fill(0x17, 5, 6)),
      problem: '16 octets wanted at offset 8, 15 left',
    },
    {
      name: 'a probe that names a link-layer address',
      bytes: forged(b => b.fill(0, 8, 24)),
      problem: 'a probe from :: that names a source link-layer address',
    },
    {
      name: 'a probe to one station',
      bytes: forged(b => {
        b.fill(0, 8, 24)
        b.set(hex('20010db8000000020000000000000050'), 24)
      }),
      problem: 'a probe from :: that is not sent to the solicited-node group',
    },
    {
      name: 'a solicited advertisement to a group',
      bytes: forged(b => {
        b.fill(136, 40, 41)
        b.fill(0x40, 44, 45)
      }),
      problem: 'solicited, yet sent to a group',
    },
    { name: 'nothing', bytes: hex(''), problem: '4 octets wanted at offset 0, 0 left' },
  ])('a problem: $name', ({ bytes, problem }) => {
    expect(decodeNeighborPacket(shifted(bytes))).toEqual({ ok: false, problem })
  })

  test('no bytes make the decoder throw', () => {
    const mangled = fc
      .tuple(
        fc.constantFrom(...rows.map(({ bytes }) => bytes)),
        fc.array(fc.tuple(fc.nat(90), fc.nat(255)), { maxLength: 6 }),
        fc.nat(90),
      )
      .map(([bytes, changes, length]) => {
        const copy = Uint8Array.from(bytes)
        for (const [at, octet] of changes) if (at < copy.length) copy[at] = octet
        if (copy.length >= 44) copy.set([0, 0], 42)
        if (copy.length >= 44) new DataView(copy.buffer).setUint16(42, icmpv6Checksum(copy))
        return copy.subarray(0, length)
      })
    let accepted = 0
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 128 }), mangled), bytes => {
        if (decodeNeighborPacket(shifted(bytes)).ok) accepted++
      }),
      { numRuns: 3_000 },
    )
    // Else the property would have tried nothing but the first check.
    expect(accepted).toBeGreaterThan(10)
  })

  test('every packet is read as it was written', () => {
    const macs = fc.uint8Array({ minLength: 6, maxLength: 6 })
    const unicast = fc.bigInt(1n, (0xffn << 120n) - 1n).map((value): Address => ({ family: 'IPv6', value }))
    const options: fc.Arbitrary<NdpOption> = fc.oneof(
      macs.map((value): NdpOption => ({ kind: 'sourceLinkLayerAddress', mac: value })),
      macs.map((value): NdpOption => ({ kind: 'targetLinkLayerAddress', mac: value })),
      fc.tuple(fc.integer({ min: 3, max: 255 }), fc.integer({ min: 0, max: 4 }), fc.nat(255)).map(
        ([type, units, octet]): NdpOption => ({
          kind: 'other',
          type,
          value: new Uint8Array(units * 8 + 6).fill(octet),
        }),
      ),
    )
    const messages: fc.Arbitrary<NeighborMessage> = fc.oneof(
      fc.record({ kind: fc.constant('solicitation' as const), targetAddress: unicast, options: fc.array(options) }),
      fc.record({
        kind: fc.constant('advertisement' as const),
        router: fc.boolean(),
        solicited: fc.boolean(),
        override: fc.boolean(),
        targetAddress: unicast,
        options: fc.array(options),
      }),
    )
    fc.assert(
      fc.property(fc.record({ source: unicast, destination: unicast, message: messages }), packet => {
        expect(decodeNeighborPacket(shifted(encodeNeighborPacket(packet)))).toEqual({ ok: true, value: packet })
      }),
    )
  })
})

test.each([
  ['2001:db8:0:2::50', 'ff02::1:ff00:50'],
  ['2001:db8::abcd:ef12:3456', 'ff02::1:ff12:3456'],
])('the solicited-node group of %s is %s', (address, group) => {
  expect(solicitedNodeGroup(ip(address))).toEqual(ip(group))
})
