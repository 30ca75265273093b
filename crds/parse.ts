import { type IpFamily } from '../net/address.ts'
import { type AddressRange, formatRange, parseRange } from '../net/range.ts'
import { parseCommunity } from './community.ts'
import type { BFDProfile, BGPPeer, ConfigKind, IPAddressPool, ServiceAllocation } from './config.ts'
import {
  booleanAt,
  child,
  type Field,
  FieldProblem,
  integerAt,
  isGiven,
  listAt,
  namesAt,
  refuse,
  requiredText,
} from './field.ts'
import { metadataOf, type ResourceMetadata } from './metadata.ts'
import { claim, noClaims } from './overlap.ts'
import { readBGPPeer, secretNamespaceProblem } from './parse-bgp-peer.ts'
import { selectorAt, selectorsAt } from './parse-selector.ts'
import type {
  CommunityAlias,
  CommunityReference,
  ParsedBFDProfile,
  ParsedBGPAdvertisement,
  ParsedBGPPeer,
  ParsedCommunity,
  ParsedIPAddressPool,
  ParsedL2Advertisement,
  ParsedResource,
  PoolReferences,
  ResourceProblem,
  UnresolvedBGPAdvertisement,
  UnresolvedLayer2Advertisement,
} from './parsed.ts'
import { poolConflictsOf } from './pool-conflicts.ts'
import { type ResolvedConfig, type ResolveOptions, resolveConfig } from './resolve.ts'
import type { ConfigResources } from './resources.ts'
import { firstFew } from './words.ts'

/*
 * From the wire to values: each function here reads one object on its own, and is what a watch is given to parse with.
 * Nearly all that it can complain about the schema has refused before; the rest (an older schema, a rule that the
 * schema cannot say) ends as a problem of that one object, never as an exception. Rules between objects: resolve.ts.
 */

/** An IPAddressPool; undefined where the object has no name, here and below. */
export function parseIPAddressPool(object: unknown): ParsedIPAddressPool | undefined {
  const parsed = parseResource('IPAddressPool', object, readIPAddressPool)
  return parsed && { ...parsed, conflicts: poolConflictsOf(object) }
}

export function parseL2Advertisement(object: unknown): ParsedL2Advertisement | undefined {
  return parseResource('L2Advertisement', object, readL2Advertisement)
}

export function parseBGPAdvertisement(object: unknown): ParsedBGPAdvertisement | undefined {
  return parseResource('BGPAdvertisement', object, readBGPAdvertisement)
}

export function parseBGPPeer(object: unknown): ParsedBGPPeer | undefined {
  return parseResource<BGPPeer>('BGPPeer', object, (spec, { name, namespace }) => ({
    value: readBGPPeer(spec, name),
    problem: secretNamespaceProblem(spec, namespace),
  }))
}

export function parseBFDProfile(object: unknown): ParsedBFDProfile | undefined {
  return parseResource('BFDProfile', object, readBFDProfile)
}

export function parseCommunityResource(object: unknown): ParsedCommunity | undefined {
  return parseResource('Community', object, readCommunities)
}

/** Everything at once, from objects as they arrive: what a watch of each kind and `resolveConfig` do together. */
export function parseConfig(resources: ConfigResources, options?: ResolveOptions): ResolvedConfig {
  const parsed = {
    ipAddressPools: parseAll(resources.ipAddressPools, parseIPAddressPool),
    l2Advertisements: parseAll(resources.l2Advertisements, parseL2Advertisement),
    bgpAdvertisements: parseAll(resources.bgpAdvertisements, parseBGPAdvertisement),
    bgpPeers: parseAll(resources.bgpPeers, parseBGPPeer),
    bfdProfiles: parseAll(resources.bfdProfiles, parseBFDProfile),
    communities: parseAll(resources.communities, parseCommunityResource),
  }
  return resolveConfig(parsed, options)
}

function parseAll<T>(
  objects: readonly unknown[] | undefined,
  parse: (object: unknown) => T | undefined,
): readonly T[] | undefined {
  return objects?.map(parse).filter(parsed => parsed !== undefined)
}

interface Read<T> {
  readonly value: T
  /** Where the value is usable, but not all of what was written. */
  readonly problem?: ResourceProblem | undefined
}

function parseResource<T>(
  kind: ConfigKind,
  object: unknown,
  read: (spec: Field, metadata: ResourceMetadata) => Read<T>,
): ParsedResource<T> | undefined {
  const metadata = metadataOf(object)
  if (!metadata) return undefined
  try {
    const spec = child({ path: '', value: object }, 'spec')
    const { value, problem } = read(spec, metadata)
    return { kind, ...metadata, value, problem }
  } catch (error) {
    if (!(error instanceof FieldProblem)) throw error
    return { kind, ...metadata, value: undefined, problem: { reason: 'Invalid', message: error.message } }
  }
}

