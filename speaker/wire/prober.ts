import { type Address, formatAddress, type IpFamily, parseAddress } from '../../net/address.ts'
import { formatMac } from '../../net/mac.ts'
import type { Asker } from './asker.ts'
import type { ProbeCommand, ProbeResult, WireReport } from './messages.ts'
import { placesOf } from './placement.ts'
import type { Station } from './stations.ts'

/** Asks the node's segments who has an address: evidence before a take-over, and for whoever wants to know. */
export interface Prober {
  probe(command: ProbeCommand): void
  /** Stations have gone: what was to be asked there is not asked any more. */
  forget(station: Station): void
  close(): void
}

/** One address of a probe. */
interface Target {
  readonly address: Address
  readonly places: Set<Station>
  readonly asked: Set<string>
  readonly answers: Map<string, ProbeResult['answers'][number]>
}

interface Probe {
  readonly command: ProbeCommand
  readonly targets: ReadonlyMap<string, Target>
  tries: number
  timer: NodeJS.Timeout | undefined
}

/** All probes that are under way; a segment's socket is open while any of them asks there. */
export function createProber(options: {
  readonly stations: () => readonly Station[]
  readonly hasCarrier: (station: Station) => boolean
  readonly report: (report: WireReport) => void
}): Prober {
  const probes = new Set<Probe>()
  const askers = new Map<Station, Map<IpFamily, Asker | undefined>>()

  const askerAt = (station: Station, family: IpFamily): Asker | undefined => {
    const own = askers.get(station) ?? new Map<IpFamily, Asker | undefined>()
    askers.set(station, own)
    if (!own.has(family)) {
      own.set(
        family,
        station.openAsker(family, (address, mac) => heard(station, formatAddress(address), formatMac(mac))),
      )
    }
    return own.get(family)
  }

  const heard = (station: Station, address: string, mac: string): void => {
    const { name } = station.interface
    for (const { targets } of probes) {
      const target = targets.get(address)
      if (target?.places.has(station)) target.answers.set(`${name} ${mac}`, { interface: name, mac })
    }
  }

  const turn = (probe: Probe): void => {
    const { command, targets } = probe
    const silent = [...targets.values()].filter(({ answers }) => answers.size === 0)
    if (probe.tries >= command.tries || silent.length === 0) {
      finish(probe)
      return
    }
    probe.tries++
    for (const { address, places, asked } of silent) {
      for (const station of places) {
        if (!options.hasCarrier(station)) continue
        askerAt(station, address.family)?.ask(address)
        asked.add(station.interface.name)
      }
    }
    probe.timer = setTimeout(turn, command.intervalMs, probe)
  }

  const finish = (probe: Probe): void => {
    probes.delete(probe)
    if (probes.size === 0) closeAskers()
    const results = Array.from(
      probe.targets,
      ([address, { asked, answers }]): ProbeResult => ({ address, asked: [...asked], answers: [...answers.values()] }),
    )
    options.report({ kind: 'probed', id: probe.command.id, results })
  }

  const closeAskers = (): void => {
    for (const own of askers.values()) for (const asker of own.values()) asker?.close()
    askers.clear()
  }

  return {
    probe(command) {
      const stations = options.stations()
      const targets = new Map<string, Target>()
      for (const wanted of command.addresses) {
        const address = parseAddress(wanted.address)
        if (!address) continue
        const places = new Set(placesOf(wanted, stations))
        targets.set(wanted.address, { address, places, asked: new Set(), answers: new Map() })
      }
      const probe: Probe = { command, targets, tries: 0, timer: undefined }
      probes.add(probe)
      for (const station of stations) {
        const here = [...targets.values()].filter(({ places }) => places.has(station)).map(({ address }) => address)
        for (const family of ['IPv4', 'IPv6'] as const) {
          const own = here.filter(address => address.family === family)
          if (own.length > 0) askerAt(station, family)?.hear(own)
        }
      }
      // The filters that let the answers through are set behind this turn of the loop, and before the first question.
      queueMicrotask(() => turn(probe))
    },
    forget(station) {
      for (const asker of askers.get(station)?.values() ?? []) asker?.close()
      askers.delete(station)
      for (const { targets } of probes) for (const { places } of targets.values()) places.delete(station)
    },
    close() {
      for (const { timer } of probes) clearTimeout(timer)
      probes.clear()
      closeAskers()
    },
  }
}
