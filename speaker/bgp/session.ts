/*
 * The shell of one peer: it owns the sockets and the timers, feeds what happens to them into the machine of fsm.ts and
 * does what the machine says. What is said over an established session is announcer.ts's.
 */
import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import { type Announcer, createAnnouncer } from './announcer.ts'
import { takeFrames } from './framer.ts'
import { step } from './fsm.ts'
import { decodeMessage, encodeMessage, type Message } from './message.ts'
import type { Session } from './negotiate.ts'
import { formatNotification, type Notification, notification } from './notification.ts'
import { noOctets } from './octets.ts'
import {
  type Action,
  type Cause,
  type Event,
  initialState,
  type Side,
  type StateName,
  stateName,
  type TimerName,
} from './peer-state.ts'
import type { Route } from './route.ts'
import { formatRemote, type PeerSettings } from './settings.ts'
import { formatTransportError, type LastError, noErrors, noMessages, type PeerStatus, withError } from './status.ts'
import { localAddresses } from './tcp.ts'

export interface SessionOptions {
  readonly settings: PeerSettings
  /** Opens the connection; throws where that cannot even be tried. */
  readonly dial: (settings: PeerSettings) => Socket
  readonly log: Logger
  /** State, session or last error are others now. */
  readonly onChange: () => void
}

/** One peer, from `start` to `stop`. */
export interface PeerSession {
  readonly settings: PeerSettings
  start(): void
  /** A connection that the peer has dialled. */
  accept(socket: Socket): void
  /** What the peer is to hear from now on; undefined while that is not known yet. */
  setRoutes(routes: readonly Route[] | undefined): void
  /** This node's addresses may be others now. */
  refreshNextHops(): void
  /** Ends the session, tells the peer why and begins anew. */
  reset(reason: Notification): void
  /** Ends it for good, without a word where a restart is to be bridged; done when the last octet has left. */
  stop(reason: Notification | undefined): Promise<void>
  status(): PeerStatus
}

interface Connection {
  readonly socket: Socket
  /** The beginning of a message whose end has not come. */
  rest: Uint8Array
  /** Why the socket broke, when it has said so. */
  problem: string | undefined
}

/** How long a closed connection may take to deliver its last words. */
const lingerMs = 1_000
/** How long a peer may read nothing while we have something to say (RFC 9687 §3), at least. */
const leastSendHoldMs = 480_000

