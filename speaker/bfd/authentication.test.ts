import { createHash, hash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { hex, shifted } from '../../test/packets/bytes.ts'
import { type AuthenticationSettings, checkAuthentication, type Digest, encodeAuthenticated } from './authentication.ts'
import { type ControlPacket, type DigestKind, decodeControlPacket, digestKinds } from './packet.ts'

const digest: Digest = (algorithm, bytes) => hash(algorithm, bytes, 'buffer')

const packet: ControlPacket = {
  diagnostic: 0,
  state: 'Up',
  poll: false,
  final: false,
  controlPlaneIndependent: false,
  demand: false,
  detectMult: 3,
  myDiscriminator: 1,
  yourDiscriminator: 2,
  desiredMinTxInterval: 100_000,
  requiredMinRxInterval: 100_000,
  requiredMinEchoRxInterval: 0,
  authentication: undefined,
}
const secret = (text: string): Uint8Array => new TextEncoder().encode(text)
const settings: AuthenticationSettings = {
  kind: 'meticulousKeyedSha1',
  keys: [
    { keyId: 1, secret: secret('old') },
    { keyId: 2, secret: secret('new') },
  ],
}

function check(bytes: Uint8Array, expected: AuthenticationSettings | undefined): string {
  const received = shifted(bytes)
  const decoded = decodeControlPacket(received)
  return decoded.ok ? (checkAuthentication(received, decoded.value, expected, digest) ?? 'taken') : decoded.problem
}

describe('authentication', () => {
  test('the digest is over the whole packet with the padded key in its place', () => {
    const bytes = encodeAuthenticated(packet, 5, settings, digest)
    const signed = hex(
      `20c4 03 34 00000001 00000002 000186a0 000186a0 00000000  05 1c 01 00 00000005 6f6c64 ${'00'.repeat(17)}`,
    )
    expect(bytes.subarray(0, 32)).toEqual(signed.subarray(0, 32))
    expect(Buffer.from(bytes.subarray(32)).toString('hex')).toBe(createHash('sha1').update(signed).digest('hex'))
  })

  test.each(Object.keys(digestKinds) as DigestKind[])('%s: its own packets are taken, padded or not', kind => {
    const own = { ...settings, kind }
    const bytes = encodeAuthenticated(packet, 5, own, digest)
    expect(check(bytes, own)).toBe('taken')
    expect(check(Uint8Array.of(...bytes, 1, 2, 3), own)).toBe('taken')
  })

  test('no octet of a packet can be changed', () => {
    const bytes = encodeAuthenticated(packet, 5, settings, digest)
    for (const index of bytes.keys()) {
      const changed = Uint8Array.from(bytes)
      changed[index] = (changed[index] ?? 0) ^ 0x10
      expect(check(changed, settings), `octet ${index}`).not.toBe('taken')
    }
  })

  test('any of the keys is taken, while the first signs', () => {
    const [one, other] = settings.keys
    if (!one || !other) throw new Error('two keys')
    const rolled = { ...settings, keys: [other, one] }
    expect(check(encodeAuthenticated(packet, 5, settings, digest), rolled)).toBe('taken')
    expect(check(encodeAuthenticated(packet, 5, rolled, digest), settings)).toBe('taken')
    expect(check(encodeAuthenticated(packet, 5, rolled, digest), { ...settings, keys: [one] })).toBe(
      'authenticationKey',
    )
  })

  test.each([
    { name: 'no signature', sender: undefined, problem: 'authenticationMissing' },
    { name: 'another digest', sender: { ...settings, kind: 'keyedMd5' as const }, problem: 'authenticationKind' },
    {
      name: 'less care with sequence numbers',
      sender: { ...settings, kind: 'keyedSha1' as const },
      problem: 'authenticationKind',
    },
    {
      name: 'a wrong secret',
      sender: { ...settings, keys: [{ keyId: 1, secret: secret('olD') }] },
      problem: 'authenticationDigest',
    },
  ])('refused: $name', ({ sender, problem }) => {
    expect(check(encodeAuthenticated(packet, 5, sender, digest), settings)).toBe(problem)
  })

  test('refused: a plain password, and signatures where none were agreed', () => {
    const password = hex('20c4 03 1d 00000001 00000002 000186a0 000186a0 00000000  01 05 01 6f6c')
    expect(check(password, settings)).toBe('authenticationKind')
    expect(check(password, undefined)).toBe('authenticationNotExpected')
    expect(check(encodeAuthenticated(packet, 5, settings, digest), undefined)).toBe('authenticationNotExpected')
  })

  test('a key that is longer than the digest is a mistake of ours', () => {
    const long = { ...settings, keys: [{ keyId: 1, secret: new Uint8Array(21) }] }
    expect(() => encodeAuthenticated(packet, 5, long, digest)).toThrow('a BFD key of 21 octets, not 1 to 20')
  })
})
