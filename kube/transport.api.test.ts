import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type ControlPlane, startControlPlane } from '../test/control-plane/control-plane.ts'
import { startFaultProxy } from '../test/fault-proxy.ts'
import { type Credentials, inClusterCredentials, loadCredentials } from './credentials.ts'
import { fieldOf } from './json.ts'
import { ApiError, createTransport, type Transport } from './transport.ts'

let controlPlane: ControlPlane
let directory: string

beforeAll(async () => {
  controlPlane = await startControlPlane({ crds: false })
  directory = await mkdtemp(join(tmpdir(), 'berth-transport-'))
})

afterAll(async () => {
  await controlPlane.stop()
  await rm(directory, { recursive: true })
})

async function withTransport(
  credentials: Credentials,
  use: (transport: Transport) => Promise<void>,
  options: Parameters<typeof createTransport>[1] = {},
): Promise<void> {
  const transport = createTransport(credentials, options)
  try {
    await use(transport)
  } finally {
    transport.close()
  }
  await vi.waitFor(() => expect(transport.openSockets).toBe(0))
}

/** Who the API server takes us for. */
async function whoAmI(transport: Transport): Promise<unknown> {
  const review = await transport.request<unknown>({
    method: 'POST',
    path: '/apis/authentication.k8s.io/v1/selfsubjectreviews',
    body: { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
  })
  return fieldOf(fieldOf(fieldOf(review, 'status'), 'userInfo'), 'username')
}

describe('against the API server', () => {
  it('says what the server said, with the request it was said to', async () => {
    await withTransport(await loadCredentials(await controlPlane.kubeconfig()), async transport => {
      const error = await transport
        .request({ method: 'GET', path: '/api/v1/namespaces/default/services/none' })
        .catch((error: unknown) => error)
      expect(error).toBeInstanceOf(ApiError)
      expect(error).toMatchObject({
        status: 404,
        reason: 'NotFound',
        message: 'GET /api/v1/namespaces/default/services/none: 404: services "none" not found',
      })
    })
  })

  it('is who the kubeconfig says', async () => {
    await withTransport(await loadCredentials(await controlPlane.kubeconfig('alice')), async transport => {
      expect(await whoAmI(transport)).toBe('alice')
    })
  })

  it('carries many requests over few connections', async () => {
    const credentials = await loadCredentials(await controlPlane.kubeconfig())
    await withTransport(
      credentials,
      async transport => {
        await Promise.all(
          Array.from({ length: 100 }, () => transport.request({ method: 'GET', path: '/api/v1/namespaces/default' })),
        )
        expect(transport.openSockets).toBe(4)
      },
      { maxSockets: 4 },
    )
  })

  it('does not hold up an urgent request, nor a watch, behind the bulk', async () => {
    await using proxy = await startFaultProxy(controlPlane)
    await withTransport(
      await loadCredentials(await proxy.kubeconfig()),
      async transport => {
        proxy.set({ silent: true, methods: ['DELETE'] })
        const stop = new AbortController()
        const path = '/api/v1/namespaces/default/configmaps/none'
        const bulk = transport.request({ method: 'DELETE', path, signal: stop.signal }).catch((error: unknown) => error)
        const behind = transport.request({ method: 'GET', path: '/api/v1/namespaces/default', timeoutMs: 300 })
        const startMs = performance.now()
        await expect(behind).rejects.toThrow(/no answer within 300 ms/)
        expect(performance.now() - startMs).toBeLessThan(5_000)
        await transport.request({ method: 'GET', path: '/api/v1/namespaces/default', urgent: true })
        let open = 0
        const watching = (async () => {
          const events = transport.watch('/api/v1/namespaces', {}, stop.signal, () => open++)
          for await (const event of events) if (event.type === 'ADDED') break
        })()
        await watching
        expect(open).toBe(1)
        stop.abort()
        await bulk
      },
      { maxSockets: 1 },
    )
  })

  it('gives up a request after its time, and an aborted one at once, and closes their connections', async () => {
    await using proxy = await startFaultProxy(controlPlane)
    await withTransport(await loadCredentials(await proxy.kubeconfig()), async transport => {
      proxy.set({ silent: true })
      const path = '/api/v1/namespaces/default'
      await expect(transport.request({ method: 'GET', path, timeoutMs: 100 })).rejects.toThrow(
        `GET ${path}: no answer within 100 ms`,
      )
      const stop = new AbortController()
      const aborted = transport.request({ method: 'GET', path, signal: stop.signal })
      const watched = transport.watch('/api/v1/namespaces', {}, stop.signal)[Symbol.asyncIterator]().next()
      const both = Promise.allSettled([aborted, watched])
      await vi.waitFor(() => expect(transport.openSockets).toBe(2))
      const why = new Error('enough')
      stop.abort(why)
      expect(await both).toEqual([
        { status: 'rejected', reason: why },
        { status: 'rejected', reason: why },
      ])
      await vi.waitFor(() => expect(proxy.openConnections).toBe(0))
    })
  })

  it('fails, and does not invent, when an answer breaks off', async () => {
    await using proxy = await startFaultProxy(controlPlane)
    await withTransport(await loadCredentials(await proxy.kubeconfig()), async transport => {
      proxy.set({ truncateProbability: 1 })
      const path = '/api/v1/namespaces'
      await expect(transport.request({ method: 'GET', path })).rejects.toThrow(/^GET \/api\/v1\/namespaces: /)
      proxy.set({})
      await transport.request({ method: 'GET', path })
    })
  })

  it('fails what runs when it is closed, and opens nothing after', async () => {
    await using proxy = await startFaultProxy(controlPlane)
    const transport = createTransport(await loadCredentials(await proxy.kubeconfig()))
    proxy.set({ silent: true })
    const running = transport.request({ method: 'GET', path: '/api' }).catch((error: unknown) => String(error))
    await vi.waitFor(() => expect(proxy.openConnections).toBe(1))
    transport.close()
    expect(await running).toMatch(/closed/)
    await expect(transport.request({ method: 'GET', path: '/api' })).rejects.toThrow(/closed/)
    await vi.waitFor(() => expect(proxy.openConnections).toBe(0))
  })
})

/** What a pod finds. */
const pod = async (token: string): Promise<Credentials> => {
  const url = new URL(controlPlane.url)
  await writeFile(join(directory, 'token'), token)
  const { ca } = await loadCredentials(await controlPlane.kubeconfig())
  await writeFile(join(directory, 'ca.crt'), ca ?? '')
  return inClusterCredentials({
    KUBERNETES_SERVICE_HOST: url.hostname,
    KUBERNETES_SERVICE_PORT: url.port,
    BERTH_SERVICE_ACCOUNT: directory,
  })
}
const tokenOf = async (name: string): Promise<string> => {
  await controlPlane.kubectl(['create', 'serviceaccount', name])
  return (await controlPlane.kubectl(['create', 'token', name])).trim()
}

describe('in a pod', () => {
  it('is its service account, and takes a new token at once when the old one is refused', async () => {
    const token = await tokenOf('berth-test')
    const credentials = await pod('expired')
    await withTransport(credentials, async transport => {
      await expect(whoAmI(transport)).rejects.toMatchObject({ status: 401 })
      await writeFile(join(directory, 'token'), `${token}\n`)
      expect(await whoAmI(transport)).toBe('system:serviceaccount:default:berth-test')
    })
  })

  it('keeps the last token while the file is being replaced', async () => {
    const credentials = await pod('first')
    expect(await credentials.token()).toBe('first')
    await rm(join(directory, 'token'))
    expect(await credentials.token({ fresh: true })).toBe('first')
  })

  it('does not load client-node, and says what to do where it is no pod', async () => {
    await pod('token')
    const program = `
      import { registerHooks } from 'node:module'
      const seen = []
      registerHooks({ resolve: (name, context, next) => (seen.push(name), next(name, context)) })
      const { inClusterCredentials, loadCredentials } = await import('./kube/credentials.ts')
      await loadCredentials(undefined).catch(error => console.log(error.message))
      const { createTransport } = await import('./kube/transport.ts')
      createTransport(inClusterCredentials({ KUBERNETES_SERVICE_HOST: '::1', KUBERNETES_SERVICE_PORT: '1' }, process.argv[1]))
      console.log(seen.filter(name => !name.startsWith('node:')).join(' '))`
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '--eval', program, directory],
      { cwd: join(import.meta.dirname, '..') },
    )
    expect(stdout).toContain('name a kubeconfig file with --kubeconfig')
    expect(stdout).toContain('./kube/transport.ts')
    expect(stdout).not.toContain('@kubernetes')
  })
})

