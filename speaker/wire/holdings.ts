import { type Address, parseAddress } from '../../net/address.ts'
import { defaultEvidenceSettings } from '../layer2/evidence.ts'
import {
  type Holding,
  type HoldingAction,
  type HoldingEvent,
  hold,
  isAnswering,
  type Knowledge,
  nextDueMs,
  step,
} from '../layer2/holding.ts'
import type { Caution } from '../layer2/takeover.ts'
import { createAskers } from './askers.ts'
import type { KnowledgeCommand, WireAnnouncement, WireReport } from './messages.ts'
import { monotonicMs } from './monotonic.ts'
import { placesOf } from './placement.ts'
import type { Station } from './stations.ts'

/*
 * The addresses that main wants announced, each with its state (layer2/holding.ts): the shell between what main says, what
 * the segments say, the fence, and the announcer that answers.
 */

export interface Holdings {
  announce(announcements: readonly WireAnnouncement[], caution: Caution): void
  setCaution(addresses: readonly string[], caution: Caution): void
  withdraw(address: string): void
  know(knowledge: KnowledgeCommand): void
  /** A renewal of our Lease that was sent then has come back. */
  proven(sentMs: number): void
  /** The node whose speaker has this hardware address. */
  nodeOf(mac: string): string | undefined
  /** Another station says that it has the address. */
  claimed(address: string, interfaceName: string, mac: string): void
  /** The fence wants every address asked for: before it is answered again, or beside. */
  askSegment(kind: 'askSegment' | 'checkSegment'): void
  /** Stations or their carriers are others now. */
  interfacesChanged(): void
  forgetStation(station: Station): void
  close(): void
}

interface Held {
  readonly address: Address
  announcement: WireAnnouncement
  holding: Holding
  /** Who claimed it last. */
  claimant: { readonly interface: string; readonly mac: string } | undefined
}

