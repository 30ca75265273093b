import { parseDuration } from '../../crds/duration.ts'
import { fieldOf, listOf, textOf } from '../../kube/json.ts'
import { parseAddress } from '../../net/address.ts'
import type { ReadSpec } from './convert.ts'
import { type Draft, draftOf, isNothing, namesOf } from './draft.ts'
import { ownSelectors } from './peer-nodes.ts'
import { type Installation, metallbLabel, type SourceObject } from './source.ts'

/* A BGPPeer, field by field: what its fields mean depends on who speaks BGP for MetalLB. */

const plainPeerFields = [
  'myASN',
  'peerASN',
  'dynamicASN',
  'localASN',
  'peerAddress',
  'interface',
  'peerPort',
  'routerID',
  'password',
  'enableGracefulRestart',
  'vrf',
  'dualStackAddressFamily',
]

/** A BGPPeer. */
export function peerSpec(object: SourceObject, all: readonly SourceObject[], installation: Installation): ReadSpec {
  const special = [
    'nodeSelectors',
    'connectTime',
    'sourceAddress',
    'holdTime',
    'keepaliveTime',
    'passwordSecret',
    'bfdProfile',
    'ebgpMultiHop',
    'disableMP',
  ]
  const draft = draftOf(object, plainPeerFields, special)
  const { spec, remark } = draft
  // As Go writes an AS number that is not given.
  if (spec['peerASN'] === 0) delete spec['peerASN']
  if (spec['localASN'] === 0) delete spec['localASN']
  takeNodes(draft, object, installation)
  takeHops(draft, object, installation)
  takeTimes(draft, object, installation)
  takeSource(draft, object, installation)
  takeSecret(draft, object, installation)
  const profile = object.spec['bfdProfile']
  if (profile && namesOf(all, 'BFDProfile').has(textOf(profile) ?? '')) spec['bfdProfile'] = profile
  else if (profile) {
    const what = `There is no BFDProfile ${JSON.stringify(profile)}; the session goes without BFD.`
    remark('lost', 'bfdProfile', what, 'Create it, and name it in the peer.')
  }
  if (object.spec['disableMP']) remark('changed', 'disableMP', 'is left out: MetalLB does not look at it any more.')
  if (spec['localASN'] !== undefined && installation.speaker?.backend === 'frr-k8s') {
    const what = 'MetalLB does not hand it to frr-k8s; Berth uses it, and the router sees another AS.'
    remark('differs', 'localASN', what, 'Take it out if the router expects myASN.')
  }
  if (spec['dynamicASN'] !== undefined) {
    const what = 'Berth waits for the router as well, on port 179, which takes a capability.'
    remark('todo', 'dynamicASN', what, 'Install Berth with speaker.listenForBGP: true.')
  }
  if (spec['password'] !== undefined) {
    const what = 'A password stands in the manifest, for all who may read the object.'
    remark('differs', 'password', what, 'Better in a Secret: passwordSecret.')
  }
  return draft
}

/** By BGP a node has one session with a router: Berth leaves it alone where MetalLB is to stay for now. */
function takeNodes({ spec, remark }: Draft, object: SourceObject, { speaker }: Installation): void {
  const given = ownSelectors({ nodeSelectors: listOf(object.spec['nodeSelectors']) })
  if (!speaker) {
    if (given.length > 0) spec['nodeSelectors'] = given
    return
  }
  const moved = { key: metallbLabel, operator: 'DoesNotExist' }
  spec['nodeSelectors'] = (given.length > 0 ? given : [{}]).map(selector => ({
    ...(selector as object),
    matchExpressions: [...listOf(fieldOf(selector, 'matchExpressions')), moved],
  }))
  const what = `leave out nodes with the label ${metallbLabel}, where MetalLB's speaker stays for now.`
  remark('changed', 'nodeSelectors', what, 'Take it out when all nodes have moved.')
}

function isInternal({ spec }: SourceObject): boolean {
  return spec['dynamicASN'] === 'internal' || spec['peerASN'] === (spec['localASN'] || spec['myASN'])
}

function takeHops({ spec, remark }: Draft, object: SourceObject, { speaker }: Installation): void {
  const given = object.spec['ebgpMultiHop'] === true
  if (given && (isInternal(object) || object.spec['interface'])) {
    const why = object.spec['interface'] ? 'an unnumbered session is with the next hop' : 'iBGP may cross hops anyway'
    return remark('changed', 'ebgpMultiHop', `is left out: ${why}.`)
  }
  if (given) spec['ebgpMultiHop'] = true
  else if (speaker?.backend === 'native' && !isInternal(object) && object.spec['peerAddress']) {
    spec['ebgpMultiHop'] = true
    const what = "is true: MetalLB's own BGP never limits how far packets go, Berth does in eBGP (TTL 1)."
    remark('changed', 'ebgpMultiHop', what, 'Take it out where the router is one hop away.')
  }
}

function takeTimes({ spec, remark }: Draft, object: SourceObject, { speaker }: Installation): void {
  for (const field of ['holdTime', 'keepaliveTime']) {
    const given = object.spec[field]
    if (isNothing(given)) continue
    const nanoseconds = parseDuration(textOf(given) ?? '')
    if (nanoseconds === undefined || nanoseconds % 1e9 === 0) {
      spec[field] = given
      continue
    }
    spec[field] = `${Math.floor(nanoseconds / 1e9)}s`
    remark('changed', field, `is ${String(spec[field])} in place of ${String(given)}: BGP counts whole seconds.`)
  }
  const connectTime = object.spec['connectTime']
  if (!isNothing(connectTime)) spec['connectTime'] = connectTime
  else if (speaker) {
    spec['connectTime'] = '1s'
    const what = 'is 1s, so that Berth has the session within half a second after MetalLB gives it up.'
    remark('changed', 'connectTime', what, 'Take it out when all nodes have moved.')
  }
  const isUnset = spec['holdTime'] === undefined && spec['keepaliveTime'] === undefined
  if (isUnset && speaker && speaker.backend !== 'native') {
    const what = 'is not given: MetalLB leaves it to FRR (180 s), in Berth it is 90 s.'
    remark('differs', 'holdTime', what)
  }
}

function takeSource({ spec, remark }: Draft, object: SourceObject, { speaker }: Installation): void {
  const given = textOf(object.spec['sourceAddress'])
  if (!given) return
  const source = parseAddress(given)
  const peer = parseAddress(textOf(object.spec['peerAddress']) ?? '')
  if (object.spec['interface'] || (source && peer && source.family !== peer.family)) {
    const why = object.spec['interface'] ? 'an unnumbered session has none' : 'it is not of the family of peerAddress'
    return remark('changed', 'sourceAddress', `is left out: ${why}.`)
  }
  spec['sourceAddress'] = given
  if (speaker?.backend !== 'frr-k8s') return
  const what = 'MetalLB does not hand it to frr-k8s; Berth uses it.'
  remark('differs', 'sourceAddress', what, 'Take it out if the router expects another address.')
}

/** Berth reads Secrets of its own namespace only, and MetalLB of its. */
function takeSecret({ spec, remark }: Draft, object: SourceObject, { namespace }: Installation): void {
  const name = textOf(fieldOf(object.spec['passwordSecret'], 'name'))
  if (!name) return
  spec['passwordSecret'] = { name }
  const what = `Secret ${name} is read in Berth's namespace, and is in "${namespace}".`
  remark('todo', 'passwordSecret', what, '--apply copies it; without, copy it yourself.')
}
