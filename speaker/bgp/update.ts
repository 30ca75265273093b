import type { IpFamily } from '../../net/address.ts'
import { type Decoded, decoding, Reader, Writer } from '../../net/cursor.ts'
import type { AddressPrefix } from '../../net/range.ts'
import {
  type AttributeContext,
  attributeRows,
  type ErrorHandling,
  encodeAttributes,
  flagsFit,
  hasExtendedLength,
  isOptional,
  isTransitive,
  type KnownAttribute,
  type PathAttributes,
  resolveAs4,
  type UnknownAttribute,
} from './attributes.ts'
import type { MpReach } from './multiprotocol.ts'
import { isHostAddress, isLinkLocal } from './next-hop.ts'
import { decodePrefixes, encodePrefixes } from './nlri.ts'
import { type ErrorName, type Notification, notification, refused } from './notification.ts'
import { joinOctets } from './octets.ts'

/** Routes that are no more, and routes that share a set of attributes (RFC 4271 §4.3). */
export interface Update {
  /** IPv4 only, as is `nlri`; other families travel inside the attributes. */
  readonly withdrawn: readonly AddressPrefix[]
  readonly attributes: PathAttributes
  readonly nlri: readonly AddressPrefix[]
}

/** What of a session decides how an UPDATE is read. */
export interface UpdateContext extends AttributeContext {
  /** The peer is of our own AS. */
  readonly internal: boolean
}

/** An error that the session survives (RFC 7606). */
export interface AttributeProblem {
  readonly handling: Exclude<ErrorHandling, 'session-reset'>
  /** The attribute's type; 0 where the list of attributes itself is damaged. */
  readonly type: number
  /** What would be sent if the session could not survive it. */
  readonly notification: Notification
}

/** An UPDATE whose survivable errors are already dealt with: discarded attributes gone, routes in doubt withdrawn. */
export interface ReceivedUpdate {
  readonly update: Update
  readonly problems: readonly AttributeProblem[]
}

/** withdrawn length (2) | withdrawn routes | attributes length (2) | path attributes | NLRI */
export function encodeUpdate(update: Update, context: AttributeContext): Uint8Array {
  const withdrawn = encodePrefixes(update.withdrawn)
  const attributes = encodeAttributes(update.attributes, context)
  return joinOctets([lengthOf(withdrawn), withdrawn, lengthOf(attributes), attributes, encodePrefixes(update.nlri)])
}

function lengthOf(octets: Uint8Array): Uint8Array {
  return new Writer(2).uint16(octets.length).finish()
}

/** Says that everything of the family has been announced (RFC 4724 §2). */
export function endOfRib(family: IpFamily): Update {
  const attributes: PathAttributes = family === 'IPv4' ? {} : { mpUnreach: { kind: 'unicast', family, withdrawn: [] } }
  return { withdrawn: [], attributes, nlri: [] }
}

/** The family of which this UPDATE is the End-of-RIB. */
export function endOfRibFamily({ withdrawn, attributes, nlri }: Update): IpFamily | undefined {
  if (withdrawn.length > 0 || nlri.length > 0) return undefined
  const present = Object.keys(attributes)
  if (present.length === 0) return 'IPv4'
  const { mpUnreach } = attributes
  if (present.length > 1 || mpUnreach?.kind !== 'unicast' || mpUnreach.withdrawn.length > 0) return undefined
  return mpUnreach.family
}

/**
 * Reads an UPDATE as RFC 7606 asks: the session falls only where it cannot be known which routes were meant. The
 * worst error in the message decides; milder ones are reported, and dealt with in the value.
 */
