import type { BfdSessionCounters, BfdSessionStatus } from '../bfd/messages.ts'
import { type SessionState, sessionStates } from '../bfd/packet.ts'
import { byReason, type Metric, type Sample } from '../metric.ts'

/** MetalLB's metrics of BFD by their names with berth_ in front, and what it has none for; `peer` is the name of the BGPPeer. */
export const bfdMetrics: readonly Metric[] = [
  {
    name: 'berth_bfd_session_up',
    help: '1 while the BFD session is up.',
    labels: ['peer'],
    kind: 'gauge',
    read: perStatus(({ state }) => (state === 'Up' ? 1 : 0)),
  },
  {
    name: 'berth_bfd_session_state',
    help: '1 for the state that the BFD session is in (RFC 5880), 0 for the others.',
    labels: ['peer', 'state'],
    kind: 'gauge',
    read: ({ routing }) =>
      routing.peers.flatMap(({ peer, bfd }) =>
        bfd ? sessionStates.map((state): Sample => stateSample(peer.name, state, bfd)) : [],
      ),
  },
  {
    name: 'berth_bfd_control_packet_input_total',
    help: 'Control packets of the session that were received and taken.',
    labels: ['peer'],
    kind: 'counter',
    read: perCounters(counters => counters.packetsReceived),
  },
  {
    name: 'berth_bfd_control_packet_output_total',
    help: 'Control packets of the session that were sent.',
    labels: ['peer'],
    kind: 'counter',
    read: perCounters(counters => counters.packetsSent),
  },
  {
    name: 'berth_bfd_session_up_events_total',
    help: 'How often the session came up.',
    labels: ['peer'],
    kind: 'counter',
    read: perCounters(counters => counters.ups),
  },
  {
    name: 'berth_bfd_session_down_events_total',
    help: 'How often the session was up and ceased to be.',
    labels: ['peer'],
    kind: 'counter',
    read: perCounters(counters => counters.downs),
  },
  {
    name: 'berth_bfd_detection_time_seconds',
    help: 'How long the router may be silent before it counts as gone; nothing while it is not heard.',
    labels: ['peer'],
    kind: 'gauge',
    read: perStatus(({ detectionTimeMs }) => inSeconds(detectionTimeMs)),
  },
  {
    name: 'berth_bfd_transmit_interval_seconds',
    help: 'Between two packets of this node, before jitter, as both sides agreed.',
    labels: ['peer'],
    kind: 'gauge',
    read: perStatus(({ transmitIntervalMs }) => inSeconds(transmitIntervalMs)),
  },
  {
    name: 'berth_bfd_discarded_total',
    help: 'Packets for the session that were not taken, by reason, such as a wrong signature.',
    labels: ['peer', 'reason'],
    kind: 'counter',
    read: perReason(counters => counters.discarded),
  },
  {
    name: 'berth_bfd_dropped_total',
    help: 'Packets of the session that should have left and did not, by reason.',
    labels: ['peer', 'reason'],
    kind: 'counter',
    read: perReason(counters => counters.dropped),
  },
  {
    name: 'berth_bfd_unmatched_total',
    help: 'Packets that belong to no session, by reason.',
    labels: ['reason'],
    kind: 'counter',
    read: ({ bfdCounters }) => byReason({}, bfdCounters?.discarded ?? {}),
  },
  {
    name: 'berth_bfd_dropped_by_kernel_total',
    help: 'Packets that the kernel dropped: from beyond the link (RFC 5082), or more than the buffer holds.',
    labels: [],
    kind: 'counter',
    read: ({ bfdCounters }) => (bfdCounters ? [[{}, bfdCounters.droppedByKernel]] : []),
  },
]

function stateSample(peer: string, state: SessionState, bfd: BfdSessionStatus): Sample {
  return [{ peer, state }, bfd.state === state ? 1 : 0]
}

/** Undefined = nothing to tell. */
function perStatus(value: (status: BfdSessionStatus) => number | undefined): Metric['read'] {
  return ({ routing }) =>
    routing.peers.flatMap(({ peer, bfd }): Sample[] => {
      const number = bfd && value(bfd)
      return number === undefined ? [] : [[{ peer: peer.name }, number]]
    })
}

/** The wire thread counts the sessions of whoever wants one; those of peers have the peers' names. */
function countersOf({ routing, bfdCounters }: Parameters<Metric['read']>[0]): readonly BfdSessionCounters[] {
  const names = new Set(routing.peers.filter(({ bfd }) => bfd !== undefined).map(({ peer }) => peer.name))
  return (bfdCounters?.sessions ?? []).filter(({ name }) => names.has(name))
}

function perCounters(value: (counters: BfdSessionCounters) => number): Metric['read'] {
  return health => countersOf(health).map(counters => [{ peer: counters.name }, value(counters)])
}

function perReason(counts: (counters: BfdSessionCounters) => Readonly<Record<string, number>>): Metric['read'] {
  return health => countersOf(health).flatMap(counters => byReason({ peer: counters.name }, counts(counters)))
}

function inSeconds(milliseconds: number | undefined): number | undefined {
  return milliseconds === undefined ? undefined : milliseconds / 1000
}
