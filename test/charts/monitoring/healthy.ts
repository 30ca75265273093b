import { steady } from './alert-case.ts'

/** A cluster in which nothing is worth an alert, and much goes on. */
export const healthy: Readonly<Record<string, string>> = {
  'berth_leader{instance="berth-controller-a"}': `1${steady}`,
  'berth_leader{instance="berth-controller-b"}': `0${steady}`,
  'berth_k8s_client_config_loaded_bool{instance="berth-controller-a"}': `1${steady}`,
  'berth_k8s_client_update_errors_total{instance="berth-controller-a"}': '0x30 1x90',
  'berth_config_objects_not_ready{instance="berth-controller-a"}': `0${steady}`,
  'berth_allocator_services_waiting{instance="berth-controller-a"}': '0x9 1 0x110',
  'berth_allocator_ipv4_addresses_total{instance="berth-controller-a",pool="public"}': `100${steady}`,
  'berth_allocator_ipv4_addresses_in_use_total{instance="berth-controller-a",pool="public"}': '0+1x60 60x60',
  'berth_allocator_ipv6_addresses_total{instance="berth-controller-a",pool="public"}': `0${steady}`,
  'berth_allocator_ipv6_addresses_in_use_total{instance="berth-controller-a",pool="public"}': `0${steady}`,
  ...Object.assign({}, ...['node-1', 'node-2', 'node-3'].map(ofSpeaker)),
}

function ofSpeaker(node: string): Readonly<Record<string, string>> {
  const at = (metric: string, labels = ''): string => `${metric}{instance="${node}"${labels}}`
  return {
    [at('berth_speaker_members', ',liveness="alive"')]: `3${steady}`,
    [at('berth_speaker_members', ',liveness="gone"')]: `0${steady}`,
    [at('berth_speaker_missed')]: `0${steady}`,
    [at('berth_speaker_cut_off')]: `0${steady}`,
    [at('berth_speaker_answers_withheld')]: `0${steady}`,
    [at('berth_speaker_pauses_total')]: '0x60 1x60',
    [at('berth_speaker_writes_waiting')]: '0 4 0 2 9 1 0x110',
    [at('berth_speaker_refused_services', ',reason="NoUsableEndpoints"')]: `2${steady}`,
    [at('berth_speaker_announced', `,service="shop/web",protocol="bgp",node="${node}",ip="192.0.2.7"`)]: `1${steady}`,
    [at(
      'berth_speaker_announced',
      `,service="shop/${node}",protocol="layer2",node="${node}",ip="192.0.2.${node.at(-1)}"`,
    )]: `1${steady}`,
    [at('berth_watch_up', ',resource="services"')]: `1${steady}`,
    [at('berth_layer2_dropped_total', ',interface="eth0",protocol="ARP",reason="receiveBufferFull"')]: '0x30 3x90',
    [at('berth_bgp_session_up', ',peer="tor"')]: `1${steady}`,
    [at('berth_bgp_sessions_established_total', ',peer="tor"')]: '1x50 2x70',
    [at('berth_bgp_peer_problem', ',peer="tor"')]: `0${steady}`,
    [at('berth_bgp_pending_prefixes_total', ',peer="tor",family="IPv4"')]: '0+1x120',
    [at('berth_bgp_announced_prefixes_total', ',peer="tor",family="IPv4"')]: '0+1x120',
    [at('berth_bgp_route_conflicts')]: `0${steady}`,
    [at('berth_bfd_session_up', ',peer="tor"')]: `1${steady}`,
    [at('berth_bfd_session_down_events_total', ',peer="tor"')]: '0x50 1x70',
  }
}
