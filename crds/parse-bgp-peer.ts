import { type Address, parseAddress } from '../net/address.ts'
import { contains, prefixRange } from '../net/range.ts'
import type { BGPPeer } from './config.ts'
import { parseDuration } from './duration.ts'
import { booleanAt, child, type Field, integerAt, isGiven, refuse, requiredText, textAt } from './field.ts'
import { selectorsAt } from './parse-selector.ts'
import type { ResourceProblem } from './parsed.ts'

const maxASN = 2 ** 32 - 1
const bgpPort = 179
const maxTimerSeconds = 65_535

/** fe80::/10 */
const linkLocal = prefixRange({ address: { family: 'IPv6', value: 0xfe80n << 112n }, length: 10 })

/** The spec of a BGPPeer. */
export function readBGPPeer(spec: Field, name: string): BGPPeer {
  const myASNField = child(spec, 'myASN')
  const peer: BGPPeer = {
    name,
    myASN: integerAt(myASNField, { min: 1, max: maxASN }) ?? refuse(myASNField, 'is missing'),
    peerASN: peerASNAt(spec),
    localASN: integerAt(child(spec, 'localASN'), { min: 1, max: maxASN }),
    peerAddress: peerAddressAt(spec),
    peerPort: integerAt(child(spec, 'peerPort'), { min: 1, max: 65_535 }) ?? bgpPort,
    sourceAddress: sourceAddressAt(spec),
    ...timersAt(spec),
    connectTimeSeconds: secondsAt(child(spec, 'connectTime'), 1),
    routerID: routerIDAt(child(spec, 'routerID')),
    nodeSelectors: selectorsAt(child(spec, 'nodeSelectors')),
    password: textAt(child(spec, 'password')),
    passwordSecretName: textAt(child(child(spec, 'passwordSecret'), 'name')),
    bfdProfile: textAt(child(spec, 'bfdProfile')),
    enableGracefulRestart: booleanAt(child(spec, 'enableGracefulRestart'), false),
    ebgpMultiHop: booleanAt(child(spec, 'ebgpMultiHop'), false),
    ttlSecurity: booleanAt(child(spec, 'ttlSecurity'), false),
    passive: booleanAt(child(spec, 'passive'), false),
    vrf: textAt(child(spec, 'vrf')),
    dualStackAddressFamily: booleanAt(child(spec, 'dualStackAddressFamily'), false),
  }
  refuseContradictions(spec, peer)
  return peer
}

/** Fields that mean nothing together: one of them would be taken and ignored. */
function refuseContradictions(spec: Field, peer: BGPPeer): void {
  if (peer.password !== undefined && peer.passwordSecretName !== undefined) {
    refuse(child(spec, 'password'), 'write password or passwordSecret, not both')
  }
  if (peer.ebgpMultiHop && isInternal(peer)) {
    refuse(child(spec, 'ebgpMultiHop'), 'is for a peer of another ASN; remove it, iBGP may cross hops anyway')
  }
  if (peer.ttlSecurity && peer.ebgpMultiHop) {
    refuse(child(spec, 'ttlSecurity'), 'is for a router that is one hop away; remove it, or ebgpMultiHop')
  }
  if (peer.ebgpMultiHop && peer.peerAddress.kind === 'interface') {
    refuse(child(spec, 'ebgpMultiHop'), 'an unnumbered session is with the other end of a cable; remove it')
  }
  if (peer.passive) refuseDialling(spec, peer)
  if (booleanAt(child(spec, 'disableMP'), false)) refuseBothFamilies(spec, peer)
}

/** A Secret is read in Berth's namespace only; one that is said to be elsewhere is looked for here all the same. */
export function secretNamespaceProblem(spec: Field, namespace: string): ResourceProblem | undefined {
  const field = child(child(spec, 'passwordSecret'), 'namespace')
  const given = textAt(field)
  if (given === undefined || given === namespace) return undefined
  const message = `${field.path}: Secrets of namespace "${given}" are not read; the Secret is looked for in "${namespace}". Create it there, and remove this field.`
  return { reason: 'WrongNamespace', message }
}

function refuseDialling(spec: Field, { connectTimeSeconds, peerPort }: BGPPeer): void {
  if (connectTimeSeconds !== undefined) refuse(child(spec, 'connectTime'), 'a passive peer is never dialled; remove it')
  if (peerPort !== bgpPort) refuse(child(spec, 'peerPort'), 'a passive peer is never dialled; remove it')
}

function refuseBothFamilies(spec: Field, { dualStackAddressFamily, peerAddress }: BGPPeer): void {
  const field = child(spec, 'disableMP')
  if (dualStackAddressFamily) refuse(field, 'contradicts dualStackAddressFamily; write one of them')
  if (peerAddress.kind === 'interface') refuse(field, 'an unnumbered session exchanges both families; remove it')
}

