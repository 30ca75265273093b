import { generateKeyPairSync } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Authority, createAuthority, issueCertificate } from './certificates.ts'

const authorityName = 'berth-test-ca'

/** Makes every key that the programs of a control plane read from their folder. */
export async function writeKeys(directory: string, addresses: readonly string[]): Promise<Authority> {
  const authority = createAuthority(authorityName)
  const server = issueCertificate(
    authority,
    { commonName: 'kube-apiserver' },
    {
      kind: 'server',
      names: ['localhost', 'kubernetes', 'kubernetes.default', 'kubernetes.default.svc'],
      addresses: ['127.0.0.1', '::1', '10.96.0.1', ...addresses],
    },
  )
  // A proxy that shows this certificate is believed when it says for whom it asks, as in every Kubernetes cluster.
  const frontProxyAuthority = createAuthority('berth-test-front-proxy-ca')
  const frontProxy = issueCertificate(frontProxyAuthority, { commonName: 'front-proxy' }, { kind: 'client' })
  const kubeletClient = issueCertificate(
    authority,
    { commonName: 'kube-apiserver-kubelet-client', organizations: ['system:masters'] },
    { kind: 'client' },
  )
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const files = {
    'ca.crt': authority.certificate,
    'ca.key': authority.key,
    'apiserver.crt': server.certificate,
    'apiserver.key': server.key,
    'front-proxy-ca.crt': frontProxyAuthority.certificate,
    'front-proxy.crt': frontProxy.certificate,
    'front-proxy.key': frontProxy.key,
    'kubelet-client.crt': kubeletClient.certificate,
    'kubelet-client.key': kubeletClient.key,
    'service-account.pub': publicKey.export({ type: 'spki', format: 'pem' }),
    'service-account.key': privateKey.export({ type: 'pkcs8', format: 'pem' }),
  }
  for (const [file, text] of Object.entries(files)) await writeFile(join(directory, file), text, { mode: 0o600 })
  return authority
}

/** The authority of a control plane that runs: another server that its clients shall believe gets a certificate of it. */
export async function readAuthority(directory: string): Promise<Authority> {
  const [certificate, key] = await Promise.all(
    ['ca.crt', 'ca.key'].map(file => readFile(join(directory, file), 'utf8')),
  )
  if (!certificate || !key) throw new Error(`no keys in ${directory}`)
  return { subject: { commonName: authorityName }, certificate, key }
}
