/*
 * The dashboard in short: rows of panels, each with what it shows and what to make of it. dashboard.ts makes Grafana's JSON
 * of it. Expressions take `$instance`, `$pool` and `$peer` from the lists at the top of the page.
 */

export type PanelKind = 'stat' | 'timeseries' | 'state-timeline' | 'bargauge' | 'table'

export interface Query {
  readonly expr: string
  /** `{{label}}`s are put in. */
  readonly legend?: string
}

export interface Panel {
  readonly title: string
  /** What to make of it. */
  readonly description: string
  readonly kind: PanelKind
  /** Of 24. */
  readonly width: number
  /** As Grafana calls it. */
  readonly unit?: string
  /** From where on it is bad. */
  readonly badFrom?: number
  /** Below what it is bad. */
  readonly badBelow?: number
  readonly queries: readonly Query[]
}

export interface Row {
  readonly title: string
  readonly panels: readonly Panel[]
}

const node = 'instance=~"$instance"'
const pool = 'pool=~"$pool"'
const peer = `${node}, peer=~"$peer"`
const rate = (metric: string, labels: string): string => `rate(${metric}{${labels}}[$__rate_interval])`
const increase = (metric: string, labels: string): string => `increase(${metric}{${labels}}[$__rate_interval])`

const glance: Row = {
  title: 'At a glance',
  panels: [
    {
      title: 'Controller leads',
      description: 'One. With none no Service gets an address, and those that have one keep it.',
      kind: 'stat',
      width: 3,
      badBelow: 1,
      queries: [{ expr: 'sum(berth_leader)' }],
    },
    {
      title: 'Speakers alive',
      description: 'By the speaker that counts the fewest.',
      kind: 'stat',
      width: 3,
      badBelow: 1,
      queries: [{ expr: 'min(berth_speaker_members{liveness="alive"})' }],
    },
    {
      title: 'Speakers gone',
      description: 'They do not renew their Leases: the node is down, or its speaker is.',
      kind: 'stat',
      width: 3,
      badFrom: 1,
      queries: [{ expr: 'max(berth_speaker_members{liveness="gone"})' }],
    },
    {
      title: 'Services waiting',
      description: 'For an address. kubectl berth status lists them.',
      kind: 'stat',
      width: 3,
      badFrom: 1,
      queries: [{ expr: 'max(berth_allocator_services_waiting)' }],
    },
    {
      title: 'Addresses announced to nobody',
      description: 'Some node should announce them, and no segment and no router knows.',
      kind: 'stat',
      width: 3,
      badFrom: 1,
      queries: [
        { expr: 'count(max by (service, ip) (berth_speaker_announced) == 0) or vector(0) * max(berth_leader)' },
      ],
    },
    {
      title: 'Addresses that others have too',
      description: 'kubectl get events -A --field-selector reason=AddressConflict names the stations.',
      kind: 'stat',
      width: 3,
      badFrom: 1,
      queries: [{ expr: 'count(count by (ip) (berth_layer2_rival)) or vector(0) * max(berth_leader)' }],
    },
    {
      title: 'BGP sessions down',
      description: 'kubectl berth peers has the reason of each.',
      kind: 'stat',
      width: 3,
      badFrom: 1,
      queries: [{ expr: 'count(berth_bgp_session_up == 0) or vector(0) * max(berth_leader)' }],
    },
    {
      title: 'Objects not ready',
      description: 'Of the configuration: kubectl get berth -A shows the reasons.',
      kind: 'stat',
      width: 3,
      badFrom: 1,
      queries: [{ expr: 'max(berth_config_objects_not_ready)' }],
    },
  ],
}

const pools: Row = {
  title: 'Pools',
  panels: [
    {
      title: 'In use',
      description: 'A part of what each pool can hand out, by family.',
      kind: 'bargauge',
      width: 8,
      unit: 'percentunit',
      badFrom: 0.9,
      queries: ['ipv4', 'ipv6'].map(family => ({
        expr: `max by (pool) (berth_allocator_${family}_addresses_in_use_total{${pool}} / (berth_allocator_${family}_addresses_total > 0))`,
        legend: `{{pool}} ${family === 'ipv4' ? 'IPv4' : 'IPv6'}`,
      })),
    },
    {
      title: 'Addresses in use',
      description: 'A shared one counts once.',
      kind: 'timeseries',
      width: 8,
      queries: [{ expr: `max by (pool) (berth_allocator_addresses_in_use_total{${pool}})`, legend: '{{pool}}' }],
    },
    {
      title: 'IPv4 addresses free',
      description: 'What is left to hand out, and what is set aside since other stations have it.',
      kind: 'timeseries',
      width: 8,
      queries: [
        {
          expr: `max by (pool) (berth_allocator_ipv4_addresses_total{${pool}} - berth_allocator_ipv4_addresses_in_use_total)`,
          legend: '{{pool}}',
        },
        {
          expr: `max by (pool) (berth_allocator_addresses_conflicting{${pool}}) > 0`,
          legend: '{{pool}}: others have them',
        },
      ],
    },
  ],
}

