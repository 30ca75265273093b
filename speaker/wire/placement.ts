import type { NetworkInterface, WireAnnouncement } from './messages.ts'

/** Whether addresses can be announced on the interface now. A lost carrier does not count: the cable may come back. */
export function isUsable(candidate: NetworkInterface): boolean {
  return candidate.layer2 && candidate.up
}

/** The interfaces on which an announcement is answered for: those it selects that are usable. */
export function placesOf(
  announcement: WireAnnouncement,
  interfaces: Iterable<NetworkInterface>,
): readonly NetworkInterface[] {
  const { interfaces: selected } = announcement
  const places: NetworkInterface[] = []
  for (const candidate of interfaces) {
    if (isUsable(candidate) && (selected === 'all' || selected.includes(candidate.name))) places.push(candidate)
  }
  return places
}

/** Whether sockets that were opened for one description of an interface still serve the other. */
export function isSameStation(one: NetworkInterface, other: NetworkInterface): boolean {
  return one.index === other.index && one.name === other.name && one.mac === other.mac
}
