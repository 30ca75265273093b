import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ControlPlane } from '../control-plane/control-plane.ts'

/**
 * The environment in which a program finds what a pod finds: the API server's address and the files of a service account.
 * A kubeconfig file would make it load a library that it does not need in a pod.
 */
export async function podEnvironment(
  controlPlane: ControlPlane,
  namespace: string,
  server: { readonly host: string; readonly port: string },
): Promise<Record<string, string>> {
  const account = 'bench'
  const objects = [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: account, namespace } },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: `bench-${namespace}` },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
      subjects: [{ kind: 'ServiceAccount', name: account, namespace }],
    },
  ]
  await controlPlane.kubectl(['apply', '-f', '-'], {
    input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }),
  })
  const folder = join(controlPlane.directory, `account-${namespace}`)
  await mkdir(folder, { recursive: true })
  const token = await controlPlane.kubectl(['create', 'token', account, '--namespace', namespace])
  await writeFile(join(folder, 'token'), token.trim(), { mode: 0o600 })
  await writeFile(join(folder, 'namespace'), namespace)
  await writeFile(join(folder, 'ca.crt'), await readFile(controlPlane.caFile))
  return { BERTH_SERVICE_ACCOUNT: folder, KUBERNETES_SERVICE_HOST: server.host, KUBERNETES_SERVICE_PORT: server.port }
}