function readIPAddressPool(spec: Field, metadata: ResourceMetadata): Read<IPAddressPool> {
  const addresses = child(spec, 'addresses')
  const entries = listAt(addresses)
  if (entries.length === 0) refuse(addresses, 'write at least one network or range, such as 192.0.2.0/24')
  const { ranges, problem } = withoutRepetition(addresses, entries.map(rangeAt))
  const value: IPAddressPool = {
    name: metadata.name,
    ranges,
    labels: metadata.labels,
    autoAssign: booleanAt(child(spec, 'autoAssign'), true),
    avoidBuggyIPs: booleanAt(child(spec, 'avoidBuggyIPs'), false),
    avoidConflicts: booleanAt(child(spec, 'avoidConflicts'), false),
    serviceAllocation: serviceAllocationAt(child(spec, 'serviceAllocation')),
  }
  return { value, problem }
}

function rangeAt(field: Field): AddressRange {
  const text = requiredText(field)
  const range = parseRange(text)
  return 'problem' in range ? refuse(field, `"${text}" is not a range: ${range.problem}`) : range
}

/** A pool whose entries overlap means their union; each address is kept where it stands first. */
function withoutRepetition(
  field: Field,
  listed: readonly AddressRange[],
): { readonly ranges: readonly AddressRange[]; readonly problem: ResourceProblem | undefined } {
  const claims = noClaims()
  const ranges: AddressRange[] = []
  const repeated: string[] = []
  for (const [index, range] of listed.entries()) {
    const { free, taken } = claim(claims, `${field.path}[${index}]`, range)
    ranges.push(...(taken.length === 0 ? [range] : free))
    for (const part of taken)
      repeated.push(`${field.path}[${index}] has ${formatRange(part.range)} as ${part.owner} has`)
  }
  if (repeated.length === 0) return { ranges, problem: undefined }
  const message = `${firstFew(repeated)}; write each address once. Until then each counts once, and the pool is in use.`
  return { ranges, problem: { reason: 'OverlappingPool', message } }
}

function serviceAllocationAt(field: Field): ServiceAllocation | undefined {
  if (!isGiven(field)) return undefined
  return {
    priority: integerAt(child(field, 'priority'), { min: -(2 ** 31), max: 2 ** 31 - 1 }) ?? 0,
    namespaces: namesAt(child(field, 'namespaces')),
    namespaceSelectors: selectorsAt(child(field, 'namespaceSelectors')),
    serviceSelectors: selectorsAt(child(field, 'serviceSelectors')),
  }
}

function readL2Advertisement(spec: Field, metadata: ResourceMetadata): Read<UnresolvedLayer2Advertisement> {
  const preferences = listAt(child(spec, 'preferredNodeSelectors')).map(item => {
    const weight = child(item, 'weight')
    const preference = child(item, 'preference')
    if (!isGiven(preference)) refuse(preference, 'is missing; write a label selector')
    return {
      weight: integerAt(weight, { min: 1, max: 100 }) ?? refuse(weight, 'is missing; write 1 to 100'),
      preference: selectorAt(preference),
    }
  })
  const value: UnresolvedLayer2Advertisement = {
    name: metadata.name,
    pools: poolReferencesAt(spec),
    nodeSelectors: selectorsAt(child(spec, 'nodeSelectors')),
    interfaces: namesAt(child(spec, 'interfaces')),
    serviceSelectors: selectorsAt(child(spec, 'serviceSelectors')),
    preferredNodeSelectors: preferences,
    loadSharing: loadSharingAt(child(spec, 'loadSharing')),
  }
  return { value }
}

function loadSharingAt(field: Field): UnresolvedLayer2Advertisement['loadSharing'] {
  const text = isGiven(field) ? requiredText(field) : 'none'
  return text === 'none' || text === 'perClient' ? text : refuse(field, `"${text}" is neither none nor perClient`)
}

function poolReferencesAt(spec: Field): PoolReferences {
  return {
    names: namesAt(child(spec, 'ipAddressPools')),
    selectors: selectorsAt(child(spec, 'ipAddressPoolSelectors')),
  }
}