const services: Row = {
  title: 'Services',
  panels: [
    {
      title: 'Services with an address',
      description: 'By pool.',
      kind: 'timeseries',
      width: 6,
      queries: [{ expr: `max by (pool) (berth_allocator_services_allocated_total{${pool}})`, legend: '{{pool}}' }],
    },
    {
      title: 'Announced by no node',
      description: 'Services with an address, by the reason in their condition berth.dev/Announced.',
      kind: 'timeseries',
      width: 6,
      queries: [{ expr: 'max by (reason) (berth_speaker_refused_services)', legend: '{{reason}}' }],
    },
    {
      title: 'Addresses announced',
      description: 'By node: at layer 2 each address has one node, by BGP all that may.',
      kind: 'timeseries',
      width: 6,
      queries: [
        { expr: `sum by (instance, protocol) (berth_speaker_announced{${node}})`, legend: '{{instance}} {{protocol}}' },
      ],
    },
    {
      title: 'Announced to nobody',
      description: 'Empty while all is well.',
      kind: 'table',
      width: 6,
      queries: [{ expr: 'max by (service, ip) (berth_speaker_announced) == 0' }],
    },
  ],
}

const layer2: Row = {
  title: 'Layer 2',
  panels: [
    {
      title: 'Take-overs',
      description:
        'Addresses that a node began to answer for: new ones, planned moves, and those of nodes that are gone.',
      kind: 'timeseries',
      width: 8,
      queries: [{ expr: increase('berth_layer2_takeovers_total', node), legend: '{{instance}}' }],
    },
    {
      title: 'Conflicts',
      description: 'Packets in which somebody else claimed an address of ours.',
      kind: 'timeseries',
      width: 8,
      queries: [{ expr: increase('berth_layer2_conflicts_total', node), legend: '{{instance}}' }],
    },
    {
      title: 'Who has an address too',
      description: 'Empty while all is well. Without a node it is no node of this cluster.',
      kind: 'table',
      width: 8,
      queries: [{ expr: 'max by (ip, interface, mac, rival_node) (berth_layer2_rival)' }],
    },
    {
      title: 'Requests and answers',
      description: 'ARP requests and Neighbor Solicitations for addresses of the node, and what was said to them.',
      kind: 'timeseries',
      width: 8,
      unit: 'pps',
      queries: [
        {
          expr: `sum by (instance) (${rate('berth_layer2_requests_received_total', node)})`,
          legend: '{{instance}} asked',
        },
        {
          expr: `sum by (instance) (${rate('berth_layer2_responses_sent_total', node)})`,
          legend: '{{instance}} answered',
        },
      ],
    },
    {
      title: 'Gratuitous packets',
      description: 'After a take-over for some seconds, and about each minute.',
      kind: 'timeseries',
      width: 8,
      unit: 'pps',
      queries: [
        { expr: `sum by (instance) (${rate('berth_layer2_gratuitous_sent_total', node)})`, legend: '{{instance}}' },
      ],
    },
    {
      title: 'Packets lost, malformed, ignored',
      description: 'receiveBufferFull: they come faster than the node reads. Most of what is ignored is for others.',
      kind: 'timeseries',
      width: 8,
      unit: 'pps',
      queries: [
        {
          expr: `sum by (instance, reason) (${rate('berth_layer2_dropped_total', node)})`,
          legend: '{{instance}} {{reason}}',
        },
        { expr: `sum by (instance) (${rate('berth_layer2_malformed_total', node)})`, legend: '{{instance}} malformed' },
        { expr: `sum by (reason) (${rate('berth_layer2_ignored_total', node)})`, legend: 'ignored: {{reason}}' },
      ],
    },
    {
      title: 'Members',
      description: 'Speakers by what each takes the others for. Lines of one kind that differ are a split.',
      kind: 'timeseries',
      width: 8,
      queries: [{ expr: `berth_speaker_members{${node}}`, legend: '{{instance}} {{liveness}}' }],
    },
    {
      title: 'Not heard',
      description:
        'Speakers that are watched by BFD and missed; the node itself that does not hear the API server, or withholds its answers.',
      kind: 'timeseries',
      width: 8,
      queries: [
        { expr: `berth_speaker_missed{${node}}`, legend: '{{instance}} misses' },
        { expr: `berth_speaker_cut_off{${node}}`, legend: '{{instance}} cut off' },
        { expr: `berth_speaker_answers_withheld{${node}}`, legend: '{{instance}} withholds' },
      ],
    },
    {
      title: 'Pauses',
      description: 'How often a speaker did not run for so long that it had to ask the segment before it went on.',
      kind: 'timeseries',
      width: 8,
      queries: [{ expr: increase('berth_speaker_pauses_total', node), legend: '{{instance}}' }],
    },
  ],
}

