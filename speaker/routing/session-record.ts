import { conditionsOf, formatTime, setCondition } from '../../kube/conditions.ts'
import { fieldOf, identityOf, listOf, textOf, textsOf } from '../../kube/json.ts'
import type { KubeNode } from '../../kube/node.ts'
import type { Condition } from '../../kube/service.ts'
import type { IpFamily } from '../../net/address.ts'
import type { BfdSessionStatus } from '../bfd/messages.ts'
import { formatDiagnostic } from '../bfd/packet.ts'
import type { StateName } from '../bgp/peer-state.ts'
import { formatRemote } from '../bgp/settings.ts'
import type { SessionStatus, TimedText } from '../bgp/status.ts'
import { installationLabel, labelValueOf, nodeLabel, nodeOwner, recordGroup, recordNameOf } from '../record-metadata.ts'
import type { PeerView } from './router.ts'
import {
  formatCapability,
  formatError,
  formatIdentifier,
  notHeard,
  type SessionReason,
  sessionVerdict,
  stopped,
} from './session-words.ts'

/*
 * A BGPSessionStatus per node and BGPPeer, in Berth's own namespace, owned by the Node so that it goes with it:
 *
 *     $ kubectl -n berth-system get bgpsessionstatuses
 *     NAME              NODE     PEER       REMOTE      STATE         BFD   SENT   RECEIVED   SINCE
 *     node-1.router-a   node-1   router-a   192.0.2.1   Established   Up    5000   12         3d
 *     node-1.router-b   node-1   router-b   192.0.2.2   Active        Down  0      0          40s
 *
 * Here is what it says; when it is written is recorder.ts's.
 */

/** What of a BGPSessionStatus speakers keep in memory: each keeps all of them, to know whose sessions stand. */
export interface SessionRecord {
  readonly key: string
  readonly name: string
  readonly uid: string
  readonly resourceVersion: string
  readonly node: string
  readonly peer: string
  readonly remote: string | undefined
  /** Undefined before its first status is written. */
  readonly state: StateName | undefined
  readonly problem: string | undefined
  readonly conditions: readonly Condition[]
  /** Of the Node that owns it. */
  readonly ownerUid: string | undefined
}

/** The group, version, kind and plural. */
export const sessionApi = { ...recordGroup, kind: 'BGPSessionStatus', plural: 'bgpsessionstatuses' } as const
const peerLabel = 'berth.dev/peer'
const stateNames: readonly StateName[] = ['Idle', 'Connect', 'Active', 'OpenSent', 'OpenConfirm', 'Established']

/** The name of the record of a node's session with a peer. */
export function sessionRecordName(node: string, peer: string): string {
  return recordNameOf(`${node}.${peer}`)
}

/** The BGPSessionStatus that an object is, or undefined where it is none. Never throws. */
export function parseSessionRecord(object: unknown): SessionRecord | undefined {
  const identity = identityOf(object)
  if (identity === undefined || identity.namespace === '') return undefined
  const { key, name, uid, resourceVersion } = identity
  const metadata = fieldOf(object, 'metadata')
  const labels = textsOf(fieldOf(metadata, 'labels'))
  const status = fieldOf(object, 'status')
  const owner = listOf(fieldOf(metadata, 'ownerReferences')).find(reference => fieldOf(reference, 'kind') === 'Node')
  return {
    key,
    name,
    uid,
    resourceVersion,
    // Until its first status is written the labels say whose it is.
    node: textOf(fieldOf(status, 'node')) ?? labels[nodeLabel] ?? '',
    peer: textOf(fieldOf(status, 'peer')) ?? labels[peerLabel] ?? '',
    remote: textOf(fieldOf(status, 'remote')),
    state: stateNames.find(state => state === fieldOf(status, 'state')),
    problem: textOf(fieldOf(status, 'problem')),
    conditions: conditionsOf(fieldOf(status, 'conditions')),
    ownerUid: textOf(fieldOf(owner, 'uid')),
  }
}

/** The metadata of a session's record. */
export function sessionMetadata(node: Pick<KubeNode, 'name' | 'uid'>, peer: string, installation: string): object {
  return {
    name: sessionRecordName(node.name, peer),
    namespace: installation,
    labels: {
      [installationLabel]: installation,
      [nodeLabel]: labelValueOf(node.name),
      [peerLabel]: labelValueOf(peer),
    },
    ownerReferences: [nodeOwner(node)],
  }
}

