import { setTimeout as after } from 'node:timers/promises'
import type { StartWire } from './speaker.ts'
import type { NetworkInterface, WireReport } from './wire/messages.ts'

/*
 * A network segment without a network: wire threads that answer for addresses in memory, hear each other's gratuitous
 * packets, and leave a history of who answered when. The rest of a speaker is real.
 */

/** One thing that happened on the segment. */
export interface Happening {
  readonly atMs: number
  readonly node: string
  readonly address: string
  readonly what: 'announces' | 'withdraws'
}

export interface Segment {
  /** A wire thread for a node. */
  readonly wireOf: (node: string) => StartWire
  readonly history: readonly Happening[]
  /** The nodes that answer for the address now. */
  answerers(address: string): readonly string[]
  /** The node loses its power: it neither answers nor hears. */
  cutPower(node: string): void
  setCarrier(node: string, carrier: boolean): void
  /** Whether gratuitous packets arrive. */
  packetsArrive: boolean
  /** How often a node announced the address. */
  announcements(address: string): number
}

interface Station {
  answers: Set<string>
  powered: boolean
  carrier: boolean
  report: (report: WireReport) => void
}

export function createSegment(): Segment {
  const stations = new Map<string, Station>()
  const history: Happening[] = []
  const note = (node: string, address: string, what: Happening['what']): void => {
    history.push({ atMs: performance.now(), node, address, what })
  }

  function stationOf(node: string): Station {
    const station = stations.get(node)
    if (!station) throw new Error(`${node} is not on the segment`)
    return station
  }

  const segment: Segment = {
    wireOf: node => options => {
      const station: Station = { answers: new Set(), powered: true, carrier: true, report: options.onReport }
      stations.set(node, station)
      queueMicrotask(() => station.report({ kind: 'interfaces', interfaces: [eth0(node, station.carrier)] }))
      return {
        send(command) {
          switch (command.kind) {
            case 'announce':
              for (const { address } of command.announcements) announce(node, station, address)
              break
            case 'withdraw':
              for (const address of command.addresses) {
                if (station.answers.delete(address) && station.powered) note(node, address, 'withdraws')
              }
              break
            case 'bfd':
            case 'stop':
              break
          }
        },
        async stop() {
          for (const address of station.powered ? station.answers : []) note(node, address, 'withdraws')
          station.answers.clear()
          await after(1)
        },
      }
    },
    history,
    packetsArrive: true,
    answerers: address =>
      [...stations].filter(([, { powered, answers }]) => powered && answers.has(address)).map(([node]) => node),
    cutPower(node) {
      stationOf(node).powered = false
    },
    setCarrier(node, carrier) {
      const station = stationOf(node)
      station.carrier = carrier
      station.report({ kind: 'interfaces', interfaces: [eth0(node, carrier)] })
    },
    announcements: address => history.filter(one => one.address === address && one.what === 'announces').length,
  }

  function announce(node: string, station: Station, address: string): void {
    const fresh = !station.answers.has(address)
    station.answers.add(address)
    if (fresh) note(node, address, 'announces')
    // The first packets leave a moment later, and arrive everywhere at once.
    setTimeout(() => {
      if (!station.powered || !station.answers.has(address)) return
      station.report({ kind: 'announced', address, interfaces: ['eth0'] })
      for (const [other, { powered, answers, report }] of fresh && segment.packetsArrive ? stations : []) {
        if (other === node || !powered || !answers.has(address)) continue
        report({ kind: 'seen', address, interface: 'eth0', mac: macOf(node) })
      }
    }, 2)
  }
  return segment
}

/** The hardware address of a node's only interface. */
export function macOf(node: string): string {
  const number = Number(node.replace(/\D+/g, ''))
  return `02:00:00:00:00:${number.toString(16).padStart(2, '0')}`
}

function eth0(node: string, carrier: boolean): NetworkInterface {
  const address = `10.99.0.${Number(node.replace(/\D+/g, ''))}`
  const addresses = [{ address, prefixLength: 24 }]
  return { name: 'eth0', index: 2, mac: macOf(node), up: true, carrier, mtu: 1500, addresses, layer2: true }
}
