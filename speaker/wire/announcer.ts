import { type Address, parseAddress } from '../../net/address.ts'
import type { Sharing } from '../layer2/load-sharing.ts'
import { createHeralds, type Herald } from './gratuitous.ts'
import type { WireAnnouncement, WireReport } from './messages.ts'
import { placesOf } from './placement.ts'
import type { Station } from './stations.ts'

/** Which addresses are to be announced where, and brings about that they are. */
export interface Announcer {
  announce(announcement: WireAnnouncement): void
  withdraw(address: string): void
  /** The stations there are now. Those that are gone are closed already, new ones are announced on. */
  useStations(stations: readonly Station[]): void
  /** Makes everything at the station known as if it had just been taken over. */
  makeKnownAgain(station: Station): void
  /** Makes one address known again wherever it is. */
  defend(address: string): void
  close(): void
}

/** An address that main has spoken of, and where it is. */
interface Held {
  readonly text: string
  readonly address: Address
  /** Where main wants it; undefined = nowhere any more. */
  wanted: WireAnnouncement | undefined
  readonly places: Map<Station, Place>
  /** The interfaces of the last report, joined; undefined = none was sent yet. */
  reported: string | undefined
}

interface Place {
  readonly herald: Herald
  /** Its first gratuitous packets have left. */
  known: boolean
  /** What its responder was told last. */
  sharing: Sharing | undefined
}

/** How long addresses are seen to before the segment's requests have their turn again, when thousands change at once. */
const sliceMs = 5

/**
 * Commands and changes of the stations only note which addresses they touch; each of those is then settled, that is
 * brought to where it should be by now. Nothing is settled before the stations are known for the first time.
 */
export function createAnnouncer(options: {
  readonly report: (report: WireReport) => void
  /** False while this node's time may have passed. */
  readonly mayAnswer: () => boolean
  readonly onLeft: (address: string, interfaceName: string) => void
}): Announcer {
  const { report } = options
  const heralds = createHeralds()
  const all = new Map<string, Held>()
  const unsettled = new Set<Held>()
  let stations: readonly Station[] | undefined
  let slice: NodeJS.Immediate | undefined

  const settleSoon = (held: Held): void => {
    unsettled.add(held)
    if (stations) slice ??= setImmediate(settleSome)
  }

  const settleSome = (): void => {
    const endMs = performance.now() + sliceMs
    for (const held of unsettled) {
      unsettled.delete(held)
      settle(held)
      if (performance.now() > endMs) break
    }
    slice = unsettled.size > 0 ? setImmediate(settleSome) : undefined
  }

  /** Makes the places of an address those that it should have. */
  const settle = (held: Held): void => {
    const { wanted } = held
    const places = wanted ? placesOf(wanted, stations ?? []) : []
    for (const station of held.places.keys()) if (!places.includes(station)) leave(held, station)
    for (const station of places) {
      const place = held.places.get(station)
      if (!place) arrive(held, station)
      else if (wanted && place.sharing !== wanted.sharing) shareAnew(held.address, place, station, wanted.sharing)
    }
    if (wanted) tellAnnounced(held)
    else all.delete(held.text)
  }

  const arrive = (held: Held, station: Station): void => {
    const responder = station.responderFor(held.address)
    if (!responder) return
    const sharing = held.wanted?.sharing
    responder.announce(held.address, sharing)
    const place: Place = {
      known: false,
      sharing,
      herald: {
        packets: responder.gratuitousPackets,
        // What is withheld is not tried again: when it may be told it will be asked for first, and then told anew.
        send: packet => !options.mayAnswer() || responder.sendGratuitous(held.address, packet),
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

  const leave = (held: Held, station: Station): void => {
    const place = held.places.get(station)
    if (!place) return
    heralds.stop(place.herald)
    held.places.delete(station)
    station.responderFor(held.address)?.withdraw(held.address)
    options.onLeft(held.text, station.interface.name)
  }

  /** The nodes that share it are others now: clients may have to be told. */
  const shareAnew = (address: Address, place: Place, station: Station, sharing: Sharing | undefined): void => {
    place.sharing = sharing
    station.responderFor(address)?.announce(address, sharing)
    restart(place)
  }

  const restart = ({ herald }: Place): void => {
    heralds.stop(herald)
    heralds.start(herald)
  }

  /** Says where an address is known, once that has changed and is true. */
  const tellAnnounced = (held: Held): void => {
    if ([...held.places.values()].some(({ known }) => !known)) return
    const interfaces = Array.from(held.places.keys(), station => station.interface.name)
    const text = interfaces.join(' ')
    if (held.reported === text) return
    held.reported = text
    report({ kind: 'announced', address: held.text, interfaces })
  }

  return {
    announce(announcement) {
      const text = announcement.address
      const address = parseAddress(text)
      if (!address) return
      const held = all.get(text) ?? { text, address, wanted: announcement, places: new Map(), reported: undefined }
      held.wanted = announcement
      all.set(text, held)
      settleSoon(held)
    },
    withdraw(text) {
      const held = all.get(text)
      if (!held) return
      held.wanted = undefined
      settleSoon(held)
    },
    useStations(now) {
      stations = now
      for (const held of all.values()) {
        // At once: the packets of a closed station go nowhere.
        for (const station of held.places.keys()) if (!now.includes(station)) leave(held, station)
        settleSoon(held)
      }
    },
    makeKnownAgain(station) {
      for (const held of all.values()) {
        const place = held.places.get(station)
        if (place) restart(place)
      }
    },
    defend(text) {
      for (const place of all.get(text)?.places.values() ?? []) restart(place)
    },
    close() {
      clearImmediate(slice)
      heralds.close()
    },
  }
}
