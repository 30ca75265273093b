import { randomInt } from 'node:crypto'
import { type Arrival, type Door, doorOf, selectSession } from './demultiplex.ts'
import type { BfdCounters, BfdSessionCounters, BfdSessionSettings, BfdSessionStatus } from './messages.ts'
import { decodeControlPacket } from './packet.ts'
import { type BfdSession, createSession } from './session.ts'
import { identityOf, pathKey, settingsProblem } from './settings.ts'
import { errorCode, type Listener, openListener } from './sockets.ts'
import { destinationPorts, sourcePorts } from './udp.ts'

/** All BFD sessions of this node. It belongs in the wire thread, where nothing keeps it waiting. */
export interface Bfd {
  /** Makes the sessions those that are wanted now; one whose path and role stay keeps its state through any change. */
  setSessions(desired: readonly BfdSessionSettings[]): void
  /** Calls the listener with every change of any session's status; returns how to end that. */
  onState(listener: (status: BfdSessionStatus) => void): () => void
  statuses(): readonly BfdSessionStatus[]
  counters(): BfdCounters
  /** Tells every remote system that this is on purpose, and closes; resolves when that is done. */
  stop(): Promise<void>
}

/** A socket that packets arrive at, or why there is none. */
interface Entrance {
  readonly door: Door
  listener: Listener | undefined
  problem: string | undefined
}

/** How often a socket that could not be opened is tried again, and whether its device is still the same. */
const checkEveryMs = 1_000
/** Each needs a source port of its own; a thread that keeps so many at any useful pace is yet to be found. */
const mostSessions = 4_096
/** `stop` waits no longer, however slow the sessions are. */
const stopWithinMs = 1_000

