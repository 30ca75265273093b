import { expect, test } from 'vitest'
import { isOwnHost, parsePageAddress } from './address.ts'

test.each([
  ['127.0.0.1:7474', { host: '127.0.0.1', port: 7474, isLoopback: true }],
  ['127.3.2.1:1', { host: '127.3.2.1', port: 1, isLoopback: true }],
  ['localhost:7474', { host: '127.0.0.1', port: 7474, isLoopback: true }],
  ['[::1]:7474', { host: '::1', port: 7474, isLoopback: true }],
  [':7474', { host: '::', port: 7474, isLoopback: false }],
  ['0.0.0.0:7474', { host: '0.0.0.0', port: 7474, isLoopback: false }],
  ['[::]:7474', { host: '::', port: 7474, isLoopback: false }],
  ['[::ffff:127.0.0.1]:7474', { host: '::ffff:127.0.0.1', port: 7474, isLoopback: false }],
])('listens on %s', (text, address) => expect(parsePageAddress(text)).toEqual(address))

test.each([
  '7474',
  '127.0.0.1',
  '127.0.0.1:',
  '127.0.0.1:65536',
  '::1:7474',
  '[127.0.0.1]:7474',
  'page.example:80',
  '',
])('does not listen on %s', text => expect(parsePageAddress(text)).toBeUndefined())

test('a name of somebody else’s that leads to this machine is told from this machine’s own', () => {
  for (const host of ['localhost:7474', '127.0.0.1:80', '[::1]:7474', 'LOCALHOST']) expect(isOwnHost(host)).toBe(true)
  for (const host of [
    'attacker.example',
    'localhost.attacker.example:7474',
    '127.0.0.1.attacker.example',
    '10.0.0.1',
    '',
    undefined,
  ])
    expect(isOwnHost(host)).toBe(false)
})
