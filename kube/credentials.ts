import { readFileSync, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { RequestOptions } from 'node:https'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'

/** Where the API server is and how to prove who one is. */
export interface Credentials {
  readonly server: URL
  /** PEM of the authority that signed the server's certificate; undefined = the system's. */
  readonly ca?: string
  /** PEM of a client certificate and its key. */
  readonly cert?: string
  readonly key?: string
  /** The name to expect in the server's certificate where it is not the host of `server`. */
  readonly servername?: string
  /** Whether the kubeconfig asks for the server's certificate not to be checked. */
  readonly insecureSkipTlsVerify?: boolean
  /** The bearer token of now; a file that changed is read again. `fresh` = read it now, since the server refused the last one. */
  token(options?: { readonly fresh?: boolean }): Promise<string | undefined>
}

const serviceAccountDirectory = '/var/run/secrets/kubernetes.io/serviceaccount'
// A projected token is replaced long before it expires, so a look every few seconds is more than enough.
const tokenCheckMs = 5_000

/**
 * Credentials of a kubeconfig file, or those of the pod's service account where none is named.
 * `context` is one of the file's, instead of its current one. client-node is loaded only for a kubeconfig file: in a pod it would cost 60 MB for three small files.
 */
export async function loadCredentials(kubeconfig: string | undefined, context?: string): Promise<Credentials> {
  return kubeconfig === undefined ? inClusterCredentials() : kubeconfigCredentials(kubeconfig, context)
}

/** Credentials of the pod that this runs in; `BERTH_SERVICE_ACCOUNT` names another folder, to run as a pod would outside of one. */
export function inClusterCredentials(
  environment: Readonly<Record<string, string | undefined>> = process.env,
  directory: string = environment['BERTH_SERVICE_ACCOUNT'] ?? serviceAccountDirectory,
): Credentials {
  const host = environment['KUBERNETES_SERVICE_HOST']
  const port = environment['KUBERNETES_SERVICE_PORT']
  if (!host || !port) {
    throw new Error('not in a pod (KUBERNETES_SERVICE_HOST is not set): name a kubeconfig file with --kubeconfig')
  }
  const server = new URL(`https://${host.includes(':') ? `[${host}]` : host}:${port}`)
  const ca = readFileSync(join(directory, 'ca.crt'), 'utf8')
  return { server, ca, token: tokenFromFile(join(directory, 'token')) }
}

/** A reader of a token file that looks every few seconds whether the file changed; whoever asks meanwhile waits for it too. */
export function tokenFromFile(path: string, checkMs: number = tokenCheckMs): Credentials['token'] {
  let token: string | undefined
  let modifiedMs = Number.NaN
  let checkedMs = Number.NEGATIVE_INFINITY
  let looking: Promise<string> | undefined

  async function look(fresh: boolean): Promise<string> {
    try {
      const { mtimeMs } = statSync(path)
      if (!fresh && token !== undefined && mtimeMs === modifiedMs) return token
      token = (await readFile(path, 'utf8')).trim()
      modifiedMs = mtimeMs
      return token
    } catch (error) {
      // The kubelet replaces the file by a rename; a token that was good a moment ago is still good.
      if (token !== undefined) return token
      checkedMs = Number.NEGATIVE_INFINITY
      throw new Error(`cannot read the service account token ${path}`, { cause: error })
    }
  }

  return async options => {
    const now = performance.now()
    const fresh = options?.fresh ?? false
    if (looking === undefined || fresh || now - checkedMs >= checkMs) {
      checkedMs = now
      looking = look(fresh)
    }
    return await looking
  }
}

async function kubeconfigCredentials(path: string, context: string | undefined): Promise<Credentials> {
  const { KubeConfig } = await import('@kubernetes/client-node')
  const config = new KubeConfig()
  try {
    config.loadFromFile(path)
  } catch (error) {
    throw new Error(`cannot read the kubeconfig ${path}: ${String(error)}`, { cause: error })
  }
  if (context !== undefined) {
    const known = config.contexts.map(({ name }) => name)
    if (!known.includes(context))
      throw new Error(`the kubeconfig ${path} has no context "${context}"; it has: ${known.join(', ') || 'none'}`)
    config.setCurrentContext(context)
  }
  const cluster = config.getCurrentCluster()
  if (!cluster) throw new Error(`the kubeconfig ${path} names no cluster for its current context`)
  if (cluster.proxyUrl) throw new Error(`the kubeconfig ${path} asks for the proxy ${cluster.proxyUrl}: not supported`)
  const options: RequestOptions = {}
  await config.applyToHTTPSOptions(options)
  let header = authorizationOf(options)
  let checkedMs = performance.now()
  return {
    server: new URL(cluster.server),
    ...optionalText('ca', options.ca),
    ...optionalText('cert', options.cert),
    ...optionalText('key', options.key),
    ...optionalText('servername', options.servername),
    insecureSkipTlsVerify: options.rejectUnauthorized === false,
    token: async ask => {
      const now = performance.now()
      if (ask?.fresh || now - checkedMs >= tokenCheckMs) {
        checkedMs = now
        const again: RequestOptions = {}
        // An exec plugin or a token file is asked again by client-node when its token ran out.
        await config.applyToHTTPSOptions(again)
        header = authorizationOf(again)
      }
      return header
    },
  }
}

function authorizationOf(options: RequestOptions): string | undefined {
  const headers = options.headers as Readonly<Record<string, unknown>> | undefined
  const header = headers?.['Authorization']
  return typeof header === 'string' ? header.replace(/^Bearer /, '') : undefined
}

function optionalText<K extends string>(key: K, value: unknown): Partial<Record<K, string>> {
  const text = Buffer.isBuffer(value) ? value.toString('utf8') : value
  return typeof text === 'string' && text !== '' ? ({ [key]: text } as Record<K, string>) : {}
}