/** Whether the session is iBGP: the peer has the ASN that it sees Berth use. */
export function isInternal(peer: Pick<BGPPeer, 'myASN' | 'localASN' | 'peerASN'>): boolean {
  return peer.peerASN === 'internal' || peer.peerASN === (peer.localASN ?? peer.myASN)
}

function peerASNAt(spec: Field): BGPPeer['peerASN'] {
  const asnField = child(spec, 'peerASN')
  const dynamicField = child(spec, 'dynamicASN')
  const asn = integerAt(asnField, { min: 0, max: maxASN }) ?? 0
  const dynamic = textAt(dynamicField)
  if (dynamic === undefined)
    return asn > 0 ? asn : refuse(asnField, 'write peerASN, or dynamicASN: internal or external')
  if (asn > 0) refuse(dynamicField, 'write peerASN or dynamicASN, not both')
  if (dynamic !== 'internal' && dynamic !== 'external') refuse(dynamicField, 'write internal or external')
  return dynamic
}

function peerAddressAt(spec: Field): BGPPeer['peerAddress'] {
  const addressField = child(spec, 'peerAddress')
  const interfaceField = child(spec, 'interface')
  if (isGiven(addressField) && isGiven(interfaceField)) refuse(addressField, 'write peerAddress or interface, not both')
  if (isGiven(interfaceField)) return { kind: 'interface', interface: requiredText(interfaceField) }
  const given = addressAt(addressField)
  if (!given) refuse(addressField, 'write the address of the router, or interface for an unnumbered session')
  if (contains(linkLocal, given.address)) refuse(addressField, 'is link-local and means nothing alone; write interface')
  return { kind: 'address', address: given.text }
}

function sourceAddressAt(spec: Field): string | undefined {
  const field = child(spec, 'sourceAddress')
  const source = addressAt(field)
  if (source && isGiven(child(spec, 'interface'))) {
    refuse(field, 'an unnumbered session is between link-local addresses; remove it')
  }
  const peer = addressAt(child(spec, 'peerAddress'))
  if (source && peer && source.address.family !== peer.address.family) {
    refuse(field, `write an ${peer.address.family} address, as peerAddress is one`)
  }
  return source?.text
}

function addressAt(field: Field): { readonly text: string; readonly address: Address } | undefined {
  const text = textAt(field)
  if (text === undefined) return undefined
  const address = parseAddress(text) ?? refuse(field, `"${text}" is not an IP address; names are not looked up`)
  if (address.value === 0n) refuse(field, `${text} means no address in particular; write the address itself`)
  return { text, address }
}

/** Where only one of the two is given, the other follows: the keepalive time is a third of the hold time. */
function timersAt(spec: Field): Pick<BGPPeer, 'holdTimeSeconds' | 'keepaliveTimeSeconds'> {
  const holdField = child(spec, 'holdTime')
  const keepaliveField = child(spec, 'keepaliveTime')
  const givenHold = secondsAt(holdField, 0)
  const givenKeepalive = secondsAt(keepaliveField, 0)
  const hold = givenHold ?? (givenKeepalive === undefined ? undefined : givenKeepalive * 3)
  if (hold === undefined) return { holdTimeSeconds: undefined, keepaliveTimeSeconds: undefined }
  if (hold === 1 || hold === 2) refuse(holdField, 'write 0s (no keepalives) or at least 3s')
  if (hold > maxTimerSeconds) refuse(keepaliveField, `write holdTime too, or at most ${maxTimerSeconds / 3}s`)
  const keepalive = givenKeepalive ?? Math.floor(hold / 3)
  if (keepalive > hold) refuse(keepaliveField, 'must not be longer than holdTime; a third of it is usual')
  if (hold > 0 && keepalive === 0) refuse(keepaliveField, 'write at least 1s, or holdTime: 0s for no keepalives at all')
  return { holdTimeSeconds: hold, keepaliveTimeSeconds: keepalive }
}

function secondsAt(field: Field, min: number): number | undefined {
  const text = textAt(field)
  if (text === undefined) return undefined
  const nanoseconds = parseDuration(text)
  const seconds = nanoseconds === undefined ? Number.NaN : nanoseconds / 1e9
  if (!Number.isInteger(seconds) || seconds < min || seconds > maxTimerSeconds) {
    refuse(field, `"${text}" must be whole seconds from ${min}s to ${maxTimerSeconds}s, such as 90s or 1m30s`)
  }
  return seconds
}

function routerIDAt(field: Field): string | undefined {
  const text = textAt(field)
  if (text === undefined) return undefined
  const address = parseAddress(text)
  if (address?.family !== 'IPv4' || address.value === 0n) refuse(field, 'write an IPv4 address other than 0.0.0.0')
  return text
}
