import { describe, expect, it } from 'vitest'
import { poolConflictsOf } from '../crds/pool-conflicts.ts'
import { poolConflicts, poolCounts } from './config-status.ts'
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

  it('leave out what other stations have, which is told apart, and read back as it was written', () => {
    const ledger = createLedger([pool('a', ['192.0.2.0/29'], { avoidConflicts: true }), pool('b', ['198.51.100.0/29'])])
    const station = { mac: '02:00:00:00:00:66', interface: 'eth0' }
    for (const [index, text] of ['192.0.2.0', '192.0.2.3', '198.51.100.0'].entries())
      ledger.avoid({ address: address(text), ...station, seenAtMs: 1_700_000_000_000 + index * 1_000 })
    expect(poolCounts(ledger, 'a')).toMatchObject({ assigned: '0', available: '6', availableIPv4: 6 })
    const status = poolConflicts(ledger, 'a')
    expect(status).toEqual({
      conflicting: 2,
      conflicts: [
        { address: '192.0.2.3', macAddress: station.mac, interface: 'eth0', lastSeen: '2023-11-14T22:13:21Z' },
        { address: '192.0.2.0', macAddress: station.mac, interface: 'eth0', lastSeen: '2023-11-14T22:13:20Z' },
      ],
    })
    expect(poolConflictsOf({ status })).toEqual(ledger.conflictsIn('a')?.toReversed())
    // A pool that does not look for them has neither field, even where it had.
    expect(poolCounts(ledger, 'b')).toMatchObject({ available: '8' })
    expect(poolConflicts(ledger, 'b')).toEqual({ conflicting: null, conflicts: null })
  })

  it('name no more conflicts than the schema takes, the latest first', () => {
    const ledger = createLedger([pool('a', ['10.0.0.0/16'], { avoidConflicts: true })])
    for (let index = 0; index < 300; index++)
      ledger.avoid({
        address: { family: 'IPv4', value: address('10.0.0.0').value + BigInt(index) },
        mac: '02:00:00:00:00:66',
        interface: 'eth0',
        seenAtMs: index * 1_000,
      })
    const { conflicting, conflicts } = poolConflicts(ledger, 'a')
    expect(conflicting).toBe(300)
    expect(conflicts).toHaveLength(256)
    expect(conflicts?.[0]).toMatchObject({ address: '10.0.1.43', lastSeen: '1970-01-01T00:04:59Z' })
  })

  it('are zeros where the pool is not in use', () => {
    expect(poolCounts(createLedger([]), 'gone')).toMatchObject({ assigned: '0', available: '0', availableIPv4: 0 })
  })
})
