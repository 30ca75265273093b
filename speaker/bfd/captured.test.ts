import { hash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { hex, shifted } from '../../test/packets/bytes.ts'
import { checkAuthentication, encodeAuthenticated } from './authentication.ts'
import { type DigestKind, decodeControlPacket, encodeControlPacket } from './packet.ts'

/*
 * What other implementations sent to Berth, by tcpdump on the cable: FRR 8.4.4 with 1 s × 30, BIRD 2.0.12 with
 * 300 ms × 3 and the password "a secret of both" under the id 7.
 */

const frrInit = hex('2080 1e18 5f127b16 5fc8bad7 000f4240 000f4240 0000c350')
const frrPoll = hex('20e0 1e18 5f127b16 5fc8bad7 000f4240 000f4240 0000c350')
const frrAfterAdminDown = hex('2340 1e18 5f127b16 00000000 000f4240 000f4240 0000c350')
const birdFinal = hex('20d0 0318 b46c61c4 80d17cfb 000493e0 000493e0 00000000')
const birdMd5 = hex(
  '2084 0330 3ecc873e 4dff10c0 000f4240 000493e0 00000000  0218 0700 7c79cd2a 784c8ad36fb20c15790f0b07c39fd533',
)
const birdSha1 = hex(
  '20e4 0334 901e411d 3ea75e7f 000493e0 000493e0 00000000  051c 0700 8bb5e803 15cd9121b0de2870552aebbd433fab873923da9a',
)

describe('packets of FRR and BIRD', () => {
  test.each([
    { name: 'FRR, Init', bytes: frrInit, fields: { state: 'Init', poll: false, requiredMinEchoRxInterval: 50_000 } },
    { name: 'FRR, Up with a poll', bytes: frrPoll, fields: { state: 'Up', poll: true, detectMult: 30 } },
    {
      name: 'FRR, after our AdminDown; it names us no more',
      bytes: frrAfterAdminDown,
      fields: { state: 'Down', diagnostic: 3, yourDiscriminator: 0 },
    },
    { name: 'BIRD, Up with a final', bytes: birdFinal, fields: { state: 'Up', final: true, detectMult: 3 } },
    {
      name: 'BIRD, signed with MD5',
      bytes: birdMd5,
      fields: { state: 'Init', authentication: { kind: 'keyedMd5', keyId: 7, sequenceNumber: 0x7c79cd2a } },
    },
    {
      name: 'BIRD, signed with SHA1',
      bytes: birdSha1,
      fields: { poll: true, authentication: { kind: 'meticulousKeyedSha1', keyId: 7, sequenceNumber: 0x8bb5e803 } },
    },
  ])('$name: is read, and written the same', ({ bytes, fields }) => {
    const decoded = decodeControlPacket(shifted(bytes))
    expect(decoded).toMatchObject({ ok: true, value: fields })
    expect(decoded.ok && encodeControlPacket(decoded.value)).toEqual(bytes)
  })

  const secret = new TextEncoder().encode('a secret of both')
  test.each([
    { kind: 'keyedMd5' as DigestKind, bytes: birdMd5, sequenceNumber: 0x7c79cd2a },
    { kind: 'meticulousKeyedSha1' as DigestKind, bytes: birdSha1, sequenceNumber: 0x8bb5e803 },
  ])('BIRD signs with $kind as we do', ({ kind, bytes, sequenceNumber }) => {
    const digest = (algorithm: 'md5' | 'sha1', octets: Uint8Array) => hash(algorithm, octets, 'buffer')
    const settings = { kind, keys: [{ keyId: 7, secret }] }
    const received = shifted(bytes)
    const decoded = decodeControlPacket(received)
    if (!decoded.ok) throw new Error(decoded.problem)
    expect(checkAuthentication(received, decoded.value, settings, digest)).toBeUndefined()
    expect(encodeAuthenticated(decoded.value, sequenceNumber, settings, digest)).toEqual(bytes)
  })
})
