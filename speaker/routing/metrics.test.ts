import { describe, expect, test } from 'vitest'
import type { ServiceKey } from '../../kube/service.ts'
import { type Address, parseAddress } from '../../net/address.ts'
import type { Route } from '../bgp/route.ts'
import { noMessages } from '../bgp/status.ts'
import { createMetrics } from '../metrics.ts'
import type { SpeakerHealth } from '../status.ts'
import { well } from '../test-health.ts'
import type { RoutePlan } from './route-plan.ts'
import type { PeerView } from './router.ts'
import { planOf } from './test-recorder.ts'
import { bfd, established, settings, status, view } from './test-sessions.ts'

/** The lines of /metrics about BGP and BFD. */
async function lines(change: Partial<SpeakerHealth>): Promise<readonly string[]> {
  const text = await createMetrics(() => ({ ...well, ...change })).metrics()
  return text.split('\n').filter(line => /^berth_(bgp|bfd|speaker_announced)/.test(line))
}

function routing(peers: readonly PeerView[], plan?: RoutePlan): SpeakerHealth['routing'] {
  return { node: 'node-1', peers, plan }
}

function address(text: string): Address {
  const parsed = parseAddress(text)
  if (!parsed) throw new Error(text)
  return parsed
}

function route(text: string, length: number): Route {
  return {
    prefix: { address: address(text), length },
    localPref: undefined,
    multiExitDisc: undefined,
    prepend: 0,
    communities: [],
    largeCommunities: [],
    linkBandwidth: undefined,
  }
}

const both = settings({ families: ['IPv4', 'IPv6'] })
const messages = { sent: { ...noMessages(), update: 9, notification: 2 }, received: { ...noMessages(), keepalive: 7 } }

describe('/metrics of BGP', () => {
  test('of a session that stands', async () => {
    const stands = established(
      { messages, establishedCount: 3, sinceMs: Date.now() - 60_000 },
      { updatesWithErrors: 4 },
    )
    const found = await lines({ routing: routing([view(stands, { settings: both })]) })
    for (const line of [
      'berth_bgp_session_up{peer="router-a"} 1',
      'berth_bgp_session_state{peer="router-a",state="Established"} 1',
      'berth_bgp_session_state{peer="router-a",state="Active"} 0',
      'berth_bgp_sessions_established_total{peer="router-a"} 3',
      'berth_bgp_peer_problem{peer="router-a"} 0',
      'berth_bgp_peer_info{peer="router-a",remote="192.0.2.1",local_asn="64512",peer_asn="64513"} 1',
      'berth_bgp_updates_total{peer="router-a"} 9',
      'berth_bgp_messages_sent_total{peer="router-a",kind="notification"} 2',
      'berth_bgp_messages_received_total{peer="router-a",kind="keepalive"} 7',
      'berth_bgp_announced_prefixes_total{peer="router-a",family="IPv4"} 5000',
      'berth_bgp_announced_prefixes_total{peer="router-a",family="IPv6"} 2',
      'berth_bgp_received_prefixes_total{peer="router-a",family="IPv4"} 12',
      'berth_bgp_update_errors_total{peer="router-a"} 4',
      'berth_bgp_hold_time_seconds{peer="router-a"} 90',
    ]) {
      expect(found).toContain(line)
    }
    const uptime = found.find(line => line.startsWith('berth_bgp_session_uptime_seconds'))
    expect(Number(uptime?.split(' ')[1])).toBeGreaterThanOrEqual(60)
  })

  test('of one that does not, and of one that cannot', async () => {
    const fell = status({ establishedCount: 1 }, { from: 'remote', text: 'Cease', atMs: 1_500 })
    const cannot = view(undefined, { problem: 'there is no Secret' })
    const found = await lines({
      routing: routing([view(fell), { ...cannot, peer: { ...cannot.peer, name: 'router-b' } }]),
    })
    for (const line of [
      'berth_bgp_session_up{peer="router-a"} 0',
      'berth_bgp_session_state{peer="router-a",state="Active"} 1',
      'berth_bgp_session_uptime_seconds{peer="router-a"} 0',
      'berth_bgp_announced_prefixes_total{peer="router-a",family="IPv4"} 0',
      'berth_bgp_last_error_timestamp_seconds{peer="router-a",from="received"} 1.5',
      'berth_bgp_session_up{peer="router-b"} 0',
      'berth_bgp_session_state{peer="router-b",state="Idle"} 1',
      'berth_bgp_peer_problem{peer="router-b"} 1',
      'berth_bgp_peer_info{peer="router-b",remote="",local_asn="",peer_asn=""} 1',
    ]) {
      expect(found).toContain(line)
    }
    // A family that the session is not for, and what only a session has.
    expect(found.filter(line => line.includes('IPv6') || line.startsWith('berth_bgp_hold_time'))).toEqual([])
  })

  test('of what is to be told, beside what is', async () => {
    const services: Record<ServiceKey, readonly string[]> = { 'shop/web': ['router-a'], 'shop/api': ['router-b'] }
    const plan: RoutePlan = {
      ...planOf(services),
      routesByPeer: new Map([
        ['router-a', [route('192.0.2.7', 32), route('2001:db8::7', 128), route('2001:db8::8', 128)]],
        ['router-b', [route('198.51.100.0', 24)]],
      ]),
    }
    const other = { ...view(status()), peer: { ...view(status()).peer, name: 'router-b' } }
    const addresses: Record<string, readonly Address[]> = {
      'shop/web': [address('192.0.2.7'), address('2001:db8::7'), address('203.0.113.1')],
      'shop/api': [address('198.51.100.20')],
    }
    const found = await lines({
      wire: new Map(),
      addressesOf: key => addresses[key] ?? [],
      routing: routing([view(established(), { settings: both }), other], plan),
      recordsWaiting: 6,
    })
    for (const line of [
      'berth_bgp_pending_prefixes_total{peer="router-a",family="IPv4"} 1',
      'berth_bgp_pending_prefixes_total{peer="router-a",family="IPv6"} 2',
      'berth_bgp_services_announced 2',
      'berth_bgp_route_conflicts 0',
      'berth_bgp_reconciliations_total 3',
      'berth_bgp_records_waiting 6',
    ]) {
      expect(found).toContain(line)
    }
    // An address that no route holds is not announced, and one whose router is away is not known to anybody.
    expect(found.filter(line => line.startsWith('berth_speaker_announced')).sort()).toEqual([
      'berth_speaker_announced{service="shop/api",protocol="bgp",node="node-1",ip="198.51.100.20"} 0',
      'berth_speaker_announced{service="shop/web",protocol="bgp",node="node-1",ip="192.0.2.7"} 1',
      'berth_speaker_announced{service="shop/web",protocol="bgp",node="node-1",ip="2001:db8::7"} 1',
    ])
  })
})

