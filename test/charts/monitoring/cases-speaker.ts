import { type AlertCase, steady } from './alert-case.ts'

const alive = (node: string, count: number) => ({
  [`berth_speaker_members{instance="${node}",liveness="alive"}`]: `${count}${steady}`,
})
const gone = (node: string, count: number) => ({
  [`berth_speaker_members{instance="${node}",liveness="gone"}`]: `${count}${steady}`,
})
/** Of a Service that has one address. */
const announced = (node: string, protocol: 'layer2' | 'bgp', values: string) => ({
  [`berth_speaker_announced{instance="${node}",service="shop/web",protocol="${protocol}",node="${node}",ip="192.0.2.7"}`]:
    values,
})
const rival = (node: string) =>
  `berth_layer2_rival{instance="node-1",ip="192.0.2.7",interface="eth0",mac="02:00:00:00:00:66",rival_node="${node}"}`
const rivalLabels = { ip: '192.0.2.7', interface: 'eth0', mac: '02:00:00:00:00:66' }
const rivalSummary = '02:00:00:00:00:66 has 192.0.2.7 too, on the segment of eth0.'

export const speakerCases: readonly AlertCase[] = [
  {
    alert: 'BerthAddressNotAnnounced',
    situation: 'no session stands',
    series: { ...announced('node-1', 'bgp', `0${steady}`), ...announced('node-2', 'bgp', `0${steady}`) },
    fires: {
      afterMinutes: 1,
      labels: { service: 'shop/web', ip: '192.0.2.7' },
      summary: '192.0.2.7 of shop/web is announced to nobody.',
      description:
        'The condition berth.dev/Announced of the Service says why, and so does kubectl berth explain service shop/web.',
    },
  },
  {
    alert: 'BerthAddressNotAnnounced',
    situation: 'one way of two is closed',
    series: { ...announced('node-1', 'layer2', `1${steady}`), ...announced('node-2', 'bgp', `0${steady}`) },
  },
  {
    alert: 'BerthServicesRefused',
    situation: 'every node is ruled out for one Service',
    series: {
      'berth_speaker_refused_services{instance="node-1",reason="NoEligibleNode"}': `1${steady}`,
      'berth_speaker_refused_services{instance="node-2",reason="NoEligibleNode"}': `1${steady}`,
    },
    fires: {
      afterMinutes: 5,
      labels: { reason: 'NoEligibleNode' },
      summary: 'One Service is announced by no node: NoEligibleNode.',
    },
  },
  {
    alert: 'BerthServicesRefused',
    situation: 'Services have no Pods, or no address yet',
    series: {
      'berth_speaker_refused_services{instance="node-1",reason="NoUsableEndpoints"}': `4${steady}`,
      'berth_speaker_refused_services{instance="node-1",reason="NoAddress"}': `2${steady}`,
    },
  },
  {
    alert: 'BerthAddressConflict',
    situation: 'a stranger was heard once',
    series: { [rival('')]: '_x3 1 _x90' },
    fires: {
      afterMinutes: 1.5,
      labels: { ...rivalLabels },
      summary: rivalSummary,
      description:
        'It is no node of this cluster: find it in the table of the switch, and take the address away from it or out of the pool. Which of both the clients have is chance until then.',
    },
  },
  {
    alert: 'BerthAddressConflict',
    situation: 'it is another node’s kernel',
    series: { [rival('node-3')]: `_ 1${steady}` },
    fires: {
      afterMinutes: 0.5,
      labels: { ...rivalLabels, rival_node: 'node-3' },
      summary: rivalSummary,
      description:
        'It is the node node-3: kube-proxy in IPVS mode without strictARP, or the address on one of its interfaces. Which of both the clients have is chance until then.',
    },
  },
  { alert: 'BerthAddressConflict', situation: 'the stranger is not there any more', series: { [rival('')]: 'stale' } },
  {
    alert: 'BerthTwoAnswer',
    situation: 'each half of a torn segment has an answerer',
    series: { ...announced('node-1', 'layer2', `1${steady}`), ...announced('node-2', 'layer2', `1${steady}`) },
    fires: { afterMinutes: 2, labels: { ip: '192.0.2.7' }, summary: '2 nodes answer for 192.0.2.7.' },
  },
  {
    alert: 'BerthTwoAnswer',
    situation: 'they share it, or one hands over to the other, or the other tells routers',
    series: {
      ...announced('node-1', 'layer2', '1x20 stale'),
      ...announced('node-2', 'layer2', '_x19 1x90'),
      ...announced('node-3', 'bgp', `1${steady}`),
      'berth_speaker_announced{instance="node-1",service="a/b",protocol="layer2",node="node-1",ip="192.0.2.8"}': `1${steady}`,
      'berth_speaker_announced{instance="node-2",service="a/b",protocol="layer2",node="node-2",ip="192.0.2.8"}': `1${steady}`,
      'berth_layer2_sharing_nodes{instance="node-1",ip="192.0.2.8"}': `2${steady}`,
      'berth_layer2_sharing_nodes{instance="node-2",ip="192.0.2.8"}': `2${steady}`,
    },
  },
  {
    alert: 'BerthSpeakersDisagree',
    situation: 'one counts fewer than the others',
    series: { ...alive('node-1', 3), ...alive('node-2', 3), ...alive('node-3', 1) },
    fires: {
      afterMinutes: 2,
      summary: 'Speakers do not agree on who lives: some count 2 more than others.',
    },
  },
  {
    alert: 'BerthSpeakersDisagree',
    situation: 'a node joins, and all learn of it',
    series: {
      'berth_speaker_members{instance="node-1",liveness="alive"}': '2x10 3x60',
      'berth_speaker_members{instance="node-2",liveness="alive"}': '2x11 3x59',
      ...gone('node-1', 1),
    },
  },
  {
    alert: 'BerthSpeakersNotHeard',
    situation: 'the port is closed between two nodes',
    series: { ...gone('node-1', 0), 'berth_speaker_missed{instance="node-1"}': `1${steady}` },
    fires: {
      afterMinutes: 5,
      labels: { instance: 'node-1' },
      summary: 'node-1 does not hear 1 of the speakers, which live.',
    },
  },
  {
    alert: 'BerthSpeakersNotHeard',
    situation: 'the one that is missed is gone',
    series: { ...gone('node-1', 1), 'berth_speaker_missed{instance="node-1"}': `1${steady}` },
  },
  {
    alert: 'BerthSpeakerMissing',
    situation: 'a node is down',
    series: { ...gone('node-1', 1), ...gone('node-2', 1) },
    fires: {
      afterMinutes: 5,
      summary: 'One speaker does not renew a Lease: a node is down, or its speaker is.',
    },
  },
  {
    alert: 'BerthSpeakerMissing',
    situation: 'a node is started anew',
    series: { 'berth_speaker_members{instance="node-1",liveness="gone"}': '0 1x8 0x60' },
  },
  {
    alert: 'BerthNoSpeaker',
    situation: 'there is none',
    series: { 'berth_leader{instance="berth-controller-a"}': `1${steady}` },
    fires: {
      afterMinutes: 5,
      summary: 'No speaker is heard of: nothing is announced, or Prometheus does not reach their port 7473.',
    },
  },
  { alert: 'BerthNoSpeaker', situation: 'there is one', series: gone('node-1', 0) },
  {
    alert: 'BerthAnswersWithheld',
    situation: 'a node is cut off from everybody',
    series: { 'berth_speaker_answers_withheld{instance="node-1"}': `1${steady}` },
    fires: {
      afterMinutes: 1,
      labels: { instance: 'node-1' },
      summary: 'node-1 hears neither the API server nor enough other speakers, and answers nothing at layer 2.',
    },
  },
  {
    alert: 'BerthAnswersWithheld',
    situation: 'it was for some seconds',
    series: { 'berth_speaker_answers_withheld{instance="node-1"}': '0 1 0x60' },
  },
  {
    alert: 'BerthSpeakerCutOff',
    situation: 'the API server is not reached',
    series: { 'berth_speaker_cut_off{instance="node-1"}': `1${steady}` },
    fires: {
      afterMinutes: 2,
      labels: { instance: 'node-1' },
      summary: 'node-1 has not heard the API server for longer than its Lease lasts.',
    },
  },
  {
    alert: 'BerthSpeakerCutOff',
    situation: 'the API server was started anew',
    series: { 'berth_speaker_cut_off{instance="node-1"}': '0 1x2 0x60' },
  },
  {
    alert: 'BerthSpeakerPaused',
    situation: 'a machine is short of processor time',
    series: { 'berth_speaker_pauses_total{instance="node-1"}': '0x10 2x10 4x10 8x90' },
    fires: {
      afterMinutes: 11,
      labels: { instance: 'node-1' },
      summary: 'The speaker on node-1 was kept from running 4 times within an hour.',
    },
  },
  {
    alert: 'BerthSpeakerPaused',
    situation: 'a machine was moved to another host',
    series: { 'berth_speaker_pauses_total{instance="node-1"}': '3x10 4x110' },
  },
  {
    alert: 'BerthPacketsMissed',
    situation: 'somebody floods the segment',
    series: {
      'berth_layer2_dropped_total{instance="node-1",interface="eth0",protocol="ARP",reason="receiveBufferFull"}':
        '0+50x120',
    },
    fires: {
      afterMinutes: 10.5,
      labels: { instance: 'node-1', interface: 'eth0', protocol: 'ARP', reason: 'receiveBufferFull' },
      summary: 'The speaker on node-1 misses ARP packets on eth0: they come faster than it reads.',
    },
  },
  {
    alert: 'BerthPacketsMissed',
    situation: 'packets waited for a queue and left after all',
    series: {
      'berth_layer2_dropped_total{instance="node-1",interface="eth0",protocol="ARP",reason="queueFull"}': '0+50x120',
    },
  },
  {
    alert: 'BerthAPIServerNotHeard',
    situation: 'a resource is forbidden',
    series: { 'berth_watch_up{instance="node-1",resource="services"}': `0${steady}` },
    fires: {
      afterMinutes: 5,
      labels: { instance: 'node-1', resource: 'services' },
      summary: 'node-1 cannot watch services.',
    },
  },
  {
    alert: 'BerthAPIServerNotHeard',
    situation: 'watches end and are opened again',
    series: { 'berth_watch_up{instance="node-1",resource="services"}': '1 0 1 1 0 1 0 0 1x60' },
  },
  {
    alert: 'BerthWritesStuck',
    situation: 'nothing gets through for ten minutes',
    series: { 'berth_speaker_writes_waiting{instance="node-1"}': `0x3 3${steady}` },
    fires: {
      afterMinutes: 12,
      labels: { instance: 'node-1' },
      summary: 'The speaker on node-1 has had 3 writes waiting for ten minutes.',
    },
  },
  {
    alert: 'BerthWritesStuck',
    situation: 'there is always some, and now and then none',
    series: { 'berth_speaker_writes_waiting{instance="node-1"}': '9x15 0 9x15 0 9x15 0 9x15 0x20' },
  },
]
