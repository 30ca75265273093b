import { type Address, addressBits, formatAddress, type IpFamily } from '../../net/address.ts'
import { contains, prefixRange } from '../../net/range.ts'
import type { StateName } from '../bgp/peer-state.ts'
import { type CountedKind, noMessages, type PeerStatus, type SessionStatus } from '../bgp/status.ts'
import type { Metric, Sample } from '../metric.ts'
import type { SpeakerHealth } from '../status.ts'

/*
 * MetalLB's metrics of BGP by their names with berth_ in front, and what it has none for. The label `peer` is the name of
 * the BGPPeer; `berth_bgp_peer_info` tells the address.
 */

const families: readonly IpFamily[] = ['IPv4', 'IPv6']
const states: readonly StateName[] = ['Idle', 'Connect', 'Active', 'OpenSent', 'OpenConfirm', 'Established']
const kinds = Object.keys(noMessages()) as readonly CountedKind[]

export const bgpMetrics: readonly Metric[] = [
  {
    name: 'berth_bgp_session_up',
    help: '1 while the BGP session is established.',
    labels: ['peer'],
    kind: 'gauge',
    read: ({ routing }) =>
      routing.peers.map(({ peer, status }) => [{ peer: peer.name }, status?.state === 'Established' ? 1 : 0]),
  },
  {
    name: 'berth_bgp_session_state',
    help: '1 for the state that the session is in (RFC 4271), 0 for the others.',
    labels: ['peer', 'state'],
    kind: 'gauge',
    read: ({ routing }) =>
      routing.peers.flatMap(({ peer, status }) =>
        states.map((state): Sample => [{ peer: peer.name, state }, (status?.state ?? 'Idle') === state ? 1 : 0]),
      ),
  },
  {
    name: 'berth_bgp_session_uptime_seconds',
    help: 'How long the session has stood; 0 while it does not.',
    labels: ['peer'],
    kind: 'gauge',
    read: perPeer(status => (status.session ? (Date.now() - status.sinceMs) / 1000 : 0)),
  },
  {
    name: 'berth_bgp_sessions_established_total',
    help: 'How often the session came up since the speaker started or the BGPPeer was changed.',
    labels: ['peer'],
    kind: 'counter',
    read: perPeer(status => status.establishedCount),
  },
  {
    name: 'berth_bgp_peer_problem',
    help: '1 while something on this node or in its configuration keeps the session from standing, such as a missing Secret.',
    labels: ['peer'],
    kind: 'gauge',
    read: ({ routing }) => routing.peers.map(({ peer }) => [{ peer: peer.name }, peer.problem === undefined ? 0 : 1]),
  },
  {
    name: 'berth_bgp_peer_info',
    help: 'Always 1: the address of the router and the AS numbers of both sides; the router’s is empty until it is known.',
    labels: ['peer', 'remote', 'local_asn', 'peer_asn'],
    kind: 'gauge',
    read: ({ routing }) =>
      routing.peers.map(({ peer, status }) => {
        const asked = peer.settings?.peerAs
        const peerAs = status?.session?.negotiated.peerAs ?? (typeof asked === 'number' ? asked : undefined)
        const labels = { local_asn: text(peer.settings?.localAs), peer_asn: text(peerAs) }
        return [{ peer: peer.name, remote: status?.remote ?? '', ...labels }, 1]
      }),
  },
  {
    name: 'berth_bgp_updates_total',
    help: 'UPDATE messages sent.',
    labels: ['peer'],
    kind: 'counter',
    read: perPeer(status => status.messages.sent.update),
  },
  {
    name: 'berth_bgp_messages_sent_total',
    help: 'Messages sent, by kind.',
    labels: ['peer', 'kind'],
    kind: 'counter',
    read: perKind('sent'),
  },
  {
    name: 'berth_bgp_messages_received_total',
    help: 'Messages received, by kind.',
    labels: ['peer', 'kind'],
    kind: 'counter',
    read: perKind('received'),
  },
  {
    name: 'berth_bgp_announced_prefixes_total',
    help: 'Prefixes that the router has been told and not taken back from.',
    labels: ['peer', 'family'],
    kind: 'gauge',
    read: perFamily((session, family) => session?.prefixesSent[family] ?? 0),
  },
  {
    name: 'berth_bgp_pending_prefixes_total',
    help: 'Prefixes that the router should be told; those announced included, so both are equal when all is told.',
    labels: ['peer', 'family'],
    kind: 'gauge',
    read: ({ routing }) =>
      routing.peers.flatMap(({ peer }) => {
        const routes = routing.plan?.routesByPeer.get(peer.name) ?? []
        return (peer.settings?.families ?? []).map((family): Sample => {
          const count = routes.filter(({ prefix }) => prefix.address.family === family).length
          return [{ peer: peer.name, family }, count]
        })
      }),
  },
  {
    name: 'berth_bgp_received_prefixes_total',
    help: 'Announcements of prefixes that the router has sent in this session; they are counted and not kept.',
    labels: ['peer', 'family'],
    kind: 'counter',
    read: perFamily((session, family) => session?.prefixesReceived[family]),
  },
  {
    name: 'berth_bgp_update_errors_total',
    help: 'UPDATE messages with errors that this session survived (RFC 7606).',
    labels: ['peer'],
    kind: 'counter',
    read: perSession(session => session.updatesWithErrors),
  },
  {
    name: 'berth_bgp_prefixes_too_long',
    help: 'Prefixes that the router is not told, since their attributes do not fit into a message.',
    labels: ['peer'],
    kind: 'gauge',
    read: perSession(session => session.tooLong.length),
  },
  {
    name: 'berth_bgp_families_without_next_hop',
    help: 'Families that the router is told nothing of, since this node has no address that could be their next hop.',
    labels: ['peer'],
    kind: 'gauge',
    read: perSession(session => session.withoutNextHop.length),
  },
  {
    name: 'berth_bgp_hold_time_seconds',
    help: 'The hold time that both sides agreed on.',
    labels: ['peer'],
    kind: 'gauge',
    read: perSession(session => session.negotiated.holdTimeSeconds),
  },
  {
    name: 'berth_bgp_last_error_timestamp_seconds',
    help: 'When a session or an attempt last ended with an error: one that this node sent, one that it received, or of the connection.',
    labels: ['peer', 'from'],
    kind: 'gauge',
    read: ({ routing }) =>
      routing.peers.flatMap(({ peer, status }) => {
        const errors = [
          ['sent', status?.lastErrorSent],
          ['received', status?.lastErrorReceived],
          ['transport', status?.lastErrorTransport],
        ] as const
        return errors.flatMap(([from, error]): Sample[] =>
          error && error.atMs > 0 ? [[{ peer: peer.name, from }, error.atMs / 1000]] : [],
        )
      }),
  },
  {
    name: 'berth_bgp_services_announced',
    help: 'Services that this node tells some peer of, as far as the configuration goes.',
    labels: [],
    kind: 'gauge',
    read: ({ routing }) => [[{}, routing.plan?.peersByService.size ?? 0]],
  },
  {
    name: 'berth_bgp_route_conflicts',
    help: 'Prefixes of which BGPAdvertisements ask for things that cannot go together.',
    labels: [],
    kind: 'gauge',
    read: ({ routing }) => [[{}, routing.plan?.conflicts.length ?? 0]],
  },
  {
    name: 'berth_bgp_reconciliations_total',
    help: 'Runs of the loop that decides what routers are told.',
    labels: [],
    kind: 'counter',
    read: ({ router }) => [[{}, router.runs]],
  },
  {
    name: 'berth_bgp_reconciliation_seconds',
    help: 'Duration of its last run.',
    labels: [],
    kind: 'gauge',
    read: ({ router }) => [[{}, router.lastRunMs / 1000]],
  },
  {
    name: 'berth_bgp_records_waiting',
    help: 'BGPSessionStatuses and ServiceBGPStatuses that wait to be written.',
    labels: [],
    kind: 'gauge',
    read: ({ recordsWaiting }) => [[{}, recordsWaiting]],
  },
]

