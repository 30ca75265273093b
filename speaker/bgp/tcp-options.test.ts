import { expect, test } from 'vitest'
import { type Address, parseAddress } from '../../net/address.ts'
import { hex } from '../../test/packets/bytes.ts'
import { md5Signature } from './tcp-options.ts'

function address(text: string): Address {
  const parsed = parseAddress(text)
  if (!parsed) throw new Error(text)
  return parsed
}

test('struct tcp_md5sig: address, key length, key; an empty key takes it back', () => {
  const { value, level, name } = md5Signature(address('192.0.2.2'), 0, 'secret')
  if (typeof value === 'number') throw new Error('no structure')
  expect([level, name, value.length]).toEqual([6, 14, 216])
  expect(value.subarray(0, 8)).toEqual(hex('0200 0000 c0000202'))
  expect(value.subarray(128, 142)).toEqual(hex('00 00 0600 00000000 736563726574'))
  const empty = md5Signature(address('192.0.2.2'), 0, '').value
  expect(typeof empty === 'number' ? empty : empty.subarray(128)).toEqual(new Uint8Array(88))
  expect(() => md5Signature(address('192.0.2.2'), 0, 'x'.repeat(81))).toThrow(/81 octets/)
})
