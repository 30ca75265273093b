import type { BGPCommunity, BGPPeer } from '../../crds/config.ts'
import { type Address, parseAddress } from '../../net/address.ts'
import type { LargeCommunity } from './community.ts'
import { isLinkLocal } from './next-hop.ts'
import type { ConfiguredPeer } from './settings.ts'
import { longestMd5Key } from './tcp-options.ts'

/** What a BGPPeer leaves to the node. */
export interface NodeTerms {
  /** The password, also where it stands in a Secret. */
  readonly password: string | undefined
  /** Where the peer names none: 32 bits that no other speaker of the AS has, such as the node's IPv4 address. */
  readonly bgpIdentifier: number
}

/** Why a peer cannot have a session, in words for its condition. */
export type PeerProblem = { readonly problem: string }

/** RFC 4271 §10 suggests 90 seconds, and two minutes between attempts; a router that comes back should not wait that long. */
const defaultHoldTimeSeconds = 90
const defaultConnectTimeSeconds = 10
/** As FRR has it: long enough for a node's reboot of the speaker, short enough for a node that is gone. */
const restartTimeSeconds = 120

/** The session that a BGPPeer asks for on this node. */
export function peerSettings(peer: BGPPeer, node: NodeTerms): ConfiguredPeer | PeerProblem {
  const { name, peerASN } = peer
  const remote = remoteOf(peer)
  if ('problem' in remote) return remote
  const byInterface = 'interface' in remote
  const family = byInterface ? 'IPv6' : remote.address.family
  const sourceAddress = optionalAddress(peer.sourceAddress)
  if (sourceAddress === 'invalid') return { problem: `sourceAddress "${peer.sourceAddress}" is not an IP address` }
  if (sourceAddress && sourceAddress.family !== family) {
    return { problem: `sourceAddress "${peer.sourceAddress}" is not of the family of the peer's address` }
  }
  const routerId = optionalAddress(peer.routerID)
  if (routerId === 'invalid' || routerId?.family === 'IPv6')
    return { problem: `routerID "${peer.routerID}" is no IPv4 address` }
  if (new TextEncoder().encode(node.password ?? '').length > longestMd5Key) {
    return { problem: `the password is longer than the ${longestMd5Key} octets that TCP-MD5 takes` }
  }
  // Without addresses there are no two sessions to choose from, so the one carries both families, as MetalLB's does.
  const bothFamilies = peer.dualStackAddressFamily || byInterface
  const localAs = peer.localASN ?? peer.myASN
  const isExternal = peerASN === 'external' || (peerASN !== 'internal' && peerASN !== localAs)
  return {
    name,
    localAs,
    peerAs: peerASN,
    bgpIdentifier: routerId ? Number(routerId.value) : node.bgpIdentifier,
    ...timesOf(peer),
    families: bothFamilies ? ['IPv4', 'IPv6'] : [family],
    extendedNextHop: family === 'IPv6' && bothFamilies,
    gracefulRestart: peer.enableGracefulRestart ? { restartTimeSeconds } : undefined,
    direction: directionOf(peer),
    remote,
    port: peer.peerPort,
    sourceAddress,
    device: peer.vrf,
    ...hopsOf(peer, isExternal),
    password: node.password,
    nextHops: {},
  }
}

function remoteOf({ peerAddress }: BGPPeer): ConfiguredPeer['remote'] | PeerProblem {
  if (peerAddress.kind === 'interface') return { interface: peerAddress.interface }
  const address = parseAddress(peerAddress.address)
  if (!address) return { problem: `"${peerAddress.address}" is not an IP address` }
  if (isLinkLocal(address))
    return { problem: `"${peerAddress.address}" is link-local: name the peer's interface instead` }
  return { address }
}

/** Whoever does not say which AS it waits for may as well be dialled. */
function directionOf({ passive, peerASN }: BGPPeer): ConfiguredPeer['direction'] {
  if (passive) return 'passive'
  return typeof peerASN === 'number' ? 'active' : 'both'
}

/** A neighbour of another AS is next to us unless told otherwise; packets that go further are not for it. */
function hopsOf(peer: BGPPeer, isExternal: boolean): Pick<ConfiguredPeer, 'ttl' | 'minimumTtl'> {
  // RFC 5082 §3: both send with 255, so that what comes with less has been forwarded by somebody.
  if (peer.ttlSecurity) return { ttl: 255, minimumTtl: 255 }
  return { ttl: isExternal && !peer.ebgpMultiHop ? 1 : undefined, minimumTtl: undefined }
}

/** One of hold time and keepalive gives the other: a keepalive is a third of the hold time. */
function timesOf(peer: BGPPeer) {
  const { holdTimeSeconds, keepaliveTimeSeconds, connectTimeSeconds = defaultConnectTimeSeconds } = peer
  const implied = keepaliveTimeSeconds === undefined ? defaultHoldTimeSeconds : 3 * keepaliveTimeSeconds
  return {
    holdTimeSeconds: holdTimeSeconds ?? implied,
    keepaliveTimeSeconds,
    connectRetryTimeSeconds: connectTimeSeconds,
  }
}

function optionalAddress(text: string | undefined): Address | 'invalid' | undefined {
  return text === undefined ? undefined : (parseAddress(text) ?? 'invalid')
}

/** Communities by kind, as a Route has them. */
export function communitiesOf(communities: readonly BGPCommunity[]): {
  readonly communities: readonly number[]
  readonly largeCommunities: readonly LargeCommunity[]
} {
  const standard: number[] = []
  const largeCommunities: LargeCommunity[] = []
  for (const community of communities) {
    switch (community.kind) {
      case 'standard':
        standard.push(community.high * 0x10000 + community.low)
        break
      case 'large': {
        const { globalAdministrator, data1, data2 } = community
        largeCommunities.push({ globalAdministrator, data1, data2 })
      }
    }
  }
  return { communities: standard, largeCommunities }
}
