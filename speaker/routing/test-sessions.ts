import type { BfdSessionStatus } from '../bfd/messages.ts'
import { peerSettings } from '../bgp/from-config.ts'
import type { Session } from '../bgp/negotiate.ts'
import type { ConfiguredPeer } from '../bgp/settings.ts'
import { type LastError, noErrors, noMessages, type PeerStatus, type SessionStatus, withError } from '../bgp/status.ts'
import { plainPeer } from '../bgp/test-peer.ts'
import type { PeerView } from './router.ts'

// Sessions that tests of what is said of them are made of.

/** A BGPPeer's session with a router of AS 64513. */
export function settings(more: Partial<ConfiguredPeer> = {}): ConfiguredPeer {
  const made = peerSettings(plainPeer('router-a'), { password: undefined, bgpIdentifier: 1 })
  if ('problem' in made) throw new Error(made.problem)
  return { ...made, ...more }
}

export function status(more: Partial<PeerStatus> = {}, ...errors: readonly LastError[]): PeerStatus {
  return {
    name: 'router-a',
    remote: '192.0.2.1',
    state: 'Active',
    sinceMs: Date.UTC(2026, 10, 20, 8),
    session: undefined,
    ...errors.reduce(withError, noErrors),
    establishedCount: 0,
    messages: { sent: noMessages(), received: noMessages() },
    ...more,
  }
}

/** Stands since eight o'clock. */
export function established(more: Partial<PeerStatus> = {}, session: Partial<SessionStatus> = {}): PeerStatus {
  return status({ state: 'Established', establishedCount: 1, session: { ...sessionStatus, ...session }, ...more })
}

export const negotiated: Session = {
  peerAs: 64513,
  peerIdentifier: 0x0a000002,
  internal: false,
  holdTimeSeconds: 90,
  keepaliveTimeSeconds: 30,
  families: ['IPv4', 'IPv6'],
  fourOctetAs: true,
  routeRefresh: true,
  extendedNextHop: false,
  gracefulRestart: undefined,
  peerCapabilities: [
    { kind: 'multiprotocol', afi: 1, safi: 1 },
    { kind: 'multiprotocol', afi: 2, safi: 1 },
    { kind: 'routeRefresh' },
    { kind: 'fourOctetAs', as: 64513 },
    { kind: 'unknown', code: 73, value: new Uint8Array(0) },
  ],
}

const sessionStatus: SessionStatus = {
  negotiated,
  localAddress: '192.0.2.10',
  remotePort: 179,
  initiator: 'local',
  prefixesSent: { IPv4: 5000, IPv6: 2 },
  prefixesReceived: { IPv4: 12, IPv6: 0 },
  updatesWithErrors: 0,
  endOfRibReceived: ['IPv4'],
  endOfRibSent: true,
  withoutNextHop: [],
  tooLong: [],
}

export function bfd(more: Partial<BfdSessionStatus> = {}): BfdSessionStatus {
  return {
    name: 'router-a',
    state: 'Up',
    sinceMs: Date.UTC(2026, 10, 20, 8, 0, 1),
    diagnostic: 0,
    remote: { state: 'Up', diagnostic: 0, discriminator: 7 },
    localDiscriminator: 5,
    transmitIntervalMs: 50,
    detectionTimeMs: 150,
    problem: undefined,
    ...more,
  }
}

export function view(
  status: PeerStatus | undefined,
  more: { settings?: ConfiguredPeer; problem?: string; bfd?: BfdSessionStatus } = {},
): PeerView {
  const { problem } = more
  return {
    peer: {
      name: 'router-a',
      settings: problem === undefined ? (more.settings ?? settings()) : undefined,
      problem,
      profile: undefined,
    },
    status,
    bfd: more.bfd,
  }
}
