import { setTimeout as after } from 'node:timers/promises'
import {
  type Holding,
  type HoldingAction,
  type HoldingEvent,
  hold,
  isAnswering,
  nextDueMs,
  step,
} from './layer2/holding.ts'
import type { StartWire } from './speaker.ts'
import type { NetworkInterface, WireCommand, WireReport } from './wire/messages.ts'

/*
 * A network segment without a network: wire threads that ask for addresses, answer and argue in memory, and leave a
 * history of who answered when. They decide as the real ones do (layer2/holding.ts); the rest of a speaker is real.
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
  readonly node: string
  readonly holdings: Map<string, Holding>
  /** The nodes that share an address with this one. */
  readonly sharers: Map<string, readonly string[]>
  readonly nodeOf: Map<string, string>
  readonly claimants: Map<string, string | undefined>
  inTouch: boolean
  provenMs: number
  powered: boolean
  carrier: boolean
  report: (report: WireReport) => void
}

const evidence = { tries: 2, spacingMs: 5 }

export function createSegment(): Segment {
  const stations = new Map<string, Station>()
  const history: Happening[] = []
  const note = ({ node, powered }: Station, address: string, what: Happening['what']): void => {
    if (powered) history.push({ atMs: performance.now(), node, address, what })
  }

  function stationOf(node: string): Station {
    const station = stations.get(node)
    if (!station) throw new Error(`${node} is not on the segment`)
    return station
  }

  function answers(station: Station, address: string): boolean {
    const holding = station.holdings.get(address)
    return station.powered && holding !== undefined && isAnswering(holding)
  }

  const others = (station: Station): readonly Station[] => [...stations.values()].filter(one => one !== station)

  function toHolding(station: Station, address: string, event: HoldingEvent): void {
    const holding = station.holdings.get(address)
    if (!holding || !station.powered) return
    const knowledge = {
      nodeOf: (mac: string) => station.nodeOf.get(mac),
      claimant: station.claimants.get(address),
      inTouch: station.inTouch,
      provenMs: station.provenMs,
    }
    take(station, address, step(holding, event, knowledge, performance.now()))
  }

  function take(station: Station, address: string, [holding, actions]: readonly [Holding, readonly HoldingAction[]]) {
    station.holdings.set(address, holding)
    for (const action of actions) carryOut(station, address, action)
    const dueMs = nextDueMs(holding)
    if (dueMs === undefined) return
    setTimeout(() => toHolding(station, address, { kind: 'due' }), Math.max(0, dueMs - performance.now()) + 1).unref()
  }

  function carryOut(station: Station, address: string, action: HoldingAction): void {
    const { report } = station
    switch (action.kind) {
      case 'ask':
        for (const other of others(station)) {
          if (answers(other, address)) toldBy(other, station, address)
        }
        break
      case 'begin':
        note(station, address, 'announces')
        makeKnown(station, address)
        // And once again, as the real ones do.
        setTimeout(() => makeKnown(station, address), 200).unref()
        break
      case 'defend':
        note(station, address, 'announces')
        makeKnown(station, address)
        break
      case 'cease':
        note(station, address, 'withdraws')
        report({ kind: 'withheld', address, because: action.because })
        break
      case 'contested':
        report({ kind: 'contested', address, finding: action.finding })
        break
      case 'seen':
        break
    }
  }

  function makeKnown(station: Station, address: string): void {
    // The first packets leave a moment later, and arrive everywhere at once.
    setTimeout(() => {
      if (!answers(station, address)) return
      station.report({ kind: 'announced', address, interfaces: ['eth0'] })
      for (const other of segment.packetsArrive ? others(station) : []) toldBy(station, other, address)
    }, 2)
  }

  function toldBy(speaker: Station, listener: Station, address: string): void {
    if (!listener.powered || !listener.holdings.has(address)) return
    if (listener.sharers.get(address)?.includes(speaker.node)) return
    const mac = macOf(speaker.node)
    if (answers(listener, address)) listener.report({ kind: 'seen', address, interface: 'eth0', mac })
    toHolding(listener, address, { kind: 'claimed', interface: 'eth0', mac })
  }

  function carryOutCommand(station: Station, command: WireCommand): void {
    const { node, holdings } = station
    switch (command.kind) {
      case 'announce':
        for (const { address, sharing } of command.announcements) {
          station.sharers.set(address, sharing?.nodes ?? [])
          if (holdings.has(address)) continue
          const caution = command.caution ?? { kind: 'none' }
          const terms = { self: node, address, interfaces: ['eth0'], caution, settings: evidence }
          take(station, address, hold(terms, performance.now()))
        }
        break
      case 'caution':
        for (const address of command.addresses) {
          toHolding(station, address, { kind: 'caution', caution: command.caution })
        }
        break
      case 'withdraw':
        for (const address of command.addresses) {
          if (answers(station, address)) note(station, address, 'withdraws')
          holdings.delete(address)
        }
        break
      case 'knowledge':
        station.inTouch = command.inTouch ?? station.inTouch
        for (const [mac, name] of command.stations ?? []) station.nodeOf.set(mac, name)
        for (const [address, name] of command.claimants ?? []) station.claimants.set(address, name)
        break
      case 'proven':
        station.provenMs = performance.now()
        break
      case 'bfd':
      case 'cluster':
      case 'members':
      case 'alive':
      case 'stop':
        break
    }
  }

  const segment: Segment = {
    wireOf: node => options => {
      const station: Station = {
        node,
        holdings: new Map(),
        sharers: new Map(),
        nodeOf: new Map(),
        claimants: new Map(),
        inTouch: true,
        provenMs: Number.NEGATIVE_INFINITY,
        powered: true,
        carrier: true,
        report: options.onReport,
      }
      stations.set(node, station)
      queueMicrotask(() => station.report({ kind: 'interfaces', interfaces: [eth0(node, station.carrier)] }))
      return {
        send: command => carryOutCommand(station, command),
        async stop() {
          for (const address of station.holdings.keys()) {
            if (answers(station, address)) note(station, address, 'withdraws')
          }
          station.holdings.clear()
          await after(1)
        },
      }
    },
    history,
    packetsArrive: true,
    answerers: address => [...stations.values()].filter(one => answers(one, address)).map(({ node }) => node),
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