export function decodeUpdate(body: Uint8Array, context: UpdateContext): Decoded<ReceivedUpdate, Notification> {
  const fields = decoding(() => splitFields(new Reader(body)))
  if (!fields.ok) return refused('malformedAttributeList')
  const prefixes = decoding(() => ({
    withdrawn: decodePrefixes(fields.value.withdrawn, 'IPv4'),
    nlri: decodePrefixes(fields.value.nlri, 'IPv4'),
  }))
  if (!prefixes.ok) return refused('invalidNetworkField')
  const list = decodeAttributeList(fields.value.attributes, context)
  if (!list.ok) return list
  const { attributes } = list.value
  const { withdrawn, nlri } = prefixes.value
  const problems = [
    ...list.value.problems,
    ...missingAttributes(list.value, nlri),
    ...impossibleNextHops(list.value, nlri),
  ]
  const fatal = problems.find(({ handling }) => handling === 'treat-as-withdraw')
  const update = { withdrawn, attributes, nlri }
  if (!fatal) return { ok: true, value: { update, problems } }
  // Without a reachable route in sight it may be that the damage hides it (RFC 7606 §5.2).
  if (!hasReachable(attributes, nlri)) return { ok: false, problem: fatal.notification }
  return { ok: true, value: { update: asWithdrawal(update), problems } }
}

function splitFields(reader: Reader) {
  const withdrawn = reader.bytes(reader.uint16())
  const attributes = reader.bytes(reader.uint16())
  return { withdrawn, attributes, nlri: reader.rest() }
}

function hasReachable({ mpReach }: PathAttributes, nlri: readonly AddressPrefix[]): boolean {
  return nlri.length > 0 || (mpReach !== undefined && (mpReach.kind === 'unknown' || mpReach.nlri.length > 0))
}

/** The same routes, all of them gone; what stood in MP_REACH_NLRI joins what stood in MP_UNREACH_NLRI. */
function asWithdrawal({ withdrawn, attributes, nlri }: Update): Update {
  const { mpReach, mpUnreach } = attributes
  const gone = { withdrawn: [...withdrawn, ...nlri], nlri: [] }
  if (mpReach?.kind !== 'unicast') return { ...gone, attributes: mpUnreach ? { mpUnreach } : {} }
  const also = mpUnreach?.kind === 'unicast' && mpUnreach.family === mpReach.family ? mpUnreach.withdrawn : []
  const { family } = mpReach
  return { ...gone, attributes: { mpUnreach: { kind: 'unicast', family, withdrawn: [...also, ...mpReach.nlri] } } }
}

/** ORIGIN and AS_PATH with every route, NEXT_HOP with those in the fixed field (RFC 4271 §5, RFC 7606 §3 d). */
function missingAttributes(list: AttributeList, nlri: readonly AddressPrefix[]): readonly AttributeProblem[] {
  if (!hasReachable(list.attributes, nlri)) return []
  const wanted: readonly KnownAttribute[] = nlri.length > 0 ? ['origin', 'asPath', 'nextHop'] : ['origin', 'asPath']
  return wanted
    .map(name => attributeRows[name].type)
    .filter(type => !list.seen.has(type))
    .map(type => {
      const missing = notification('missingWellKnownAttribute', Uint8Array.of(type))
      return { handling: 'treat-as-withdraw', type, notification: missing }
    })
}

/** Next hops that no router can have; a NEXT_HOP without routes in the fixed field counts for nothing (RFC 4760 §3). */
function impossibleNextHops(
  { attributes: { nextHop, mpReach }, seen }: AttributeList,
  nlri: readonly AddressPrefix[],
): readonly AttributeProblem[] {
  const bad: KnownAttribute[] = []
  if (nextHop && nlri.length > 0 && !isHostAddress(nextHop)) bad.push('nextHop')
  if (mpReach && !leadsSomewhere(mpReach)) bad.push('mpReach')
  return bad
    .map(name => seen.get(attributeRows[name].type))
    .filter(raw => raw !== undefined)
    .map(raw => problemOf('treat-as-withdraw', 'invalidNextHop', raw))
}

/** On a link without global addresses BIRD says :: and its link-local address beside it. */
function leadsSomewhere(reach: MpReach): boolean {
  if (reach.kind === 'unknown' || isHostAddress(reach.nextHop)) return true
  return reach.nextHop.value === 0n && reach.linkLocalNextHop !== undefined && isLinkLocal(reach.linkLocalNextHop)
}