export function createHoldings(options: {
  readonly self: () => string
  readonly stations: () => readonly Station[]
  readonly hasCarrier: (station: Station) => boolean
  /** Answers from now on. */
  readonly begin: (announcement: WireAnnouncement) => void
  readonly defend: (address: string) => void
  readonly cease: (address: string) => void
  readonly report: (report: WireReport) => void
}): Holdings {
  const { report } = options
  const all = new Map<string, Held>()
  const waiting = new Set<string>()
  const nodes = new Map<string, string>()
  const claimants = new Map<string, string>()
  const settings = defaultEvidenceSettings
  let inTouch = true
  let provenMs = Number.NEGATIVE_INFINITY
  let timer: NodeJS.Timeout | undefined
  let timerAtMs = Number.POSITIVE_INFINITY
  /** What is to be asked in this turn: the sockets must hear before they ask. */
  let questions: { readonly station: Station; readonly address: Address }[] = []

  const askers = createAskers({
    onHolder: (address, station, mac) => toHolding(address, claim(station, mac)),
    onProbe: (address, station, mac) => toHolding(address, { ...claim(station, mac), kind: 'asked' }),
  })

  const claim = ({ interface: { name } }: Station, mac: string) => ({ kind: 'claimed', interface: name, mac }) as const

  function knowledgeOf(address: string): Knowledge {
    const named = claimants.get(address)
    // Whom the record names of those that share it, has it for all of them.
    const isOurs = named !== undefined && all.get(address)?.announcement.sharing?.nodes.includes(named) === true
    const claimant = isOurs ? options.self() : named
    return { nodeOf: mac => nodes.get(mac), claimant, inTouch, provenMs }
  }

  /** Those that share an address all have it: what they say is nobody's claim and nobody's question. */
  function isSharers(held: Held | undefined, mac: string): boolean {
    const node = nodes.get(mac)
    return node !== undefined && held?.announcement.sharing?.nodes.includes(node) === true
  }

  function toHolding(address: string, event: HoldingEvent): void {
    const held = all.get(address)
    if ('mac' in event && isSharers(held, event.mac)) return
    if (held && event.kind === 'claimed') held.claimant = { interface: event.interface, mac: event.mac }
    if (held) take(held, step(held.holding, event, knowledgeOf(address), monotonicMs()))
  }

  function take(held: Held, [holding, actions]: readonly [Holding, readonly HoldingAction[]]): void {
    held.holding = holding
    for (const action of actions) carryOut(held, action)
    const { address } = held.announcement
    const dueMs = nextDueMs(holding)
    if (dueMs === undefined) waiting.delete(address)
    else {
      waiting.add(address)
      wakeAt(dueMs)
    }
    if (waiting.size === 0) askers.rest()
  }

  function carryOut(held: Held, action: HoldingAction): void {
    const { announcement } = held
    const { address } = announcement
    switch (action.kind) {
      case 'ask':
        for (const station of placesOf(announcement, options.stations())) {
          if (action.interfaces.includes(station.interface.name)) askSoon(station, held.address)
        }
        break
      case 'begin':
        options.begin(announcement)
        break
      case 'defend':
        options.defend(address)
        if (held.claimant) report({ kind: 'conflict', address, ...held.claimant })
        break
      case 'cease':
        options.cease(address)
        report({ kind: 'withheld', address, because: action.because })
        break
      case 'seen':
        // Told to main already, as every claim is.
        break
      case 'contested':
        report({ kind: 'contested', address, finding: action.finding })
    }
  }

  function askSoon(station: Station, address: Address): void {
    if (questions.length === 0) queueMicrotask(askAll)
    questions.push({ station, address })
  }

  function askAll(): void {
    const now = questions
    questions = []
    for (const [station, own] of Map.groupBy(now, question => question.station)) {
      askers.hear(
        station,
        own.map(({ address }) => address),
      )
    }
    // The filters are set behind what runs now, and before the first question leaves.
    queueMicrotask(() => {
      for (const { station, address } of now) askers.ask(station, address)
    })
  }

  function wakeAt(atMs: number): void {
    if (timerAtMs <= atMs) return
    clearTimeout(timer)
    timerAtMs = atMs
    timer = setTimeout(lookAround, Math.max(0, atMs - monotonicMs()))
  }

  function lookAround(): void {
    timerAtMs = Number.POSITIVE_INFINITY
    const nowMs = monotonicMs()
    for (const address of waiting) {
      const held = all.get(address)
      const dueMs = held && nextDueMs(held.holding)
      if (dueMs === undefined) waiting.delete(address)
      else if (dueMs <= nowMs) toHolding(address, { kind: 'due' })
      else wakeAt(dueMs)
    }
  }

  function carriersFor(announcement: WireAnnouncement): readonly string[] {
    return placesOf(announcement, options.stations())
      .filter(options.hasCarrier)
      .map(station => station.interface.name)
  }

  function announceOne(announcement: WireAnnouncement, caution: Caution): void {
    const address = parseAddress(announcement.address)
    if (!address) {
      report({ kind: 'problem', text: `"${announcement.address}" is not an address that can be announced` })
      return
    }
    const known = all.get(announcement.address)
    const interfaces = carriersFor(announcement)
    if (known) {
      // Elsewhere too, or not everywhere any more: whoever has it asks nobody.
      known.announcement = announcement
      toHolding(announcement.address, { kind: 'interfaces', interfaces })
      if (isAnswering(known.holding)) options.begin(announcement)
      return
    }
    const terms = { self: options.self(), address: announcement.address, interfaces, caution, settings }
    const [holding, actions] = hold(terms, monotonicMs())
    const held: Held = { address, announcement, holding, claimant: undefined }
    all.set(announcement.address, held)
    take(held, [holding, actions])
  }

  return {
    announce(announcements, caution) {
      for (const announcement of announcements) announceOne(announcement, caution)
    },
    setCaution(addresses, caution) {
      for (const address of addresses) toHolding(address, { kind: 'caution', caution })
    },
    withdraw(address) {
      all.delete(address)
      waiting.delete(address)
      claimants.delete(address)
      options.cease(address)
      if (waiting.size === 0) askers.rest()
    },
    know(knowledge) {
      inTouch = knowledge.inTouch ?? inTouch
      if (knowledge.stations) {
        nodes.clear()
        for (const [mac, node] of knowledge.stations) nodes.set(mac, node)
      }
      for (const [address, node] of knowledge.claimants ?? []) {
        if (node === undefined) claimants.delete(address)
        else claimants.set(address, node)
      }
    },
    proven(sentMs) {
      provenMs = Math.max(provenMs, sentMs)
    },
    nodeOf: mac => nodes.get(mac),
    claimed: (address, interfaceName, mac) => toHolding(address, { kind: 'claimed', interface: interfaceName, mac }),
    askSegment(kind) {
      for (const address of all.keys()) toHolding(address, { kind })
    },
    interfacesChanged() {
      for (const [address, { announcement }] of all) {
        toHolding(address, { kind: 'interfaces', interfaces: carriersFor(announcement) })
      }
    },
    forgetStation: station => askers.forget(station),
    close() {
      clearTimeout(timer)
      waiting.clear()
      all.clear()
      askers.close()
    },
  }
}
