import { Counter, Gauge, Registry } from 'prom-client'
import { byReason, type Metric, type Sample } from './metric.ts'
import { bfdMetrics } from './routing/bfd-metrics.ts'
import { announcedByBgp, bgpMetrics } from './routing/bgp-metrics.ts'
import type { SpeakerHealth } from './status.ts'
import type { WireCounter } from './wire/messages.ts'

/** A registry whose values are read off the speaker when somebody asks: nothing is counted twice, and nothing goes stale. */
export function createMetrics(health: () => SpeakerHealth): Registry {
  const registry = new Registry()
  for (const { name, help, labels, kind, read } of [...metrics, ...bgpMetrics, ...bfdMetrics]) {
    // Into this registry alone, and not into the process-wide one.
    const common = { name, help, labelNames: [...labels], registers: [] }
    if (kind === 'gauge') {
      const gauge = new Gauge({
        ...common,
        collect() {
          this.reset()
          for (const [labels, value] of read(health())) this.set(labels, value)
        },
      })
      registry.registerMetric(gauge)
    } else {
      const counter = new Counter({
        ...common,
        collect() {
          this.reset()
          for (const [labels, value] of read(health())) this.inc(labels, value)
        },
      })
      registry.registerMetric(counter)
    }
  }
  return registry
}

