/**
 * BFD: two systems send each other small packets at a steady pace, and silence means that the path between them is dead.
 *
 * What it stands for. BGP notices a dead neighbour after its hold time, tens of seconds; BFD after a few times the
 * interval that both ends agreed to, 150 ms say. Berth uses it towards routers, so that a dead link takes the BGP
 * session with it at once, and between speakers, so that an address of layer 2 finds its next owner quickly. Who asked
 * for a session is told its state and decides what follows (RFC 5882); BFD itself changes nothing.
 *
 * The way in: a UDP socket per family, kind of path and device (sockets.ts), behind a filter in the kernel that knows
 * the TTL → `decodeControlPacket` → `selectSession` (demultiplex.ts), by discriminator or by address →
 * `checkAuthentication` (authentication.ts) → `step` (fsm.ts). The way out: `step` says what to send and until when to
 * wait → `encodeAuthenticated` → the session's own socket, whose source port is its own.
 *
 * Pure are all files but three: no clock, no socket, no chance but those handed in. session.ts holds one session's state
 * and its one timer, sockets.ts the sockets, bfd.ts all of them. They live in the speaker's wire thread: what the main
 * thread is busy with must not look like a dead neighbour.
 *
 * A session climbs Down → Init → Up by hearing the other's state, and falls to Down when the other says so or is not
 * heard for the detection time. Until Up both send once a second at most. Intervals change at any time by a Poll
 * sequence: packets with P until one with F answers. Times on the wire are microseconds.
 *
 * Hostile are all bytes. A packet from beyond the link is worn by its TTL (RFC 5082), one of a neighbour that lies needs
 * the key: every field is signed, and the sequence number keeps yesterday's packets out.
 *
 * Left out: the Echo function (0 is advertised: send none) and Demand mode of our own, though the other system may ask
 * us for silence (§6.6); authentication by plain password, which is recognised and refused; multipoint (RFC 8562).
 *
 * Supported standards: RFC 5880 (asynchronous mode, keyed and meticulous keyed MD5 and SHA1), RFC 5881 (one hop, IPv4
 * and IPv6), RFC 5883 (several hops), RFC 5082 (TTL), RFC 5882 §3 (AdminDown is told apart from failure).
 */
import { type Decoded, decoding, Malformed, Reader, Writer } from '../../net/cursor.ts'

/** RFC 5880's states, in the order of their codes. */
export const sessionStates = ['AdminDown', 'Down', 'Init', 'Up'] as const
export type SessionState = (typeof sessionStates)[number]

/** Why a session changed its state last (§4.1, "Diag"); a remote system may send other numbers up to 31. */
export const diagnostics = {
  none: 0,
  controlDetectionTimeExpired: 1,
  echoFunctionFailed: 2,
  neighborSignaledSessionDown: 3,
  forwardingPlaneReset: 4,
  pathDown: 5,
  concatenatedPathDown: 6,
  administrativelyDown: 7,
  reverseConcatenatedPathDown: 8,
} as const

/** Types of authentication that sign the packet, by their digest (§4.3, §4.4). */
export const digestKinds = {
  keyedMd5: { type: 2, algorithm: 'md5', size: 16 },
  meticulousKeyedMd5: { type: 3, algorithm: 'md5', size: 16 },
  keyedSha1: { type: 4, algorithm: 'sha1', size: 20 },
  meticulousKeyedSha1: { type: 5, algorithm: 'sha1', size: 20 },
} as const
export type DigestKind = keyof typeof digestKinds

/** The authentication section of a packet (§4.2–4.4). */
export type Authentication =
  | { readonly kind: 'simplePassword'; readonly keyId: number; readonly password: Uint8Array }
  | {
      readonly kind: DigestKind
      readonly keyId: number
      readonly sequenceNumber: number
      readonly digest: Uint8Array
    }
  /** A type that this implementation does not know. */
  | { readonly kind: 'unknown'; readonly type: number; readonly data: Uint8Array }

/** A control packet (§4.1), in the RFC's words. Intervals are microseconds. */
export interface ControlPacket {
  readonly diagnostic: number
  readonly state: SessionState
  readonly poll: boolean
  readonly final: boolean
  readonly controlPlaneIndependent: boolean
  readonly demand: boolean
  readonly detectMult: number
  readonly myDiscriminator: number
  readonly yourDiscriminator: number
  readonly desiredMinTxInterval: number
  readonly requiredMinRxInterval: number
  readonly requiredMinEchoRxInterval: number
  readonly authentication: Authentication | undefined
}

/** Octets without authentication. */
const mandatorySize = 24
/** Where the digest of a signed packet begins. */
export const digestOffset = mandatorySize + 8
/** The longest packet that is read; with a section of any type it could have 255. */
export const longestPacket = 256

const version = 1
const simplePasswordType = 1
const flags = { poll: 0x20, final: 0x10, controlPlaneIndependent: 8, authentication: 4, demand: 2, multipoint: 1 }

/**
 *  0 version (3 bits), diagnostic (5) · state (2), P F C A D M · detect mult · length
 *  4 my discriminator (4) · your discriminator (4)
 * 12 desired min TX interval (4) · required min RX interval (4) · required min echo RX interval (4)
 * 24 authentication: type · length · key id · reserved or password… · sequence number (4) · digest (16 or 20)
 */
