import { formatMac, type MacAddress } from '../../net/mac.ts'
import type { LinkTable } from '../netlink/interfaces.ts'
import { excludedInterfaces, networkInterfaces } from '../netlink/interfaces.ts'
import { openInterfaceMonitor } from '../netlink/monitor.ts'
import { createAnnouncer } from './announcer.ts'
import { createClaimFilter } from './claims.ts'
import { createCounters } from './counters.ts'
import { createHoldings, type Holdings } from './holdings.ts'
import type { NetworkInterface, WireReport } from './messages.ts'
import { isSameStation, isUsable } from './placement.ts'
import { createStation, type Station } from './stations.ts'

/** Layer 2 on all of the node's interfaces. */
export interface Layer2 extends Omit<Holdings, 'nodeOf' | 'claimed' | 'interfacesChanged' | 'forgetStation'> {}

const countersEveryMs = 3_000

/** Starts following the interfaces; addresses come by `announce`. All that is to be told goes through `report`. */
export function startLayer2(options: {
  readonly excluded: readonly RegExp[]
  readonly report: (report: WireReport) => void
  /** The name of this node, once it is known. */
  readonly self: () => string
  readonly mayAnswer: () => boolean
}): Layer2 {
  const { report } = options
  const stations = new Map<number, Station>()
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
    nodeOf: (mac: MacAddress): string | undefined => holdings.nodeOf(formatMac(mac)),
    mayAnswer: options.mayAnswer,
    onClaim: (interfaceName: string, address: string, mac: string): void => {
      holdings.claimed(address, interfaceName, mac)
      if (!isWorthTelling(`${interfaceName} ${address}`, mac, performance.now())) return
      report({ kind: 'seen', address, interface: interfaceName, mac })
    },
    onProblem,
    counters,
  }

  const announcer = createAnnouncer({
    report,
    mayAnswer: options.mayAnswer,
    onLeft: (address, name) => counters.forget(address, name),
  })

  const holdings = createHoldings({
    self: options.self,
    stations: () => [...stations.values()],
    hasCarrier: station => interfaces.some(one => one.index === station.interface.index && one.carrier),
    begin: announcement => announcer.announce(announcement),
    defend: address => announcer.defend(address),
    cease: address => announcer.withdraw(address),
    report,
  })

  let told = '[]'
  const tellExcluded = (table: LinkTable): void => {
    const excluded = excludedInterfaces(table, options.excluded)
    const text = JSON.stringify(excluded)
    if (text === told) return
    told = text
    report({ kind: 'excluded', interfaces: excluded })
  }

  const onInterfaces = (table: LinkTable): void => {
    ownMacs = new Set(Array.from(table.links.values(), ({ mac }) => macNumber(mac)))
    tellExcluded(table)
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
      if (now && isSameStation(now, station.interface)) {
        // The cable that is plugged in again may lead to another switch.
        if (now.carrier && !before.get(now.index)?.carrier) announcer.makeKnownAgain(station)
        continue
      }
      holdings.forgetStation(station)
      station.close()
      stations.delete(station.interface.index)
      changed = true
    }
    for (const candidate of usable.values()) {
      if (stations.has(candidate.index)) continue
      stations.set(candidate.index, createStation(candidate, stationOptions))
      changed = true
    }
    if (changed) announcer.useStations([...stations.values()])
    holdings.interfacesChanged()
  }

  const monitor = openInterfaceMonitor({ onChange: onInterfaces, onProblem })

  return {
    ...holdings,
    close() {
      clearTimeout(countersTimer)
      monitor.close()
      announcer.close()
      holdings.close()
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
