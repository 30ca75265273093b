import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Address, parseAddress } from '../../net/address.ts'
import type { AddressPrefix } from '../../net/range.ts'
import { type Advertisement, emptyAdjRibOut, forget, planUpdates } from './adj-rib-out.ts'
import { sequence } from './as-path.ts'
import type { PathAttributes } from './attributes.ts'
import { encodeMessage } from './message.ts'
import { formatPrefix } from './route.ts'
import { decodeUpdate, type Update } from './update.ts'

const context = { fourOctetAs: true, internal: true }

function address(text: string): Address {
  const parsed = parseAddress(text)
  if (!parsed) throw new Error(text)
  return parsed
}

const attributes: PathAttributes = { origin: 'IGP', asPath: sequence([64512]) }
const nextHop = address('192.0.2.1')

function host(index: number): AddressPrefix {
  return { address: { family: 'IPv4', value: 0xcb007100n + BigInt(index) }, length: 32 }
}

function announced(count: number, more: PathAttributes = {}): readonly Advertisement[] {
  return Array.from({ length: count }, (_, index) => ({
    prefix: host(index),
    attributes: { ...attributes, ...more },
    nextHop,
  }))
}

/** A router's Adj-RIB-In: what it knows after these messages, having read them from their bytes. */
function listen(rib: Map<string, string>, updates: readonly Update[]): void {
  for (const update of updates) {
    const bytes = encodeMessage({ kind: 'update', update }, context)
    const decoded = decodeUpdate(bytes.subarray(19), context)
    if (!decoded.ok || decoded.value.problems.length > 0) throw new Error('a message that a router would refuse')
    const { withdrawn, nlri, attributes: all } = decoded.value.update
    const { mpReach, mpUnreach, nextHop: hop, ...rest } = all
    const gone = [...withdrawn, ...(mpUnreach?.kind === 'unicast' ? mpUnreach.withdrawn : [])]
    for (const prefix of gone) rib.delete(formatPrefix(prefix))
    for (const prefix of nlri) rib.set(formatPrefix(prefix), text(rest, hop))
    if (mpReach?.kind === 'unicast') {
      for (const prefix of mpReach.nlri)
        rib.set(formatPrefix(prefix), text(rest, mpReach.nextHop, mpReach.linkLocalNextHop))
    }
  }
}

function text(rest: PathAttributes, ...hops: readonly (Address | undefined)[]): string {
  return JSON.stringify(
    [Object.entries(rest).sort(([one], [other]) => one.localeCompare(other)), hops.filter(Boolean)],
    (_, value: unknown) => (typeof value === 'bigint' ? value.toString(16) : value),
  )
}

function wantedRib(wanted: readonly Advertisement[]): Map<string, string> {
  return new Map(wanted.map(one => [formatPrefix(one.prefix), text(one.attributes, one.nextHop, one.linkLocalNextHop)]))
}

describe('packing', () => {
  test('5,000 hosts that share attributes travel in 7 messages, each within 4,096 octets', () => {
    const { updates } = planUpdates(emptyAdjRibOut, announced(5000), context)
    const sizes = updates.map(update => encodeMessage({ kind: 'update', update }, context).length)
    expect(sizes.length).toBe(7)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(4096)
    expect(Math.max(...sizes)).toBeGreaterThan(4096 - 5)
  })

  test('what has been said is not said again, and a change says only what changed', () => {
    const first = planUpdates(emptyAdjRibOut, announced(100), context)
    expect(planUpdates(first.adjRibOut, announced(100), context).updates).toEqual([])
    const changed = announced(100).map((one, index) =>
      index === 7 ? { ...one, attributes: { ...attributes, multiExitDisc: 5 } } : one,
    )
    const { updates } = planUpdates(first.adjRibOut, changed, context)
    expect(updates).toEqual([
      { withdrawn: [], attributes: { ...attributes, multiExitDisc: 5, nextHop }, nlri: [host(7)] },
    ])
  })

  test('withdrawals come before announcements', () => {
    const first = planUpdates(emptyAdjRibOut, announced(2), context)
    const other = { ...announced(1)[0], prefix: host(9) } as Advertisement
    const { updates } = planUpdates(first.adjRibOut, [other], context)
    expect(updates.map(({ withdrawn, nlri }) => [withdrawn.length, nlri.length])).toEqual([
      [2, 0],
      [0, 1],
    ])
  })

  test('withdrawals of IPv6 share messages too', () => {
    const wanted = Array.from(
      { length: 500 },
      (_, index): Advertisement => ({
        prefix: { address: { family: 'IPv6', value: (0x20010db8n << 96n) + BigInt(index) }, length: 128 },
        attributes,
        nextHop: address('2001:db8::1'),
      }),
    )
    const said = planUpdates(emptyAdjRibOut, wanted, context)
    expect(said.updates.length).toBe(3)
    const { updates } = planUpdates(said.adjRibOut, [], context)
    const sizes = updates.map(update => encodeMessage({ kind: 'update', update }, context).length)
    expect(sizes.length).toBe(3)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(4096)
  })

  test('a route with more attributes than a message holds is set aside, and the others go on', () => {
    const communities = Array.from({ length: 1100 }, (_, index) => index)
    const long = { ...announced(1)[0], prefix: host(9), attributes: { ...attributes, communities } } as Advertisement
    const planned = planUpdates(emptyAdjRibOut, [...announced(1), long], context)
    expect(planned.tooLong).toEqual([host(9)])
    expect(planned.updates.map(({ nlri }) => nlri)).toEqual([[host(0)]])
    expect(planned.adjRibOut.IPv4.size).toBe(1)
  })
})

