import { type ControlPacket, type DigestKind, digestKinds, digestOffset, encodeControlPacket } from './packet.ts'

/** A secret shared with the remote system, and the number that packets name it by. */
export interface AuthenticationKey {
  readonly keyId: number
  /** 1–16 octets for MD5, 1–20 for SHA1. */
  readonly secret: Uint8Array
}

/**
 * How a session's packets are signed. The first key signs; packets signed with any are taken, so that both ends can
 * change to a new key without a moment in which they disagree.
 */
export interface AuthenticationSettings {
  readonly kind: DigestKind
  readonly keys: readonly AuthenticationKey[]
}

/** The hash function, handed in: codecs know no library. */
export type Digest = (algorithm: 'md5' | 'sha1', bytes: Uint8Array) => Uint8Array

/** What is wrong with a packet's authentication. */
export type AuthenticationProblem =
  | 'authenticationMissing'
  | 'authenticationNotExpected'
  | 'authenticationKind'
  | 'authenticationKey'
  | 'authenticationDigest'

/** The packet's bytes, signed with the first key where the session is authenticated. */
export function encodeAuthenticated(
  packet: ControlPacket,
  sequenceNumber: number,
  settings: AuthenticationSettings | undefined,
  digest: Digest,
): Uint8Array {
  const [key] = settings?.keys ?? []
  if (!settings || !key) return encodeControlPacket(packet)
  const { algorithm, size } = digestKinds[settings.kind]
  const padded = paddedSecret(key, size)
  const authentication = { kind: settings.kind, keyId: key.keyId, sequenceNumber, digest: padded }
  const bytes = encodeControlPacket({ ...packet, authentication })
  bytes.set(digest(algorithm, bytes), digestOffset)
  return bytes
}

/**
 * The rules of §6.8.6 and §6.7 that decide whether a packet is from who knows the key; undefined where it is. Whether
 * its sequence number is a fresh one depends on what was received before, and fsm.ts knows that.
 */
export function checkAuthentication(
  bytes: Uint8Array,
  packet: ControlPacket,
  settings: AuthenticationSettings | undefined,
  digest: Digest,
): AuthenticationProblem | undefined {
  const { authentication } = packet
  if (!settings) return authentication ? 'authenticationNotExpected' : undefined
  if (!authentication) return 'authenticationMissing'
  if (authentication.kind !== settings.kind || !('digest' in authentication)) return 'authenticationKind'
  const key = settings.keys.find(({ keyId }) => keyId === authentication.keyId)
  if (!key) return 'authenticationKey'
  const { algorithm, size } = digestKinds[settings.kind]
  // The digest is over the packet with the secret in the digest's place; padding behind the packet is not signed.
  const signed = bytes.slice(0, bytes[lengthOffset])
  signed.set(paddedSecret(key, size), digestOffset)
  return isSame(digest(algorithm, signed), authentication.digest) ? undefined : 'authenticationDigest'
}

const lengthOffset = 3

function paddedSecret(key: AuthenticationKey, size: number): Uint8Array {
  if (key.secret.length === 0 || key.secret.length > size) {
    throw new RangeError(`a BFD key of ${key.secret.length} octets, not 1 to ${size}`)
  }
  const padded = new Uint8Array(size)
  padded.set(key.secret)
  return padded
}

/** Takes as long for any two digests, so that time tells nobody how many octets were guessed. */
function isSame(one: Uint8Array, other: Uint8Array): boolean {
  let difference = one.length ^ other.length
  for (const [index, octet] of one.entries()) difference |= octet ^ (other[index] ?? 0)
  return difference === 0
}
