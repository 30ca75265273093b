import { parseCommunity } from '../../crds/community.ts'
import { parseDuration } from '../../crds/duration.ts'
import { FieldProblem } from '../../crds/field.ts'
import { selectorsAt } from '../../crds/parse-selector.ts'
import { type Labels, matchesAny } from '../../crds/selector.ts'
import { fieldOf, listOf, textOf } from '../../kube/json.ts'
import { parseAddress } from '../../net/address.ts'
import type { ReadSpec } from './convert.ts'
import type { Remark, RemarkWeight } from './remark.ts'
import { type Installation, metallbLabel, type SourceObject } from './source.ts'

/*
 * Field by field. `plain` are those that mean the same in both; everything else has its own line here, and a field that
 * nobody here has heard of is said to be lost.
 */

/** What is left out, since it says what an object without it says too. */
const defaults: Readonly<Record<string, unknown>> = {
  autoAssign: true,
  avoidBuggyIPs: false,
  aggregationLength: 32,
  aggregationLengthV6: 128,
  peerPort: 179,
  ebgpMultiHop: false,
  enableGracefulRestart: false,
  dualStackAddressFamily: false,
  echoMode: false,
  passiveMode: false,
}

/** A spec in the making. */
interface Draft {
  readonly spec: Record<string, unknown>
  readonly remarks: Remark[]
  readonly remark: (weight: RemarkWeight, field: string, what: string, todo?: string) => void
}

function draftOf({ kind, name, spec }: SourceObject, plain: readonly string[], special: readonly string[]): Draft {
  const remarks: Remark[] = []
  const remark: Draft['remark'] = (weight, field, what, todo = '') =>
    void remarks.push({ weight, object: `${kind} ${name}`, field: field && `spec.${field}`, what, todo })
  const taken: Record<string, unknown> = {}
  for (const [field, value] of Object.entries(spec)) {
    if (special.includes(field) || isNothing(value)) continue
    if (!plain.includes(field)) remark('lost', field, 'is not known here.', 'Look whether Berth has its like.')
    else if (defaults[field] !== value) taken[field] = value
  }
  return { spec: taken, remarks, remark }
}

/** As Go writes what is not given. */
function isNothing(value: unknown): boolean {
  if (value === null || value === undefined || value === '') return true
  if (Array.isArray(value)) return value.length === 0
  return typeof value === 'object' && Object.keys(value).length === 0
}

// The last that is tried before those that have no priority.
const lastPriority = 2 ** 31 - 1

// As many as crds/ipaddresspools.yaml takes.
const mostEntries = 256

export function poolSpec(
  object: SourceObject,
  all: readonly SourceObject[],
  namespaces: readonly Labels[] | undefined,
): ReadSpec {
  const draft = draftOf(object, ['addresses', 'autoAssign', 'avoidBuggyIPs'], ['serviceAllocation'])
  const entries = listOf(object.spec['addresses']).length
  if (entries > mostEntries) {
    const what = `has ${entries} entries, and the API server takes ${mostEntries}.`
    draft.remark('todo', 'addresses', what, 'Write ranges that adjoin as one, and convert again.')
  }
  const given = object.spec['serviceAllocation']
  if (typeof given !== 'object' || given === null) return draft
  const { priority, ...rest } = given as Readonly<Record<string, unknown>>
  const allocation = Object.fromEntries(Object.entries(rest).filter(([, value]) => !isNothing(value)))
  const field = 'serviceAllocation'
  for (const name of Object.keys(allocation)) {
    if (['namespaces', 'namespaceSelectors', 'serviceSelectors'].includes(name)) continue
    draft.remark('lost', `${field}.${name}`, 'is not known here.', 'Look whether Berth has its like.')
    delete allocation[name]
  }
  const isAuto = (pool: SourceObject): boolean => pool.kind === 'IPAddressPool' && pool.spec['autoAssign'] !== false
  const isBesideOpen = all.some(pool => isAuto(pool) && !pool.spec['serviceAllocation'])
  if (priority) allocation['priority'] = priority
  else if (isAuto(object) && isBesideOpen) {
    allocation['priority'] = lastPriority
    const what = `is ${lastPriority}: MetalLB tries a pool with serviceAllocation before those without, Berth only by its priority.`
    draft.remark('changed', `${field}.priority`, what)
  }
  if (!isNothing(allocation)) draft.spec[field] = allocation
  if (allocation['namespaces'] === undefined && matchNobody(allocation['namespaceSelectors'], namespaces)) {
    const what = 'Selectors that match no namespace admit every Service in MetalLB, and none in Berth.'
    draft.remark('differs', `${field}.namespaceSelectors`, what, 'Label the namespaces that are meant.')
  }
  return draft
}