export function encodeControlPacket(packet: ControlPacket): Uint8Array {
  const { authentication } = packet
  const length = mandatorySize + (authentication ? authenticationSize(authentication) : 0)
  const writer = new Writer(length)
    .uint8((version << 5) | packet.diagnostic)
    .uint8((sessionStates.indexOf(packet.state) << 6) | flagBits(packet))
    .uint8(packet.detectMult)
    .uint8(length)
    .uint32(packet.myDiscriminator)
    .uint32(packet.yourDiscriminator)
    .uint32(packet.desiredMinTxInterval)
    .uint32(packet.requiredMinRxInterval)
    .uint32(packet.requiredMinEchoRxInterval)
  if (authentication) writeAuthentication(writer, authentication)
  return writer.finish()
}

function flagBits(packet: ControlPacket): number {
  return (
    (packet.poll ? flags.poll : 0) |
    (packet.final ? flags.final : 0) |
    (packet.controlPlaneIndependent ? flags.controlPlaneIndependent : 0) |
    (packet.authentication ? flags.authentication : 0) |
    (packet.demand ? flags.demand : 0)
  )
}

function authenticationSize(authentication: Authentication): number {
  switch (authentication.kind) {
    case 'simplePassword':
      return 3 + authentication.password.length
    case 'unknown':
      return 2 + authentication.data.length
    case 'keyedMd5':
    case 'meticulousKeyedMd5':
    case 'keyedSha1':
    case 'meticulousKeyedSha1':
      return 8 + digestKinds[authentication.kind].size
  }
}

function writeAuthentication(writer: Writer, authentication: Authentication): void {
  const size = authenticationSize(authentication)
  switch (authentication.kind) {
    case 'simplePassword':
      writer.uint8(simplePasswordType).uint8(size).uint8(authentication.keyId).bytes(authentication.password)
      break
    case 'unknown':
      writer.uint8(authentication.type).uint8(size).bytes(authentication.data)
      break
    case 'keyedMd5':
    case 'meticulousKeyedMd5':
    case 'keyedSha1':
    case 'meticulousKeyedSha1':
      writer
        .uint8(digestKinds[authentication.kind].type)
        .uint8(size)
        .uint8(authentication.keyId)
        .uint8(0)
        .uint32(authentication.sequenceNumber)
        .bytes(authentication.digest)
  }
}

/**
 * The packet, if §6.8.6 would have it looked at further: the rules that need no session, in their order. What follows
 * the packet's own length is padding (RFC 9764). The digest or password is a view of the bytes given.
 */
export function decodeControlPacket(bytes: Uint8Array): Decoded<ControlPacket> {
  return decoding(() => {
    const reader = new Reader(bytes)
    const first = reader.uint8()
    const second = reader.uint8()
    const detectMult = reader.uint8()
    const length = reader.uint8()
    const authenticated = (second & flags.authentication) !== 0
    if (first >> 5 !== version) throw new Malformed(`version ${first >> 5}, not ${version}`)
    if (length < mandatorySize + (authenticated ? 2 : 0)) throw new Malformed(`a length of ${length}`)
    if (length > bytes.length) throw new Malformed(`a length of ${length} in ${bytes.length} octets`)
    if (detectMult === 0) throw new Malformed('a detect mult of 0')
    if ((second & flags.multipoint) !== 0) throw new Malformed('the multipoint bit')
    // Not among §6.8.6's rules, but §6.5 says that it must not be, and answering it could go on for ever.
    if ((second & flags.poll) !== 0 && (second & flags.final) !== 0) throw new Malformed('poll and final at once')
    const state = sessionStates[second >> 6] ?? 'AdminDown'
    const myDiscriminator = reader.uint32()
    const yourDiscriminator = reader.uint32()
    if (myDiscriminator === 0) throw new Malformed('my discriminator 0')
    if (yourDiscriminator === 0 && state !== 'Down' && state !== 'AdminDown') {
      throw new Malformed(`your discriminator 0 in state ${state}`)
    }
    return {
      diagnostic: first & 31,
      state,
      poll: (second & flags.poll) !== 0,
      final: (second & flags.final) !== 0,
      controlPlaneIndependent: (second & flags.controlPlaneIndependent) !== 0,
      demand: (second & flags.demand) !== 0,
      detectMult,
      myDiscriminator,
      yourDiscriminator,
      desiredMinTxInterval: reader.uint32(),
      requiredMinRxInterval: reader.uint32(),
      requiredMinEchoRxInterval: reader.uint32(),
      authentication: authenticated ? readAuthentication(reader, length - mandatorySize) : undefined,
    }
  })
}

function readAuthentication(reader: Reader, room: number): Authentication {
  const type = reader.uint8()
  const size = reader.uint8()
  if (size < 3 || size > room) throw new Malformed(`an authentication section of ${size} octets in ${room}`)
  const section = new Reader(reader.bytes(size - 2))
  if (type === simplePasswordType) return readSimplePassword(section)
  for (const kind of Object.keys(digestKinds) as DigestKind[]) {
    const row = digestKinds[kind]
    if (row.type !== type) continue
    if (size !== 8 + row.size) throw new Malformed(`an authentication section of ${size} octets for ${kind}`)
    const keyId = section.uint8()
    section.skip(1)
    return { kind, keyId, sequenceNumber: section.uint32(), digest: section.bytes(row.size) }
  }
  return { kind: 'unknown', type, data: section.rest() }
}

function readSimplePassword(section: Reader): Authentication {
  const keyId = section.uint8()
  const password = section.rest()
  if (password.length < 1 || password.length > 16) throw new Malformed(`a password of ${password.length} octets`)
  return { kind: 'simplePassword', keyId, password }
}

/** What the diagnostic says, for people. */
export function formatDiagnostic(diagnostic: number): string {
  const name = Object.entries(diagnostics).find(([, code]) => code === diagnostic)?.[0]
  return name ? name.replaceAll(/[A-Z]/g, letter => ` ${letter.toLowerCase()}`) : `diagnostic ${diagnostic}`
}
