import type { BfdSessionStatus } from '../bfd/messages.ts'
import { formatDiagnostic } from '../bfd/packet.ts'
import type { Capability } from '../bgp/capability.ts'
import { familyOf } from '../bgp/family.ts'
import type { LastError, PeerStatus } from '../bgp/status.ts'
import type { PeerView } from './router.ts'

/*
 * What a session is like and why there is none, in words: the one source for the status object, the Events and the log.
 */

/** How it stands with a session; `reason` is for the condition Established. */
export interface SessionVerdict {
  readonly reason: SessionReason
  /** A sentence without a full stop. */
  readonly message: string
  /** What somebody has to mend on this node or in its configuration; undefined = nothing that is known of here. */
  readonly problem: string | undefined
}

export type SessionReason =
  | 'Established'
  /** Something of ours is missing, such as the Secret with the password. */
  | 'NotPossible'
  /** Nobody has answered on the interface of an unnumbered peer. */
  | 'NoRouterHeard'
  | 'BFDDown'
  /** The router ended it with a NOTIFICATION, or refused it. */
  | 'ErrorReceived'
  /** This node did. */
  | 'ErrorSent'
  /** The connection broke or never came up. */
  | 'NotConnected'
  | 'WaitingForRouter'
  | 'Connecting'
  | 'SpeakerStopped'
  /** Another speaker says so: whether the session stands is not known. */
  | 'SpeakerNotHeard'

/** How it stands with the session of a peer. */
export function sessionVerdict({ peer, status, bfd }: PeerView): SessionVerdict {
  const { settings, problem } = peer
  if (problem !== undefined || !settings || !status) {
    const message = problem ?? 'the speaker is starting'
    return { reason: problem === undefined ? 'Connecting' : 'NotPossible', message, problem }
  }
  if (status.session) {
    const lacking = lackingOf(status.session, bfd)
    const words = `session with ${formatRouter(status)} is established`
    return { reason: 'Established', message: lacking ? `${words}; ${lacking}` : words, problem: lacking }
  }
  if ('interface' in settings.remote && status.remote === settings.remote.interface) {
    const message =
      `no router has been heard on ${status.remote}: it must have a link-local address there and send Router ` +
      'Advertisements (RFC 4861), and this node must have a link-local address too'
    return { reason: 'NoRouterHeard', message, problem: message }
  }
  if (status.state === 'Idle') return { reason: 'SpeakerStopped', message: stopped, problem: stopped }
  const { lastError } = status
  const blocked = bfd?.problem
  const signed = settings.password !== undefined
  if (!lastError) {
    const waits = settings.direction === 'passive'
    const wait = `waiting for ${status.remote} to dial${signed ? `${samePassword}, the router is not heard` : ''}`
    const message = waits ? wait : `dialling ${status.remote}`
    return { reason: waits ? 'WaitingForRouter' : 'Connecting', message, problem: blocked }
  }
  const byBfd = lastError.from === 'local' && lastError.text.includes('BFD Down')
  const because = byBfd && bfd ? ` (${formatBfd(bfd)})` : ''
  const hint = hintOf(lastError, signed)
  return {
    reason: byBfd ? 'BFDDown' : reasons[lastError.from],
    message: `${formatError(lastError)}${because}${hint}`,
    problem: blocked,
  }
}

/** What is said of every session of a speaker that has stopped. */
export const stopped = 'the speaker of this node has stopped'

/** What the others say of the sessions of a speaker whose Lease has run out. */
export const notHeard =
  'the speaker of this node is not heard: its Lease has run out, and whether the session stands is not known'

const reasons = { local: 'ErrorSent', remote: 'ErrorReceived', transport: 'NotConnected' } as const

/** An error with whoever said it. */
export function formatError({ from, text }: LastError): string {
  switch (from) {
    case 'local':
      return `this node said: ${text}`
    case 'remote':
      return `the router said: ${text}`
    case 'transport':
      return text
  }
}

const samePassword = '; is the password the same on both sides? Where it is not'

/** With TCP-MD5 a wrong password is answered by silence, which nobody would guess. */
function hintOf({ from, text }: LastError, signed: boolean): string {
  const silence = from === 'transport' && text.startsWith('no answer')
  return silence && signed ? `${samePassword}, nobody answers` : ''
}

/** What an established session leaves unsaid, and why; and why BFD does not watch it. */
function lackingOf(
  { withoutNextHop, tooLong }: NonNullable<PeerStatus['session']>,
  bfd: BfdSessionStatus | undefined,
): string | undefined {
  const parts = [
    ...withoutNextHop.map(
      family =>
        `${family} prefixes are not announced: this node has no ${family} address that could be their next hop there`,
    ),
    ...(tooLong.length > 0
      ? [
          `${tooLong.length} prefixes are not announced, since their attributes do not fit into a message: ${some(tooLong)}`,
        ]
      : []),
    ...(bfd?.problem !== undefined && bfd.state !== 'Up' ? [`BFD does not watch it: ${bfd.problem}`] : []),
  ]
  return parts.length === 0 ? undefined : parts.join('; ')
}

function some(texts: readonly string[]): string {
  return texts.length <= 3 ? texts.join(', ') : `${texts.slice(0, 3).join(', ')}, …`
}

/** `192.0.2.1 (AS 64513)`. */
export function formatRouter({ remote, session }: Pick<PeerStatus, 'remote' | 'session'>): string {
  return session ? `${remote} (AS ${session.negotiated.peerAs})` : remote
}

/** `BFD is Down: control detection time expired`. */
export function formatBfd({ state, diagnostic }: Pick<BfdSessionStatus, 'state' | 'diagnostic'>): string {
  return diagnostic === 0 ? `BFD is ${state}` : `BFD is ${state}: ${formatDiagnostic(diagnostic)}`
}

/** A BGP identifier, written as an IPv4 address. */
export function formatIdentifier(identifier: number): string {
  return [24, 16, 8, 0].map(shift => (identifier >>> shift) & 0xff).join('.')
}

/** IANA's names of capabilities that Berth has no use for. */
const otherCapabilities: Readonly<Record<number, string>> = {
  6: 'extended messages (RFC 8654)',
  8: 'multiple labels (RFC 8277)',
  9: 'role (RFC 9234)',
  67: 'dynamic capability',
  69: 'ADD-PATH (RFC 7911)',
  71: 'long-lived graceful restart (RFC 9494)',
  73: 'FQDN',
  75: 'software version',
  76: 'paths limit',
  128: 'route refresh (before RFC 2918)',
}

/** A capability in words; equal ones read the same. */
export function formatCapability(capability: Capability): string {
  switch (capability.kind) {
    case 'multiprotocol': {
      const family = familyOf(capability)
      return family ? `${family} unicast` : `AFI ${capability.afi} SAFI ${capability.safi}`
    }
    case 'routeRefresh':
      return 'route refresh (RFC 2918)'
    case 'enhancedRouteRefresh':
      return 'enhanced route refresh (RFC 7313)'
    case 'extendedNextHop':
      return 'IPv4 with an IPv6 next hop (RFC 8950)'
    case 'gracefulRestart': {
      const notification = capability.notification ? ', also after a NOTIFICATION (RFC 8538)' : ''
      return `graceful restart within ${capability.restartTimeSeconds} s (RFC 4724)${notification}`
    }
    case 'fourOctetAs':
      return 'four-octet AS numbers (RFC 6793)'
    case 'unknown':
      return otherCapabilities[capability.code] ?? `capability ${capability.code}`
  }
}
