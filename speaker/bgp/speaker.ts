import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import { listenerKey } from './listener-terms.ts'
import { createListeners } from './listeners.ts'
import { createNeighbours } from './neighbours.ts'
import { isLinkLocal, parseSocketAddress } from './next-hop.ts'
import { type Notification, notification, shutdownCommunication } from './notification.ts'
import type { Route } from './route.ts'
import { createSession, type PeerSession } from './session.ts'
import { type ConfiguredPeer, formatRemote, type PeerSettings, sessionKey } from './settings.ts'
import { noErrors, noMessages, type PeerStatus, withError } from './status.ts'
import { dial } from './tcp.ts'

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
  const ending = new Set<Promise<void>>()
  const listeners = createListeners({
    log,
    port: listenPort,
    onConnection: dispatch,
    onChange: ({ name }) => onChange?.(name),
  })

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

  function placeListeners(): void {
    const peers = Array.from(sessions.values(), ({ settings }) => settings)
    listeners.place(peers.filter(({ direction }) => direction !== 'active'))
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

  /** A peer that only waits to be dialled waits in vain where nobody listens. */
  function heard(session: PeerSession): PeerStatus {
    const status = session.status()
    const why = listeners.whyDeaf(session.settings)
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