const metrics: readonly Metric[] = [
  {
    name: 'berth_speaker_announced',
    help: 'Addresses that this node announces: 1 once the segment, or some router, knows; 0 while none does.',
    labels: ['service', 'protocol', 'node', 'ip'],
    kind: 'gauge',
    read: health => [...announcedByLayer2(health), ...announcedByBgp(health)],
  },
  {
    name: 'berth_speaker_members',
    help: 'Speakers by what this one takes them for: alive, leaving or gone; those of nodes that were removed are not counted.',
    labels: ['liveness'],
    kind: 'gauge',
    read: ({ members }) =>
      ['alive', 'leaving', 'gone'].map(liveness => [
        { liveness },
        [...members.values()].filter(member => member.liveness === liveness).length,
      ]),
  },
  {
    name: 'berth_speaker_missed',
    help: 'Speakers that this one watches by BFD and does not hear.',
    labels: [],
    kind: 'gauge',
    read: ({ reach }) => [[{}, reach?.ownMissed.length ?? 0]],
  },
  {
    name: 'berth_speaker_cut_off',
    help: '1 while the API server has not been heard for longer than this speaker’s Lease lasts.',
    labels: [],
    kind: 'gauge',
    read: ({ cutOff }) => [[{}, cutOff ? 1 : 0]],
  },
  {
    name: 'berth_speaker_answers_withheld',
    help: '1 while nothing is answered at layer 2, since neither the API server nor enough other speakers are heard.',
    labels: [],
    kind: 'gauge',
    read: ({ fence }) => [[{}, fence.withheld ? 1 : 0]],
  },
  {
    name: 'berth_speaker_pauses_total',
    help: 'How often this process did not run for so long that others may have taken over, and asked before it went on.',
    labels: [],
    kind: 'counter',
    read: ({ fence }) => [[{}, fence.pauses]],
  },
  {
    name: 'berth_speaker_lease_age_seconds',
    help: 'Time since this speaker’s Lease was last renewed; +Inf = never.',
    labels: [],
    kind: 'gauge',
    read: ({ leaseRenewedAtMs }) => [[{}, (performance.now() - leaseRenewedAtMs) / 1000]],
  },
  {
    name: 'berth_speaker_refused_services',
    help: 'LoadBalancer Services that no node can announce, by reason.',
    labels: ['reason'],
    kind: 'gauge',
    read: ({ reconciler }) => Array.from(reconciler.refused, ([reason, count]) => [{ reason }, count]),
  },
  {
    name: 'berth_speaker_reconciliations_total',
    help: 'Runs of observe, elect, plan and apply.',
    labels: [],
    kind: 'counter',
    read: ({ reconciler }) => [[{}, reconciler.runs]],
  },
  {
    name: 'berth_speaker_reconciliation_seconds',
    help: 'Duration of the last run.',
    labels: [],
    kind: 'gauge',
    read: ({ reconciler }) => [[{}, reconciler.lastRunMs / 1000]],
  },
  {
    name: 'berth_speaker_writes_waiting',
    help: 'Objects that wait to be written to the API server, running ones included.',
    labels: [],
    kind: 'gauge',
    read: ({ writesWaiting, writesRunning }) => [[{}, writesWaiting + writesRunning]],
  },
  {
    name: 'berth_speaker_events_dropped_total',
    help: 'Events that could not be recorded.',
    labels: [],
    kind: 'counter',
    read: ({ eventsDropped }) => [[{}, eventsDropped]],
  },
  {
    name: 'berth_watch_up',
    help: '1 while the watch of a resource is open.',
    labels: ['resource'],
    kind: 'gauge',
    read: ({ watches }) => watches.map(({ resource, state }) => [{ resource }, state === 'watching' ? 1 : 0]),
  },
  {
    name: 'berth_watch_lists_total',
    help: 'Full lists of a resource.',
    labels: ['resource'],
    kind: 'counter',
    read: ({ watches }) => watches.map(({ resource, lists }) => [{ resource }, lists]),
  },
  {
    name: 'berth_watch_failures_total',
    help: 'Lists and watches of a resource that failed.',
    labels: ['resource'],
    kind: 'counter',
    read: ({ watches }) => watches.map(({ resource, failures }) => [{ resource }, failures]),
  },
  {
    name: 'berth_layer2_requests_received_total',
    help: 'ARP requests and Neighbor Solicitations for an address that this node announces.',
    labels: ['ip', 'interface'],
    kind: 'counter',
    read: health => byAddress(health, counter => counter.requestsReceived),
  },
  {
    name: 'berth_layer2_responses_sent_total',
    help: 'Answers to them.',
    labels: ['ip', 'interface'],
    kind: 'counter',
    read: health => byAddress(health, counter => counter.responsesSent),
  },
  {
    name: 'berth_layer2_gratuitous_sent_total',
    help: 'Unasked packets for an address: gratuitous ARP, unsolicited Neighbor Advertisements.',
    labels: ['ip', 'interface'],
    kind: 'counter',
    read: health => byAddress(health, counter => counter.gratuitousSent),
  },
  {
    name: 'berth_layer2_malformed_total',
    help: 'Packets that break their RFC.',
    labels: ['interface', 'protocol'],
    kind: 'counter',
    read: health => byInterface(health).map(counter => [interfaceLabels(counter), counter.malformed]),
  },
  {
    name: 'berth_layer2_ignored_total',
    help: 'Well-formed packets that got no answer, by reason.',
    labels: ['interface', 'protocol', 'reason'],
    kind: 'counter',
    read: health => byInterface(health).flatMap(counter => byReason(interfaceLabels(counter), counter.ignored)),
  },
  {
    name: 'berth_layer2_dropped_total',
    help: 'Packets that should have left or arrived and did not, by reason.',
    labels: ['interface', 'protocol', 'reason'],
    kind: 'counter',
    read: health => byInterface(health).flatMap(counter => byReason(interfaceLabels(counter), counter.dropped)),
  },
  {
    name: 'berth_layer2_conflicts_total',
    help: 'Packets in which a station that is no speaker claimed an address that this node announces.',
    labels: [],
    kind: 'counter',
    read: ({ conflicts }) => [[{}, conflicts]],
  },
  {
    name: 'berth_layer2_takeovers_total',
    help: 'How often this node began to answer for an address, new ones and planned moves included.',
    labels: [],
    kind: 'counter',
    read: ({ takeOvers }) => [[{}, takeOvers]],
  },
  {
    name: 'berth_layer2_rival',
    help: 'Always 1: a station that has an address of this node’s too, told of until it was not heard for 30 s; rival_node is empty where it is no node of the cluster.',
    labels: ['ip', 'interface', 'mac', 'rival_node'],
    kind: 'gauge',
    read: ({ rivals }) =>
      Array.from(rivals, ([ip, { interface: on, mac, node }]) => [
        { ip, interface: on, mac, rival_node: node ?? '' },
        1,
      ]),
  },
  {
    name: 'berth_layer2_sharing_nodes',
    help: 'Nodes that answer for the address together, this one among them; nothing where it answers alone.',
    labels: ['ip'],
    kind: 'gauge',
    read: ({ wire }) => Array.from(wire).flatMap(([ip, { sharers }]) => (sharers ? [[{ ip }, sharers.length]] : [])),
  },
  {
    name: 'process_resident_memory_bytes',
    help: 'Resident memory of the process.',
    labels: [],
    kind: 'gauge',
    read: () => [[{}, process.memoryUsage.rss()]],
  },
  {
    name: 'process_cpu_seconds_total',
    help: 'User and system time of the process.',
    labels: [],
    kind: 'counter',
    read: () => {
      const { user, system } = process.cpuUsage()
      return [[{}, (user + system) / 1e6]]
    },
  },
]

function announcedByLayer2({ node, wire, servicesOf }: SpeakerHealth): readonly Sample[] {
  return [...wire].flatMap(([ip, { announcedOn }]) =>
    servicesOf(ip).map((service): Sample => [{ service, protocol: 'layer2', node, ip }, announcedOn?.length ? 1 : 0]),
  )
}

type AddressCounter = WireCounter & { readonly kind: 'address' }
type InterfaceCounter = WireCounter & { readonly kind: 'interface' }

function byAddress({ totals }: SpeakerHealth, value: (counter: AddressCounter) => number): readonly Sample[] {
  return [...totals.values()].flatMap(counter =>
    counter.kind === 'address'
      ? [[{ ip: counter.address, interface: counter.interface }, value(counter)] as const]
      : [],
  )
}

function byInterface({ totals }: SpeakerHealth): readonly InterfaceCounter[] {
  return [...totals.values()].filter(counter => counter.kind === 'interface')
}

function interfaceLabels(counter: InterfaceCounter): Readonly<Record<string, string>> {
  return { interface: counter.interface, protocol: counter.protocol }
}
