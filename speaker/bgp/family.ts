import type { IpFamily } from '../../net/address.ts'

/** What kind of routes: address family and subsequent family, numbers that IANA keeps (RFC 4760 §3). */
export interface AfiSafi {
  readonly afi: number
  readonly safi: number
}

/** The two families that Berth announces, both unicast. */
const unicast = { IPv4: { afi: 1, safi: 1 }, IPv6: { afi: 2, safi: 1 } } as const satisfies Record<IpFamily, AfiSafi>

/** IANA's number of the address family. */
export const afiNumbers = { IPv4: 1, IPv6: 2 } as const satisfies Record<IpFamily, number>

export function unicastOf(family: IpFamily): AfiSafi {
  return unicast[family]
}

/** The family whose unicast routes these numbers mean; undefined for every other kind of route. */
export function familyOf({ afi, safi }: AfiSafi): IpFamily | undefined {
  if (safi !== 1) return undefined
  return afi === 1 ? 'IPv4' : afi === 2 ? 'IPv6' : undefined
}