describe('/metrics of BFD', () => {
  const counters = {
    packetsSent: 10,
    packetsReceived: 11,
    ups: 2,
    downs: 1,
    discarded: { signature: 3 },
    dropped: { ENETUNREACH: 4 },
  }
  const bfdCounters = {
    sessions: [
      { name: 'router-a', ...counters },
      { name: 'speaker node-2', ...counters },
    ],
    discarded: { malformed: 5 },
    droppedByKernel: 6,
  }

  test('of the sessions beside BGP, and of no others', async () => {
    const found = await lines({ routing: routing([view(established(), { bfd: bfd() })]), bfdCounters })
    expect(found.filter(line => line.startsWith('berth_bfd'))).toEqual([
      'berth_bfd_session_up{peer="router-a"} 1',
      'berth_bfd_session_state{peer="router-a",state="AdminDown"} 0',
      'berth_bfd_session_state{peer="router-a",state="Down"} 0',
      'berth_bfd_session_state{peer="router-a",state="Init"} 0',
      'berth_bfd_session_state{peer="router-a",state="Up"} 1',
      'berth_bfd_control_packet_input_total{peer="router-a"} 11',
      'berth_bfd_control_packet_output_total{peer="router-a"} 10',
      'berth_bfd_session_up_events_total{peer="router-a"} 2',
      'berth_bfd_session_down_events_total{peer="router-a"} 1',
      'berth_bfd_detection_time_seconds{peer="router-a"} 0.15',
      'berth_bfd_transmit_interval_seconds{peer="router-a"} 0.05',
      'berth_bfd_discarded_total{peer="router-a",reason="signature"} 3',
      'berth_bfd_dropped_total{peer="router-a",reason="ENETUNREACH"} 4',
      'berth_bfd_unmatched_total{reason="malformed"} 5',
      'berth_bfd_dropped_by_kernel_total 6',
    ])
  })

  test('of a session that is down and hears nobody: no detection time', async () => {
    const lost = bfd({ state: 'Down', remote: undefined, detectionTimeMs: undefined })
    const found = await lines({ routing: routing([view(established(), { bfd: lost })]) })
    expect(found).toContain('berth_bfd_session_up{peer="router-a"} 0')
    expect(found.filter(line => line.startsWith('berth_bfd_detection_time'))).toEqual([])
  })

  test('nothing but a zero without BFD', async () => {
    const found = await lines({ routing: routing([view(established())]) })
    expect(found.filter(line => line.startsWith('berth_bfd'))).toEqual(['berth_bfd_dropped_by_kernel_total 0'])
  })
})
