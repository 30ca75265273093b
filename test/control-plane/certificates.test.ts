import { createPrivateKey, X509Certificate } from 'node:crypto'
import { expect, test } from 'vitest'
import { createAuthority, issueCertificate } from './certificates.ts'

const authority = createAuthority('some-ca')
const ca = new X509Certificate(authority.certificate)

test('an authority has signed itself and may sign others', () => {
  expect(ca.subject).toBe('CN=some-ca')
  expect(ca.ca).toBe(true)
  expect(ca.verify(ca.publicKey)).toBe(true)
})

test('a server certificate names its addresses and is believed under each of them', () => {
  const addresses = ['192.0.2.1', '::1', '2001:db8::7:0:1', 'fd00:10:96::', '1:2:3:4:5:6:7:8']
  const issued = issueCertificate(
    authority,
    { commonName: 'server' },
    { kind: 'server', addresses, names: ['a.example'] },
  )
  const certificate = new X509Certificate(issued.certificate)
  expect(certificate.checkIssued(ca)).toBe(true)
  expect(certificate.verify(ca.publicKey)).toBe(true)
  for (const address of addresses) expect(certificate.checkIP(address)).toBe(address)
  expect(certificate.checkIP('192.0.2.2')).toBeUndefined()
  expect(certificate.checkHost('a.example')).toBe('a.example')
  expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1'])
})

test('a client certificate carries the user and every group', () => {
  const subject = { commonName: 'system:node:näh', organizations: ['system:nodes', 'others'] }
  const certificate = new X509Certificate(issueCertificate(authority, subject, { kind: 'client' }).certificate)
  expect(certificate.subject.split('\n')).toEqual(['O=system:nodes', 'O=others', 'CN=system:node:näh'])
  expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2'])
})

test('a key fits its own certificate only', () => {
  const [one, other] = [1, 2].map(() => issueCertificate(authority, { commonName: 'x' }, { kind: 'client' }))
  const certificate = new X509Certificate(one?.certificate ?? '')
  expect(certificate.checkPrivateKey(createPrivateKey(one?.key ?? ''))).toBe(true)
  expect(certificate.checkPrivateKey(createPrivateKey(other?.key ?? ''))).toBe(false)
})
