import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Address } from '../../net/address.ts'
import { broadcastMac, zeroMac } from '../../net/mac.ts'
import { hex, shifted } from '../../test/packets/bytes.ts'
import { golden } from '../../test/packets/pcap.ts'
import { ip, mac } from '../../test/packets/values.ts'
import { type ArpPacket, decodeArpPacket, encodeArpPacket } from './packet.ts'

const rows: readonly { name: string; packet: ArpPacket; bytes: Uint8Array }[] = [
  {
    name: 'request',
    packet: {
      operation: 'request',
      senderHardwareAddress: mac('02:00:00:00:00:02'),
      senderProtocolAddress: ip('192.0.2.2'),
      targetHardwareAddress: zeroMac,
      targetProtocolAddress: ip('192.0.2.50'),
    },
    bytes: hex('0001 0800 06 04 0001  020000000002 c0000202  000000000000 c0000232'),
  },
  {
    name: 'reply',
    packet: {
      operation: 'reply',
      senderHardwareAddress: mac('02:00:00:00:00:01'),
      senderProtocolAddress: ip('192.0.2.50'),
      targetHardwareAddress: mac('02:00:00:00:00:02'),
      targetProtocolAddress: ip('192.0.2.2'),
    },
    bytes: hex('0001 0800 06 04 0002  020000000001 c0000232  020000000002 c0000202'),
  },
  {
    name: 'probe (RFC 5227)',
    packet: {
      operation: 'request',
      senderHardwareAddress: mac('02:00:00:00:00:02'),
      senderProtocolAddress: ip('0.0.0.0'),
      targetHardwareAddress: zeroMac,
      targetProtocolAddress: ip('255.255.255.255'),
    },
    bytes: hex('0001 0800 06 04 0001  020000000002 00000000  000000000000 ffffffff'),
  },
  {
    name: 'gratuitous reply',
    packet: {
      operation: 'reply',
      senderHardwareAddress: mac('02:00:00:00:00:01'),
      senderProtocolAddress: ip('192.0.2.50'),
      targetHardwareAddress: broadcastMac,
      targetProtocolAddress: ip('192.0.2.50'),
    },
    bytes: hex('0001 0800 06 04 0002  020000000001 c0000232  ffffffffffff c0000232'),
  },
]

describe('ARP packets', () => {
  test.each(rows)('$name: the same in values and in bytes', ({ packet, bytes }) => {
    expect(encodeArpPacket(packet)).toEqual(bytes)
    expect(decodeArpPacket(shifted(bytes))).toEqual({ ok: true, value: packet })
  })

  test('what Linux and arping send is read, and written the same', () => {
    const captured = golden('arp-', 0x0806)
    expect(captured.length).toBeGreaterThanOrEqual(13)
    const rewritten = captured.map(({ name, bytes }) => ({ name, bytes: rewrite(bytes) }))
    expect(rewritten).toEqual(captured.map(({ name, bytes }) => ({ name, bytes: Uint8Array.from(bytes) })))
  })

  test('Ethernet padding behind a packet is nobody’s business', () => {
    const padded = new Uint8Array(46)
    padded.set(rows[0]?.bytes ?? [])
    expect(decodeArpPacket(padded)).toEqual({ ok: true, value: rows[0]?.packet })
  })

  test.each([
    {
      name: 'cut off',
      bytes: '0001 0800 06 04 0001  020000000002 c0000202  000000000000 c00002',
      problem: '4 octets wanted at offset 24, 3 left',
    },
    { name: 'empty', bytes: '', problem: '2 octets wanted at offset 0, 0 left' },
    { name: 'InfiniBand', bytes: '0020 0800 06 04 0001', problem: 'hardware type 32, not 1' },
    { name: 'another protocol', bytes: '0001 86dd 06 04 0001', problem: 'protocol type 34525, not 2048' },
    { name: 'longer hardware addresses', bytes: '0001 0800 08 04 0001', problem: 'hardware address length 8, not 6' },
    { name: 'longer protocol addresses', bytes: '0001 0800 06 10 0001', problem: 'protocol address length 16, not 4' },
    { name: 'InARP', bytes: '0001 0800 06 04 0008', problem: 'an operation other than request and reply' },
  ])('a problem: $name', ({ bytes, problem }) => {
    expect(decodeArpPacket(shifted(hex(bytes)))).toEqual({ ok: false, problem })
  })

  test('no bytes make the decoder throw, and what it accepts it would write so', () => {
    const head = fc.constant(hex('0001 0800 06 04 0001'))
    const likely = fc
      .tuple(head, fc.uint8Array({ maxLength: 40 }))
      .map(([one, other]) => Uint8Array.of(...one, ...other))
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 64 }), likely), bytes => {
        expect([undefined, bytes.slice(0, 28)]).toContainEqual(rewrite(shifted(bytes)))
      }),
      { numRuns: 2_000 },
    )
  })

  test('every packet is read as it was written', () => {
    const macs = fc.uint8Array({ minLength: 6, maxLength: 6 })
    const addresses = fc.bigInt(0n, 0xffffffffn).map((value): Address => ({ family: 'IPv4', value }))
    const packets: fc.Arbitrary<ArpPacket> = fc.record({
      operation: fc.constantFrom('request', 'reply'),
      senderHardwareAddress: macs,
      senderProtocolAddress: addresses,
      targetHardwareAddress: macs,
      targetProtocolAddress: addresses,
    })
    fc.assert(
      fc.property(packets, packet => {
        expect(decodeArpPacket(shifted(encodeArpPacket(packet)))).toEqual({ ok: true, value: packet })
      }),
    )
  })
})

/** The bytes that the packet found in these would be written as; undefined where none is found. */
function rewrite(bytes: Uint8Array): Uint8Array | undefined {
  const decoded = decodeArpPacket(bytes)
  return decoded.ok ? encodeArpPacket(decoded.value) : undefined
}