const bgp: Row = {
  title: 'BGP',
  panels: [
    {
      title: 'Sessions',
      description: 'Green: established.',
      kind: 'state-timeline',
      width: 16,
      queries: [{ expr: `berth_bgp_session_up{${peer}}`, legend: '{{instance}} – {{peer}}' }],
    },
    {
      title: 'Routers',
      description: 'Addresses and AS numbers; an address is empty until it is known.',
      kind: 'table',
      width: 8,
      queries: [{ expr: `max by (instance, peer, remote, local_asn, peer_asn) (berth_bgp_peer_info{${peer}})` }],
    },
    {
      title: 'Sessions came up',
      description: 'More than once in a while: it flaps.',
      kind: 'timeseries',
      width: 8,
      queries: [{ expr: increase('berth_bgp_sessions_established_total', peer), legend: '{{instance}} – {{peer}}' }],
    },
    {
      title: 'Prefixes',
      description: 'Told, and to be told; equal when all is told.',
      kind: 'timeseries',
      width: 8,
      queries: [
        { expr: `berth_bgp_announced_prefixes_total{${peer}}`, legend: '{{instance}} – {{peer}} {{family}}' },
        { expr: `berth_bgp_pending_prefixes_total{${peer}}`, legend: '{{instance}} – {{peer}} {{family}} wanted' },
      ],
    },
    {
      title: 'Messages',
      description: 'Sent by kind; at rest keepalives alone.',
      kind: 'timeseries',
      width: 8,
      queries: [
        { expr: `sum by (kind) (${rate('berth_bgp_messages_sent_total', peer)})`, legend: 'sent: {{kind}}' },
        { expr: `sum by (kind) (${rate('berth_bgp_messages_received_total', peer)})`, legend: 'received: {{kind}}' },
      ],
    },
    {
      title: 'What is wrong',
      description:
        'Peers that lack something of ours, prefixes that do not fit or have no next hop, routes that contradict each other.',
      kind: 'timeseries',
      width: 24,
      queries: [
        { expr: `berth_bgp_peer_problem{${peer}} > 0`, legend: '{{instance}} – {{peer}} problem' },
        { expr: `berth_bgp_prefixes_too_long{${peer}} > 0`, legend: '{{instance}} – {{peer}} too long' },
        { expr: `berth_bgp_families_without_next_hop{${peer}} > 0`, legend: '{{instance}} – {{peer}} no next hop' },
        {
          expr: `${increase('berth_bgp_update_errors_total', peer)} > 0`,
          legend: '{{instance}} – {{peer}} bad UPDATEs',
        },
        { expr: `berth_bgp_route_conflicts{${node}} > 0`, legend: '{{instance}} contradictions' },
      ],
    },
  ],
}

