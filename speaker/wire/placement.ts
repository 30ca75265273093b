import type { NetworkInterface, WireAnnouncement } from './messages.ts'

/** Whether addresses can be announced on the interface now. A lost carrier does not count: the cable may come back. */
export function isUsable(candidate: NetworkInterface): boolean {
  return candidate.layer2 && candidate.up
}

/** The stations at which an announcement is answered for: those on the interfaces that it selects. */
export function placesOf<Station extends { readonly interface: NetworkInterface }>(
  { interfaces: selected }: WireAnnouncement,
  stations: readonly Station[],
): readonly Station[] {
  return selected === 'all' ? stations : stations.filter(station => selected.includes(station.interface.name))
}

/** Whether sockets that were opened for one description of an interface still serve the other. */
export function isSameStation(one: NetworkInterface, other: NetworkInterface): boolean {
  return one.index === other.index && one.name === other.name && one.mac === other.mac
}
