import { type Address, addressFromBytes, addressToBytes } from '../../net/address.ts'
import { Malformed, Reader, Writer } from '../../net/cursor.ts'
import { type AsPath, decodeAsPath, encodeAsPath, mergeAs4Path, needsAs4Path } from './as-path.ts'
import {
  decodeCommunities,
  decodeExtendedCommunities,
  decodeLargeCommunities,
  type ExtendedCommunity,
  encodeCommunities,
  encodeExtendedCommunities,
  encodeLargeCommunities,
  type LargeCommunity,
} from './community.ts'
import {
  decodeMpReach,
  decodeMpUnreach,
  encodeMpReach,
  encodeMpUnreach,
  type MpReach,
  type MpUnreach,
} from './multiprotocol.ts'
import type { ErrorName } from './notification.ts'
import { joinOctets, noOctets } from './octets.ts'
import { asTrans, twoOctetAs } from './open.ts'

/** What an UPDATE says about its routes (RFC 4271 §5). All are optional here: which must be there is `decodeUpdate`'s. */
export interface PathAttributes {
  readonly origin?: Origin
  readonly asPath?: AsPath
  readonly nextHop?: Address
  readonly multiExitDisc?: number
  readonly localPref?: number
  readonly atomicAggregate?: true
  readonly aggregator?: Aggregator
  readonly communities?: readonly number[]
  readonly originatorId?: number
  readonly clusterList?: readonly number[]
  readonly mpReach?: MpReach
  readonly mpUnreach?: MpUnreach
  readonly extendedCommunities?: readonly ExtendedCommunity[]
  readonly largeCommunities?: readonly LargeCommunity[]
  /** Optional attributes that Berth does not know. */
  readonly unknown?: readonly UnknownAttribute[]
}

export type Origin = 'IGP' | 'EGP' | 'INCOMPLETE'

export interface Aggregator {
  readonly as: number
  readonly address: Address
}

export interface UnknownAttribute {
  readonly type: number
  readonly transitive: boolean
  readonly value: Uint8Array
}

/** PathAttributes as they travel: towards speakers of two-octet AS numbers with the real ones beside (RFC 6793 §4). */
export interface WireAttributes extends PathAttributes {
  readonly as4Path?: AsPath
  readonly as4Aggregator?: Aggregator
}

/** What of a session decides how attributes are written and read. */
export interface AttributeContext {
  /** Both sides speak RFC 6793. */
  readonly fourOctetAs: boolean
}

/** What becomes of an UPDATE with an error in it, weakest first (RFC 7606 §2). */
export type ErrorHandling = 'attribute-discard' | 'treat-as-withdraw' | 'session-reset'

/** The two high bits of the flags; an attribute that comes with others than its own is in error (RFC 7606 §3 c). */
const categories = { wellKnown: 0x40, optionalTransitive: 0xc0, optionalNonTransitive: 0x80 } as const

export type KnownAttribute = Exclude<keyof WireAttributes, 'unknown'>

interface AttributeRow<Name extends KnownAttribute> {
  readonly type: number
  readonly category: keyof typeof categories
  readonly decode: (octets: Uint8Array, context: AttributeContext) => Required<WireAttributes>[Name]
  readonly encode: (value: Required<WireAttributes>[Name], context: AttributeContext) => Uint8Array
  /** What RFC 7606 §7 asks for where `decode` throws Malformed, and what RFC 4271 §6.3 called it. */
  readonly whenMalformed: ErrorHandling
  readonly error: ErrorName
  /** Only of meaning inside one AS: thrown away when another one sends it (RFC 7606 §7.5, 7.9, 7.10). */
  readonly internalOnly?: true
}

const origins = ['IGP', 'EGP', 'INCOMPLETE'] as const satisfies readonly Origin[]

