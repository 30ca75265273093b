import { type Decoded, decoding, Malformed, Reader, Writer } from '../../net/cursor.ts'
import { type Capability, decodeCapabilities, encodeCapabilities } from './capability.ts'
import { type Notification, refused } from './notification.ts'
import { joinOctets } from './octets.ts'

/** The first message on a connection: who I am and what I can do (RFC 4271 §4.2). */
export interface Open {
  /** The two octets of the fixed part; AS_TRANS where the AS number needs four. `asOf` gives the real one. */
  readonly myAs: number
  /** 0 = no keepalives at all, else at least 3. */
  readonly holdTimeSeconds: number
  /** 32 bits, not 0, written as an IPv4 address (RFC 6286). */
  readonly bgpIdentifier: number
  readonly capabilities: readonly Capability[]
}

/** Stands for an AS number of four octets where only two fit (RFC 6793 §9). */
export const asTrans = 23456

const version = 4
const capabilitiesParameter = 2
/** In place of both the length and the first type: lengths of two octets follow (RFC 9072 §2). */
const extendedLength = 255

/** The AS number of whoever sent this: from the capability where there is one. */
export function asOf(open: Open): number {
  for (const capability of open.capabilities) if (capability.kind === 'fourOctetAs') return capability.as
  return open.myAs
}

/** What goes into the two octets for an AS number of any size. */
export function twoOctetAs(as: number): number {
  return as > 0xffff ? asTrans : as
}

/**
 * The body after the header:
 *
 *     version (1) | my AS (2) | hold time (2) | BGP identifier (4) | length of parameters (1)
 *     then, per parameter: type (1) | length (1) | value        here one parameter with all the capabilities
 */
export function encodeOpen(open: Open): Uint8Array {
  const capabilities = encodeCapabilities(open.capabilities)
  const fixed = new Writer(9)
    .uint8(version)
    .uint16(open.myAs)
    .uint16(open.holdTimeSeconds)
    .uint32(open.bgpIdentifier)
    .finish()
  return joinOctets([fixed, ...encodeParameters(capabilities)])
}

function encodeParameters(capabilities: Uint8Array): readonly Uint8Array[] {
  const { length } = capabilities
  if (length === 0) return [Uint8Array.of(0)]
  if (length + 2 < extendedLength) return [Uint8Array.of(length + 2, capabilitiesParameter, length), capabilities]
  const extended = new Writer(7)
    .uint8(extendedLength)
    .uint8(extendedLength)
    .uint16(length + 3)
  return [extended.uint8(capabilitiesParameter).uint16(length).finish(), capabilities]
}

/** Every check of RFC 4271 §6.2 that needs nothing but the message; what depends on the peer is `negotiate`'s. */
export function decodeOpen(body: Uint8Array): Decoded<Open, Notification> {
  const reader = new Reader(body)
  if (reader.uint8() !== version) return refused('unsupportedVersionNumber', Uint8Array.of(0, version))
  const myAs = reader.uint16()
  const holdTimeSeconds = reader.uint16()
  const bgpIdentifier = reader.uint32()
  const parameters = decoding(() => decodeParameters(reader.rest()))
  // Recognised but malformed: "unspecific", with no data (RFC 4271 §6.2).
  if (!parameters.ok) return refused('malformedOpen')
  if (parameters.value === 'unsupported') return refused('unsupportedOptionalParameter')
  const open = { myAs, holdTimeSeconds, bgpIdentifier, capabilities: parameters.value }
  // AS 0 is nobody's (RFC 7607 §2).
  if (myAs === 0 || asOf(open) === 0) return refused('badPeerAs')
  if (holdTimeSeconds === 1 || holdTimeSeconds === 2) return refused('unacceptableHoldTime')
  if (bgpIdentifier === 0) return refused('badBgpIdentifier')
  return { ok: true, value: open }
}

function decodeParameters(octets: Uint8Array): readonly Capability[] | 'unsupported' {
  const [length = 0, firstType = 0, high = 0, low = 0] = octets
  const extended = length !== 0 && firstType === extendedLength
  const parameters = octets.subarray(extended ? 4 : 1)
  const declared = extended ? high * 256 + low : length
  if (parameters.length !== declared) throw new Malformed(`parameters of ${declared} octets in ${parameters.length}`)
  return decodeEachParameter(new Reader(parameters), extended)
}

function decodeEachParameter(reader: Reader, extended: boolean): readonly Capability[] | 'unsupported' {
  const capabilities: Capability[] = []
  while (reader.remaining > 0) {
    const type = reader.uint8()
    const value = reader.bytes(extended ? reader.uint16() : reader.uint8())
    if (type !== capabilitiesParameter) return 'unsupported'
    capabilities.push(...decodeCapabilities(value))
  }
  return capabilities
}