export function createSession(options: SessionOptions): PeerSession {
  const { settings, log, onChange } = options
  let state = initialState()
  let shown: StateName = 'Idle'
  let sinceMs = Date.now()
  let errors = noErrors
  let establishedCount = 0
  let announcer: Announcer | undefined
  let initiator: 'local' | 'remote' = 'local'
  let routes: readonly Route[] | undefined
  let blockedSinceMs: number | undefined
  let waiting: Socket | undefined
  const connections = new Map<Side, Connection>()
  const lingering = new Set<Promise<void>>()
  const timers = new Map<TimerName, NodeJS.Timeout>()
  const sent = noMessages()
  const received = noMessages()
  const events: Event[] = []
  let working = false

  /** Events that an action causes at once wait until the actions before them are done. */
  function feed(event: Event): void {
    events.push(event)
    if (working) return
    working = true
    try {
      for (let next = events.shift(); next; next = events.shift()) {
        const [after, actions] = step(settings, state, next, Math.random())
        state = after
        for (const action of actions) perform(action)
        show()
      }
    } finally {
      working = false
    }
  }

  function show(): void {
    const name = stateName(state)
    if (name === shown) return
    log.debug({ from: shown, to: name }, 'BGP state')
    shown = name
    sinceMs = Date.now()
    onChange()
  }

  function perform(action: Action): void {
    switch (action.kind) {
      case 'connect':
        return connect()
      case 'accept':
        if (waiting) attach('incoming', waiting)
        waiting = undefined
        return
      case 'refuse':
        if (waiting) refuse(waiting, action.notification)
        waiting = undefined
        return
      case 'send':
        return send(action.side, action.message)
      case 'close':
        return close(action.side)
      case 'startTimer':
        return startTimer(action.timer, action.delayMs)
      case 'stopTimer':
        clearTimeout(timers.get(action.timer))
        timers.delete(action.timer)
        return
      case 'established':
        return established(action)
      case 'deliver':
        return announcer?.receive(action.message)
      case 'down':
        return down(action.wasEstablished, action.cause)
    }
  }

  function connect(): void {
    try {
      const socket = options.dial(settings)
      attach('outgoing', socket)
      socket.once('connect', () => {
        if (connections.get('outgoing')?.socket === socket) feed({ kind: 'connected' })
      })
    } catch (error) {
      feed({ kind: 'disconnected', side: 'outgoing', reason: wordsOf(error) })
    }
  }

  function attach(side: Side, socket: Socket): void {
    const connection: Connection = { socket, rest: noOctets, problem: undefined }
    connections.set(side, connection)
    const isCurrent = () => connections.get(side) === connection
    const gone = (reason: string) => {
      if (!isCurrent()) return
      connections.delete(side)
      socket.destroy()
      feed({ kind: 'disconnected', side, reason: connection.problem ?? reason })
    }
    socket.on('data', (chunk: Uint8Array) => {
      if (!isCurrent()) return
      // One chunk a turn of the event loop: a peer that floods us takes turns with all others, and with our own routes.
      socket.pause()
      setImmediate(() => socket.resume())
      read(side, connection, chunk)
    })
    socket.on('error', error => {
      connection.problem = wordsOf(error)
    })
    socket.on('end', () => gone('the peer closed the connection'))
    socket.on('close', () => gone('the connection broke'))
    socket.on('drain', () => {
      blockedSinceMs = undefined
      if (isCurrent()) announcer?.flush()
    })
  }

  function read(side: Side, connection: Connection, chunk: Uint8Array): void {
    const { frames, rest, problem } = takeFrames(connection.rest, chunk)
    connection.rest = rest
    for (const frame of frames) {
      const now = state[side]
      const decoded = decodeMessage(frame, now.kind === 'Established' ? now.session : undefined)
      received[frame.kind] += 1
      if (decoded.ok) {
        log.trace({ message: decoded.value.kind }, 'BGP message received')
        feed({ kind: 'received', side, message: decoded.value })
      } else feed({ kind: 'malformed', side, notification: decoded.problem })
      // What follows an error, or the message that ended the session, is not read any more.
      if (connections.get(side) !== connection) return
    }
    if (problem) feed({ kind: 'malformed', side, notification: problem })
  }

  function send(side: Side, message: Message): void {
    const socket = connections.get(side)?.socket
    if (!socket?.writable) return
    if (message.kind === 'keepalive' && isBlocked(side, socket)) return
    sent[message.kind] += 1
    const { kind } = state[side]
    const fourOctetAs = kind === 'Established' && state[side].session.fourOctetAs
    socket.write(encodeMessage(message, { fourOctetAs }))
  }

  /** Whether the peer has stopped reading: more keepalives would only pile up. Too long, and the session ends. */
  function isBlocked(side: Side, socket: Socket): boolean {
    const connection = state[side]
    if (!socket.writableNeedDrain || connection.kind !== 'Established') return false
    const nowMs = performance.now()
    blockedSinceMs ??= nowMs
    if (nowMs - blockedSinceMs > sendHoldMs(connection.session)) {
      feed({ kind: 'reset', notification: notification('sendHoldTimerExpired') })
    }
    return true
  }

  function close(side: Side): void {
    const connection = connections.get(side)
    connections.delete(side)
    blockedSinceMs = undefined
    if (connection) linger(connection.socket)
  }

  /** Lets the last words reach the peer, then closes; whatever it still says is thrown away. */
  function linger(socket: Socket): void {
    if (socket.connecting) return void socket.destroy()
    const gone = new Promise<void>(resolve => {
      const limit = setTimeout(() => socket.destroy(), lingerMs)
      socket.once('close', () => {
        clearTimeout(limit)
        resolve()
      })
      socket.removeAllListeners('data').removeAllListeners('end').removeAllListeners('drain')
      socket.once('end', () => socket.destroy())
      socket.on('error', () => {})
      socket.resume()
      socket.end()
    })
    lingering.add(gone)
    socket.once('close', () => lingering.delete(gone))
  }

  function refuse(socket: Socket, reason: Notification): void {
    socket.on('error', () => {})
    sent.notification += 1
    socket.write(encodeMessage({ kind: 'notification', notification: reason }, { fourOctetAs: false }))
    linger(socket)
  }

  function startTimer(timer: TimerName, delayMs: number): void {
    clearTimeout(timers.get(timer))
    const handle: NodeJS.Timeout = setTimeout(() => {
      // After a stall of this process the peer's words may be here but unread: one turn of the loop reads them first.
      setImmediate(() => {
        if (timers.get(timer) !== handle) return
        timers.delete(timer)
        feed({ kind: 'timerExpired', timer })
      })
    }, delayMs)
    timers.set(timer, handle)
  }

  function established({ side, session }: Extract<Action, { kind: 'established' }>): void {
    const socket = connections.get(side)?.socket
    if (!socket) return
    establishedCount += 1
    initiator = side === 'outgoing' ? 'local' : 'remote'
    const onSent = () => (sent.update += 1)
    announcer = createAnnouncer({ settings, session, socket, localAddresses, log, onChange, onSent })
    announcer.setRoutes(routes)
    log.info({ peerAs: session.peerAs, families: session.families, initiator }, 'BGP session established')
    onChange()
  }

  function down(wasEstablished: boolean, cause: Cause): void {
    if (wasEstablished) announcer = undefined
    if (cause.kind !== 'stopped') errors = withError(errors, { ...errorOf(cause), atMs: Date.now() })
    const reason = errors.lastError?.text
    if (wasEstablished) log.warn({ reason }, 'BGP session down')
    else log.debug({ reason }, 'BGP attempt failed')
    onChange()
  }

  return {
    settings,
    start: () => feed({ kind: 'start' }),
    accept(socket) {
      // One at a time: the machine answers before the next can come.
      waiting = socket
      feed({ kind: 'accepted' })
    },
    setRoutes(next) {
      routes = next
      announcer?.setRoutes(next)
    },
    refreshNextHops: () => announcer?.refreshNextHops(),
    reset: reason => feed({ kind: 'reset', notification: reason }),
    async stop(reason) {
      feed(reason ? { kind: 'stop', notification: reason } : { kind: 'stop' })
      await Promise.all(lingering)
    },
    status: () => ({
      name: settings.name,
      remote: formatRemote(settings.remote),
      state: shown,
      sinceMs,
      session: announcer && { ...announcer.status(), initiator },
      ...errors,
      establishedCount,
      messages: { sent: { ...sent }, received: { ...received } },
    }),
  }
}

/** Without a hold time it is for ever: there are no KEEPALIVEs either that would show it. */
function sendHoldMs({ holdTimeSeconds }: Session): number {
  return holdTimeSeconds === 0 ? Number.POSITIVE_INFINITY : Math.max(leastSendHoldMs, 2000 * holdTimeSeconds)
}

function errorOf(cause: Exclude<Cause, { kind: 'stopped' }>): Omit<LastError, 'atMs'> {
  switch (cause.kind) {
    case 'sent':
      return { from: 'local', text: formatNotification(cause.notification) }
    case 'received':
      return { from: 'remote', text: formatNotification(cause.notification) }
    case 'disconnected':
      return { from: 'transport', text: cause.reason }
  }
}

function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return formatTransportError((error as NodeJS.ErrnoException).code, error.message)
}
