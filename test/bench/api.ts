import { readFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import { parse } from 'yaml'
import type { ControlPlane } from '../control-plane/control-plane.ts'

/** The barest client there is: benchmarks must measure the API server and the programs, not a library between them. */
export interface BenchApi {
  call(
    method: string,
    path: string,
    body?: unknown,
    contentType?: string,
  ): Promise<{ readonly status: number; readonly text: string }>
  /** Calls back with each object of a watch until closed. */
  watch(path: string, onObject: (type: string, object: unknown) => void): Promise<{ close(): void }>
  close(): void
}

interface KubeconfigFile {
  readonly clusters: readonly { readonly cluster: { readonly server: string } & Record<string, string | undefined> }[]
  readonly users: readonly { readonly user: Record<string, string | undefined> }[]
}

/** A client for the administrator of a control plane, with at most `connections` requests under way at once. */
export async function benchApi(controlPlane: ControlPlane, connections: number): Promise<BenchApi> {
  const config = parse(await readFile(await controlPlane.kubeconfig(), 'utf8')) as KubeconfigFile
  const cluster = config.clusters[0]?.cluster
  const user = config.users[0]?.user
  if (!cluster || !user) throw new Error('the kubeconfig of the control plane names no cluster or user')
  const read = async (entries: Record<string, string | undefined>, name: string) => {
    const inline = entries[`${name}-data`]
    if (inline) return Buffer.from(inline, 'base64')
    const file = entries[name]
    return file ? await readFile(file) : undefined
  }
  const tls = {
    ca: await read(cluster, 'certificate-authority'),
    cert: await read(user, 'client-certificate'),
    key: await read(user, 'client-key'),
  }
  const agent = new Agent({ keepAlive: true, maxSockets: connections, ...tls })
  const watchAgent = new Agent({ keepAlive: true, ...tls })
  const headers = user['token'] ? { authorization: `Bearer ${user['token']}` } : {}

  const opened = (path: string): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const call = request(new URL(path, cluster.server), { agent: watchAgent, headers }, response => {
        if (response.statusCode === 200) return resolve(response)
        response.resume()
        reject(new Error(`the API server refuses to watch ${path} (${response.statusCode})`))
      })
      call.on('error', reject)
      call.end()
    })

  return {
    call: (method, path, body, contentType = 'application/json') =>
      new Promise((resolve, reject) => {
        const text = body === undefined ? undefined : JSON.stringify(body)
        const call = request(
          new URL(path, cluster.server),
          { method, agent, headers: text ? { ...headers, 'content-type': contentType } : headers },
          response => {
            const chunks: Buffer[] = []
            response.on('data', (chunk: Buffer) => chunks.push(chunk))
            response.on('end', () =>
              resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
            )
            response.on('error', reject)
          },
        )
        call.on('error', reject)
        call.end(text)
      }),
    watch: async (path, onObject) => {
      let open: IncomingMessage | undefined
      let closed = false
      const follow = async (): Promise<void> => {
        open = await opened(path)
        let rest = ''
        open.setEncoding('utf8')
        open.on('data', (chunk: string) => {
          const lines = (rest + chunk).split('\n')
          rest = lines.pop() ?? ''
          for (const line of lines) {
            const event = JSON.parse(line) as { type: string; object: unknown }
            onObject(event.type, event.object)
          }
        })
        // The API server drops a watcher that cannot keep up. A new watch begins with all that is there.
        open.once('close', () => {
          if (!closed) void follow()
        })
      }
      await follow()
      return {
        close: () => {
          closed = true
          open?.destroy()
        },
      }
    },
    close: () => {
      agent.destroy()
      watchAgent.destroy()
    },
  }
}

/** Runs a job for each of 0…count-1, at most `parallel` at once. */
export async function inParallel(
  count: number,
  parallel: number,
  job: (index: number) => Promise<void>,
): Promise<void> {
  let next = 0
  const workers = Array.from({ length: Math.min(parallel, count) }, async () => {
    while (next < count) await job(next++)
  })
  await Promise.all(workers)
}
