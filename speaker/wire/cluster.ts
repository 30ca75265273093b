import { createHmac, randomInt } from 'node:crypto'
import { uptime } from 'node:os'
import type { BfdSessionSettings, BfdSessionStatus } from '../bfd/messages.ts'
import { createDetector, step as detect, nextDueMs } from '../layer2/detector.ts'
import {
  type Detector,
  type DetectorAction,
  type DetectorEvent,
  defaultDetectorSettings,
} from '../layer2/detector-state.ts'
import {
  createFence,
  type Fence,
  type FenceAction,
  type FenceEvent,
  fenceSettings,
  type Licence,
  licenceOf,
  step,
} from '../layer2/fence.ts'
import { decodeVerdicts, encodeVerdicts, isFresh, mostMissed, type VerdictMessage } from '../layer2/verdict-message.ts'
import type { ClusterMember, ClusterSettings, WireReport } from './messages.ts'
import { monotonicMs } from './monotonic.ts'
import { openVerdictSocket } from './verdict-socket.ts'

/*
 * The shell of the detector and of the fence: BFD sessions with a few other speakers, datagrams between all of them, a
 * clock that ticks, and a licence to answer that is taken anew after everything that happens. It lives in the wire thread
 * since that is the one whose pauses count.
 */

/** What the wire thread knows of the other speakers, and whether it may answer. */
export interface Cluster {
  /** Everything may be answered up to then, by `monotonicMs`. */
  readonly licence: Licence
  /** To be called before anything that may have waited for this thread: notices a pause first of all. */
  catchUp(): void
  setMembers(members: readonly ClusterMember[]): void
  /** A renewal of our Lease came back; when it was sent. */
  proven(sentMs: number): void
  /** The main thread lives, and when it said so. */
  mainLives(atMs: number): void
  /** Whether the status is of a session of ours, which it takes then. */
  takeBfd(status: BfdSessionStatus): boolean
  close(): void
}

/** The answer of whoever has no cluster: alone, or without a key. */
export const unlimited: Licence = { untilMs: Number.POSITIVE_INFINITY }

const sessionPrefix = 'speaker '
/** TCP or UDP, a speaker's neighbour is a few switches away; its packets may cross routers. */
const minimumTtl = 240

