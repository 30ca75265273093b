import { describe, expect, test } from 'vitest'
import { createClaimFilter } from './claims.ts'

describe('claims of other stations', () => {
  test('the same claim counts once a second', () => {
    const isWorthTelling = createClaimFilter()
    const told = [0, 1, 500, 999, 1_000, 1_500, 2_100].filter(atMs => isWorthTelling('eth0 192.0.2.50', 'a', atMs))
    expect(told).toEqual([0, 1_000, 2_100])
  })

  test('another station and another address count at once', () => {
    const isWorthTelling = createClaimFilter()
    expect(isWorthTelling('eth0 192.0.2.50', 'a', 0)).toBe(true)
    expect(isWorthTelling('eth0 192.0.2.50', 'b', 1)).toBe(true)
    expect(isWorthTelling('eth0 192.0.2.51', 'a', 1)).toBe(true)
    expect(isWorthTelling('eth1 192.0.2.50', 'a', 1)).toBe(true)
  })

  test('a flood of forged stations counts four times a second', () => {
    const isWorthTelling = createClaimFilter()
    let told = 0
    for (let atMs = 0; atMs < 10_000; atMs++) if (isWorthTelling('eth0 192.0.2.50', `forged ${atMs}`, atMs)) told++
    expect(told).toBe(40)
  })
})
