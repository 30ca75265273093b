import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ControlPlane } from '../control-plane/control-plane.ts'

/** A command and its environment as they would be in a pod. */
export interface PodCommand {
  readonly command: readonly string[]
  readonly environment: Record<string, string>
}

/**
 * Puts a program where it finds what a pod finds: the API server in its environment, and in a mount namespace of its own
 * the service account's token. A kubeconfig file would make it load a library that it does not need in a pod.
 */
export async function asPod(
  controlPlane: ControlPlane,
  namespace: string,
  server: { readonly host: string; readonly port: string },
  command: readonly string[],
): Promise<PodCommand> {
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
  const enter =
    'mount -t tmpfs none /run && mkdir -p /run/secrets/kubernetes.io && cp -r "$1" /run/secrets/kubernetes.io/serviceaccount && shift && exec "$@"'
  return {
    command: ['unshare', '--mount', 'sh', '-c', enter, 'sh', folder, ...command],
    environment: { KUBERNETES_SERVICE_HOST: server.host, KUBERNETES_SERVICE_PORT: server.port },
  }
}
