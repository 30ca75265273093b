import { expect, test } from 'vitest'
import { formatCount, poolCounters } from './pool-status.ts'

test('a small pool is counted per family and together', () => {
  const usage = { assigned: { IPv4: 3, IPv6: 1 }, available: { IPv4: 253n, IPv6: 15n } }
  expect(poolCounters(usage)).toEqual({
    assigned: '4',
    available: '268',
    assignedIPv4: 3,
    assignedIPv6: 1,
    availableIPv4: 253,
    availableIPv6: 15,
  })
})

test('a pool larger than JSON numbers has a number that the API server takes, and a text that is right', () => {
  const counters = poolCounters({ assigned: { IPv4: 0, IPv6: 2 }, available: { IPv4: 0, IPv6: 2n ** 64n - 2n } })
  expect(counters).toMatchObject({ available: '~2^64', availableIPv6: 9007199254740991 })
})

test.each([
  [0n, '0'],
  [1_048_576n, '1048576'],
  [1_000_000_000n, '1000000000'],
  [1_000_000_001n, '~2^30'],
  [2n ** 32n, '2^32'],
  [2n ** 80n - 1n, '~2^80'],
  [2n ** 80n + 1n, '~2^80'],
  [3n * 2n ** 79n, '~2^81'],
  [2n ** 128n, '2^128'],
])('%d addresses are shown as %s', (count, text) => {
  expect(formatCount(count)).toBe(text)
})