/** Starts without sessions. `onProblem` gets what an operator should read about settings and sockets. */
export function createBfd(options: { readonly onProblem: (text: string) => void }): Bfd {
  const sessions = new Map<string, BfdSession>()
  /** Not wanted any more, but the remote system has not been told for long enough. */
  const leaving = new Set<BfdSession>()
  const byDiscriminator = new Map<number, BfdSession>()
  const byRemote = new Map<bigint, BfdSession[]>()
  const entrances = new Map<string, Entrance>()
  const listeners = new Set<(status: BfdSessionStatus) => void>()
  const discarded: Record<string, number> = {}
  let closedDrops = 0
  let checkTimer: NodeJS.Timeout | undefined
  let onAllLeft: (() => void) | undefined

  const tell = (status: BfdSessionStatus): void => {
    for (const listener of listeners) listener(status)
  }

  const receive = (bytes: Uint8Array, arrival: Arrival): void => {
    const decoded = decodeControlPacket(bytes)
    const found = decoded.ok ? selectSession(decoded.value, arrival, { byDiscriminator, byRemote }) : 'malformed'
    if (typeof found === 'string') discarded[found] = (discarded[found] ?? 0) + 1
    else if (decoded.ok) found.receive(decoded.value, bytes)
  }

  const takeSourcePort = (): number => {
    const used = new Set(Array.from(byDiscriminator.values(), session => session.sourcePort()))
    return unused(sourcePorts.first, sourcePorts.last, port => used.has(port))
  }

  const add = (settings: BfdSessionSettings): BfdSession => {
    const localDiscriminator = unused(1, 2 ** 32 - 1, number => byDiscriminator.has(number))
    const session = createSession({
      settings,
      localDiscriminator,
      takeSourcePort,
      // A name may have gone over to another session while this one takes its leave.
      onChange: status => {
        if (sessions.get(status.name) === session) tell(status)
      },
      onEnded: () => release(session),
    })
    // Two sessions of ours would only confuse the remote system's one.
    for (const old of leaving) if (pathKey(old.settings) === pathKey(settings)) release(old)
    sessions.set(settings.name, session)
    byDiscriminator.set(localDiscriminator, session)
    byRemote.set(session.path.remote.value, [...(byRemote.get(session.path.remote.value) ?? []), session])
    return session
  }

  const remove = (session: BfdSession): void => {
    leaving.add(session)
    session.stop()
    sessions.delete(session.settings.name)
  }

  const release = (session: BfdSession): void => {
    session.close()
    leaving.delete(session)
    byDiscriminator.delete(session.localDiscriminator)
    const { value } = session.path.remote
    const others = (byRemote.get(value) ?? []).filter(one => one !== session)
    if (others.length > 0) byRemote.set(value, others)
    else byRemote.delete(value)
    if (leaving.size === 0) onAllLeft?.()
  }

  /** Opens the sockets that the sessions need, opens anew those that have failed, and closes the rest. */
  const settleEntrances = (): void => {
    const wanted = new Map<string, BfdSession[]>()
    for (const session of [...sessions.values(), ...leaving]) {
      const key = JSON.stringify(doorOf(session.path))
      wanted.set(key, [...(wanted.get(key) ?? []), session])
    }
    for (const [key, entrance] of entrances) {
      if (wanted.has(key) && !entrance.listener?.isStale()) continue
      shut(entrance)
      if (!wanted.has(key)) entrances.delete(key)
    }
    for (const [key, users] of wanted) {
      const [first] = users
      if (!first) continue
      const entrance = entrances.get(key) ?? { door: doorOf(first.path), listener: undefined, problem: undefined }
      entrances.set(key, entrance)
      if (!entrance.listener) open(entrance)
      for (const session of users) session.setListenerProblem(entrance.problem)
    }
    clearTimeout(checkTimer)
    checkTimer = wanted.size === 0 ? undefined : setTimeout(settleEntrances, checkEveryMs)
  }

  const open = (entrance: Entrance): void => {
    const before = entrance.problem
    try {
      const others = [...entrances.values()].map(({ listener }) => listener).filter(listener => listener !== undefined)
      entrance.listener = openListener(entrance.door, others, receive)
      entrance.problem = undefined
    } catch (error) {
      entrance.problem = inWords(entrance.door, errorCode(error))
    }
    if (entrance.problem !== undefined && entrance.problem !== before) options.onProblem(entrance.problem)
  }

  const shut = (entrance: Entrance): void => {
    closedDrops += entrance.listener?.drops() ?? 0
    entrance.listener?.close()
    entrance.listener = undefined
  }

  return {
    setSessions(desired) {
      const wanted = acceptable(desired, options.onProblem)
      for (const session of sessions.values()) {
        const next = wanted.get(session.settings.name)
        if (!next || identityOf(next) !== identityOf(session.settings)) remove(session)
      }
      const added: BfdSession[] = []
      for (const settings of wanted.values()) {
        const session = sessions.get(settings.name)
        if (!session) added.push(add(settings))
        else if (JSON.stringify(settings) !== JSON.stringify(session.settings)) session.configure(settings)
      }
      settleEntrances()
      for (const session of added) tell(session.status())
    },
    onState(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    statuses: () => Array.from(sessions.values(), session => session.status()),
    counters() {
      const drops = Array.from(entrances.values(), ({ listener }) => listener?.drops() ?? 0)
      return {
        sessions: Array.from(sessions.values(), (session): BfdSessionCounters => session.counters()),
        discarded: { ...discarded },
        droppedByKernel: drops.reduce((sum, one) => sum + one, closedDrops),
      }
    },
    async stop() {
      for (const session of sessions.values()) remove(session)
      let timer: NodeJS.Timeout | undefined
      await new Promise<void>(resolve => {
        onAllLeft = resolve
        timer = setTimeout(resolve, stopWithinMs)
        if (leaving.size === 0) resolve()
      })
      clearTimeout(timer)
      for (const session of leaving) release(session)
      settleEntrances()
    },
  }
}

/** The settings that can be had, by name; of two sessions between the same systems the first. */
function acceptable(
  desired: readonly BfdSessionSettings[],
  onProblem: (text: string) => void,
): ReadonlyMap<string, BfdSessionSettings> {
  const wanted = new Map<string, BfdSessionSettings>()
  const names = new Map<string, string>()
  for (const settings of desired) {
    const problem = settingsProblem(settings)
    const key = problem === undefined ? pathKey(settings) : ''
    const other = names.get(key)
    if (problem !== undefined) onProblem(`BFD session ${settings.name}: ${problem}`)
    else if (other !== undefined) onProblem(`BFD session ${settings.name}: the same as ${other}`)
    else if (wanted.has(settings.name)) onProblem(`BFD session ${settings.name}: wanted twice`)
    else if (wanted.size === mostSessions) onProblem(`BFD session ${settings.name}: one of more than ${mostSessions}`)
    else {
      wanted.set(settings.name, settings)
      names.set(key, settings.name)
    }
  }
  return wanted
}

function inWords({ family, hops, device }: Door, code: string): string {
  const port = destinationPorts[hops]
  const where = device === undefined ? '' : ` on ${device}`
  if (code === 'EADDRINUSE') return `another program of this node has BFD's port ${port} (${family}${where})`
  return `no packets from BFD's port ${port} (${family}${where}): ${code}`
}

/** A random number that is not in use. */
function unused(least: number, most: number, isUsed: (number: number) => boolean): number {
  for (;;) {
    const number = randomInt(least, most + 1)
    if (!isUsed(number)) return number
  }
}
