import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { afterLooking, type SettledCondition, type Standing, settledConditionOf, standingsOf } from './settled.ts'

const stranger = { mac: '02:00:00:00:00:66', interface: 'eth0' }
const addresses = ['192.0.2.100', '192.0.2.101', '2001:db8::100', '::', '2001:db8:0:2::1ff']
const standing: fc.Arbitrary<Standing> = fc
  .tuple(fc.constantFrom(...addresses), fc.constantFrom(0, 1, 2))
  .map(([address, which]): Standing => {
    if (which === 0) return { kind: 'untried', address }
    return which === 1 ? { kind: 'announced', address } : { kind: 'inUse', address, ...stranger }
  })

function read(condition: SettledCondition | undefined): readonly Standing[] {
  return condition ? standingsOf([condition]) : []
}

describe('the condition Settled', () => {
  test.for<[string, readonly Standing[], string]>([
    [
      'of a new address',
      [{ kind: 'untried', address: '192.0.2.100' }],
      'Unknown NotAnnouncedYet: 192.0.2.100 has not been announced yet',
    ],
    [
      'of two, one of which a stranger has',
      [
        { kind: 'inUse', address: '192.0.2.100', ...stranger },
        { kind: 'announced', address: '2001:db8::100' },
      ],
      'False AddressInUse: 192.0.2.100 is in use by 02:00:00:00:00:66 on eth0; 2001:db8::100 has been announced',
    ],
    [
      'of one that was announced',
      [{ kind: 'announced', address: '2001:db8::100' }],
      'True Announced: 2001:db8::100 has been announced',
    ],
  ])('%s', ([, standings, text]) => {
    const condition = settledConditionOf(standings)
    expect(`${condition?.status} ${condition?.reason}: ${condition?.message}`).toBe(text)
  })

  test('is not there where nothing is to be said, and then nothing is known', () => {
    expect(settledConditionOf([])).toBeUndefined()
    expect(standingsOf([{ type: 'berth.dev/Announced', status: 'True', reason: 'x', message: 'x' }])).toEqual([])
  })

  test('is read as it was written', () => {
    fc.assert(
      fc.property(fc.array(standing), all => {
        expect(read(settledConditionOf(all))).toEqual(all)
      }),
    )
  })

  test('that somebody else wrote is read as far as it can be', () => {
    const message = 'hello; 192.0.2.1 is in use by nobody on eth0; 192.0.2.2 has not been announced yet; '
    const condition = { type: 'berth.dev/Settled', status: 'True' as const, reason: 'x', message }
    expect(standingsOf([condition])).toEqual([{ kind: 'untried', address: '192.0.2.2' }])
  })
})

describe('a look at the segment', () => {
  test('never makes an announced address one that is in use elsewhere, or a new one', () => {
    const look = fc.record({
      announced: fc.subarray(addresses),
      inUse: fc.subarray(addresses).map(list => list.map(address => ({ address, ...stranger }))),
    })
    fc.assert(
      fc.property(fc.array(standing), fc.array(look), (before, looks) => {
        let after: readonly Standing[] = before
        for (const seen of looks) {
          const next = afterLooking(after, seen)
          for (const [index, { kind, address }] of after.entries()) {
            const isTaken = seen.inUse.some(one => one.address === address)
            const isAnnounced = kind === 'announced' || seen.announced.includes(address)
            expect(next[index]).toMatchObject({ address, kind: isAnnounced ? 'announced' : isTaken ? 'inUse' : kind })
          }
          after = next
        }
      }),
    )
  })
})
