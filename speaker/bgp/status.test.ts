import { expect, test } from 'vitest'
import { formatTransportError, noErrors, withError } from './status.ts'

test('the last error of each origin stays when another comes, and the latest is known', () => {
  const cease = { from: 'remote', text: 'Cease: Administrative Shutdown "upgrade"', atMs: 1 } as const
  const refused = { from: 'transport', text: 'connection refused', atMs: 2 } as const
  const expired = { from: 'local', text: 'Hold Timer Expired', atMs: 3 } as const
  const errors = [cease, refused, expired].reduce(withError, noErrors)
  expect(errors).toEqual({
    lastError: expired,
    lastErrorSent: { text: 'Hold Timer Expired', atMs: 3 },
    lastErrorReceived: { text: 'Cease: Administrative Shutdown "upgrade"', atMs: 1 },
    lastErrorTransport: { text: 'connection refused', atMs: 2 },
  })
  expect(withError(errors, { ...cease, atMs: 4 })).toMatchObject({
    lastError: { from: 'remote', atMs: 4 },
    lastErrorReceived: { atMs: 4 },
    lastErrorSent: { atMs: 3 },
  })
})

test.each([
  ['EHOSTUNREACH', 'no route to the peer, or its hardware address is not found (EHOSTUNREACH)'],
  ['EBADF', 'connect EBADF 192.0.2.1:179'],
  [undefined, 'connect EBADF 192.0.2.1:179'],
])('%s says %s', (code, words) => {
  expect(formatTransportError(code, 'connect EBADF 192.0.2.1:179')).toBe(words)
})
