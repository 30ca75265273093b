import { createHash, createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import { isIPv6 } from 'node:net'

/**
 * The little of X.509 (RFC 5280) that a control plane needs: a certificate authority, server certificates that name
 * addresses, client certificates that name a user (CN) and groups (O). Node reads certificates but writes none.
 */

/** Who a certificate is about: for a client, the user and the groups that the API server will see. */
export interface Subject {
  readonly commonName: string
  readonly organizations?: readonly string[]
}

/** A certificate with its private key, both as PEM. */
export interface KeyedCertificate {
  readonly certificate: string
  readonly key: string
}

export interface Authority extends KeyedCertificate {
  readonly subject: Subject
}

/** What a certificate signed by an authority is good for. */
export type Purpose =
  | { readonly kind: 'client' }
  | { readonly kind: 'server'; readonly addresses: readonly string[]; readonly names: readonly string[] }

/** A new certificate authority that has signed itself. */
export function createAuthority(commonName: string): Authority {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const subject = { commonName }
  const extensions = [
    extension('2.5.29.19', true, sequence(boolean(true))), // basicConstraints: cA
    extension('2.5.29.15', true, element(0x03, Buffer.of(1, 0x06))), // keyUsage: keyCertSign, cRLSign
  ]
  return {
    subject,
    key: pemOfKey(privateKey),
    certificate: certify(subject, subject, publicKey, privateKey, extensions),
  }
}

/** A certificate with a key of its own, signed by `authority`. */
export function issueCertificate(authority: Authority, subject: Subject, purpose: Purpose): KeyedCertificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const usage = purpose.kind === 'server' ? '1.3.6.1.5.5.7.3.1' : '1.3.6.1.5.5.7.3.2'
  const extensions = [
    extension('2.5.29.15', true, element(0x03, Buffer.of(7, 0x80))), // keyUsage: digitalSignature
    extension('2.5.29.37', false, sequence(objectIdentifier(usage))),
  ]
  if (purpose.kind === 'server') extensions.push(extension('2.5.29.17', false, subjectAlternativeNames(purpose)))
  const signer = createPrivateKey(authority.key)
  return {
    key: pemOfKey(privateKey),
    certificate: certify(authority.subject, subject, publicKey, signer, extensions),
  }
}

const ecdsaWithSha256 = sequence(objectIdentifier('1.2.840.10045.4.3.2'))
const hourMs = 3_600_000
const lifetimeMs = 365 * 24 * hourMs

function certify(issuer: Subject, subject: Subject, publicKey: KeyObject, signer: KeyObject, more: Buffer[]): string {
  const publicKeyInfo = publicKey.export({ type: 'spki', format: 'der' })
  const now = Date.now()
  const keyIdentifier = createHash('sha1').update(publicKeyInfo).digest()
  const toBeSigned = sequence(
    element(0xa0, integer(Buffer.of(2))), // version 3
    integer(Buffer.concat([Buffer.of(0x01), randomBytes(15)])), // serialNumber, positive
    ecdsaWithSha256,
    name(issuer),
    sequence(time(now - hourMs), time(now + lifetimeMs)),
    name(subject),
    publicKeyInfo,
    element(0xa3, sequence(...more, extension('2.5.29.14', false, element(0x04, keyIdentifier)))),
  )
  const signature = sign('sha256', toBeSigned, signer)
  const bitString = element(0x03, Buffer.concat([Buffer.of(0), signature]))
  return pem('CERTIFICATE', sequence(toBeSigned, ecdsaWithSha256, bitString))
}

function name({ commonName, organizations = [] }: Subject): Buffer {
  const attribute = (type: string, value: string): Buffer =>
    element(0x31, sequence(objectIdentifier(type), element(0x0c, Buffer.from(value, 'utf8'))))
  return sequence(...organizations.map(group => attribute('2.5.4.10', group)), attribute('2.5.4.3', commonName))
}

function subjectAlternativeNames(purpose: { addresses: readonly string[]; names: readonly string[] }): Buffer {
  return sequence(
    ...purpose.names.map(dnsName => element(0x82, Buffer.from(dnsName, 'ascii'))),
    ...purpose.addresses.map(address => element(0x87, addressBytes(address))),
  )
}

function addressBytes(address: string): Buffer {
  if (!isIPv6(address)) return Buffer.from(address.split('.').map(Number))
  const { hostname } = new URL(`http://[${address}]`) // in canonical form: hexadecimal groups, at most one ::
  const [head = '', tail] = hostname.slice(1, -1).split('::')
  const before = words(head)
  const after = tail === undefined ? [] : words(tail)
  const all = [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after]
  return Buffer.from(all.flatMap(word => [word >> 8, word & 0xff]))
}

function words(part: string): number[] {
  return part ? part.split(':').map(word => Number.parseInt(word, 16)) : []
}

// DER: a tag, the length, the content.

function element(tag: number, content: Buffer): Buffer {
  const { length } = content
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.of(tag, ...size), content])
}

function sequence(...parts: Buffer[]): Buffer {
  return element(0x30, Buffer.concat(parts))
}

function integer(bytes: Buffer): Buffer {
  return element(0x02, bytes)
}

function boolean(value: boolean): Buffer {
  return element(0x01, Buffer.of(value ? 0xff : 0x00))
}

function base128(value: number): number[] {
  const digits = [value & 0x7f]
  for (let left = value >>> 7; left > 0; left >>>= 7) digits.unshift((left & 0x7f) | 0x80)
  return digits
}

function objectIdentifier(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number)
  return element(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]))
}

/** UTCTime, which ends in 2049. */
function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replace(/[-:T]/g, '').slice(2, 14)
  return element(0x17, Buffer.from(`${digits}Z`, 'ascii'))
}

function extension(type: string, critical: boolean, value: Buffer): Buffer {
  const criticality = critical ? [boolean(true)] : []
  return sequence(objectIdentifier(type), ...criticality, element(0x04, value))
}

function pemOfKey(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString()
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').replace(/.{64}/g, '$&\n').trimEnd()
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`
}
