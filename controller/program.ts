import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import type { Logger } from 'pino'
import { loadCredentials } from '../kube/credentials.ts'
import { electLeader } from '../kube/leader-election.ts'
import { createTransport } from '../kube/transport.ts'
import type { Page } from '../page/serve.ts'
import { createHttp } from '../program/http.ts'
import { version } from '../program/version.ts'
import { createMetrics } from './metrics.ts'
import type { ControllerOptions } from './options.ts'
import { createSession, type Session } from './session.ts'

/** The name of the Lease by which replicas agree who leads. */
export const leaseName = 'berth-controller'

// Half of the API server's answers wait for others of the same Service; more connections than writes help nothing.
const connections = 28

/** The whole controller: stands by, leads, serves HTTP; resolves when the signal has stopped it in order. */
export async function runController(options: ControllerOptions, log: Logger, signal: AbortSignal): Promise<void> {
  const { namespace, loadBalancerClass, leaseDurationMs, port } = options
  const transport = createTransport(await loadCredentials(options.kubeconfig), {
    maxSockets: connections,
    userAgent: 'berth-controller',
  })
  const identity = `${hostname()}_${randomBytes(4).toString('hex')}`
  const stopElection = new AbortController()
  let session: Session | undefined
  let endTerm: AbortController | undefined
  let term: Promise<void> = Promise.resolve()
  let hasSeenLease = false
  let failure: string | undefined

  const election = electLeader({
    transport,
    namespace,
    name: leaseName,
    identity,
    leaseDurationMs,
    renewPeriodMs: Math.min(2_000, leaseDurationMs / 5),
    onChange: leading => (leading ? beginTerm() : endTerm?.abort()),
    log,
  })

  function beginTerm(): void {
    if (signal.aborted) return
    const end = new AbortController()
    endTerm = end
    term = serveTerm(term, end.signal)
  }

  async function serveTerm(earlier: Promise<void>, until: AbortSignal): Promise<void> {
    await earlier
    if (until.aborted) return
    session = createSession({
      transport,
      namespace,
      loadBalancerClass,
      instance: identity,
      isLeader: () => election.isLeader,
      log,
    })
    try {
      await session.run(until)
    } catch (error) {
      failure = `the controller's work has stopped: ${String(error)}`
      log.fatal({ err: error }, 'the work has stopped')
    }
    session = undefined
  }

  election.ready.then(
    () => (hasSeenLease = true),
    () => {},
  )
  const server = port === 0 ? undefined : await serveHttp()
  const page = await openPage()
  log.info({ version, identity, namespace, class: loadBalancerClass ?? '(none)', port }, 'started')

  const electing = election.run(stopElection.signal)
  await new Promise<void>(resolve => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })

  // Writes first, then the lease, then the connections: the next leader begins when nothing of ours is on its way.
  log.info('stopping')
  endTerm?.abort()
  await term
  stopElection.abort()
  await electing
  await page?.close()
  await server?.close()
  transport.close()
  log.info('stopped')

  /** Whatever becomes of the page, addresses are given out. */
  async function openPage(): Promise<Page | undefined> {
    const { statusPage: address, kubeconfig, logLevel } = options
    if (!address) return undefined
    try {
      const { servePage } = await import('../page/serve.ts')
      const watcher = { kubeconfig, namespace, loadBalancerClass, logLevel }
      return await servePage({ address, transport, watcher, log })
    } catch (error) {
      log.error({ err: error }, 'the status page cannot be served; the controller does without it')
      return undefined
    }
  }

  async function serveHttp(): Promise<Awaited<ReturnType<typeof createHttp>>> {
    const registry = await createMetrics({ session: () => session, isLeader: () => election.isLeader })
    const http = await createHttp({
      whyUnhealthy: () => failure,
      whyNotReady() {
        if (!hasSeenLease) return `the Lease ${namespace}/${leaseName} has not been seen yet`
        if (!election.isLeader) return undefined
        return session?.isServing ? undefined : `waiting for the first list of ${waitingFor(session)}`
      },
      metrics: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
    })
    await http.listen({ port, host: '::' })
    return http
  }
}

function waitingFor(session: Session | undefined): string {
  const missing = session?.watches.filter(watch => watch.health().state !== 'watching').map(watch => watch.name)
  return missing && missing.length > 0 ? missing.join(', ') : 'everything'
}