interface AttributeList {
  readonly attributes: PathAttributes
  /** What was there, in whatever state, by type. */
  readonly seen: ReadonlyMap<number, RawAttribute>
  readonly problems: readonly AttributeProblem[]
}

interface RawAttribute {
  readonly flags: number
  readonly type: number
  readonly value: Uint8Array
  /** All of it, as it goes into the data of a NOTIFICATION (RFC 4271 §6.3). */
  readonly octets: Uint8Array
}

const namesByType: ReadonlyMap<number, KnownAttribute> = new Map(
  (Object.keys(attributeRows) as KnownAttribute[]).map(name => [attributeRows[name].type, name]),
)

function decodeAttributeList(octets: Uint8Array, context: UpdateContext): Decoded<AttributeList, Notification> {
  const problems: AttributeProblem[] = []
  const found = new Map<KnownAttribute, unknown>()
  const unknown: UnknownAttribute[] = []
  const seen = new Map<number, RawAttribute>()
  let offset = 0
  while (offset < octets.length) {
    const raw = readAttribute(octets.subarray(offset))
    if (!raw) {
      // The attributes' total length still says where the routes begin (RFC 7606 §4).
      problems.push({ handling: 'treat-as-withdraw', type: 0, notification: notification('malformedAttributeList') })
      break
    }
    offset += raw.octets.length
    const name = namesByType.get(raw.type)
    if (seen.has(raw.type)) {
      // Routes said twice are in doubt; of anything else the first counts (RFC 7606 §3 g).
      if (name === 'mpReach' || name === 'mpUnreach') return refused('malformedAttributeList')
      problems.push(problemOf('attribute-discard', 'malformedAttributeList', raw))
      continue
    }
    seen.set(raw.type, raw)
    if (name) {
      const judged = judge(name, raw, context)
      if ('code' in judged) return { ok: false, problem: judged }
      if (judged.value !== undefined) found.set(name, judged.value)
      if (judged.problem) problems.push(judged.problem)
    } else if (isOptional(raw.flags)) {
      unknown.push({ type: raw.type, transitive: isTransitive(raw.flags), value: raw.value.slice() })
    } else return refused('unrecognizedWellKnownAttribute', raw.octets.slice())
  }
  const wire = { ...Object.fromEntries(found), ...(unknown.length > 0 && { unknown }) }
  return { ok: true, value: { attributes: resolveAs4(wire, context), seen, problems } }
}

/** The attribute that these octets begin with; undefined where they end before it does. */
function readAttribute(octets: Uint8Array): RawAttribute | undefined {
  const attribute = decoding(() => {
    const reader = new Reader(octets)
    const flags = reader.uint8()
    const type = reader.uint8()
    const value = reader.bytes(hasExtendedLength(flags) ? reader.uint16() : reader.uint8())
    return { flags, type, value, octets: octets.subarray(0, reader.offset) }
  })
  return attribute.ok ? attribute.value : undefined
}

interface Judged {
  readonly value?: unknown
  readonly problem?: AttributeProblem
}

/** The value of an attribute, what is wrong with it, or both: routes are read even where their flags are wrong. */
function judge(name: KnownAttribute, raw: RawAttribute, context: UpdateContext): Judged | Notification {
  const { decode, whenMalformed, error, internalOnly } = attributeRows[name]
  if (internalOnly && !context.internal) return { problem: problemOf('attribute-discard', error, raw) }
  const decoded = decoding(() => decode(raw.value, context))
  if (!decoded.ok) {
    if (whenMalformed === 'session-reset') return notification(error, raw.octets.slice())
    return { problem: problemOf(whenMalformed, error, raw) }
  }
  if (flagsFit(name, raw.flags)) return { value: decoded.value }
  return { value: decoded.value, problem: problemOf('treat-as-withdraw', 'attributeFlagsError', raw) }
}

function problemOf(handling: AttributeProblem['handling'], error: ErrorName, raw: RawAttribute): AttributeProblem {
  return { handling, type: raw.type, notification: notification(error, raw.octets.slice()) }
}