/** Starts knowing nobody. `onFence` carries out what the fence wants of the segment. */
export function startCluster(options: {
  readonly settings: ClusterSettings
  /** The sessions with other speakers that are wanted from now on. */
  readonly setSessions: (sessions: readonly BfdSessionSettings[]) => void
  readonly onFence: (action: { readonly kind: 'askSegment' | 'checkSegment' }) => void
  readonly report: (report: WireReport) => void
}): Cluster {
  const { settings, report } = options
  const { node, run, key, intervalMs, detectMultiplier } = settings
  const detection = fenceSettings(settings)
  const sign = signer(derived(key, 'verdicts'))
  const bfdSecret = derived(key, 'bfd').subarray(0, 20)
  let detector: Detector = createDetector({ node, run }, defaultDetectorSettings)
  let fence: Fence = createFence(detection, monotonicMs())
  let licence: Licence = licenceOf(fence)
  let members: ReadonlyMap<string, ClusterMember> = new Map()
  let watched: readonly string[] = []
  let sequences = new Map<string, number>()
  let dueTimer: NodeJS.Timeout | undefined
  let leadMs = leadOfUptime()
  let closed = false

  const socket = openVerdictSocket({
    port: settings.port,
    onDatagram: takeDatagram,
    onProblem: text => report({ kind: 'problem', text }),
  })
  const tickEveryMs = Math.max(5, Math.min(50, detection.gapMs / 4))
  const ticker = setInterval(tick, tickEveryMs)

  function tick(): void {
    const nowMs = monotonicMs()
    const nowLeadMs = leadOfUptime()
    const leapMs = Math.max(0, nowLeadMs - leadMs)
    leadMs = nowLeadMs
    const up = [...detector.peers.values()].filter(({ session }) => session === 'up')
    takeFence({ kind: 'tick', nonce: randomInt(2 ** 48 - 1), neighbours: up.map(peer => peer.run), leapMs }, nowMs)
  }

  function catchUp(): void {
    if (monotonicMs() - fence.tickedAtMs > detection.gapMs) tick()
  }

  function takeFence(event: FenceEvent, nowMs = monotonicMs()): void {
    const [after, actions] = step(fence, event, nowMs)
    fence = after
    licence = licenceOf(fence)
    for (const action of actions) carryOutFence(action, nowMs)
  }

  function carryOutFence(action: FenceAction, nowMs: number): void {
    switch (action.kind) {
      case 'question':
        ask(action.to, action.nonce)
        break
      case 'woke':
        takeDetector({ kind: 'woke' }, nowMs)
        report({ kind: 'fence', state: 'woke', gapMs: action.gapMs })
        break
      case 'cutOff':
      case 'restored':
        report({ kind: 'fence', state: action.kind })
        break
      case 'askSegment':
        options.onFence(action)
    }
  }

  const waiting: DetectorEvent[] = []

  function takeDetector(event: DetectorEvent, nowMs = monotonicMs()): void {
    // The sessions say their goodbyes after us, and nothing is to follow from those.
    if (closed) return
    waiting.push(event)
    // A session that ends because of an action is an event: to be looked at when all of the actions are carried out, or
    // what is reported last would not be what is so last.
    if (waiting.length > 1) return
    for (const next of waiting) {
      const [after, actions] = detect(detector, next, nowMs)
      detector = after
      for (const action of actions) carryOut(action)
    }
    waiting.length = 0
    clearTimeout(dueTimer)
    const dueMs = nextDueMs(detector, nowMs)
    if (dueMs !== undefined) dueTimer = setTimeout(() => takeDetector({ kind: 'due' }), Math.ceil(dueMs - nowMs))
  }

  function carryOut(action: DetectorAction): void {
    switch (action.kind) {
      case 'watch':
        watched = action.nodes
        setSessions()
        break
      case 'send': {
        let { sequence } = action.message
        for (const peer of action.to) send(peer.run, { ...action.message, sequence: sequence++ })
        break
      }
      case 'checkSegment':
        options.onFence({ kind: 'checkSegment' })
        break
      case 'report':
        report({ kind: 'reach', report: action.report })
        if (action.report.standing !== fence.standing) {
          takeFence({ kind: 'standing', standing: action.report.standing })
        }
    }
  }

  function setSessions(): void {
    options.setSessions(
      watched.flatMap((name): BfdSessionSettings[] => {
        const member = members.get(name)
        if (!member) return []
        return [
          {
            name: `${sessionPrefix}${name}`,
            remote: member.address,
            local: undefined,
            device: undefined,
            hops: member.neighbour ? 'single' : 'multiple',
            minimumTtl,
            transmitIntervalMs: intervalMs,
            receiveIntervalMs: intervalMs,
            detectMultiplier,
            passiveMode: false,
            authentication: { kind: 'meticulousKeyedSha1', keys: [{ keyId: 1, secret: bfdSecret }] },
          },
        ]
      }),
    )
  }

  function send(receiver: string, message: Omit<VerdictMessage, 'sender' | 'receiver'>): void {
    const member = [...members.values()].find(one => one.run === receiver)
    if (member) socket.send(encodeVerdicts({ ...message, sender: run, receiver }, sign), member.address)
  }

  /** The detector numbers what it says; a question of the fence's takes the next of its numbers. */
  function ask(runs: readonly string[], nonce: number): void {
    for (const receiver of runs) {
      const { sequence } = detector
      detector = { ...detector, sequence: sequence + 1 }
      send(receiver, { kind: 'question', sequence, nonce, missed: detector.missed.slice(0, mostMissed) })
    }
  }

  function takeDatagram(datagram: Uint8Array): void {
    catchUp()
    const decoded = decodeVerdicts(datagram, sign)
    if (!decoded.ok) return
    const message = decoded.value
    const sender = [...members.values()].find(one => one.run === message.sender)
    if (!sender || !isFresh(message, { run }, sequences.get(message.sender))) return
    sequences.set(message.sender, message.sequence)
    const { kind, sequence, nonce, missed } = message
    takeDetector({ kind: 'verdict', from: sender.node, about: kind, sequence, nonce, missed })
    if (kind === 'answer') takeFence({ kind: 'answer', from: sender.run, nonce, missesUs: missed.includes(run) })
  }

  return {
    get licence() {
      return licence
    },
    catchUp,
    setMembers(next) {
      members = new Map(next.filter(one => one.node !== node).map(one => [one.node, one]))
      const runs = new Set(next.map(one => one.run))
      sequences = new Map([...sequences].filter(([sender]) => runs.has(sender)))
      takeDetector({ kind: 'peers', peers: [...members.values()] })
      // An address may be another without the graph being another.
      setSessions()
    },
    proven: sentMs => takeFence({ kind: 'proven', sentMs }),
    mainLives: atMs => takeFence({ kind: 'main', atMs }),
    takeBfd(status) {
      if (!status.name.startsWith(sessionPrefix)) return false
      catchUp()
      const state = sessionEvent(status)
      if (state) takeDetector({ kind: 'session', node: status.name.slice(sessionPrefix.length), state })
      return true
    },
    close() {
      closed = true
      clearInterval(ticker)
      clearTimeout(dueTimer)
      socket.close()
    },
  }
}

/** What a status means for the detector: a session that ends on purpose is no failure (RFC 5882 §3.2). */
function sessionEvent({ state, remote }: BfdSessionStatus): 'up' | 'down' | 'stopped' | undefined {
  if (state === 'Up') return 'up'
  if (state === 'AdminDown' || remote?.state === 'AdminDown') return 'stopped'
  return state === 'Down' ? 'down' : undefined
}

/** By how much the clock that counts suspended time is ahead of the one that does not; it jumps when a machine wakes. */
function leadOfUptime(): number {
  return uptime() * 1000 - monotonicMs()
}

/** A key for one purpose, so that what is signed for one can never be taken for the other. */
function derived(key: Uint8Array, purpose: string): Uint8Array {
  return createHmac('sha256', key).update(`berth speakers: ${purpose}`).digest()
}

function signer(key: Uint8Array): (bytes: Uint8Array) => Uint8Array {
  return bytes => createHmac('sha256', key).update(bytes).digest()
}
