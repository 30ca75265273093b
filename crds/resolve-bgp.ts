import { type IpFamily, parseAddress } from '../net/address.ts'
import type { BFDProfile, BGPCommunity, BGPPeer } from './config.ts'
import type { CommunityAlias, ParsedBGPPeer, ParsedCommunity, Resolution, ResourceProblem } from './parsed.ts'
import { sharesNodes } from './selector-overlap.ts'
import { firstFew } from './words.ts'

export interface ResolvedCommunities {
  readonly aliases: ReadonlyMap<string, BGPCommunity>
  readonly resolutions: readonly Resolution<readonly CommunityAlias[]>[]
}

/** Communities, the oldest first: an alias keeps the value that the oldest object gives it. */
export function resolveCommunities(communities: readonly ParsedCommunity[]): ResolvedCommunities {
  const owners = new Map<string, { readonly owner: string; readonly community: BGPCommunity }>()
  const resolutions = communities.map((resource): Resolution<readonly CommunityAlias[]> => {
    const { value, problem } = resource
    const duplicates: string[] = []
    for (const { name, community } of value ?? []) {
      const other = owners.get(name)
      if (other) duplicates.push(`alias "${name}" belongs to the older Community "${other.owner}"`)
      else owners.set(name, { owner: resource.name, community })
    }
    if (duplicates.length === 0) return { resource, value, problem }
    const message = `${firstFew(duplicates)}. Give each alias in one object only. The other aliases are in use.`
    return { resource, value, problem: { reason: 'DuplicateCommunity', message } }
  })
  const aliases = new Map([...owners].map(([name, { community }]) => [name, community]))
  return { aliases, resolutions }
}

/**
 * Peers, the oldest first. A BFD profile that is not there costs the session its BFD and not its life; of two peers that
 * would open the same session from the same nodes, the younger is set aside.
 */
export function resolveBGPPeers(
  peers: readonly ParsedBGPPeer[],
  profiles: readonly BFDProfile[] | undefined,
): readonly Resolution<BGPPeer>[] {
  const profileNames = profiles && new Set(profiles.map(profile => profile.name))
  const sessions = new Map<string, BGPPeer[]>()
  const resolutions = peers.map((resource): Resolution<BGPPeer> => {
    const { value, problem } = resource
    if (!value) return { resource, value, problem }
    const own = sessionsOf(value)
    for (const session of own) {
      const twin = sessions.get(session)?.find(other => sharesNodes(other.nodeSelectors, value.nodeSelectors))
      if (!twin) continue
      const message = `The older BGPPeer "${twin.name}" has the session ${session} on the same nodes. Remove one of them, or give them other nodeSelectors.`
      return { resource, value: undefined, problem: { reason: 'DuplicatePeer', message } }
    }
    for (const session of own) sessions.set(session, [...(sessions.get(session) ?? []), value])
    const { bfdProfile } = value
    if (bfdProfile === undefined || !profileNames || profileNames.has(bfdProfile)) return { resource, value, problem }
    const message = `There is no usable BFDProfile "${bfdProfile}". Create it or correct bfdProfile. Until then the session goes without BFD.`
    return { resource, value: { ...value, bfdProfile: undefined }, problem: { reason: 'UnknownBFDProfile', message } }
  })
  const accepted = resolutions.flatMap(({ value }) => value ?? [])
  return resolutions.map(resolution => {
    const problem = resolution.problem ?? (resolution.value && unguarded(resolution.value, accepted))
    return { ...resolution, problem }
  })
}

/** Which packets a port takes the kernel decides before it is known who dials: GTSM is for all who share it, or for none. */
function unguarded(peer: BGPPeer, peers: readonly BGPPeer[]): ResourceProblem | undefined {
  if (!peer.ttlSecurity || !isWaitedFor(peer)) return undefined
  const other = peers.find(
    candidate =>
      !candidate.ttlSecurity &&
      isWaitedFor(candidate) &&
      candidate.vrf === peer.vrf &&
      familyOf(candidate) === familyOf(peer) &&
      sharesNodes(candidate.nodeSelectors, peer.nodeSelectors),
  )
  if (!other) return undefined
  const message = `BGPPeer "${other.name}" is waited for on the same port without ttlSecurity, so a connection that the router dials is not checked. Give both ttlSecurity, or dial one of them (passive: false and peerASN).`
  return { reason: 'UnguardedPort', message }
}

/** Whether the router may dial: where it is waited for, or where its AS is to be learnt. */
function isWaitedFor({ passive, peerASN }: BGPPeer): boolean {
  return passive || typeof peerASN !== 'number'
}

function familyOf({ peerAddress }: BGPPeer): IpFamily | undefined {
  return peerAddress.kind === 'interface' ? 'IPv6' : parseAddress(peerAddress.address)?.family
}

/** The connections that a peer is told apart by: the one that is dialled, and the one that the router may dial. */
function sessionsOf(peer: BGPPeer): readonly string[] {
  const { peerAddress, peerPort, passive, sourceAddress, vrf } = peer
  const to = peerAddress.kind === 'interface' ? `on interface ${peerAddress.interface}` : `with ${peerAddress.address}`
  const from = sourceAddress === undefined ? '' : ` from ${sourceAddress}`
  const where = `${from}${vrf === undefined ? '' : ` in VRF ${vrf}`}`
  const port = peerAddress.kind === 'interface' ? '' : ` port ${peerPort}`
  const dialled = passive ? [] : [`${to}${port}${where}`]
  // The router's own port says nothing where it dials.
  return isWaitedFor(peer) ? [...dialled, `that is waited for ${to}${where}`] : dialled
}