test('after a route refresh everything of that family is said again, and what went meanwhile is withdrawn', () => {
  const v6: Advertisement = {
    prefix: { address: address('2001:db8::5'), length: 128 },
    attributes,
    nextHop: address('2001:db8::1'),
  }
  const said = planUpdates(emptyAdjRibOut, [...announced(3), v6], context)
  const { updates } = planUpdates(forget(said.adjRibOut, 'IPv4'), [...announced(2), v6], context)
  expect(
    updates.map(({ withdrawn, nlri, attributes: { mpReach } }) => [withdrawn.length, nlri.length, mpReach]),
  ).toEqual([
    [1, 0, undefined],
    [0, 2, undefined],
  ])
})

test('a router that reads the messages knows exactly what is wanted, whatever was wanted before', () => {
  const community = fc.integer({ min: 0, max: 2 ** 32 - 1 })
  const advertisement = fc
    .record({
      index: fc.nat(40),
      length: fc.constantFrom(24, 30, 32),
      v6: fc.boolean(),
      linkLocal: fc.boolean(),
      overIPv6: fc.boolean(),
      multiExitDisc: fc.option(fc.nat(2), { nil: undefined }),
      communities: fc.constantFrom<readonly number[] | undefined>(
        undefined,
        [1],
        [1, 2],
        Array.from({ length: 990 }, (_, index) => index),
      ),
      localPref: fc.option(community, { nil: undefined, freq: 20 }),
    })
    .map(({ index, length, v6, linkLocal, overIPv6, multiExitDisc, communities, localPref }): Advertisement => {
      const bits = v6 ? 96 + length : length
      const value = v6 ? (0x20010db8n << 96n) + BigInt(index * 64) : 0xcb007100n + BigInt(index * 64)
      const hostBits = BigInt((v6 ? 128 : 32) - bits)
      const toIPv6 = v6 || overIPv6
      return {
        prefix: { address: { family: v6 ? 'IPv6' : 'IPv4', value: (value >> hostBits) << hostBits }, length: bits },
        attributes: {
          ...attributes,
          ...(multiExitDisc !== undefined && { multiExitDisc }),
          ...(communities && { communities }),
          ...(localPref !== undefined && { localPref }),
        },
        nextHop: address(toIPv6 ? '2001:db8::1' : '192.0.2.1'),
        ...(toIPv6 && linkLocal && { linkLocalNextHop: address('fe80::1') }),
      }
    })
  fc.assert(
    fc.property(fc.array(fc.array(advertisement, { maxLength: 60 }), { minLength: 1, maxLength: 5 }), rounds => {
      const rib = new Map<string, string>()
      let said = emptyAdjRibOut
      for (const wanted of rounds) {
        const planned = planUpdates(said, wanted, context)
        listen(rib, planned.updates)
        said = planned.adjRibOut
        expect(planned.tooLong).toEqual([])
        expect(rib).toEqual(wantedRib(wanted))
      }
    }),
    { numRuns: 40 },
  )
})
