import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import { type ListenerTerms, listenerKey, listenerTerms, sameTerms } from './listener-terms.ts'
import { createNeighbours } from './neighbours.ts'
import { isLinkLocal, parseSocketAddress } from './next-hop.ts'
import { type Notification, notification, shutdownCommunication } from './notification.ts'
import type { Route } from './route.ts'
import { createSession, type PeerSession } from './session.ts'
import { type ConfiguredPeer, formatRemote, type PeerSettings, sessionKey } from './settings.ts'
import { formatTransportError, noErrors, noMessages, type PeerStatus, type TimedText, withError } from './status.ts'
import { dial, type Listener, listen } from './tcp.ts'

export interface BgpOptions {
  readonly log: Logger
  /** Where passive peers dial us: 179 unless told otherwise. */
  readonly listenPort?: number
  /** The status of this peer is another; not called for every message, so it may be acted upon at once. */
  readonly onChange?: (peer: string) => void
}

/** How to leave. */
export type Farewell =
  /** Cease with these words (RFC 9003): peers drop our routes at once. */
  | { readonly kind: 'shutdown'; readonly communication: string }
  /** Where the peer agreed to graceful restart it keeps our routes for a while; others are told as above. */
  | { readonly kind: 'restart'; readonly communication: string }

/** All of this node's BGP sessions. */
export interface Bgp {
  /**
   * These peers and no others, and what each is to hear. A peer whose session settings changed begins anew, all others
   * go on undisturbed. A peer without routes here is not told that it has heard everything: so long as the Services
   * are not known yet, a restarted speaker's old routes stay in place there.
   */
  configure(peers: readonly ConfiguredPeer[], routesByPeer: ReadonlyMap<string, readonly Route[]>): void
  /** This node's addresses may be others now, and so the next hops that its routes have. */
  refreshNextHops(): void
  /** Ends a peer's session and begins anew: BFD has lost it, say. */
  reset(peer: string, reason: Notification): void
  state(): readonly PeerStatus[]
  stop(farewell: Farewell): Promise<void>
}

