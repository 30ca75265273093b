import { describe, expect, test } from 'vitest'
import type { Address } from '../../net/address.ts'
import { zeroMac } from '../../net/mac.ts'
import { runFilter } from '../../test/packets/bpf-machine.ts'
import { hex } from '../../test/packets/bytes.ts'
import { ip, mac } from '../../test/packets/values.ts'
import { packetTypes } from '../rawsock/linux.ts'
import { arpFilter } from './filter.ts'
import { encodeArpPacket } from './packet.ts'

const filter = arpFilter(['192.0.2.50', '192.0.2.51', '203.0.113.7'].map(ip), 128)

function request(from: string, target: string): Uint8Array {
  return encodeArpPacket({
    operation: 'request',
    senderHardwareAddress: mac('02:00:00:00:00:02'),
    senderProtocolAddress: ip(from),
    targetHardwareAddress: zeroMac,
    targetProtocolAddress: ip(target),
  })
}

describe('arpFilter', () => {
  test.each([
    {
      name: 'a request for an announced address',
      packet: request('192.0.2.2', '192.0.2.50'),
      type: 'broadcast',
      passes: true,
    },
    { name: 'the same by unicast', packet: request('192.0.2.2', '203.0.113.7'), type: 'host', passes: true },
    {
      name: 'a claim of an announced address',
      packet: request('192.0.2.51', '192.0.2.9'),
      type: 'broadcast',
      passes: true,
    },
    {
      name: 'a request for another address',
      packet: request('192.0.2.2', '192.0.2.52'),
      type: 'broadcast',
      passes: false,
    },
    {
      name: 'a frame for another station, as a foreign VLAN’s looks',
      packet: request('192.0.2.2', '192.0.2.50'),
      type: 'otherHost',
      passes: false,
    },
    {
      name: 'a frame that this node sends',
      packet: request('192.0.2.2', '192.0.2.50'),
      type: 'outgoing',
      passes: false,
    },
    {
      name: 'InfiniBand',
      packet: hex('0020 0800 14 04 0001 020000000002 c0000202 000000000000 c0000232'),
      type: 'broadcast',
      passes: false,
    },
    {
      name: 'a cut packet',
      packet: hex('0001 0800 06 04 0001 020000000002 c0000202'),
      type: 'broadcast',
      passes: false,
    },
  ] as const)('$name: $passes', ({ packet, type, passes }) => {
    expect(runFilter(filter, packet, packetTypes[type]) > 0).toBe(passes)
  })

  test('nothing passes while nothing is announced', () => {
    expect(runFilter(arpFilter([], 128), request('0.0.0.0', '0.0.0.0'), packetTypes.broadcast)).toBe(0)
  })

  test('knows a thousand scattered addresses in a program that the oldest kernels take', () => {
    const many = Array.from(
      { length: 1_000 },
      (_, index): Address => ({ family: 'IPv4', value: 0x0a000000n + BigInt(index * 37) }),
    )
    const program = arpFilter(many, 128)
    // 20,480 octets of net.core.optmem_max, of which an instruction takes at most two times eight.
    expect((program.length / 8) * 16).toBeLessThan(20_000)
    for (const address of many) {
      const packet = request('192.0.2.2', '10.0.0.0')
      new DataView(packet.buffer).setUint32(24, Number(address.value))
      expect(runFilter(program, packet, packetTypes.broadcast)).toBeGreaterThan(0)
    }
  })
})