function readBGPAdvertisement(spec: Field, metadata: ResourceMetadata): Read<UnresolvedBGPAdvertisement> {
  const lengths: Record<IpFamily, number> = {
    IPv4: integerAt(child(spec, 'aggregationLength'), { min: 1, max: 32 }) ?? 32,
    IPv6: integerAt(child(spec, 'aggregationLengthV6'), { min: 1, max: 128 }) ?? 128,
  }
  const serviceSelectors = child(spec, 'serviceSelectors')
  const value: UnresolvedBGPAdvertisement = {
    name: metadata.name,
    pools: poolReferencesAt(spec),
    aggregationLength: lengths,
    localPref: integerAt(child(spec, 'localPref'), { min: 0, max: 2 ** 32 - 1 }),
    multiExitDisc: integerAt(child(spec, 'med'), { min: 0, max: 2 ** 32 - 1 }),
    asPathPrepend: integerAt(child(spec, 'asPathPrepend'), { min: 0, max: 16 }) ?? 0,
    weightByEndpoints: booleanAt(child(spec, 'weightByEndpoints'), false),
    addressFamilies: familiesAt(child(spec, 'addressFamilies')),
    communities: listAt(child(spec, 'communities')).map(communityReferenceAt),
    nodeSelectors: selectorsAt(child(spec, 'nodeSelectors')),
    serviceSelectors: selectorsAt(serviceSelectors),
    peers: namesAt(child(spec, 'peers')),
  }
  if (value.serviceSelectors.length > 0 && (lengths.IPv4 !== 32 || lengths.IPv6 !== 128)) {
    refuse(serviceSelectors, 'a prefix of several addresses has no one Service; remove the aggregation lengths or this')
  }
  return { value }
}

/** None named means both. */
function familiesAt(field: Field): readonly IpFamily[] {
  const named = namesAt(field)
  for (const [index, name] of named.entries()) {
    if (name !== 'IPv4' && name !== 'IPv6')
      refuse({ path: `${field.path}[${index}]`, value: name }, 'write IPv4 or IPv6')
  }
  return (['IPv4', 'IPv6'] as const).filter(family => named.length === 0 || named.includes(family))
}

const communityForms = 'write 65000:100 (two numbers up to 65535) or large:65000:1:2 (three numbers up to 4294967295)'

function communityReferenceAt(field: Field): CommunityReference {
  const text = requiredText(field)
  const community = parseCommunity(text)
  if (community) return { kind: 'value', community }
  if (text.includes(':')) refuse(field, `"${text}" is not a community; ${communityForms}, or an alias`)
  return { kind: 'alias', name: text }
}

function readCommunities(spec: Field): Read<readonly CommunityAlias[]> {
  const names = new Set<string>()
  const value = listAt(child(spec, 'communities')).map((item): CommunityAlias => {
    const nameField = child(item, 'name')
    const name = requiredText(nameField)
    if (/[:\s]/.test(name)) refuse(nameField, 'an alias has no colon and no space')
    if (names.has(name)) refuse(nameField, `"${name}" stands there twice; give each alias once`)
    names.add(name)
    const valueField = child(item, 'value')
    const text = requiredText(valueField)
    const community = parseCommunity(text) ?? refuse(valueField, `"${text}" is not a community; ${communityForms}`)
    return { name, community }
  })
  return { value }
}

const withoutEcho: ResourceProblem = {
  reason: 'EchoModeUnsupported',
  message:
    'Berth has no echo function of BFD; the profile is in use without it. Remove echoMode; a low transmitInterval and receiveInterval notice a dead peer as fast.',
}

const uselessEchoInterval: ResourceProblem = {
  reason: 'EchoModeUnsupported',
  message:
    'Berth has no echo function of BFD, so echoInterval has no effect; everything else of the profile is in use. Remove echoInterval; what counts is transmitInterval and receiveInterval.',
}

/** The schema writes it into every profile, so with this value nobody need have asked for echo packets. */
const defaultEchoIntervalMs = 50

function readBFDProfile(spec: Field, metadata: ResourceMetadata): Read<BFDProfile> {
  const intervalMs = { min: 10, max: 60_000 }
  const value: BFDProfile = {
    name: metadata.name,
    receiveIntervalMs: integerAt(child(spec, 'receiveInterval'), intervalMs) ?? 300,
    transmitIntervalMs: integerAt(child(spec, 'transmitInterval'), intervalMs) ?? 300,
    detectMultiplier: integerAt(child(spec, 'detectMultiplier'), { min: 2, max: 255 }) ?? 3,
    echoIntervalMs: integerAt(child(spec, 'echoInterval'), intervalMs) ?? defaultEchoIntervalMs,
    echoMode: booleanAt(child(spec, 'echoMode'), false),
    passiveMode: booleanAt(child(spec, 'passiveMode'), false),
    minimumTtl: integerAt(child(spec, 'minimumTtl'), { min: 1, max: 254 }) ?? 254,
  }
  return { value, problem: echoProblem(value) }
}

function echoProblem({ echoMode, echoIntervalMs }: BFDProfile): ResourceProblem | undefined {
  if (echoMode) return withoutEcho
  return echoIntervalMs === defaultEchoIntervalMs ? undefined : uselessEchoInterval
}