export function createBgp(options: BgpOptions): Bgp {
  const { log, listenPort = 179, onChange } = options
  const sessions = new Map<string, PeerSession>()
  const listeners = new Map<string, PlacedListener>()
  const ending = new Set<Promise<void>>()
  /** Why nobody can dial us, by what would listen. */
  const deaf = new Map<string, TimedText>()

  let configured: readonly ConfiguredPeer[] = []
  let routesByPeer: ReadonlyMap<string, readonly Route[]> = new Map()
  const neighbours = createNeighbours(log, apply)

  /** Peers by interface have sessions once their routers have been heard. */
  function apply(): void {
    neighbours.watch(configured.flatMap(({ remote }) => ('interface' in remote ? [remote.interface] : [])))
    place(configured.map(neighbours.resolve).filter(peer => peer !== undefined))
  }

  function place(peers: readonly PeerSettings[]): void {
    const wanted = new Map(peers.map(peer => [peer.name, peer]))
    for (const [name, session] of sessions) {
      const settings = wanted.get(name)
      if (settings && sessionKey(settings) === sessionKey(session.settings)) continue
      sessions.delete(name)
      end(session, notification(settings ? 'otherConfigurationChange' : 'peerDeconfigured'))
    }
    const added = peers.filter(({ name }) => !sessions.has(name))
    for (const settings of added) {
      const peerLog = log.child({ peer: settings.name, remote: formatRemote(settings.remote) })
      const session = createSession({ settings, dial, log: peerLog, onChange: () => onChange?.(settings.name) })
      sessions.set(settings.name, session)
    }
    placeListeners()
    for (const [name, session] of sessions) session.setRoutes(routesByPeer.get(name))
    for (const { name } of added) sessions.get(name)?.start()
  }

  function end(session: PeerSession, reason: Notification | undefined): void {
    const ended = session.stop(reason).finally(() => ending.delete(ended))
    ending.add(ended)
  }

  /** A listener for every family and device on which a peer may dial us, and none besides: the port may be another's. */
  function placeListeners(): void {
    const peers = [...sessions.values()]
      .map(({ settings }) => settings)
      .filter(({ direction }) => direction !== 'active')
    const groups = Map.groupBy(peers, listenerKey)
    for (const [key, { listener, terms }] of listeners) {
      const group = groups.get(key)
      if (group && sameTerms(terms, listenerTerms(group))) continue
      listener.close()
      listeners.delete(key)
      deaf.delete(key)
    }
    for (const [key, group] of groups) {
      const { listener } = listeners.get(key) ?? openListener(key, group) ?? {}
      listener?.setPeers(
        group.map(({ remote, password }) => ({ address: remote.address, zone: remote.zone, password })),
      )
    }
  }

  function openListener(key: string, group: readonly PeerSettings[]): PlacedListener | undefined {
    const terms = listenerTerms(group)
    const failed = (error: unknown): void => {
      log.error({ err: error, listenerKey: key, port: listenPort }, 'cannot listen for BGP peers')
      deaf.set(key, { text: formatDeaf(listenPort, error), atMs: Date.now() })
      for (const { settings } of sessions.values()) if (isDeaf(settings)) onChange?.(settings.name)
    }
    try {
      const onConnection = (socket: Socket) => dispatch(key, socket)
      const placed = { terms, listener: listen({ ...terms, port: listenPort, onConnection, onError: failed }) }
      listeners.set(key, placed)
      return placed
    } catch (error) {
      failed(error)
      return undefined
    }
  }

  /** Gives a connection to the peer that it is from; a stranger's ends without a word, as if nobody listened. */
  function dispatch(key: string, socket: Socket): void {
    const from = parseSocketAddress(socket.remoteAddress)
    const to = parseSocketAddress(socket.localAddress)
    const zone = socket.remoteAddress?.split('%')[1]
    const session = [...sessions.values()].find(({ settings: { remote, direction, ...rest } }) => {
      if (!from || direction === 'active' || listenerKey({ ...rest, remote }) !== key) return false
      const { family, value } = remote.address
      if (rest.sourceAddress && rest.sourceAddress.value !== to?.value) return false
      return family === from.family && value === from.value && (!isLinkLocal(from) || remote.zone === zone)
    })
    if (session) session.accept(socket)
    else {
      socket.on('error', () => {})
      socket.destroy()
      log.debug({ from: socket.remoteAddress }, 'BGP connection from an address that is no peer’s')
    }
  }

  function isDeaf({ direction, ...rest }: PeerSettings): boolean {
    return direction === 'passive' && deaf.has(listenerKey(rest))
  }

  /** A peer that only waits to be dialled waits in vain where nobody listens. */
  function heard(session: PeerSession): PeerStatus {
    const status = session.status()
    const why = isDeaf(session.settings) ? deaf.get(listenerKey(session.settings)) : undefined
    return why && !status.session ? { ...status, ...withError(status, { from: 'transport', ...why }) } : status
  }

  return {
    configure(peers, routes) {
      configured = peers
      routesByPeer = routes
      apply()
    },
    refreshNextHops() {
      for (const session of sessions.values()) session.refreshNextHops()
    },
    reset: (peer, reason) => sessions.get(peer)?.reset(reason),
    state: () =>
      configured.map(peer => {
        const session = sessions.get(peer.name)
        return session ? heard(session) : unheard(peer)
      }),
    async stop({ kind, communication }) {
      const words = shutdownCommunication('administrativeShutdown', communication)
      for (const session of sessions.values()) {
        const bridged = kind === 'restart' && session.status().session?.negotiated.gracefulRestart !== undefined
        end(session, bridged ? undefined : words)
      }
      configured = []
      sessions.clear()
      placeListeners()
      neighbours.watch([])
      await Promise.all(ending)
    },
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

/** A peer by interface whose router has not been heard. */
function unheard({ name, remote }: ConfiguredPeer): PeerStatus {
  const where = 'interface' in remote ? remote.interface : formatRemote(remote)
  return {
    name,
    remote: where,
    state: 'Active',
    sinceMs: 0,
    session: undefined,
    ...withError(noErrors, { from: 'transport', text: `no router has been heard on ${where}`, atMs: 0 }),
    establishedCount: 0,
    messages: { sent: noMessages(), received: noMessages() },
  }
}

interface PlacedListener {
  readonly terms: ListenerTerms
  readonly listener: Listener
}
