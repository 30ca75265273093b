import { describe, expect, it } from 'vitest'
import { poolCounts } from './config-status.ts'
import { createLedger } from './ledger.ts'
import { address, pool } from './test-values.ts'

const claim = { key: 'k', backends: 'Cluster', ports: [] }

describe('the numbers of a pool', () => {
  it('count a shared address once, and leave out what avoidBuggyIPs rules out', () => {
    const ledger = createLedger([pool('a', ['192.0.2.0/24', '2001:db8::/126'], { avoidBuggyIPs: true })])
    for (const service of ['x/1', 'x/2'] as const)
      ledger.hold({
        service,
        uid: service,
        pool: 'a',
        addresses: [address('192.0.2.1'), address('2001:db8::')],
        claim,
        published: true,
      })
    expect(poolCounts(ledger, 'a')).toEqual({
      assigned: '2',
      available: '256',
      assignedIPv4: 1,
      assignedIPv6: 1,
      availableIPv4: 253,
      availableIPv6: 3,
    })
  })

  it.for([
    ['10.0.0.0/12', '1048576'],
    ['10.0.0.0/11', '2^21'],
    ['2001:db8::/64', '2^64'],
    ['2001:db8::/32', '2^96'],
  ])('of %s are readable: %s free', ([range, text]) => {
    const counts = poolCounts(createLedger([pool('a', [range ?? ''])]), 'a')
    expect(counts.available).toBe(text)
    expect(counts.availableIPv4 + counts.availableIPv6).toBeLessThanOrEqual(Number.MAX_SAFE_INTEGER)
  })

  it('are zeros where the pool is not in use', () => {
    expect(poolCounts(createLedger([]), 'gone')).toMatchObject({ assigned: '0', available: '0', availableIPv4: 0 })
  })
})
