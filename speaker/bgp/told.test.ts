import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Address, parseAddress } from '../../net/address.ts'
import { type ExportTerms, formatPrefix, type Route } from './route.ts'
import { forgetTold, type Told, tell, toldNothing } from './told.ts'
import type { Update } from './update.ts'

function address(text: string): Address {
  const parsed = parseAddress(text)
  if (!parsed) throw new Error(text)
  return parsed
}

const terms: ExportTerms = {
  localAs: 64512,
  internal: false,
  families: ['IPv4', 'IPv6'],
  fourOctetAs: true,
  extendedNextHop: false,
  nextHops: { IPv4: address('192.0.2.1'), IPv6: address('2001:db8::1'), linkLocal: undefined },
}

function routeTo(prefix: string, more: Partial<Route> = {}): Route {
  return {
    prefix: { address: address(prefix), length: prefix.includes(':') ? 128 : 32 },
    localPref: undefined,
    multiExitDisc: undefined,
    prepend: 0,
    communities: [],
    largeCommunities: [],
    linkBandwidth: undefined,
    ...more,
  }
}

const many = Array.from({ length: 5_000 }, (_, index) => routeTo(`203.0.${100 + (index >> 8)}.${index & 255}`))

/** What each message says: withdrawn and announced prefixes of both families. */
function said(updates: readonly Update[]) {
  return updates.map(({ withdrawn, nlri, attributes: { mpReach, mpUnreach } }) => ({
    withdrawn: [...withdrawn, ...(mpUnreach?.kind === 'unicast' ? mpUnreach.withdrawn : [])].map(formatPrefix),
    announced: [...nlri, ...(mpReach?.kind === 'unicast' ? mpReach.nlri : [])].map(formatPrefix),
  }))
}

/** A list of routes of which nobody may look at a prefix that it holds. */
function untouchable(routes: readonly Route[]): readonly Route[] {
  return routes.map(route => ({
    ...route,
    get prefix(): never {
      throw new Error('looked at')
    },
  }))
}

describe('what is said after a change', () => {
  const { told } = tell(toldNothing, many, terms)

  test('one route of 5,000 goes: it is withdrawn', () => {
    const { updates } = tell(told, many.toSpliced(7, 1), terms)
    expect(said(updates)).toEqual([{ withdrawn: ['203.0.100.7/32'], announced: [] }])
  })

  test('nothing changed: nothing is said', () => {
    expect(tell(told, [...many], terms).updates).toEqual([])
  })

  test('a route of which something else is to be said is announced, not withdrawn', () => {
    const { updates } = tell(told, many.with(7, routeTo('203.0.100.7', { multiExitDisc: 5 })), terms)
    expect(said(updates)).toEqual([{ withdrawn: [], announced: ['203.0.100.7/32'] }])
  })

  test('routes that are the objects of last time are not looked at', () => {
    const unseen = untouchable(many)
    const known: Told = { ...told, from: told.from && { ...told.from, routes: unseen } }
    const { updates } = tell(known, [...unseen, routeTo('198.51.100.1')], terms)
    expect(said(updates)).toEqual([{ withdrawn: [], announced: ['198.51.100.1/32'] }])
  })

  test('with another next hop everything is said again', () => {
    const nextHops = { ...terms.nextHops, IPv4: address('192.0.2.9') }
    const { updates } = tell(told, many, { ...terms, nextHops })
    expect(said(updates).flatMap(({ announced }) => announced).length).toBe(5_000)
  })

  test('a family without a next hop is named for as long as it has routes', () => {
    const only4 = { ...terms, nextHops: { ...terms.nextHops, IPv6: undefined } }
    const [one, two, other] = [routeTo('203.0.113.1'), routeTo('203.0.113.2'), routeTo('2001:db8:1::1')]
    const first = tell(toldNothing, [one], only4)
    const second = tell(first.told, [one, other], only4)
    const third = tell(second.told, [one, other, two], only4)
    const steps = [first, second, third]
    expect(steps.map(({ withoutNextHop }) => withoutNextHop)).toEqual([[], ['IPv6'], ['IPv6']])
  })

  test('after a route refresh everything is said again', () => {
    const { updates } = tell(forgetTold(told, 'IPv4'), many, terms)
    expect(said(updates).flatMap(({ announced }) => announced).length).toBe(5_000)
  })
})

const tooMany = Array.from({ length: 1_100 }, (_, index) => index)

test('step by step a peer knows the same as if it were told all at once, whatever changes', () => {
  const prefixes = ['203.0.113.1', '203.0.113.2', '203.0.113.3', '2001:db8:1::1', '2001:db8:1::2']
  const route = fc.record({
    prefix: fc.constantFrom(...prefixes),
    multiExitDisc: fc.constantFrom(undefined, 1, 2),
    long: fc.integer({ min: 0, max: 9 }).map(one => one === 0),
  })
  // The same objects come again and again, as a plan hands them on.
  const pool = fc.array(route, { minLength: 8, maxLength: 8 }).map(list =>
    list.map(({ prefix, multiExitDisc, long }) => {
      const communities = long ? tooMany : []
      return routeTo(prefix, { multiExitDisc, communities })
    }),
  )
  const families = fc.constantFrom<ExportTerms['families']>(['IPv4'], ['IPv4', 'IPv6'])
  const steps = fc.array(
    fc.record({
      picks: fc.uniqueArray(fc.nat(7), { maxLength: 4 }),
      noIPv6: fc.integer({ min: 0, max: 4 }).map(one => one === 0),
    }),
    {
      minLength: 2,
      maxLength: 8,
    },
  )
  fc.assert(
    fc.property(pool, families, steps, (routes, chosen, rounds) => {
      let told = toldNothing
      for (const { picks, noIPv6 } of rounds) {
        const wanted = picks.flatMap(pick => routes[pick] ?? [])
        const nextHops = noIPv6 ? { ...terms.nextHops, IPv6: undefined } : terms.nextHops
        const round = { ...terms, families: chosen, nextHops }
        const telling = tell(told, wanted, round)
        const atOnce = tell(toldNothing, wanted, round)
        told = telling.told
        expect(saidIn(told)).toEqual(saidIn(atOnce.told))
        expect(telling.tooLong).toEqual(atOnce.tooLong)
        expect(telling.withoutNextHop).toEqual(atOnce.withoutNextHop)
      }
    }),
    { numRuns: 300 },
  )
})

function saidIn({ adjRibOut }: Told) {
  return { IPv4: new Map(adjRibOut.IPv4), IPv6: new Map(adjRibOut.IPv6) }
}
