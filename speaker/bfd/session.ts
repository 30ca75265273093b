import { hash, randomInt } from 'node:crypto'
import { checkAuthentication, type Digest, encodeAuthenticated } from './authentication.ts'
import type { Path } from './demultiplex.ts'
import { step } from './fsm.ts'
import type { BfdSessionCounters, BfdSessionSettings, BfdSessionStatus } from './messages.ts'
import type { ControlPacket } from './packet.ts'
import { type Action, deadlineMs, detectionTimeMs, type Event, initialState, type State } from './session-state.ts'
import { pathOf, sessionOf } from './settings.ts'
import { errorCode, openSender, type Sender } from './sockets.ts'

export interface SessionOptions {
  readonly settings: BfdSessionSettings
  readonly localDiscriminator: number
  /** A port that no other session sends from. */
  readonly takeSourcePort: () => number
  /** Something of the status is another now. */
  readonly onChange: (status: BfdSessionStatus) => void
  /** A stopped session has nothing more to say. It is to be closed. */
  readonly onEnded: () => void
}

/** One session, from its creation to `close`: the state, its one timer, and the socket that it sends from. */
export interface BfdSession {
  readonly settings: BfdSessionSettings
  readonly path: Path
  readonly localDiscriminator: number
  /** The UDP port that packets leave from. */
  sourcePort(): number
  /** Settings of the same identity: the session goes on with them. */
  configure(settings: BfdSessionSettings): void
  /** A packet that is for this session, by its discriminator or address. */
  receive(packet: ControlPacket, bytes: Uint8Array): void
  /** What keeps packets from arriving; undefined = nothing does. */
  setListenerProblem(problem: string | undefined): void
  /** Tells the remote system that this is on purpose; `onEnded` follows, perhaps at once. */
  stop(): void
  close(): void
  status(): BfdSessionStatus
  counters(): BfdSessionCounters
}

const digest: Digest = (algorithm, bytes) => hash(algorithm, bytes, 'buffer')

export function createSession(options: SessionOptions): BfdSession {
  const { localDiscriminator } = options
  let { settings } = options
  let session = sessionOf(settings, localDiscriminator)
  let path = pathOf(settings)
  let state: State = initialState(session, randomInt(2 ** 32), performance.now())
  let sinceMs = Date.now()
  let sourcePort = options.takeSourcePort()
  let sender: Sender | undefined
  let senderProblem: string | undefined
  let listenerProblem: string | undefined
  let timer: NodeJS.Timeout | undefined
  let timerAtMs = Number.POSITIVE_INFINITY
  let lookingAgain = false
  let closed = false
  const counted = { packetsSent: 0, packetsReceived: 0, ups: 0, downs: 0 }
  const discarded: Record<string, number> = {}
  const dropped: Record<string, number> = {}

  const status = (): BfdSessionStatus => ({
    name: settings.name,
    state: state.sessionState,
    sinceMs,
    diagnostic: state.localDiagnostic,
    remote: state.remote && {
      state: state.remote.state,
      diagnostic: state.remote.diagnostic,
      discriminator: state.remote.discriminator,
    },
    localDiscriminator,
    transmitIntervalMs: state.transmitInterval === undefined ? undefined : state.transmitInterval / 1000,
    detectionTimeMs: detectionTimeMs(state),
    problem: senderProblem ?? listenerProblem,
  })

  const happen = (event: Event): readonly Action[] => {
    if (closed) return []
    const before = state.sessionState
    const [after, actions] = step(session, state, event, performance.now(), Math.random())
    state = after
    if (before !== state.sessionState) {
      sinceMs = Date.now()
      if (state.sessionState === 'Up') counted.ups++
      if (before === 'Up') counted.downs++
    }
    for (const action of actions) act(action)
    sleep()
    return actions
  }

  const act = (action: Action): void => {
    switch (action.kind) {
      case 'send':
        send(encodeAuthenticated(action.packet, action.sequenceNumber, settings.authentication, digest))
        break
      case 'discarded':
        count(discarded, action.reason)
        break
      case 'changed':
        options.onChange(status())
        break
      case 'ended':
        options.onEnded()
    }
  }

  const send = (bytes: Uint8Array): void => {
    const problem = trySend(bytes)
    if (problem === undefined) counted.packetsSent++
    else count(dropped, problem)
    // A full queue is nothing that an operator could mend.
    const lasting = problem === 'queueFull' ? undefined : problem
    if ((lasting === undefined) === (senderProblem === undefined)) return
    senderProblem = lasting === undefined ? undefined : `cannot send to ${settings.remote}: ${lasting}`
    options.onChange(status())
  }

  const trySend = (bytes: Uint8Array): string | undefined => {
    try {
      sender ??= openSender(path, sourcePort)
    } catch (error) {
      const problem = errorCode(error)
      if (problem === 'EADDRINUSE') sourcePort = options.takeSourcePort()
      return problem
    }
    const problem = sender.send(bytes)
    if (problem === undefined || problem === 'queueFull') return problem
    // Its device may be gone and have come back as another: the next packet gets a new socket.
    sender.close()
    sender = undefined
    return problem
  }

  /** Sets the timer to the nearest deadline. One that has moved away is met early and then waited for again. */
  const sleep = (): void => {
    if (closed) return
    const deadline = lookingAgain ? undefined : deadlineMs(state)
    const nextMs = Math.min(state.transmitAtMs ?? Number.POSITIVE_INFINITY, deadline ?? Number.POSITIVE_INFINITY)
    if (nextMs >= timerAtMs || nextMs === Number.POSITIVE_INFINITY) return
    clearTimeout(timer)
    timerAtMs = nextMs
    timer = setTimeout(wake, Math.max(1, Math.ceil(nextMs - performance.now())))
  }

  const wake = (): void => {
    timerAtMs = Number.POSITIVE_INFINITY
    if ((deadlineMs(state) ?? Number.POSITIVE_INFINITY) <= performance.now()) lookAgain()
    happen({ kind: 'transmitDue' })
  }

  /**
   * A thread that was kept from running finds its timers due and the packets that came meanwhile still unread. Timers
   * come first, so the verdict waits until the sockets have been read, twice to be sure.
   */
  const lookAgain = (): void => {
    if (lookingAgain) return
    lookingAgain = true
    setImmediate(() =>
      setImmediate(() => {
        lookingAgain = false
        happen({ kind: 'deadlineDue' })
      }),
    )
  }

  sleep()
  return {
    get settings() {
      return settings
    },
    get path() {
      return path
    },
    localDiscriminator,
    sourcePort: () => sourcePort,
    configure(next) {
      settings = next
      session = sessionOf(next, localDiscriminator)
      path = pathOf(next)
      happen({ kind: 'configured' })
    },
    receive(packet, bytes) {
      const problem = checkAuthentication(bytes, packet, settings.authentication, digest)
      if (problem) {
        count(discarded, problem)
        return
      }
      const actions = happen({ kind: 'received', packet })
      if (!actions.some(({ kind }) => kind === 'discarded')) counted.packetsReceived++
    },
    setListenerProblem(problem) {
      if (problem === listenerProblem) return
      listenerProblem = problem
      options.onChange(status())
    },
    stop() {
      happen({ kind: 'stop' })
    },
    close() {
      closed = true
      clearTimeout(timer)
      sender?.close()
    },
    status,
    counters: () => ({ name: settings.name, ...counted, discarded: { ...discarded }, dropped: { ...dropped } }),
  }
}

function count(counts: Record<string, number>, reason: string): void {
  counts[reason] = (counts[reason] ?? 0) + 1
}