/** Whether there are selectors, and none of them matches a namespace, as far as is known. */
function matchNobody(selectors: unknown, namespaces: readonly Labels[] | undefined): boolean {
  if (listOf(selectors).length === 0) return false
  if (namespaces === undefined) return true
  try {
    const parsed = selectorsAt({ path: 'namespaceSelectors', value: selectors })
    return !namespaces.some(labels => matchesAny(parsed, labels))
  } catch (error) {
    // Said elsewhere: the pool cannot be used then.
    if (error instanceof FieldProblem) return false
    throw error
  }
}

const advertised = ['ipAddressPoolSelectors', 'nodeSelectors', 'serviceSelectors']

export function advertisementSpec(
  object: SourceObject,
  all: readonly SourceObject[],
  installation: Installation,
): ReadSpec {
  const byBGP = object.kind === 'BGPAdvertisement'
  const plain = byBGP
    ? [...advertised, 'aggregationLength', 'aggregationLengthV6', 'communities']
    : [...advertised, 'interfaces', 'preferredNodeSelectors']
  const special = byBGP ? ['ipAddressPools', 'peers', 'localPref'] : ['ipAddressPools']
  const draft = draftOf(object, plain, special)
  takeNames(draft, object, 'ipAddressPools', namesOf(all, 'IPAddressPool'), 'IPAddressPool')
  if (!byBGP) return draft
  takeNames(draft, object, 'peers', namesOf(all, 'BGPPeer'), 'BGPPeer')
  takeLocalPref(draft, object, all, installation)
  return draft
}

function namesOf(all: readonly SourceObject[], kind: SourceObject['kind']): ReadonlySet<string> {
  return new Set(all.filter(object => object.kind === kind).map(({ name }) => name))
}

/** References without those to what is not there. Where none is left they all stay: without any it would mean all. */
function takeNames(
  { spec, remark }: Draft,
  object: SourceObject,
  field: string,
  known: ReadonlySet<string>,
  kind: string,
): void {
  const given = listOf(object.spec[field])
  if (given.length === 0) return
  const there = given.filter(name => typeof name === 'string' && known.has(name))
  const isSelecting = field === 'ipAddressPools' && listOf(object.spec['ipAddressPoolSelectors']).length > 0
  const left = there.length > 0 || isSelecting ? there : given
  if (left.length > 0) spec[field] = left
  if (there.length === given.length || left === given) return
  const missing = given.filter(name => !there.includes(name)).map(name => JSON.stringify(name))
  remark('changed', field, `There is no ${kind} ${missing.join(', ')}; left out, the others stay.`)
}

/** MetalLB's own BGP writes LOCAL_PREF 0 where nothing is asked for; with FRR beside it, nothing. */
function takeLocalPref(
  { spec, remark }: Draft,
  object: SourceObject,
  all: readonly SourceObject[],
  { speaker }: Installation,
): void {
  const given = object.spec['localPref']
  if (given) spec['localPref'] = given
  const internal = all.some(({ kind, spec: peer }) => kind === 'BGPPeer' && peer['myASN'] === peer['peerASN'])
  if (given || speaker?.backend !== 'native' || !internal) return
  spec['localPref'] = 0
  const what = "is 0, as MetalLB's routes have it in iBGP: so routers treat the routes of both alike meanwhile."
  remark('changed', 'localPref', what, 'Take it out when all nodes have moved; without it routers see 100.')
}

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
  const given = listOf(object.spec['nodeSelectors'])
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

export function bfdProfileSpec(object: SourceObject): ReadSpec {
  const plain = ['receiveInterval', 'transmitInterval', 'detectMultiplier', 'passiveMode', 'minimumTtl']
  const draft = draftOf(object, plain, ['echoMode', 'echoInterval'])
  if (object.spec['echoMode'] === true) {
    const what = 'Berth has no echo function of BFD.'
    const todo = 'Where the control packets are slow because of it, lower transmitInterval and receiveInterval.'
    draft.remark('lost', 'echoMode', what, todo)
  }
  return draft
}

export function communitySpec(object: SourceObject): ReadSpec {
  const draft = draftOf(object, [], ['communities'])
  const taken = new Set<string>()
  const communities = listOf(object.spec['communities']).filter(alias => {
    const [name, value] = [textOf(fieldOf(alias, 'name')) ?? '', textOf(fieldOf(alias, 'value')) ?? '']
    const isFine = name !== '' && !/[:\s]/.test(name) && !taken.has(name) && parseCommunity(value) !== undefined
    taken.add(name)
    if (!isFine) {
      const what = `Alias ${JSON.stringify(name)} for ${JSON.stringify(value)} cannot be used, or stands there twice.`
      draft.remark('lost', 'communities', what, 'Write it as a word without colon, for 65000:100 or large:65000:1:2.')
    }
    return isFine
  })
  if (communities.length > 0) draft.spec['communities'] = communities
  return draft
}
