import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import { type ListenerTerms, listenerKey, listenerTerms, sameTerms } from './listener-terms.ts'
import type { PeerSettings } from './settings.ts'
import { formatTransportError, type TimedText } from './status.ts'
import { type Listener, listen } from './tcp.ts'

/** The ports on which peers may dial us. */
export interface Listeners {
  /** Listens where these peers dial, and nowhere besides: the port may be another's. */
  place(peers: readonly PeerSettings[]): void
  /** Why this peer cannot dial us, where it does nothing else. */
  whyDeaf(peer: PeerSettings): TimedText | undefined
}

export interface ListenersOptions {
  readonly log: Logger
  readonly port: number
  /** Somebody has dialled; `key` is of the listener, see `listenerKey`. */
  readonly onConnection: (key: string, socket: Socket) => void
  /** `whyDeaf` says something else of this peer. */
  readonly onChange: (peer: PeerSettings) => void
}

interface PlacedListener {
  readonly terms: ListenerTerms
  readonly listener: Listener
}

/** A port that another program has is tried again so often. */
const retryMs = 10_000

export function createListeners(options: ListenersOptions): Listeners {
  const { log, port, onConnection, onChange } = options
  const listeners = new Map<string, PlacedListener>()
  /** Why nobody can dial us, by what would listen. */
  const deaf = new Map<string, TimedText>()
  let groups: ReadonlyMap<string, readonly PeerSettings[]> = new Map()
  let retry: NodeJS.Timeout | undefined

  function place(peers: readonly PeerSettings[]): void {
    groups = Map.groupBy(peers, listenerKey)
    for (const [key, { terms }] of listeners) {
      const group = groups.get(key)
      if (!group || !sameTerms(terms, listenerTerms(group))) close(key)
    }
    for (const key of deaf.keys()) if (!groups.has(key)) deaf.delete(key)
    openMissing()
  }

  function openMissing(): void {
    for (const [key, group] of groups) {
      const { listener } = listeners.get(key) ?? open(key, group) ?? {}
      listener?.setPeers(
        group.map(({ remote, password }) => ({ address: remote.address, zone: remote.zone, password })),
      )
    }
    schedule()
  }

  function schedule(): void {
    clearTimeout(retry)
    const isMissing = [...groups.keys()].some(key => !listeners.has(key))
    retry = isMissing ? setTimeout(openMissing, retryMs).unref() : undefined
  }

  function open(key: string, group: readonly PeerSettings[]): PlacedListener | undefined {
    const terms = listenerTerms(group)
    // What a listener says that has been replaced is of no concern.
    const isCurrent = (): boolean => listeners.get(key)?.terms === terms
    try {
      const listener = listen({
        ...terms,
        port,
        onConnection: socket => onConnection(key, socket),
        onListening: () => {
          if (isCurrent()) heard(key)
        },
        onError(error) {
          if (!isCurrent()) return
          close(key)
          failed(key, error)
          schedule()
        },
      })
      const placed = { terms, listener }
      listeners.set(key, placed)
      return placed
    } catch (error) {
      failed(key, error)
      return undefined
    }
  }

  function close(key: string): void {
    listeners.get(key)?.listener.close()
    listeners.delete(key)
  }

  function failed(key: string, error: unknown): void {
    const text = formatDeaf(port, error)
    // Once, and not with every attempt.
    if (deaf.get(key)?.text === text) return
    log.error({ err: error, listenerKey: key, port }, 'cannot listen for BGP peers; trying again')
    deaf.set(key, { text, atMs: Date.now() })
    tell(key)
  }

  function heard(key: string): void {
    if (!deaf.delete(key)) return
    log.info({ listenerKey: key, port }, 'BGP peers can dial this node again')
    tell(key)
  }

  function tell(key: string): void {
    for (const peer of groups.get(key) ?? []) if (peer.direction === 'passive') onChange(peer)
  }

  return {
    place,
    whyDeaf: peer => (peer.direction === 'passive' ? deaf.get(listenerKey(peer)) : undefined),
  }
}

/** Why a port cannot be listened on, in words for people who run the node. */
function formatDeaf(port: number, error: unknown): string {
  const { code, message } =
    error instanceof Error ? (error as NodeJS.ErrnoException) : { code: undefined, message: String(error) }
  const isForbidden = code === 'EACCES' || code === 'EPERM'
  const todo = isForbidden
    ? ': the speaker lacks NET_BIND_SERVICE, which the chart gives it by speaker.listenForBGP: true'
    : ''
  return `this node cannot listen on TCP ${port}: ${formatTransportError(code, message)}${todo}`
}