/** Every attribute that Berth reads or writes, in the order of RFC 4271 §5 and then of their documents. */
export const attributeRows: { readonly [Name in KnownAttribute]-?: AttributeRow<Name> } = {
  origin: {
    type: 1,
    category: 'wellKnown',
    decode(octets) {
      const origin = origins[readExactly(octets, 1).uint8()]
      if (!origin) throw new Malformed(`ORIGIN ${octets[0]}`)
      return origin
    },
    encode: origin => Uint8Array.of(origins.indexOf(origin)),
    whenMalformed: 'treat-as-withdraw',
    error: 'invalidOrigin',
  },
  asPath: {
    type: 2,
    category: 'wellKnown',
    decode: (octets, { fourOctetAs }) => decodeAsPath(octets, fourOctetAs),
    encode: (path, { fourOctetAs }) => encodeAsPath(path, fourOctetAs),
    whenMalformed: 'treat-as-withdraw',
    error: 'malformedAsPath',
  },
  nextHop: {
    type: 3,
    category: 'wellKnown',
    decode: octets => addressFromBytes(readExactly(octets, 4).rest()),
    encode: addressToBytes,
    whenMalformed: 'treat-as-withdraw',
    error: 'invalidNextHop',
  },
  multiExitDisc: {
    type: 4,
    category: 'optionalNonTransitive',
    decode: readUint32,
    encode: writeUint32,
    whenMalformed: 'treat-as-withdraw',
    error: 'attributeLengthError',
  },
  localPref: {
    type: 5,
    category: 'wellKnown',
    decode: readUint32,
    encode: writeUint32,
    whenMalformed: 'treat-as-withdraw',
    error: 'attributeLengthError',
    internalOnly: true,
  },
  atomicAggregate: {
    type: 6,
    category: 'wellKnown',
    decode(octets) {
      readExactly(octets, 0)
      return true
    },
    encode: () => noOctets,
    whenMalformed: 'attribute-discard',
    error: 'attributeLengthError',
  },
  aggregator: {
    type: 7,
    category: 'optionalTransitive',
    decode: (octets, { fourOctetAs }) => readAggregator(octets, fourOctetAs),
    encode: (aggregator, { fourOctetAs }) => writeAggregator(aggregator, fourOctetAs),
    whenMalformed: 'attribute-discard',
    error: 'optionalAttributeError',
  },
  communities: {
    type: 8,
    category: 'optionalTransitive',
    decode: decodeCommunities,
    encode: encodeCommunities,
    whenMalformed: 'treat-as-withdraw',
    error: 'optionalAttributeError',
  },
  originatorId: {
    type: 9,
    category: 'optionalNonTransitive',
    decode: readUint32,
    encode: writeUint32,
    whenMalformed: 'treat-as-withdraw',
    error: 'attributeLengthError',
    internalOnly: true,
  },
  clusterList: {
    type: 10,
    category: 'optionalNonTransitive',
    decode: decodeCommunities, // one or more numbers of 32 bits here too (RFC 4456 §8)
    encode: encodeCommunities,
    whenMalformed: 'treat-as-withdraw',
    error: 'attributeLengthError',
    internalOnly: true,
  },
  mpReach: {
    type: 14,
    category: 'optionalNonTransitive',
    decode: decodeMpReach,
    encode: encodeMpReach,
    whenMalformed: 'session-reset',
    error: 'optionalAttributeError',
  },
  mpUnreach: {
    type: 15,
    category: 'optionalNonTransitive',
    decode: decodeMpUnreach,
    encode: encodeMpUnreach,
    whenMalformed: 'session-reset',
    error: 'optionalAttributeError',
  },
  extendedCommunities: {
    type: 16,
    category: 'optionalTransitive',
    decode: decodeExtendedCommunities,
    encode: encodeExtendedCommunities,
    whenMalformed: 'treat-as-withdraw',
    error: 'optionalAttributeError',
  },
  as4Path: {
    type: 17,
    category: 'optionalTransitive',
    decode: octets => decodeAsPath(octets, true),
    encode: path => encodeAsPath(path, true),
    whenMalformed: 'attribute-discard',
    error: 'optionalAttributeError',
  },
  as4Aggregator: {
    type: 18,
    category: 'optionalTransitive',
    decode: octets => readAggregator(octets, true),
    encode: aggregator => writeAggregator(aggregator, true),
    whenMalformed: 'attribute-discard',
    error: 'optionalAttributeError',
  },
  largeCommunities: {
    type: 32,
    category: 'optionalTransitive',
    decode: decodeLargeCommunities,
    encode: encodeLargeCommunities,
    whenMalformed: 'treat-as-withdraw',
    error: 'optionalAttributeError',
  },
}

const optional = 0x80
const transitive = 0x40
const partial = 0x20
const extendedLength = 0x10

