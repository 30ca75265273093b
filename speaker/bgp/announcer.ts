import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import type { Address, IpFamily } from '../../net/address.ts'
import { familyOf } from './family.ts'
import { encodeMessage, type ReceivedMessage, routeRefreshSubtypes } from './message.ts'
import type { Session } from './negotiate.ts'
import { isAmong, type LocalAddress, nextHopsOf, parseSocketAddress } from './next-hop.ts'
import { formatNotification } from './notification.ts'
import { answered, asked, neverAsked } from './refresh-pace.ts'
import { formatPrefix, type NextHops, type Route } from './route.ts'
import type { PeerSettings } from './settings.ts'
import type { SessionStatus } from './status.ts'
import { forgetTold, tell, toldNothing } from './told.ts'
import { endOfRib, endOfRibFamily, type Update } from './update.ts'

export interface AnnouncerOptions {
  readonly settings: PeerSettings
  readonly session: Session
  readonly socket: Pick<
    Socket,
    'localAddress' | 'remotePort' | 'writable' | 'writableNeedDrain' | 'cork' | 'uncork' | 'write'
  >
  /** Every address of this node that is up. */
  readonly localAddresses: () => readonly LocalAddress[]
  readonly log: Logger
  readonly onSent: () => void
  readonly onChange: () => void
}

/** One established session's routes: what the peer has been told, and what it told us, which is counted and dropped. */
export interface Announcer {
  setRoutes(routes: readonly Route[] | undefined): void
  /** This node's addresses may be others now: what has another next hop, one at last or none any more, is told anew. */
  refreshNextHops(): void
  /** Says what is still to be said, as far as the peer reads. */
  flush(): void
  receive(message: Extract<ReceivedMessage, { kind: 'update' | 'routeRefresh' }>): void
  status(): Omit<SessionStatus, 'initiator'>
}

export function createAnnouncer(options: AnnouncerOptions): Announcer {
  const { settings, session, socket, localAddresses, log, onSent, onChange } = options
  const local = parseSocketAddress(socket.localAddress)
  // The socket forgets its addresses when it breaks; status may be asked for later.
  const { localAddress = '', remotePort = 0 } = socket
  let routes: readonly Route[] | undefined
  let told = toldNothing
  let nextHops: NextHops | undefined
  let scheduled = false
  let endOfRibSent = false
  let withoutNextHop: readonly IpFamily[] = []
  let tooLong: readonly string[] = []
  let updatesWithErrors = 0
  const prefixesReceived = { IPv4: 0, IPv6: 0 }
  const refreshPaces = { IPv4: neverAsked, IPv6: neverAsked }
  const endOfRibReceived = new Set<IpFamily>()

  /** Several changes at once become one comparison, and what is not BGP's waits until it is done. */
  function schedule(): void {
    if (scheduled) return
    scheduled = true
    queueMicrotask(() => {
      scheduled = false
      flush()
    })
  }

  function flush(): void {
    // A peer that does not read is told when it does, and then only what is still true: nothing piles up here.
    if (!routes || !local || !socket.writable || socket.writableNeedDrain) return
    nextHops = nextHopsNow(local)
    const telling = tell(told, routes, { ...session, localAs: settings.localAs, nextHops })
    socket.cork()
    for (const update of telling.updates) write(update)
    if (!endOfRibSent) for (const family of session.families) write(endOfRib(family))
    socket.uncork()
    told = telling.told
    noteProblems(telling.withoutNextHop, telling.tooLong.map(formatPrefix))
    if (telling.updates.length > 0)
      log.debug({ messages: telling.updates.length, routes: routes.length }, 'BGP routes sent')
    if (telling.updates.length > 0 || !endOfRibSent) onChange()
    endOfRibSent = true
  }

  /** While the connection's own interface is down nothing reaches the peer, and addresses that are back with it are no news. */
  function nextHopsNow(own: Address): NextHops {
    // VLANs of one card have its link-local address all of them: there only the session's own interface counts.
    const { zone } = settings.remote
    const addresses = localAddresses().filter(one => zone === undefined || one.interface === zone)
    return nextHops && !isAmong(addresses, own) ? nextHops : nextHopsOf(own, settings.nextHops, addresses)
  }

  function write(update: Update): void {
    onSent()
    socket.write(encodeMessage({ kind: 'update', update }, session))
  }

  function noteProblems(families: readonly IpFamily[], prefixes: readonly string[]): void {
    if (families.join() !== withoutNextHop.join() && families.length > 0) {
      log.warn({ families }, 'this node has no address that could be next hop for these families')
    }
    if (prefixes.length > tooLong.length)
      log.warn({ prefixes: prefixes.slice(0, 10) }, 'routes with too many attributes')
    withoutNextHop = families
    tooLong = prefixes
  }

  function receiveUpdate({ update, problems }: Extract<ReceivedMessage, { kind: 'update' }>): void {
    const { nlri, attributes } = update
    prefixesReceived.IPv4 += nlri.length
    if (attributes.mpReach?.kind === 'unicast')
      prefixesReceived[attributes.mpReach.family] += attributes.mpReach.nlri.length
    const complete = endOfRibFamily(update)
    if (complete) endOfRibReceived.add(complete)
    const [problem] = problems
    if (!problem) return
    updatesWithErrors += 1
    // The first of a session in full; a peer that goes on so must not fill the log.
    const words = {
      attribute: problem.type,
      error: formatNotification(problem.notification),
      handling: problem.handling,
    }
    if (updatesWithErrors === 1) log.warn(words, 'UPDATE with an error that the session survives')
    else log.debug(words, 'UPDATE with an error that the session survives')
  }

  /** Beyond the pace a request waits, and all that come meanwhile wait with it. */
  function refresh(family: IpFamily): void {
    const [pace, delayMs] = asked(refreshPaces[family], performance.now())
    refreshPaces[family] = pace
    if (delayMs === undefined) return
    const answer = () => {
      refreshPaces[family] = answered(performance.now())
      told = forgetTold(told, family)
      schedule()
    }
    if (delayMs === 0) answer()
    else setTimeout(answer, delayMs).unref() // where the session is gone by then nothing is sent
  }

  return {
    setRoutes(next) {
      if (next === routes) return
      routes = next
      schedule()
    },
    refreshNextHops: schedule,
    flush,
    receive(message) {
      if (message.kind === 'update') return receiveUpdate(message)
      const family = familyOf(message)
      if (message.subtype !== routeRefreshSubtypes.request || !family || !session.families.includes(family)) return
      refresh(family)
    },
    status: () => ({
      negotiated: session,
      localAddress,
      remotePort,
      prefixesSent: { IPv4: told.adjRibOut.IPv4.size, IPv6: told.adjRibOut.IPv6.size },
      prefixesReceived: { ...prefixesReceived },
      updatesWithErrors,
      endOfRibReceived: [...endOfRibReceived],
      endOfRibSent,
      withoutNextHop,
      tooLong,
    }),
  }
}
