import { type AlertCase, steady } from './alert-case.ts'

const tor = 'instance="node-1",peer="tor"'
const about = { instance: 'node-1', peer: 'tor' }

export const routingCases: readonly AlertCase[] = [
  {
    alert: 'BerthSessionDown',
    situation: 'a session of two is down',
    series: {
      [`berth_bgp_session_up{${tor}}`]: `0${steady}`,
      'berth_bgp_session_up{instance="node-2",peer="tor"}': `1${steady}`,
    },
    fires: { afterMinutes: 1, labels: about, summary: 'The BGP session of node-1 with tor is down.' },
  },
  {
    alert: 'BerthSessionDown',
    situation: 'it is back before a minute has passed',
    series: { [`berth_bgp_session_up{${tor}}`]: '1x5 0 0 1x60' },
  },
  {
    alert: 'BerthSessionFlaps',
    situation: 'a session comes up every two minutes',
    series: { [`berth_bgp_sessions_established_total{${tor}}`]: '1x3 2x3 3x3 4x3 5x3 6x3 7x90' },
    fires: {
      afterMinutes: 6,
      labels: about,
      summary: 'The BGP session of node-1 with tor keeps falling and coming back.',
    },
  },
  {
    alert: 'BerthSessionFlaps',
    situation: 'the router was restarted',
    series: { [`berth_bgp_sessions_established_total{${tor}}`]: '1x20 2x80' },
  },
  {
    alert: 'BerthPeerProblem',
    situation: 'its Secret is missing',
    series: { [`berth_bgp_peer_problem{${tor}}`]: `1${steady}` },
    fires: {
      afterMinutes: 1,
      labels: about,
      summary: 'Something on node-1 or in its configuration keeps it from a session with tor.',
    },
  },
  {
    alert: 'BerthPeerProblem',
    situation: 'the Secret comes after the peer',
    series: { [`berth_bgp_peer_problem{${tor}}`]: '1 1 0x60' },
  },
  {
    alert: 'BerthPrefixesPending',
    situation: 'the session carries one family, and there are addresses of both',
    series: {
      [`berth_bgp_pending_prefixes_total{${tor},family="IPv4"}`]: `5${steady}`,
      [`berth_bgp_announced_prefixes_total{${tor},family="IPv4"}`]: `5${steady}`,
      [`berth_bgp_pending_prefixes_total{${tor},family="IPv6"}`]: `5${steady}`,
      [`berth_bgp_announced_prefixes_total{${tor},family="IPv6"}`]: `2${steady}`,
    },
    fires: {
      afterMinutes: 1,
      labels: { ...about, family: 'IPv6' },
      summary: 'node-1 has not told tor of 3 IPv6 prefixes.',
    },
  },
  {
    alert: 'BerthPrefixesPending',
    situation: 'thousands are being told',
    series: {
      [`berth_bgp_pending_prefixes_total{${tor},family="IPv4"}`]: '0 5000x60',
      [`berth_bgp_announced_prefixes_total{${tor},family="IPv4"}`]: '0 2000 5000x59',
    },
  },
  {
    alert: 'BerthRouteConflict',
    situation: 'two advertisements ask for different values',
    series: {
      'berth_bgp_route_conflicts{instance="node-1"}': `1${steady}`,
      'berth_bgp_route_conflicts{instance="node-2"}': `1${steady}`,
    },
    fires: { afterMinutes: 5, summary: 'BGPAdvertisements ask for things that cannot go together, of one prefix.' },
  },
  {
    alert: 'BerthRouteConflict',
    situation: 'they do while they are being changed',
    series: { 'berth_bgp_route_conflicts{instance="node-1"}': '0 3x5 0x60' },
  },
  {
    alert: 'BerthBFDDown',
    situation: 'a firewall lets BGP through, and BFD not',
    series: { [`berth_bfd_session_up{${tor}}`]: `0${steady}`, [`berth_bgp_session_up{${tor}}`]: `1${steady}` },
    fires: { afterMinutes: 1, labels: about, summary: 'BFD between node-1 and tor is down though BGP stands.' },
  },
  {
    alert: 'BerthBFDDown',
    situation: 'the router is off, and the other node’s is not',
    series: {
      [`berth_bfd_session_up{${tor}}`]: `0${steady}`,
      [`berth_bgp_session_up{${tor}}`]: `0${steady}`,
      'berth_bfd_session_up{instance="node-2",peer="tor"}': `1${steady}`,
      'berth_bgp_session_up{instance="node-2",peer="tor"}': `1${steady}`,
    },
  },
  {
    alert: 'BerthBFDFlaps',
    situation: 'it goes down every minute',
    series: { [`berth_bfd_session_down_events_total{${tor}}`]: '0 0 1 1 2 2 3 3 4x90' },
    fires: { afterMinutes: 3, labels: about, summary: 'BFD between node-1 and tor keeps falling and coming back.' },
  },
  {
    alert: 'BerthBFDFlaps',
    situation: 'it went down twice within an hour',
    series: { [`berth_bfd_session_down_events_total{${tor}}`]: '0x10 1x50 2x60' },
  },
]
