import type { BFDProfile, BGPPeer, Config } from '../../crds/config.ts'
import { type Labels, matchesAny } from '../../crds/selector.ts'
import { type Address, formatAddress, parseAddress } from '../../net/address.ts'
import { contains, prefixRange } from '../../net/range.ts'
import type { BfdSessionSettings } from '../bfd/messages.ts'
import { peerSettings } from '../bgp/from-config.ts'
import { parseSocketAddress } from '../bgp/next-hop.ts'
import { type ConfiguredPeer, formatRemote } from '../bgp/settings.ts'
import type { NetworkInterface } from '../wire/messages.ts'

/*
 * From BGPPeers to the sessions of one node: which of them are its own, what each session is built from, and where one
 * cannot be had, why. A peer that has a problem stays in the list, so that people see it.
 */

/** What of its own Node a speaker needs here. */
export interface OwnNode {
  readonly name: string
  readonly labels: Labels
  readonly internalIPs: readonly string[]
}

/** What is known of a Secret that a BGPPeer names; a Secret that nothing is known of has not been read yet. */
export type Password = { readonly text: string } | { readonly problem: string }

/** One BGPPeer, as this node has it. */
export interface NodePeer {
  readonly name: string
  /** Undefined where there can be no session. */
  readonly settings: ConfiguredPeer | undefined
  /** Why there can be none, in words. */
  readonly problem: string | undefined
  /** How BFD watches the session; undefined = it does not. */
  readonly profile: BFDProfile | undefined
}

/** The peers of a node, by name. `passwords` is by the name of the Secret. */
export function peersOfNode(
  config: Pick<Config, 'bgpPeers' | 'bfdProfiles'>,
  node: OwnNode,
  passwords: ReadonlyMap<string, Password>,
): readonly NodePeer[] {
  const bgpIdentifier = bgpIdentifierOf(node)
  return ownPeers(config, node)
    .map((peer): NodePeer => {
      const { name } = peer
      const profile = config.bfdProfiles.find(candidate => candidate.name === peer.bfdProfile)
      const password = passwordOf(peer, passwords)
      if (password && 'problem' in password) return { name, settings: undefined, problem: password.problem, profile }
      const settings = peerSettings(peer, { password: password?.text, bgpIdentifier })
      if ('problem' in settings) return { name, settings: undefined, problem: settings.problem, profile }
      return { name, settings, problem: undefined, profile }
    })
    .sort((one, other) => (one.name < other.name ? -1 : 1))
}

/** The Secrets that the peers of a node take their passwords from. */
export function secretsOfNode(config: Pick<Config, 'bgpPeers'>, node: Pick<OwnNode, 'labels'>): ReadonlySet<string> {
  const names = ownPeers(config, node).map(peer => peer.passwordSecretName)
  return new Set(names.filter(name => name !== undefined))
}

function ownPeers({ bgpPeers }: Pick<Config, 'bgpPeers'>, { labels }: Pick<OwnNode, 'labels'>): readonly BGPPeer[] {
  return bgpPeers.filter(({ nodeSelectors }) => nodeSelectors.length === 0 || matchesAny(nodeSelectors, labels))
}

function passwordOf(peer: BGPPeer, passwords: ReadonlyMap<string, Password>): Password | undefined {
  const { password, passwordSecretName } = peer
  if (passwordSecretName === undefined) return password === undefined ? undefined : { text: password }
  return passwords.get(passwordSecretName) ?? { problem: `the Secret "${passwordSecretName}" has not been read yet` }
}

/**
 * The BGP Identifier where the peer names none: the node's IPv4 address. A node that has none gets 32 bits of its name,
 * since all that is asked is that no two speakers of an AS have the same (RFC 6286 §2.1).
 */
export function bgpIdentifierOf({ name, internalIPs }: OwnNode): number {
  for (const text of internalIPs) {
    const address = parseAddress(text)
    if (address?.family === 'IPv4' && address.value !== 0n) return Number(address.value)
  }
  return hash(name) || 1
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (const octet of new TextEncoder().encode(text)) value = Math.imul(value ^ octet, 0x01000193) >>> 0
  return value
}

/** The two ends of a peer's BGP session, as the connection has them: `fe80::1%eth0` where they are link-local. */
export interface Ends {
  readonly local: string
  readonly remote: string
}

/** Equal as long as a peer's session must have the same ends as before; undefined where it can have none. */
export function endsKey({ settings }: NodePeer): string | undefined {
  if (!settings) return undefined
  const { remote, sourceAddress, device } = settings
  const to = 'interface' in remote ? remote.interface : formatRemote(remote)
  return `${to} ${sourceAddress ? formatAddress(sourceAddress) : ''} ${device ?? ''}`
}

/**
 * The BFD session that watches a peer's BGP session, between the same two addresses. It begins when BGP has stood for the
 * first time, since only then it is certain which addresses these are, and goes on when BGP falls. Undefined where the
 * peer has no profile.
 */
export function bfdSessionOf(
  { name, settings, profile }: NodePeer,
  ends: Ends | undefined,
  interfaces: readonly NetworkInterface[],
): BfdSessionSettings | undefined {
  const remote = parseSocketAddress(ends?.remote)
  const local = parseSocketAddress(ends?.local)
  if (!settings || !profile || !remote || !local) return undefined
  return {
    name,
    remote: formatAddress(remote),
    local: formatAddress(local),
    device: ends?.remote.split('%')[1] ?? settings.device,
    hops: isNextTo(settings, remote, interfaces) ? 'single' : 'multiple',
    minimumTtl: profile.minimumTtl,
    transmitIntervalMs: profile.transmitIntervalMs,
    receiveIntervalMs: profile.receiveIntervalMs,
    detectMultiplier: profile.detectMultiplier,
    passiveMode: profile.passiveMode,
    authentication: undefined,
  }
}

/**
 * Whether the router is on a network of ours. Both ends must answer alike, since the two kinds of sessions use other ports
 * (RFC 5881 §4, RFC 5883 §5), and this is how FRR answers: a peer of another AS is unless it may be several hops away, one
 * of our own where its address says so.
 */
function isNextTo(settings: ConfiguredPeer, remote: Address, interfaces: readonly NetworkInterface[]): boolean {
  const { ttl, minimumTtl, peerAs, localAs } = settings
  if ('interface' in settings.remote || ttl === 1 || minimumTtl === 255) return true
  if (peerAs !== 'internal' && peerAs !== localAs) return false
  return interfaces
    .flatMap(({ addresses }) => addresses)
    .some(({ address: text, prefixLength: length }) => {
      const address = parseAddress(text)
      return address?.family === remote.family && contains(prefixRange({ address, length }), remote)
    })
}
