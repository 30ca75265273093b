import { createDetector, step as detect, nextDueMs } from '../../speaker/layer2/detector.ts'
import type { Detector, DetectorAction, DetectorEvent, Peer, ReachReport } from '../../speaker/layer2/detector-state.ts'
import {
  createFence,
  type Fence,
  type FenceEvent,
  fenceSettings,
  step as guard,
  licenceOf,
  mayAnswer,
} from '../../speaker/layer2/fence.ts'
import {
  type Holding,
  type HoldingAction,
  type HoldingEvent,
  hold,
  isAnswering,
  type Knowledge,
  nextDueMs as nextHoldingDueMs,
  step as see,
} from '../../speaker/layer2/holding.ts'
import type { Caution } from '../../speaker/layer2/takeover.ts'
import type { VerdictKind } from '../../speaker/layer2/verdict-message.ts'
import { pauseBeforeRepeat } from '../../speaker/wire/repeats.ts'
import { afterPacket, type BfdEnd, type BfdState, intervalOf, pauseMs } from './bfd-model.ts'
import type { Machine } from './machine.ts'
import { send, type World } from './world.ts'

/** What the wire thread tells main. */
export type WireNews =
  | { readonly kind: 'reach'; readonly report: ReachReport }
  /** Answered for on these interfaces; undefined = not, or not yet. */
  | { readonly kind: 'announced'; readonly address: string; readonly on: readonly string[] | undefined }
  | { readonly kind: 'seen'; readonly address: string; readonly node: string }

/** A verdict datagram as it goes over the wire; its codec has tests of its own. */
interface Datagram {
  readonly kind: VerdictKind
  readonly sender: string
  readonly receiver: string
  readonly sequence: number
  readonly nonce: number
  readonly missed: readonly string[]
}

/** The wire thread of one speaker: BFD, detector, fence and the addresses. */
export interface WireHalf {
  /** `warm`: the first sessions are up already. */
  start(warm: boolean): void
  /** Says goodbye by AdminDown. */
  stop(): void
  /** To be called before anything else in this process: notices that it did not run. */
  lookAtClock(): void
  setPeers(peers: readonly Peer[], nodeOf: (mac: string) => string | undefined): void
  setCarrier(has: boolean): void
  /** What main knows of the API server. */
  prove(sentMs: number): void
  setTouch(inTouch: boolean): void
  setClaimants(claimantOf: (address: string) => string | undefined): void
  mainLives(atMs: number): void
  announce(address: string, caution: Caution): void
  recaution(address: string, caution: Caution): void
  withdraw(address: string): void
  answers(address: string): boolean
  cares(address: string): boolean
  /** Packets. */
  takeBfd(from: string, state: BfdState): void
  takeDatagram(from: string, datagram: Datagram): void
  takeAsk(from: Machine, address: string): void
  takeClaim(mac: string, address: string): void
  readonly addresses: Iterable<string>
}

const tickMs = 50
const eth0 = ['eth0']

