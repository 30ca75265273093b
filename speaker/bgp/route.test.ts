import { describe, expect, test } from 'vitest'
import { type Address, parseAddress } from '../../net/address.ts'
import { type ExportTerms, exportRoutes, type Route } from './route.ts'

function address(text: string): Address {
  const parsed = parseAddress(text)
  if (!parsed) throw new Error(text)
  return parsed
}

const v4 = { address: address('203.0.113.1'), length: 32 }
const v6 = { address: address('2001:db8:1::'), length: 64 }
const route: Route = {
  prefix: v4,
  localPref: undefined,
  multiExitDisc: undefined,
  prepend: 0,
  communities: [],
  largeCommunities: [],
  linkBandwidth: undefined,
}
const nowhere = { IPv4: undefined, IPv6: undefined, linkLocal: undefined }
const terms: ExportTerms = {
  localAs: 64512,
  internal: false,
  families: ['IPv4', 'IPv6'],
  fourOctetAs: true,
  extendedNextHop: false,
  nextHops: { ...nowhere, IPv4: address('192.0.2.1'), IPv6: address('2001:db8::1') },
}

const large = (data2: number) => ({ globalAdministrator: 1, data1: 1, data2 })

/** The next hops of one route of each family, and the families without. */
function hops(changes: Partial<ExportTerms>) {
  const { advertisements, withoutNextHop } = exportRoutes([route, { ...route, prefix: v6 }], { ...terms, ...changes })
  return [advertisements.map(({ nextHop, linkLocalNextHop }) => [nextHop, linkLocalNextHop]), withoutNextHop]
}

describe('a route as a peer hears it', () => {
  test('of another AS: our AS once, and once more for each prepend, no LOCAL_PREF', () => {
    const [plain] = exportRoutes([{ ...route, localPref: 200 }], terms).advertisements
    expect(plain?.attributes).toEqual({ origin: 'IGP', asPath: [{ kind: 'sequence', ases: [64512] }] })
    const [longer] = exportRoutes([{ ...route, prepend: 2, multiExitDisc: 0 }], terms).advertisements
    expect(longer?.attributes).toEqual({
      origin: 'IGP',
      asPath: [{ kind: 'sequence', ases: [64512, 64512, 64512] }],
      multiExitDisc: 0,
    })
  })

  test('of our own AS: an empty path and LOCAL_PREF, 100 where none is set', () => {
    const exported = exportRoutes([route, { ...route, localPref: 0, prefix: v6, prepend: 3 }], {
      ...terms,
      internal: true,
    })
    expect(exported.advertisements.map(({ attributes }) => attributes)).toEqual([
      { origin: 'IGP', asPath: [], localPref: 100 },
      { origin: 'IGP', asPath: [], localPref: 0 },
    ])
  })

  test('communities come sorted and once, so that the order of objects changes no packet', () => {
    const [one] = exportRoutes(
      [
        {
          ...route,
          communities: [7, 0xffff0000, 7, 1],
          largeCommunities: [large(2), large(1), large(2)],
          linkBandwidth: 5,
        },
      ],
      terms,
    ).advertisements
    expect(one?.attributes).toMatchObject({
      communities: [1, 7, 0xffff0000],
      largeCommunities: [large(1), large(2)],
      extendedCommunities: [{ kind: 'linkBandwidth', as: 64512, bytesPerSecond: 5, transitive: false }],
    })
  })

  test('routes of one policy share one value, so that they share messages', () => {
    const [one, other, third] = exportRoutes(
      [route, { ...route, prefix: v6 }, { ...route, multiExitDisc: 1 }],
      terms,
    ).advertisements
    expect(one?.attributes).toBe(other?.attributes)
    expect(third?.attributes).not.toBe(one?.attributes)
  })
})

describe('next hop', () => {
  const [ipv4, ipv6, linkLocal] = [address('192.0.2.1'), address('2001:db8::1'), address('fe80::1')]

  test('is our address of the route’s family', () => {
    expect(hops({})).toEqual([
      [
        [ipv4, undefined],
        [ipv6, undefined],
      ],
      [],
    ])
  })
  test('is missing where we have none of that family, and then that is said', () => {
    expect(hops({ nextHops: { ...nowhere, IPv6: ipv6 } })).toEqual([[[ipv6, undefined]], ['IPv4']])
    expect(hops({ nextHops: { ...nowhere, IPv4: ipv4 } })).toEqual([[[ipv4, undefined]], ['IPv6']])
  })
  test('of IPv4 routes is an IPv6 address where both agreed to that', () => {
    expect(hops({ extendedNextHop: true, nextHops: { ...nowhere, IPv6: ipv6, linkLocal } })).toEqual([
      [
        [ipv6, linkLocal],
        [ipv6, linkLocal],
      ],
      [],
    ])
    expect(hops({ extendedNextHop: true, nextHops: { ...nowhere, linkLocal } })).toEqual([
      [
        [linkLocal, undefined],
        [linkLocal, undefined],
      ],
      [],
    ])
  })
  test('of a family that the session does not carry is nobody’s business', () => {
    expect(hops({ families: ['IPv6'], nextHops: { ...nowhere, IPv6: ipv6 } })).toEqual([[[ipv6, undefined]], []])
  })
})
