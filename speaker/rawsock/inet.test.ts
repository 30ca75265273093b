import { expect, test } from 'vitest'
import { type Address, parseAddress } from '../../net/address.ts'
import { hex } from '../../test/packets/bytes.ts'
import { bindToDevice, socketAddress } from './inet.ts'

function address(text: string): Address {
  const parsed = parseAddress(text)
  if (!parsed) throw new Error(text)
  return parsed
}

test('sockaddr of both families', () => {
  expect(socketAddress(address('192.0.2.1'), 179, 0)).toEqual(hex('0200 00b3 c0000201 0000000000000000'))
  expect(socketAddress(address('fe80::1'), 179, 3)).toEqual(
    hex('0a00 00b3 00000000 fe800000000000000000000000000001 03000000'),
  )
})

test('the name of a device ends with a zero', () => {
  expect(bindToDevice('eth0').value).toEqual(hex('6574683000'))
})