export function createWireHalf(world: World, machine: Machine, run: string, tell: (news: WireNews) => void): WireHalf {
  const { settings, machines, random } = world
  const detectionMs = settings.intervalMs * settings.detectMultiplier
  const self = { node: machine.name, run }
  const ends = new Map<string, BfdEnd>()
  const holdings = new Map<string, Holding>()
  const lastSequences = new Map<string, number>()
  let detector: Detector = createDetector(self, settings.detector)
  let fence: Fence = createFence(fenceSettings(settings), machine.clockMs())
  let licence = licenceOf(fence)
  let mayLast = true
  let detectorDueMs = Number.POSITIVE_INFINITY
  let nodeOf: (mac: string) => string | undefined = () => undefined
  let claimantOf: (address: string) => string | undefined = () => undefined
  let provenMs = Number.NEGATIVE_INFINITY
  let inTouch = true
  let carrier = true
  let warm = false

  const clock = machine.clockMs

  // Detector and datagrams

  /** As in cluster.ts: what comes of an action waits until all are carried out. */
  const waiting: DetectorEvent[] = []

  function toDetector(event: DetectorEvent): void {
    waiting.push(event)
    if (waiting.length > 1) return
    for (const one of waiting) {
      const [next, actions] = detect(detector, one, clock())
      detector = next
      for (const action of actions) carryOut(action)
    }
    waiting.length = 0
    const dueMs = nextDueMs(detector, clock())
    if (dueMs === undefined || dueMs >= detectorDueMs) return
    detectorDueMs = dueMs
    machine.after(dueMs - clock(), () => {
      detectorDueMs = Number.POSITIVE_INFINITY
      toDetector({ kind: 'due' })
    })
  }

  function carryOut(action: DetectorAction): void {
    switch (action.kind) {
      case 'watch':
        setSessions(action.nodes)
        break
      case 'send':
        for (const [index, to] of action.to.entries()) {
          const { kind, nonce, missed, sequence } = action.message
          post(to, { kind, nonce, missed, sequence: sequence + index })
        }
        break
      case 'checkSegment':
        for (const address of holdings.keys()) toHolding(address, { kind: 'checkSegment' })
        break
      case 'report':
        tell({ kind: 'reach', report: action.report })
        toFence({ kind: 'standing', standing: action.report.standing })
    }
  }

  function post(to: Peer, message: Omit<Datagram, 'sender' | 'receiver'>): void {
    const datagram = { ...message, sender: run, receiver: to.run }
    send(world, 'nodes', machine.name, to.node, () =>
      machines.get(to.node)?.process?.wire.takeDatagram(machine.name, datagram),
    )
  }

  // BFD

  function setSessions(nodes: readonly string[]): void {
    for (const node of ends.keys()) {
      if (nodes.includes(node)) continue
      sendBfd(node, 'AdminDown')
      ends.delete(node)
      toDetector({ kind: 'session', node, state: 'stopped' })
    }
    for (const node of nodes) {
      if (ends.has(node)) continue
      const end: BfdEnd = { state: warm ? 'Up' : 'Down', heardAtMs: clock(), patienceMs: detectionMs, turn: 0 }
      ends.set(node, end)
      if (warm) toDetector({ kind: 'session', node, state: 'up' })
      // Not all at the same moment.
      machine.after(warm ? random.between(0, settings.intervalMs) : 0, () => transmit(node, end))
      watchDeadline(node, end)
    }
  }

  function transmit(node: string, end: BfdEnd): void {
    if (ends.get(node) !== end) return
    sendBfd(node, end.state)
    const turn = ++end.turn
    machine.after(pauseMs(end.state, settings.intervalMs, random()), () => {
      // A change of state has sent one of its own since, and keeps its own pace.
      if (end.turn === turn) transmit(node, end)
    })
  }

  function sendBfd(node: string, state: BfdState): void {
    send(world, 'nodes', machine.name, node, () => machines.get(node)?.process?.wire.takeBfd(machine.name, state))
  }

  function watchDeadline(node: string, end: BfdEnd): void {
    if (ends.get(node) !== end) return
    const leftMs = end.heardAtMs + end.patienceMs - clock()
    if (leftMs <= 0 && end.state !== 'Down') changeState(node, end, 'Down', 'down')
    machine.after(leftMs > 0 ? Math.min(leftMs + 0.01, detectionMs) : detectionMs, () => watchDeadline(node, end))
  }

  function changeState(node: string, end: BfdEnd, state: BfdState, told: 'up' | 'down' | 'stopped'): void {
    end.state = state
    transmit(node, end)
    if (state !== 'Init') toDetector({ kind: 'session', node, state: told })
  }

  // Fence

  function toFence(event: FenceEvent): void {
    const [next, actions] = guard(fence, event, clock())
    fence = next
    licence = licenceOf(fence)
    for (const action of actions) {
      switch (action.kind) {
        case 'woke':
          toDetector({ kind: 'woke' })
          break
        case 'question':
          for (const peer of detector.peers.values()) {
            if (!action.to.includes(peer.run)) continue
            post(peer, { kind: 'question', nonce: action.nonce, missed: [], sequence: detector.sequence })
            detector = { ...detector, sequence: detector.sequence + 1 }
          }
          break
        case 'askSegment':
          for (const address of holdings.keys()) toHolding(address, { kind: 'askSegment' })
          break
        case 'cutOff':
        case 'restored':
          break
      }
    }
    const may = mayAnswer(licence, clock())
    if (may !== mayLast) world.onAnswers(machine.name, undefined)
    mayLast = may
  }

  function tick(): void {
    const neighbours = [...detector.peers.values()].filter(({ session }) => session === 'up').map(({ run }) => run)
    toFence({ kind: 'tick', nonce: random.integer(1, 2 ** 48), neighbours, leapMs: 0 })
  }

  // Addresses

  function toHolding(address: string, event: HoldingEvent): void {
    const holding = holdings.get(address)
    if (!holding) return
    const knowledge: Knowledge = { nodeOf, claimant: claimantOf(address), inTouch, provenMs }
    take(address, see(holding, event, knowledge, clock()))
  }

  function take(address: string, [holding, actions]: readonly [Holding, readonly HoldingAction[]]): void {
    const before = holdings.get(address)
    holdings.set(address, holding)
    for (const action of actions) {
      switch (action.kind) {
        case 'ask':
          ask(address)
          break
        case 'begin':
          herald(address, 0)
          break
        case 'defend':
          announceOnce(address)
          break
        case 'cease':
          tell({ kind: 'announced', address, on: undefined })
          break
        case 'seen': {
          const node = nodeOf(action.mac)
          if (node !== undefined) tell({ kind: 'seen', address, node })
          break
        }
        case 'contested':
          if (action.finding.kind === 'noLink') tell({ kind: 'announced', address, on: [] })
      }
    }
    if ((before ? isAnswering(before) : false) !== isAnswering(holding)) world.onAnswers(machine.name, address)
    const dueMs = nextHoldingDueMs(holding)
    if (dueMs !== undefined) machine.after(dueMs - clock(), () => toHolding(address, { kind: 'due' }))
  }

  function ask(address: string): void {
    if (!carrier) return
    for (const other of machines.values()) {
      if (other === machine || !other.process?.wire.cares(address)) continue
      send(world, 'segment', machine.name, other.name, () => other.process?.wire.takeAsk(machine, address))
    }
    if (world.strangers.has(address) && world.network.sideOf('segment', machine.name) === 0) {
      machine.after(1, () => machine.process?.wire.takeClaim('stranger', address))
    }
  }

  /** Makes an address known as speaker/wire does, for as long as it is answered for without a break. */
  function herald(address: string, sent: number): void {
    const holding = holdings.get(address)
    if (!holding || !isAnswering(holding)) return
    announceOnce(address)
    if (sent === 0) tell({ kind: 'announced', address, on: eth0 })
    const { state } = holding
    machine.after(pauseBeforeRepeat(sent + 1, random()), () => {
      const now = holdings.get(address)
      if (now && isAnswering(now) && (sent > 0 || now.state === state)) herald(address, sent + 1)
    })
  }

  function announceOnce(address: string): void {
    if (!mayAnswer(licence, clock())) return
    for (const other of machines.values()) {
      if (other === machine || !other.process?.wire.cares(address)) continue
      send(world, 'segment', machine.name, other.name, () => other.process?.wire.takeClaim(machine.mac, address))
    }
  }

  return {
    start: isWarm => {
      warm = isWarm
      if (warm) machine.after(1, () => (warm = false))
      const again = (): void => {
        tick()
        machine.after(tickMs, again)
      }
      again()
    },
    stop() {
      holdings.clear()
      for (let times = 0; times < 3; times++) toDetector({ kind: 'leave' })
      for (const node of ends.keys()) sendBfd(node, 'AdminDown')
    },
    lookAtClock() {
      if (clock() - fence.tickedAtMs > fence.settings.gapMs) tick()
    },
    setPeers(peers, nodeOfMac) {
      nodeOf = nodeOfMac
      toDetector({ kind: 'peers', peers })
    },
    setCarrier(has) {
      carrier = has
      toDetector({ kind: 'able', able: has })
      for (const address of holdings.keys()) toHolding(address, { kind: 'interfaces', interfaces: has ? eth0 : [] })
      world.onAnswers(machine.name, undefined)
    },
    prove(sentMs) {
      provenMs = sentMs
      toFence({ kind: 'proven', sentMs })
    },
    setTouch(now) {
      inTouch = now
    },
    setClaimants(lookUp) {
      claimantOf = lookUp
    },
    mainLives: atMs => toFence({ kind: 'main', atMs }),
    announce(address, caution) {
      const interfaces = carrier ? eth0 : []
      take(address, hold({ self: machine.name, address, interfaces, caution, settings: settings.evidence }, clock()))
    },
    recaution: (address, caution) => toHolding(address, { kind: 'caution', caution }),
    withdraw(address) {
      holdings.delete(address)
      world.onAnswers(machine.name, address)
    },
    answers(address) {
      const holding = holdings.get(address)
      return holding !== undefined && isAnswering(holding) && carrier && mayAnswer(licence, clock())
    },
    cares: address => holdings.has(address),
    takeBfd(from, packet) {
      const end = ends.get(from)
      if (!end) return
      end.heardAtMs = clock()
      end.patienceMs = intervalOf(packet, settings.intervalMs) * settings.detectMultiplier
      const state = afterPacket(end.state, packet)
      if (state === end.state) return
      changeState(from, end, state, state === 'Up' ? 'up' : packet === 'AdminDown' ? 'stopped' : 'down')
    },
    takeDatagram(from, { kind, sender, receiver, sequence, nonce, missed }) {
      const fresh = receiver === run && sequence > (lastSequences.get(sender) ?? -1)
      if (!fresh || detector.peers.get(from)?.run !== sender) return
      lastSequences.set(sender, sequence)
      toDetector({ kind: 'verdict', from, about: kind, sequence, nonce, missed })
      if (kind === 'answer') toFence({ kind: 'answer', from: sender, nonce, missesUs: missed.includes(run) })
    },
    takeAsk(from, address) {
      const holding = holdings.get(address)
      if (!holding) return
      if (isAnswering(holding) && mayAnswer(licence, clock())) {
        send(world, 'segment', machine.name, from.name, () => from.process?.wire.takeClaim(machine.mac, address))
      } else toHolding(address, { kind: 'asked', interface: 'eth0', mac: from.mac })
    },
    takeClaim: (mac, address) => toHolding(address, { kind: 'claimed', interface: 'eth0', mac }),
    get addresses() {
      return holdings.keys()
    },
  }
}