/** What stands in `status` at that time. `before` are the conditions that stand there now. */
export function sessionStatusOf(
  view: PeerView,
  node: string,
  before: readonly Condition[],
  nowMs: number,
): Readonly<Record<string, unknown>> {
  const { peer, status, bfd } = view
  const { settings } = peer
  const verdict = sessionVerdict(view)
  const { reason, message, problem } = verdict
  return {
    node,
    peer: peer.name,
    ...remoteOf(view),
    state: status?.state ?? 'Idle',
    ...(status && status.sinceMs > 0 && { since: timeOf(status.sinceMs) }),
    established: status?.establishedCount ?? 0,
    ...(bfd && { bfdState: bfd.state, bfd: bfdOf(bfd) }),
    ...(settings && { localASN: settings.localAs }),
    ...(typeof settings?.peerAs === 'number' && { peerASN: settings.peerAs }),
    ...(status?.session ? agreedOf(status.session, settings?.gracefulRestart?.restartTimeSeconds) : noPrefixes),
    ...(status?.lastError || problem
      ? { lastError: problem ?? (status?.lastError && formatError(status.lastError)) }
      : {}),
    ...errorOf('lastErrorSent', status?.lastErrorSent),
    ...errorOf('lastErrorReceived', status?.lastErrorReceived),
    ...errorOf('lastErrorTransport', status?.lastErrorTransport),
    ...(problem !== undefined && { problem }),
    conditions: conditionsAfter(before, reason, message, nowMs),
  }
}

/** What stands there once the speaker has stopped: nobody else would say so. */
export function stoppedStatusOf(
  view: PeerView,
  node: string,
  before: readonly Condition[],
  nowMs: number,
): Readonly<Record<string, unknown>> {
  return {
    ...sessionStatusOf({ peer: view.peer, status: undefined, bfd: undefined }, node, before, nowMs),
    ...remoteOf(view),
    since: timeOf(nowMs),
    problem: stopped,
    lastError: stopped,
    conditions: conditionsAfter(before, 'SpeakerStopped', stopped, nowMs),
  }
}

/**
 * What another node's speaker changes where this record's is not heard any more (a merge patch); undefined where that is
 * said already, or its session had ended before. What was agreed on and counted stays, as the last that is known.
 */
export function silentStatusOf({ state, conditions }: SessionRecord, nowMs: number): object | undefined {
  const ended = conditions.some(({ reason }) => reason === 'SpeakerStopped' || reason === 'SpeakerNotHeard')
  if (state === undefined || ended) return undefined
  return {
    state: null,
    bfdState: null,
    bfd: null,
    problem: notHeard,
    lastError: notHeard,
    conditions: conditionsAfter(conditions, 'SpeakerNotHeard', notHeard, nowMs),
  }
}

function remoteOf({ peer, status }: PeerView): object {
  if (status) return { remote: status.remote }
  if (!peer.settings) return {}
  const { remote } = peer.settings
  return { remote: 'interface' in remote ? remote.interface : formatRemote(remote) }
}

function conditionsAfter(
  before: readonly Condition[],
  reason: SessionReason,
  message: string,
  nowMs: number,
): readonly Condition[] {
  const status = reason === 'Established' ? 'True' : reason === 'SpeakerNotHeard' ? 'Unknown' : 'False'
  return setCondition(before, { type: 'Established', status, reason, message }, new Date(nowMs))
}

const noPrefixes = { prefixesSent: countsOf({ IPv4: 0, IPv6: 0 }), prefixesReceived: countsOf({ IPv4: 0, IPv6: 0 }) }

/** What both ends agreed on, and what has come of it. */
function agreedOf(session: SessionStatus, restartTimeSeconds: number | undefined): object {
  const { negotiated, localAddress, initiator, prefixesSent, prefixesReceived, updatesWithErrors } = session
  const capabilities = [...new Set(negotiated.peerCapabilities.map(formatCapability))]
  return {
    localAddress,
    peerASN: negotiated.peerAs,
    peerRouterID: formatIdentifier(negotiated.peerIdentifier),
    initiator,
    holdTimeSeconds: negotiated.holdTimeSeconds,
    keepaliveTimeSeconds: negotiated.keepaliveTimeSeconds,
    addressFamilies: negotiated.families,
    // A router may say more than anybody wants to read.
    capabilities: capabilities.slice(0, 64),
    ...(negotiated.gracefulRestart &&
      restartTimeSeconds !== undefined && { gracefulRestartSeconds: restartTimeSeconds }),
    prefixesSent: countsOf(prefixesSent),
    prefixesReceived: countsOf(prefixesReceived),
    updatesWithErrors,
  }
}

function countsOf({ IPv4, IPv6 }: Readonly<Record<IpFamily, number>>): object {
  return { ipv4: IPv4, ipv6: IPv6, total: IPv4 + IPv6 }
}

function bfdOf(bfd: BfdSessionStatus): object {
  const { state, sinceMs, diagnostic, remote, transmitIntervalMs, detectionTimeMs } = bfd
  return {
    state,
    since: timeOf(sinceMs),
    ...(diagnostic !== 0 && { diagnostic: formatDiagnostic(diagnostic) }),
    ...(transmitIntervalMs !== undefined && { transmitIntervalMilliseconds: transmitIntervalMs }),
    ...(detectionTimeMs !== undefined && { detectionTimeMilliseconds: detectionTimeMs }),
    ...(remote && { remoteState: remote.state }),
  }
}

function errorOf(field: string, error: TimedText | undefined): object {
  return error && error.atMs > 0 ? { [field]: { text: error.text, at: timeOf(error.atMs) } } : {}
}

function timeOf(atMs: number): string {
  return formatTime(new Date(atMs))
}
