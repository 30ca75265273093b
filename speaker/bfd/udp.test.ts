import { describe, expect, test } from 'vitest'
import { hex, shifted } from '../../test/packets/bytes.ts'
import { ip } from '../../test/packets/values.ts'
import { bfdFilter, deafFilter } from './filter.ts'
import { controlSize, decodeControl, decodeDrops, senderOf } from './udp.ts'

// As Linux 6 writes them on x86-64: length (8) | level (4) | type (4) | data, each message in steps of eight.
const ttl4 = '1400000000000000 00000000 02000000 fe000000 00000000'
const info4 = '1c00000000000000 00000000 08000000 02000000 c0000201 c0000209 00000000'
const hopLimit6 = '1400000000000000 29000000 34000000 ff000000 00000000'
const info6 = '2400000000000000 29000000 32000000 20010db8000000020000000000000001 02000000 00000000'

describe('what the kernel says of a packet', () => {
  test('IPv4', () => {
    expect(decodeControl(shifted(hex(ttl4 + info4)), 'IPv4')).toEqual({ ttl: 254, to: ip('192.0.2.9') })
    expect(decodeControl(shifted(hex(info4 + ttl4)), 'IPv4')).toEqual({ ttl: 254, to: ip('192.0.2.9') })
  })

  test('IPv6', () => {
    const control = hex(info6 + hopLimit6)
    expect(control.length).toBeLessThanOrEqual(controlSize)
    expect(decodeControl(shifted(control), 'IPv6')).toEqual({ ttl: 255, to: ip('2001:db8:0:2::1') })
  })

  test.each([
    { name: 'nothing', control: '' },
    { name: 'no TTL', control: info4 },
    { name: 'no address', control: ttl4 },
    { name: 'a message of no length', control: '0000000000000000 00000000 02000000 fe000000 00000000' },
    { name: 'a message longer than the rest', control: '9900000000000000 00000000 02000000 fe000000 00000000' },
    { name: 'an address cut short', control: ttl4 + '1400000000000000 00000000 08000000 02000000 00000000' },
    { name: 'those of the other family', control: hopLimit6 + info6 },
  ])('without one of both it is not believed: $name', ({ control }) => {
    expect(decodeControl(shifted(hex(control)), 'IPv4')).toBeUndefined()
  })

  test('who sent it', () => {
    expect(senderOf(shifted(hex('0200 c000 c0000202 0000000000000000')), 'IPv4')).toEqual(ip('192.0.2.2'))
    const sixth = hex('0a00 c000 00000000 fe80000000000000000000fffe000002 03000000')
    expect(senderOf(shifted(sixth), 'IPv6')).toEqual(ip('fe80::ff:fe00:2'))
    expect(senderOf(hex('0200'), 'IPv4')).toBeUndefined()
  })

  test('how many it has dropped', () => {
    expect(decodeDrops(shifted(hex(`${'00'.repeat(32)} 07010000`)))).toBe(0x107)
    expect(decodeDrops(hex('00'))).toBe(0)
  })
})

test('the filter looks at the packet type and then at the TTL, which is before the packet', () => {
  // struct sock_filter: code (2) | jump if true (1) | if false (1) | k (4); ffefNNff is SKF_NET_OFF + N.
  const expected = (offset: string, least: string): Uint8Array =>
    hex(`2000 00 00 04f0ffff  1500 00 03 00000000  3000 00 00 ${offset}00f0ff  3500 00 01 ${least}000000
         0600 00 00 08010000  0600 00 00 00000000`)
  expect(bfdFilter('IPv4', 'single')).toEqual(expected('08', 'ff'))
  expect(bfdFilter('IPv6', 'single')).toEqual(expected('07', 'ff'))
  expect(bfdFilter('IPv4', 'multiple')).toEqual(expected('08', '01'))
  expect(deafFilter).toEqual(hex('0600 00 00 00000000'))
})
