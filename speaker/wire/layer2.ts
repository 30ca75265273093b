import { type Address, parseAddress } from '../../net/address.ts'
import type { MacAddress } from '../../net/mac.ts'
import type { LinkTable } from '../netlink/interfaces.ts'
import { networkInterfaces } from '../netlink/interfaces.ts'
import { openInterfaceMonitor } from '../netlink/monitor.ts'
import { createClaimFilter } from './claims.ts'
import { createCounters } from './counters.ts'
import { createHeralds, type Herald } from './gratuitous.ts'
import type { NetworkInterface, WireAnnouncement, WireReport } from './messages.ts'
import { isSameStation, isUsable, placesOf } from './placement.ts'
import { createStation, type Station } from './stations.ts'

/** Layer 2 on all of the node's interfaces. */
export interface Layer2 {
  announce(announcements: readonly WireAnnouncement[]): void
  withdraw(addresses: readonly string[]): void
  close(): void
}

/** An address that main wants announced, and where it is. */
interface Announced {
  readonly address: Address
  readonly announcement: WireAnnouncement
  readonly places: Map<Station, Place>
  /** The interfaces of the last report, joined; undefined = none was sent yet. */
  reported: string | undefined
}

interface Place {
  readonly herald: Herald
  /** Its first gratuitous packets have left. */
  known: boolean
}

const countersEveryMs = 3_000

/** Starts following the interfaces; addresses come by `announce`. All that is to be told goes through `report`. */
export function startLayer2(options: {
  readonly excluded: readonly RegExp[]
  readonly report: (report: WireReport) => void
}): Layer2 {
  const { report } = options
  const announced = new Map<string, Announced>()
  const stations = new Map<number, Station>()
  const heralds = createHeralds()
  const isWorthTelling = createClaimFilter()
  let interfaces: readonly NetworkInterface[] = []
  let ownMacs: ReadonlySet<number> = new Set()
  let interfacesKnown = false
  let countersTimer: NodeJS.Timeout | undefined

  const counters = createCounters(() => {
    countersTimer = setTimeout(tellCounters, countersEveryMs)
  })

  const tellCounters = (): void => {
    for (const station of stations.values()) station.countLosses()
    report({ kind: 'counters', counters: counters.takeChanged() })
  }

  const onProblem = (text: string): void => report({ kind: 'problem', text })

  const stationOptions = {
    isOwn: (mac: MacAddress): boolean => ownMacs.has(macNumber(mac)),
    onClaim: (interfaceName: string, address: string, mac: string): void => {
      if (!isWorthTelling(`${interfaceName} ${address}`, mac, performance.now())) return
      report({ kind: 'seen', address, interface: interfaceName, mac })
    },
    onProblem,
    counters,
  }

  /** Says where an address is known, once that has changed and is true. */
  const tellAnnounced = (held: Announced): void => {
    if ([...held.places.values()].some(({ known }) => !known)) return
    const names = Array.from(held.places.keys(), station => station.interface.name)
    const text = names.join(' ')
    if (held.reported === text) return
    held.reported = text
    report({ kind: 'announced', address: held.announcement.address, interfaces: names })
  }

  const arrive = (held: Announced, station: Station): void => {
    const responder = station.responderFor(held.address)
    if (!responder) return
    responder.announce(held.address)
    const place: Place = {
      known: false,
      herald: {
        packets: responder.gratuitousPackets,
        send: packet => responder.sendGratuitous(held.address, packet),
        onSent: () => {
          if (place.known) return
          place.known = true
          tellAnnounced(held)
        },
      },
    }
    held.places.set(station, place)
    heralds.start(place.herald)
  }

  const leave = (held: Announced, station: Station): void => {
    const place = held.places.get(station)
    if (!place) return
    heralds.stop(place.herald)
    held.places.delete(station)
    station.responderFor(held.address)?.withdraw(held.address)
    counters.forget(held.announcement.address, station.interface.name)
  }

  /** Makes the places of an address those that it should have. */
  const settle = (held: Announced): void => {
    const wanted = new Set(
      placesOf(
        held.announcement,
        Array.from(stations.values(), station => station.interface),
      ),
    )
    for (const station of held.places.keys()) if (!wanted.has(station.interface)) leave(held, station)
    for (const station of stations.values()) {
      if (wanted.has(station.interface) && !held.places.has(station)) arrive(held, station)
    }
    tellAnnounced(held)
  }

  const closeStation = (station: Station): void => {
    for (const held of announced.values()) leave(held, station)
    station.close()
    stations.delete(station.interface.index)
  }

  const onInterfaces = (table: LinkTable): void => {
    ownMacs = new Set(Array.from(table.links.values(), ({ mac }) => macNumber(mac)))
    const next = networkInterfaces(table, options.excluded)
    if (interfacesKnown && JSON.stringify(next) === JSON.stringify(interfaces)) return
    const before = new Map(interfaces.map(one => [one.index, one]))
    interfaces = next
    report({ kind: 'interfaces', interfaces })
    const usable = new Map(interfaces.filter(isUsable).map(one => [one.index, one]))
    let changed = !interfacesKnown
    interfacesKnown = true
    for (const station of stations.values()) {
      const now = usable.get(station.interface.index)
      // A cable that is plugged in again may lead to another switch: everything is made known there as if new.
      const replugged = now?.carrier && !before.get(now.index)?.carrier
      if (now && !replugged && isSameStation(now, station.interface)) continue
      closeStation(station)
      changed = true
    }
    for (const candidate of usable.values()) {
      if (stations.has(candidate.index)) continue
      stations.set(candidate.index, createStation(candidate, stationOptions))
      changed = true
    }
    if (changed) for (const held of announced.values()) settle(held)
  }

  const monitor = openInterfaceMonitor({ onChange: onInterfaces, onProblem })

  return {
    announce(announcements) {
      for (const announcement of announcements) {
        const address = parseAddress(announcement.address)
        if (!address) {
          onProblem(`"${announcement.address}" is not an address that can be announced`)
          continue
        }
        const before = announced.get(announcement.address)
        const held: Announced = {
          address,
          announcement,
          places: before?.places ?? new Map(),
          reported: before?.reported,
        }
        announced.set(announcement.address, held)
        if (interfacesKnown) settle(held)
      }
    },
    withdraw(addresses) {
      for (const text of addresses) {
        const held = announced.get(text)
        if (!held) continue
        for (const station of held.places.keys()) leave(held, station)
        announced.delete(text)
      }
    },
    close() {
      clearTimeout(countersTimer)
      monitor.close()
      heralds.close()
      for (const station of stations.values()) station.close()
      const last = counters.takeChanged()
      if (last.length > 0) report({ kind: 'counters', counters: last })
    },
  }
}

/** The 48 bits as one number, which is cheaper to look up than text. */
function macNumber(mac: MacAddress): number {
  let number = 0
  for (const octet of mac) number = number * 256 + octet
  return number
}