/** The flags that this attribute must have; partial and extended length are the sender's affair. */
export function flagsFit(name: KnownAttribute, flags: number): boolean {
  return (flags & (optional | transitive)) === categories[attributeRows[name].category]
}

/** RFC 7606 §5.1 wants the routes in front, where a reader of damaged attributes still finds them; the rest by type. */
function rank(name: KnownAttribute): number {
  return name === 'mpReach' || name === 'mpUnreach' ? 0 : attributeRows[name].type
}

const wireOrder = (Object.keys(attributeRows) as KnownAttribute[]).sort((one, other) => rank(one) - rank(other))

/** Repeated: flags (1) | type (1) | length (1, or 2 with the flag for it) | value */
export function encodeAttributes(attributes: PathAttributes, context: AttributeContext): Uint8Array {
  const wire: WireAttributes = context.fourOctetAs ? attributes : withAs4(attributes)
  const parts = wireOrder
    .filter(name => wire[name] !== undefined)
    .map(name => {
      const { type, category, encode } = attributeRows[name]
      return encodeAttribute(categories[category], type, encode(wire[name] as never, context))
    })
  // What Berth does not know it did not touch: it goes on with the partial bit (RFC 4271 §5).
  const unknown = (wire.unknown ?? []).map(({ type, transitive: passes, value }) =>
    encodeAttribute(optional | (passes ? transitive | partial : 0), type, value),
  )
  return joinOctets([...parts, ...unknown])
}

function encodeAttribute(flags: number, type: number, value: Uint8Array): Uint8Array {
  const { length } = value
  if (length <= 0xff) return joinOctets([Uint8Array.of(flags, type, length), value])
  return joinOctets([Uint8Array.of(flags | extendedLength, type, length >> 8, length & 0xff), value])
}

/** Whether a flags octet announces a length of two octets. */
export function hasExtendedLength(flags: number): boolean {
  return (flags & extendedLength) !== 0
}

export function isOptional(flags: number): boolean {
  return (flags & optional) !== 0
}

export function isTransitive(flags: number): boolean {
  return (flags & transitive) !== 0
}

function withAs4(attributes: PathAttributes): WireAttributes {
  const { asPath, aggregator } = attributes
  return {
    ...attributes,
    ...(asPath && needsAs4Path(asPath) && { as4Path: asPath }),
    ...(aggregator && aggregator.as > 0xffff && { as4Aggregator: aggregator }),
  }
}

/** Takes what travelled beside AS_PATH and AGGREGATOR for AS_TRANS into them (RFC 6793 §4.2.3). */
export function resolveAs4(wire: WireAttributes, context: AttributeContext): PathAttributes {
  const { as4Path, as4Aggregator, ...attributes } = wire
  // Between two speakers of RFC 6793 they have no business here and count for nothing (§4.1).
  if (context.fourOctetAs) return attributes
  const { asPath, aggregator } = attributes
  // Aggregated since by a speaker of two octets: both are out of date.
  if (as4Aggregator && aggregator && aggregator.as !== asTrans) return attributes
  return {
    ...attributes,
    ...(asPath && as4Path && { asPath: mergeAs4Path(asPath, as4Path) }),
    ...(aggregator && as4Aggregator && { aggregator: as4Aggregator }),
  }
}

function readExactly(octets: Uint8Array, length: number): Reader {
  if (octets.length !== length) throw new Malformed(`${octets.length} octets instead of ${length}`)
  return new Reader(octets)
}

function readUint32(octets: Uint8Array): number {
  return readExactly(octets, 4).uint32()
}

function writeUint32(value: number): Uint8Array {
  return new Writer(4).uint32(value).finish()
}

/** Throws Malformed for AS 0 too (RFC 7607 §2). */
function readAggregator(octets: Uint8Array, fourOctetAs: boolean): Aggregator {
  const reader = readExactly(octets, fourOctetAs ? 8 : 6)
  const as = fourOctetAs ? reader.uint32() : reader.uint16()
  if (as === 0) throw new Malformed('aggregated by AS 0')
  return { as, address: addressFromBytes(reader.bytes(4)) }
}

function writeAggregator({ as, address }: Aggregator, fourOctetAs: boolean): Uint8Array {
  const writer = new Writer(fourOctetAs ? 8 : 6)
  return (fourOctetAs ? writer.uint32(as) : writer.uint16(twoOctetAs(as))).bytes(addressToBytes(address)).finish()
}
