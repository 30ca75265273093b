import type { Address, IpFamily } from '../../net/address.ts'
import { formatAddress } from '../../net/address.ts'
import { formatMac, type MacAddress } from '../../net/mac.ts'
import type { Asker } from './asker.ts'
import type { Station } from './stations.ts'

/**
 * Asks on any of the node's segments. A segment's sockets are open while something is being asked there, and some seconds
 * longer: the kernel takes ten milliseconds and more to close one, and what is asked last before an address is answered for
 * must not delay that.
 */
export interface Askers {
  /** Listens for answers about these addresses at these stations, from the next turn of the loop on. */
  hear(station: Station, addresses: readonly Address[]): void
  ask(station: Station, address: Address): void
  /** The station has gone. */
  forget(station: Station): void
  /** Nothing is being asked any more. */
  rest(): void
  close(): void
}

const restMs = 10_000
/** Between two sockets that are closed: what else the thread has to do comes in between. */
const closeEveryMs = 200

/** Addresses and hardware addresses come as text. */
export function createAskers(options: {
  readonly onHolder: (address: string, station: Station, mac: string) => void
  readonly onProbe: (address: string, station: Station, mac: string) => void
}): Askers {
  const open = new Map<Station, Map<IpFamily, Asker | undefined>>()
  let timer: NodeJS.Timeout | undefined

  const askerAt = (station: Station, family: IpFamily): Asker | undefined => {
    const own = open.get(station) ?? new Map<IpFamily, Asker | undefined>()
    open.set(station, own)
    if (!own.has(family)) own.set(family, station.openAsker(family, hearingAt(station)))
    return own.get(family)
  }

  const closeOne = (): void => {
    timer = undefined
    const [first] = open
    if (!first) return
    const [station, own] = first
    const [family] = own.keys()
    if (family !== undefined) {
      own.get(family)?.close()
      own.delete(family)
    }
    if (own.size === 0) open.delete(station)
    if (open.size > 0) timer = setTimeout(closeOne, closeEveryMs).unref()
  }

  const hearingAt = (station: Station) => ({
    onHolder: (address: Address, mac: MacAddress) => options.onHolder(formatAddress(address), station, formatMac(mac)),
    onProbe: (address: Address, mac: MacAddress) => options.onProbe(formatAddress(address), station, formatMac(mac)),
  })

  return {
    hear(station, addresses) {
      clearTimeout(timer)
      timer = undefined
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
    rest() {
      if (timer !== undefined || open.size === 0) return
      for (const own of open.values()) for (const asker of own.values()) asker?.deafen()
      timer = setTimeout(closeOne, restMs)
      timer.unref()
    },
    close() {
      clearTimeout(timer)
      for (const own of open.values()) for (const asker of own.values()) asker?.close()
      open.clear()
    },
  }
}