/** The addresses that this node tells routers of: 1 where a session with one of them stands. */
export function announcedByBgp({ node, routing, addressesOf }: SpeakerHealth): readonly Sample[] {
  if (!routing.plan || routing.plan.peersByService.size === 0) return []
  const { peersByService, routesByPeer } = routing.plan
  const standing = new Set(routing.peers.filter(({ status }) => status?.session).map(({ peer }) => peer.name))
  const told = new Map(
    Array.from(routesByPeer, ([peer, routes]) => [peer, coverOf(routes.map(({ prefix }) => prefix))]),
  )
  return [...peersByService].flatMap(([service, peers]) =>
    addressesOf(service).flatMap((address): Sample[] => {
      const hearing = peers.filter(peer => told.get(peer)?.(address))
      if (hearing.length === 0) return []
      const up = hearing.some(peer => standing.has(peer)) ? 1 : 0
      return [[{ service, protocol: 'bgp', node, ip: formatAddress(address) }, up]]
    }),
  )
}

/** Whether one of the prefixes holds an address: nearly all are of one address, so they are looked up. */
function coverOf(
  prefixes: readonly { readonly address: Address; readonly length: number }[],
): (address: Address) => boolean {
  const isHost = ({ address, length }: (typeof prefixes)[number]) => length === addressBits[address.family]
  const hosts = new Set(prefixes.filter(isHost).map(({ address }) => keyOf(address)))
  const wider = prefixes.filter(prefix => !isHost(prefix)).map(prefixRange)
  return address => hosts.has(keyOf(address)) || wider.some(range => contains(range, address))
}

/** The two families have numbers in common. */
function keyOf({ family, value }: Address): string {
  return `${family} ${value}`
}

function perPeer(value: (status: PeerStatus) => number): Metric['read'] {
  return ({ routing }) =>
    routing.peers.flatMap(({ peer, status }): Sample[] => (status ? [[{ peer: peer.name }, value(status)]] : []))
}

function perSession(value: (session: SessionStatus) => number): Metric['read'] {
  return ({ routing }) =>
    routing.peers.flatMap(({ peer, status }): Sample[] =>
      status?.session ? [[{ peer: peer.name }, value(status.session)]] : [],
    )
}

/** Undefined = nothing to tell. */
function perFamily(
  value: (session: SessionStatus | undefined, family: IpFamily) => number | undefined,
): Metric['read'] {
  return ({ routing }) =>
    routing.peers.flatMap(({ peer, status }) =>
      families
        .filter(family => peer.settings?.families.includes(family))
        .flatMap((family): Sample[] => {
          const count = value(status?.session, family)
          return count === undefined ? [] : [[{ peer: peer.name, family }, count]]
        }),
    )
}

function perKind(direction: 'sent' | 'received'): Metric['read'] {
  return ({ routing }) =>
    routing.peers.flatMap(({ peer, status }) =>
      status ? kinds.map((kind): Sample => [{ peer: peer.name, kind }, status.messages[direction][kind]]) : [],
    )
}

function text(number: number | undefined): string {
  return number === undefined ? '' : String(number)
}
