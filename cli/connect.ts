import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { type Credentials, loadCredentials } from '../kube/credentials.ts'
import { UserError } from './failure.ts'

/** How the user names the cluster, as with kubectl. */
export interface ClusterChoice {
  readonly kubeconfig: string | undefined
  readonly context: string | undefined
}

/** Credentials for the cluster that is meant: --kubeconfig, KUBECONFIG, ~/.kube/config, or those of the pod that this runs in. */
export async function credentialsFor(
  { kubeconfig, context }: ClusterChoice,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Credentials> {
  const path = kubeconfig ?? kubeconfigPath(environment)
  if (path !== undefined && !existsSync(path)) {
    throw new UserError(`There is no kubeconfig ${path}. Name one with --kubeconfig FILE or KUBECONFIG=FILE.`)
  }
  if (path === undefined && !environment['KUBERNETES_SERVICE_HOST']) {
    throw new UserError(
      'No cluster is named: there is no ~/.kube/config. Name one with --kubeconfig FILE or KUBECONFIG=FILE.',
    )
  }
  try {
    return await loadCredentials(path, context)
  } catch (error) {
    throw new UserError(error instanceof Error ? error.message : String(error), { cause: error })
  }
}

function kubeconfigPath(environment: Readonly<Record<string, string | undefined>>): string | undefined {
  const files = (environment['KUBECONFIG'] ?? '').split(delimiter).filter(file => file !== '')
  if (files.length > 1) {
    throw new UserError(
      `KUBECONFIG names ${files.length} files, which are not merged here. Name one with --kubeconfig FILE.`,
    )
  }
  const usual = join(environment['HOME'] ?? homedir(), '.kube', 'config')
  return files[0] ?? (existsSync(usual) ? usual : undefined)
}