const bfd: Row = {
  title: 'BFD with routers',
  panels: [
    {
      title: 'Sessions',
      description: 'Green: up.',
      kind: 'state-timeline',
      width: 12,
      queries: [{ expr: `berth_bfd_session_up{${peer}}`, legend: '{{instance}} – {{peer}}' }],
    },
    {
      title: 'Sessions went down',
      description: 'Packets that are late or lost, where the router is not down as well.',
      kind: 'timeseries',
      width: 12,
      queries: [{ expr: increase('berth_bfd_session_down_events_total', peer), legend: '{{instance}} – {{peer}}' }],
    },
    {
      title: 'Packets',
      description: 'Both directions alike, where both sides have the same intervals.',
      kind: 'timeseries',
      width: 12,
      unit: 'pps',
      queries: [
        { expr: rate('berth_bfd_control_packet_input_total', peer), legend: '{{instance}} – {{peer}} in' },
        { expr: rate('berth_bfd_control_packet_output_total', peer), legend: '{{instance}} – {{peer}} out' },
      ],
    },
    {
      title: 'Detection time, and packets that were not taken',
      description: 'How long the router may be silent; packets with a wrong signature, or of nobody.',
      kind: 'timeseries',
      width: 12,
      queries: [
        { expr: `berth_bfd_detection_time_seconds{${peer}}`, legend: '{{instance}} – {{peer}} s' },
        { expr: rate('berth_bfd_discarded_total', peer), legend: '{{instance}} – {{peer}} {{reason}}/s' },
        { expr: rate('berth_bfd_unmatched_total', node), legend: '{{instance}} {{reason}}/s' },
      ],
    },
  ],
}

const programs: Row = {
  title: 'Programs',
  panels: [
    {
      title: 'Processor time',
      description: 'Of a core.',
      kind: 'timeseries',
      width: 8,
      unit: 'percentunit',
      queries: [
        {
          expr: 'rate(process_cpu_seconds_total[$__rate_interval]) and on (instance, job) berth_leader',
          legend: 'controller {{instance}}',
        },
        {
          expr: `rate(process_cpu_seconds_total{${node}}[$__rate_interval]) and on (instance, job) berth_speaker_missed`,
          legend: '{{instance}}',
        },
      ],
    },
    {
      title: 'Memory',
      description: 'Resident.',
      kind: 'timeseries',
      width: 8,
      unit: 'bytes',
      queries: [
        {
          expr: 'process_resident_memory_bytes and on (instance, job) berth_leader',
          legend: 'controller {{instance}}',
        },
        {
          expr: `process_resident_memory_bytes{${node}} and on (instance, job) berth_speaker_missed`,
          legend: '{{instance}}',
        },
      ],
    },
    {
      title: 'Decisions',
      description: "How long a speaker's last run took, and by how much the controller's event loop was late.",
      kind: 'timeseries',
      width: 8,
      unit: 's',
      queries: [
        { expr: `berth_speaker_reconciliation_seconds{${node}}`, legend: '{{instance}} layer 2' },
        { expr: `berth_bgp_reconciliation_seconds{${node}}`, legend: '{{instance}} BGP' },
        {
          expr: 'nodejs_eventloop_lag_p99_seconds and on (instance, job) berth_leader',
          legend: 'controller {{instance}} late',
        },
      ],
    },
    {
      title: "The controller's writes",
      description: 'Statuses of Services. Conflicts are tried again at once, errors later.',
      kind: 'timeseries',
      width: 8,
      unit: 'reqps',
      queries: [
        { expr: 'sum(rate(berth_k8s_client_updates_total[$__rate_interval]))', legend: 'written' },
        { expr: 'sum(rate(berth_k8s_client_update_conflicts_total[$__rate_interval]))', legend: 'conflicts' },
        { expr: 'sum(rate(berth_k8s_client_update_errors_total[$__rate_interval]))', legend: 'errors' },
      ],
    },
    {
      title: 'What waits',
      description:
        'Services for their turn, records and Events for the API server. After a change of many it takes a while.',
      kind: 'timeseries',
      width: 8,
      queries: [
        { expr: 'max(berth_queue_depth)', legend: 'controller: Services' },
        { expr: 'max(berth_events_waiting)', legend: 'controller: Events' },
        { expr: `berth_speaker_writes_waiting{${node}}`, legend: '{{instance}} writes' },
        { expr: `berth_bgp_records_waiting{${node}}`, legend: '{{instance}} records of BGP' },
      ],
    },
    {
      title: 'The API server',
      description: 'Watches that are closed, and those that failed. A Lease that is not renewed for 10 s is over.',
      kind: 'timeseries',
      width: 8,
      queries: [
        { expr: 'count by (instance, resource) (berth_watch_up == 0)', legend: '{{instance}} {{resource}} closed' },
        {
          expr: 'sum by (instance) (increase(berth_watch_failures_total[$__rate_interval]))',
          legend: '{{instance}} failed',
        },
        { expr: `berth_speaker_lease_age_seconds{${node}}`, legend: '{{instance}} Lease (s)' },
      ],
    },
  ],
}

export const rows: readonly Row[] = [glance, pools, services, layer2, bgp, bfd, programs]
