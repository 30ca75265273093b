import type { Address, IpFamily } from '../../net/address.ts'
import { formatAddress } from '../../net/address.ts'
import { formatMac, type MacAddress } from '../../net/mac.ts'
import type { Asker } from './asker.ts'
import type { Station } from './stations.ts'

/** Asks on any of the node's segments; each segment's sockets are open while something is being asked there. */
export interface Askers {
  /** Listens for answers about these addresses at these stations, from the next turn of the loop on. */
  hear(station: Station, addresses: readonly Address[]): void
  ask(station: Station, address: Address): void
  /** The station has gone. */
  forget(station: Station): void
  /** Nothing is being asked any more. */
  close(): void
}

/** Addresses and hardware addresses come as text. */
export function createAskers(options: {
  readonly onHolder: (address: string, station: Station, mac: string) => void
  readonly onProbe: (address: string, station: Station, mac: string) => void
}): Askers {
  const open = new Map<Station, Map<IpFamily, Asker | undefined>>()

  const askerAt = (station: Station, family: IpFamily): Asker | undefined => {
    const own = open.get(station) ?? new Map<IpFamily, Asker | undefined>()
    open.set(station, own)
    if (!own.has(family)) own.set(family, station.openAsker(family, hearingAt(station)))
    return own.get(family)
  }

  const hearingAt = (station: Station) => ({
    onHolder: (address: Address, mac: MacAddress) => options.onHolder(formatAddress(address), station, formatMac(mac)),
    onProbe: (address: Address, mac: MacAddress) => options.onProbe(formatAddress(address), station, formatMac(mac)),
  })

  return {
    hear(station, addresses) {
      for (const family of ['IPv4', 'IPv6'] as const) {
        const own = addresses.filter(address => address.family === family)
        if (own.length > 0) askerAt(station, family)?.hear(own)
      }
    },
    ask: (station, address) => askerAt(station, address.family)?.ask(address),
    forget(station) {
      for (const asker of open.get(station)?.values() ?? []) asker?.close()
      open.delete(station)
    },
    close() {
      for (const own of open.values()) for (const asker of own.values()) asker?.close()
      open.clear()
    },
  }
}
