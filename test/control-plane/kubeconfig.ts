import { stringify } from 'yaml'
import type { KeyedCertificate } from './certificates.ts'

/** The text of a kubeconfig with one cluster and one user who shows a client certificate. */
export function formatKubeconfig(o: { server: string; ca: string; user: string; client: KeyedCertificate }): string {
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'berth',
    contexts: [{ name: 'berth', context: { cluster: 'berth', user: o.user } }],
    clusters: [{ name: 'berth', cluster: { server: o.server, 'certificate-authority-data': base64(o.ca) } }],
    users: [
      {
        name: o.user,
        user: {
          'client-certificate-data': base64(o.client.certificate),
          'client-key-data': base64(o.client.key),
        },
      },
    ],
  })
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}

/** The groups that a user of this name has in a real cluster, by its certificate or by its kind of account. */
export function groupsOf(user: string): readonly string[] {
  if (user === 'admin') return ['system:masters']
  if (user.startsWith('system:node:')) return ['system:nodes']
  const [, namespace] = /^system:serviceaccount:([^:]+):/.exec(user) ?? []
  return namespace ? ['system:serviceaccounts', `system:serviceaccounts:${namespace}`] : []
}
