import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Agent, createServer, request as httpsRequest } from 'node:https'
import { isIPv6, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import { issueCertificate } from './control-plane/certificates.ts'
import type { ControlPlane } from './control-plane/control-plane.ts'
import { freePort } from './control-plane/free-port.ts'
import { readAuthority } from './control-plane/keys.ts'
import { inOrder, onwardHeaders, passWatch, passWhole } from './fault-relay.ts'
import { createRandom } from './seeded-random.ts'

/**
 * Stands between a program and the API server and is rude to it, as networks, load balancers and busy API servers are.
 * Who asks stays who asks: a client certificate is checked here and its user and groups are passed on in the headers of
 * a front proxy, which the API server believes; a token is passed on as it is. So RBAC goes on deciding.
 */
export interface FaultProxy extends AsyncDisposable {
  readonly url: string
  /** As the control plane's own, with the proxy as the server. */
  kubeconfig(user?: string): Promise<string>
  /** From now on these and no others; `{}` is a proxy that does no harm. */
  set(faults: Faults): void
  /** Breaks the connection of every open watch and says how many that were. */
  cutWatches(): number
  /** Ends every open watch as the API server does when its resourceVersion has become too old. */
  expireWatches(): void
  /** Connections that clients have open. */
  readonly openConnections: number
}

export interface Faults {
  /** Requests that get this answer without ever reaching the API server. */
  readonly status?: { readonly code: 410 | 429 | 500 | 503; readonly probability: number }
  /** How much later than it could each answer and each piece of a watch arrives: at least, at most. */
  readonly delayMs?: readonly [number, number]
  /** Answers, and watches at each piece, that break off in the middle. What was asked for has been done. */
  readonly truncateProbability?: number
  /** Connections are accepted, requests carried out but not answered, watches stand still; all go on when it is over. */
  readonly silent?: boolean
  /** Nobody listens, and who was connected no longer is. */
  readonly refuse?: boolean
  /** The faults hold for these methods only (but `refuse` for every connection). */
  readonly methods?: readonly string[]
}

const statuses = {
  410: { reason: 'Expired', message: 'The provided resourceVersion is too old.' },
  429: { reason: 'TooManyRequests', message: 'The server has received too many requests, please try again later.' },
  500: { reason: 'InternalError', message: 'An error on the server has prevented the request from succeeding.' },
  503: { reason: 'ServiceUnavailable', message: 'The server is currently unable to handle the request.' },
} as const

/** Starts one that does no harm yet. Chance comes from `seed`, so one client's requests meet the same faults each time. */
export async function startFaultProxy(
  controlPlane: ControlPlane,
  { seed = 1, address = '127.0.0.1' }: { seed?: number; address?: string } = {},
): Promise<FaultProxy> {
  const read = (file: string): Promise<string> => readFile(join(controlPlane.directory, file), 'utf8')
  const authority = await readAuthority(controlPlane.directory)
  const ca = authority.certificate
  const own = issueCertificate(authority, { commonName: 'proxy' }, { kind: 'server', addresses: [address], names: [] })
  const believed = new Agent({
    ca,
    cert: await read('front-proxy.crt'),
    key: await read('front-proxy.key'),
    keepAlive: true,
  })
  const unbelieved = new Agent({ ca, keepAlive: true })
  const chance = createRandom(seed)
  const port = await freePort(address)

  let faults: Faults = {}
  let changed = Promise.withResolvers<void>()
  const connections = new Set<Socket>()
  const watches = new Set<ServerResponse>()

  const faultsFor = (request: IncomingMessage): Faults =>
    faults.methods && !faults.methods.includes(request.method ?? '') ? {} : faults
  const patience = async (request: IncomingMessage): Promise<void> => {
    const [least, most] = faultsFor(request).delayMs ?? [0, 0]
    if (most > 0) await delay(least + chance() * (most - least))
    while (faultsFor(request).silent) await changed.promise
  }
  const breaksOff = (request: IncomingMessage): boolean => chance() < (faultsFor(request).truncateProbability ?? 0)

  const server = createServer({ ca, cert: own.certificate, key: own.key, requestCert: true, rejectUnauthorized: false })
  server.keepAliveTimeout = 0
  let opening = false
  /** Opens or closes the door as `faults` say; opening takes a moment, after which they may say otherwise. */
  const attend = (): void => {
    if (faults.refuse) {
      if (server.listening) server.close()
      for (const socket of connections) socket.destroy()
    } else if (!server.listening && !opening) {
      opening = true
      server.listen(port, address)
    }
  }
  server.on('listening', () => {
    opening = false
    attend()
  })
  server.on('connection', (socket: Socket) => {
    connections.add(socket)
    socket.on('close', () => connections.delete(socket)).on('error', () => {})
  })
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const { status } = faultsFor(request)
    if (status && chance() < status.probability) {
      request.resume()
      void patience(request).then(() => answerStatus(response, status.code))
      return
    }
    const user = userOf(request.socket as TLSSocket)
    const onward = httpsRequest(new URL(request.url ?? '/', controlPlane.url), {
      method: request.method,
      headers: { ...onwardHeaders(request.headers), ...user },
      agent: user ? believed : unbelieved,
    })
    response.on('close', () => onward.destroy())
    onward.on('error', () => response.destroy())
    onward.on('response', answer => {
      const pass = inOrder(() => patience(request), response)
      if (isWatch(request)) passWatch(answer, response, { pass, watches, chance, breaksOff: () => breaksOff(request) })
      else void passWhole(answer, response, { pass, breaksOff: breaksOff(request) })
    })
    request.pipe(onward)
  })
  attend()
  await once(server, 'listening')

  const url = `https://${isIPv6(address) ? `[${address}]` : address}:${port}`
  return {
    url,
    kubeconfig: user => controlPlane.kubeconfig(user, { server: url }),
    set: next => {
      faults = next
      changed.resolve()
      changed = Promise.withResolvers()
      attend()
    },
    cutWatches: () => {
      const cut = watches.size
      for (const response of watches) response.destroy()
      return cut
    },
    expireWatches: () => {
      for (const response of watches) response.end(`${JSON.stringify({ type: 'ERROR', object: statusOf(410) })}\n`)
    },
    get openConnections() {
      return connections.size
    },
    [Symbol.asyncDispose]: async () => {
      if (opening) await once(server, 'listening')
      faults = { refuse: true }
      changed.resolve()
      attend()
      believed.destroy()
      unbelieved.destroy()
    },
  }
}

function isWatch(request: IncomingMessage): boolean {
  return /[?&]watch=(1|true)\b/.test(request.url ?? '')
}

/** The headers by which a front proxy says for whom it asks; none for a client without a certificate. */
function userOf(socket: TLSSocket): { 'x-remote-user': string; 'x-remote-group': string[] } | undefined {
  if (!socket.authorized) return undefined
  const { CN, O } = socket.getPeerCertificate().subject
  return { 'x-remote-user': [CN].flat().join(), 'x-remote-group': [O ?? []].flat() }
}

function answerStatus(response: ServerResponse, code: keyof typeof statuses): void {
  const headers = code === 429 ? { 'retry-after': '1' } : {}
  response.writeHead(code, { 'content-type': 'application/json', ...headers })
  response.end(JSON.stringify(statusOf(code)))
}

/** The `metav1.Status` that the API server answers with. */
function statusOf(code: keyof typeof statuses): object {
  const details = code === 429 ? { details: { retryAfterSeconds: 1 } } : {}
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', ...statuses[code], ...details, code }
}