async function withServer(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  use: (credentials: Credentials, server: Server) => Promise<void>,
): Promise<void> {
  const server = createServer(answer)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  try {
    await use({ server: new URL(`http://127.0.0.1:${port}/base/`), token: async () => 'secret' }, server)
  } finally {
    server.closeAllConnections()
    await promisify(server.close.bind(server))()
  }
}

const answerBusy = (_request: IncomingMessage, response: ServerResponse): void =>
  void response.writeHead(429, { 'retry-after': '7' }).end('<html>busy</html>')

const answerHtml = (_request: IncomingMessage, response: ServerResponse): void => void response.end('<html>')

describe('against a server of bad manners', () => {
  it('keeps what the server asks for by Retry-After', async () => {
    await withServer(answerBusy, credentials =>
      withTransport(credentials, async transport => {
        const asked = transport.request({ method: 'GET', path: '/x' })
        await expect(asked).rejects.toMatchObject({ status: 429, retryAfterSeconds: 7, message: /busy/ })
      }),
    )
  })

  it('sends path, query, body and token as they are meant', async () => {
    const heard: string[] = []
    const answer = (request: IncomingMessage, response: ServerResponse): void => {
      request.on('data', data =>
        heard.push(`${request.method} ${request.url} ${request.headers['authorization']} ${data}`),
      )
      request.on('end', () => response.end('{}'))
    }
    await withServer(answer, credentials =>
      withTransport(credentials, async transport => {
        const query = { fieldManager: 'a b', force: true, limit: undefined }
        await transport.request({ method: 'PUT', path: '/x', query, body: { text: 'ü' } })
        expect(heard).toEqual(['PUT /base/x?fieldManager=a%20b&force=true Bearer secret {"text":"ü"}'])
      }),
    )
  })

  it('does not read an endless answer', async () => {
    let sent = 0
    const answer = (_request: IncomingMessage, response: ServerResponse): void => {
      const more = (): void => {
        if (response.destroyed) return
        sent += 65_536
        response.write('x'.repeat(65_536), more)
      }
      more()
    }
    const options = { maxBodyBytes: 1_000_000 }
    await withServer(answer, credentials =>
      withTransport(
        credentials,
        async transport => {
          await expect(transport.request({ method: 'GET', path: '/x' })).rejects.toThrow(/longer than 1000000 bytes/)
        },
        options,
      ),
    )
    expect(sent).toBeGreaterThan(1_000_000)
    expect(sent).toBeLessThan(100_000_000)
  })

  it('says so when the answer is not JSON', async () => {
    await withServer(answerHtml, credentials =>
      withTransport(credentials, async transport => {
        await expect(transport.request({ method: 'GET', path: '/x' })).rejects.toThrow(
          'GET /x: the answer is not JSON: <html>',
        )
      }),
    )
  })

  it('tries once more, not more often, on a connection that was closed while it lay idle', async () => {
    let requests = 0
    const sockets = new Set<Socket>()
    const answer = (request: IncomingMessage, response: ServerResponse): void => {
      requests++
      sockets.add(request.socket)
      // From the second request on a connection, the connection breaks: as if it had been closed before.
      if (request.url === '/base/again' && requests === 2) request.socket.destroy()
      else response.end('{}')
    }
    await withServer(answer, credentials =>
      withTransport(credentials, async transport => {
        await transport.request({ method: 'GET', path: '/first' })
        await delay(20)
        await transport.request({ method: 'GET', path: '/again' })
        expect(requests).toBe(3)
        expect(sockets.size).toBe(2)
      }),
    )
  })
})
