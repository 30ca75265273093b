import { parseCommunity } from '../../crds/community.ts'
import { FieldProblem } from '../../crds/field.ts'
import { selectorsAt } from '../../crds/parse-selector.ts'
import { type Labels, matchesAny } from '../../crds/selector.ts'
import { fieldOf, listOf, textOf } from '../../kube/json.ts'
import type { ReadSpec } from './convert.ts'
import { type Draft, draftOf, isNothing, namesOf } from './draft.ts'
import type { Installation, SourceObject } from './source.ts'

/* Every kind but BGPPeer, field by field. */

// The last that is tried before those that have no priority.
const lastPriority = 2 ** 31 - 1

// As many as crds/ipaddresspools.yaml takes.
const mostEntries = 256

/** An IPAddressPool. */
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

/** An L2Advertisement or BGPAdvertisement. */
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

/** A BFDProfile; the echo function is all that Berth has not. */
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

/** A Community, with the aliases that can be used. */
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
