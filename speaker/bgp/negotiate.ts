import type { IpFamily } from '../../net/address.ts'
import type { Decoded } from '../../net/cursor.ts'
import { type Capability, encodeCapabilities, type GracefulRestart } from './capability.ts'
import { afiNumbers, familyOf, unicastOf } from './family.ts'
import { type Notification, refused } from './notification.ts'
import { asOf, type Open, twoOctetAs } from './open.ts'

/** What this node says of itself to one peer, and what it expects of the peer. */
export interface PeerTerms {
  readonly localAs: number
  /** The peer's AS number, or whether it must be ours or must not. */
  readonly peerAs: number | 'internal' | 'external'
  readonly bgpIdentifier: number
  /** 0 = no keepalives, else at least 3. */
  readonly holdTimeSeconds: number
  /** No more than a third of the negotiated hold time in any case. */
  readonly keepaliveTimeSeconds: number | undefined
  /** Families whose routes go over the session. */
  readonly families: readonly IpFamily[]
  /** Offer IPv4 routes with an IPv6 next hop (RFC 8950). */
  readonly extendedNextHop: boolean
  /** Ask the peer to keep our routes for so long when we restart (RFC 4724). */
  readonly gracefulRestart: { readonly restartTimeSeconds: number } | undefined
}

/** What the two OPENs agree on: fixed for as long as the session lasts. */
export interface Session {
  readonly peerAs: number
  readonly peerIdentifier: number
  /** iBGP: both in one AS. */
  readonly internal: boolean
  readonly holdTimeSeconds: number
  readonly keepaliveTimeSeconds: number
  readonly families: readonly IpFamily[]
  readonly fourOctetAs: boolean
  readonly routeRefresh: boolean
  readonly extendedNextHop: boolean
  /** The peer's side of graceful restart, where both offered it. */
  readonly gracefulRestart: GracefulRestart | undefined
  /** All that the peer said it can do, for people to read. */
  readonly peerCapabilities: readonly Capability[]
}

/** Our OPEN. `restarting` is for the first session after a start: the peer then need not wait for our End-of-RIB. */
export function localOpen(terms: PeerTerms, restarting: boolean): Open {
  const { localAs, holdTimeSeconds, bgpIdentifier } = terms
  return { myAs: twoOctetAs(localAs), holdTimeSeconds, bgpIdentifier, capabilities: capabilitiesOf(terms, restarting) }
}

function capabilitiesOf(terms: PeerTerms, restarting: boolean): readonly Capability[] {
  const { families, extendedNextHop, gracefulRestart } = terms
  const capabilities: Capability[] = multiprotocol(families)
  capabilities.push({ kind: 'routeRefresh' })
  if (extendedNextHop && families.includes('IPv4')) {
    const entries = [{ ...unicastOf('IPv4'), nextHopAfi: afiNumbers.IPv6 }]
    capabilities.push({ kind: 'extendedNextHop', entries })
  }
  if (gracefulRestart) {
    capabilities.push({
      kind: 'gracefulRestart',
      restarting,
      notification: true,
      restartTimeSeconds: gracefulRestart.restartTimeSeconds,
      // Packets are kube-proxy's to forward, and it does so whether the speaker runs or not.
      families: families.map(family => ({ ...unicastOf(family), forwardingPreserved: true })),
    })
  }
  capabilities.push({ kind: 'fourOctetAs', as: terms.localAs })
  return capabilities
}

function multiprotocol(families: readonly IpFamily[]): Capability[] {
  return families.map(family => ({ kind: 'multiprotocol', ...unicastOf(family) }))
}

/** The checks of RFC 4271 §6.2 that need to know whom we expect, and then the common ground. */
export function negotiate(terms: PeerTerms, open: Open): Decoded<Session, Notification> {
  const peerAs = asOf(open)
  const internal = peerAs === terms.localAs
  if (!expected(terms, peerAs, internal)) return refused('badPeerAs')
  // Inside one AS an identifier is unique (RFC 6286 §2.2); two that are the same would be us.
  if (internal && open.bgpIdentifier === terms.bgpIdentifier) return refused('badBgpIdentifier')
  const families = terms.families.filter(family => offeredFamilies(open).includes(family))
  if (families.length === 0) return refused('unsupportedCapability', encodeCapabilities(multiprotocol(terms.families)))
  const holdTimeSeconds = Math.min(terms.holdTimeSeconds, open.holdTimeSeconds)
  return {
    ok: true,
    value: {
      peerAs,
      peerIdentifier: open.bgpIdentifier,
      internal,
      holdTimeSeconds,
      keepaliveTimeSeconds: Math.min(terms.keepaliveTimeSeconds ?? Number.POSITIVE_INFINITY, holdTimeSeconds / 3),
      families,
      fourOctetAs: find(open, 'fourOctetAs') !== undefined,
      routeRefresh: find(open, 'routeRefresh') !== undefined,
      extendedNextHop: terms.extendedNextHop && takesExtendedNextHop(open),
      gracefulRestart: terms.gracefulRestart && find(open, 'gracefulRestart'),
      peerCapabilities: open.capabilities,
    },
  }
}

function expected({ peerAs }: PeerTerms, as: number, internal: boolean): boolean {
  switch (peerAs) {
    case 'internal':
      return internal
    case 'external':
      return !internal
    default:
      return as === peerAs
  }
}

/** A speaker that says nothing of families speaks of IPv4 unicast (RFC 4760 §8). */
function offeredFamilies({ capabilities }: Open): readonly IpFamily[] {
  const offered = capabilities.filter(capability => capability.kind === 'multiprotocol')
  if (offered.length === 0) return ['IPv4']
  return offered.map(familyOf).filter(family => family !== undefined)
}

function takesExtendedNextHop(open: Open): boolean {
  const entries = find(open, 'extendedNextHop')?.entries ?? []
  return entries.some(entry => familyOf(entry) === 'IPv4' && entry.nextHopAfi === afiNumbers.IPv6)
}

function find<Kind extends Capability['kind']>(
  open: Open,
  kind: Kind,
): Extract<Capability, { readonly kind: Kind }> | undefined {
  return open.capabilities.find(
    (capability): capability is Extract<Capability, { readonly kind: Kind }> => capability.kind === kind,
  )
}
