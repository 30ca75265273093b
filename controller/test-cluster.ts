import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { isNotFound } from '../kube/api-error.ts'
import { loadCredentials } from '../kube/credentials.ts'
import { fieldOf, listOf, textOf } from '../kube/json.ts'
import { parseService, type Service } from '../kube/service.ts'
import { createTransport, type Transport } from '../kube/transport.ts'
import { formatAddress } from '../net/address.ts'
import { type ControlPlane, startControlPlane } from '../test/control-plane/control-plane.ts'

/** For tests with a real API server: what an admin and an app team do, in few words. */
export interface Cluster {
  readonly transport: Transport
  /** Creates the pool, or merges the spec into the one that is there. */
  pool(name: string, spec: object): Promise<void>
  /** Creates a Service of type LoadBalancer in `default`; the spec's fields win over the usual ones. */
  service(name: string, spec?: object, annotations?: Readonly<Record<string, string>>): Promise<void>
  /** A merge patch of a Service. */
  patch(name: string, patch: object): Promise<void>
  patchStatus(name: string, status: object): Promise<void>
  remove(path: string): Promise<void>
  get(name: string): Promise<Service>
  /** The addresses in the Service's status, joined by spaces. */
  addressesOf(name: string): Promise<string>
  /** Notes of the Events about the Service, oldest first, with their reasons. */
  eventsOf(name: string): Promise<readonly string[]>
  /** Removes all LoadBalancer Services of `default` and all pools. */
  clear(): Promise<void>
}

/** A cluster that has its control plane to itself. */
export interface OwnCluster extends Cluster {
  readonly controlPlane: ControlPlane
  /** Of one who may do everything. */
  readonly kubeconfig: string
  stop(): Promise<void>
}

export const servicesPath = '/api/v1/namespaces/default/services'
export const poolsPath = '/apis/berth.dev/v1beta1/namespaces/berth-system/ipaddresspools'
const mergePatch = 'application/merge-patch+json'

/** Starts a control plane and opens the cluster in it. */
export async function startCluster(): Promise<OwnCluster> {
  const controlPlane = await startControlPlane()
  try {
    const cluster = await openCluster(controlPlane)
    const stop = async (): Promise<void> => {
      cluster.transport.close()
      await controlPlane.stop()
    }
    return { ...cluster, controlPlane, kubeconfig: await controlPlane.kubeconfig(), stop }
  } catch (error) {
    await controlPlane.stop()
    throw error
  }
}

/** Opens the cluster in a control plane that runs already, and makes Berth's namespace there. */
export async function openCluster(controlPlane: ControlPlane): Promise<Cluster> {
  const transport = createTransport(await loadCredentials(await controlPlane.kubeconfig()))
  await transport.request({ method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name: 'berth-system' } } })

  async function get(name: string): Promise<Service> {
    const service = parseService(await transport.request({ method: 'GET', path: `${servicesPath}/${name}` }))
    if (!service) throw new Error(`${name} is no Service`)
    return service
  }

  async function namesAt(path: string, which: (item: unknown) => boolean): Promise<readonly string[]> {
    const list = await transport.request<unknown>({ method: 'GET', path })
    return listOf(fieldOf(list, 'items'))
      .filter(which)
      .map(item => textOf(fieldOf(fieldOf(item, 'metadata'), 'name')) ?? '')
  }

  async function remove(path: string): Promise<void> {
    try {
      await transport.request({ method: 'DELETE', path })
    } catch (error) {
      if (!isNotFound(error)) throw error
    }
  }

  return {
    transport,
    get,
    remove,
    async pool(name, spec) {
      const change = { method: 'PATCH', path: `${poolsPath}/${name}`, contentType: mergePatch, body: { spec } } as const
      const object = { apiVersion: 'berth.dev/v1beta1', kind: 'IPAddressPool', metadata: { name }, spec }
      try {
        await transport.request(change)
      } catch (error) {
        if (!isNotFound(error)) throw error
        await transport.request({ method: 'POST', path: poolsPath, body: object })
      }
    },
    async service(name, spec = {}, annotations = {}) {
      const usual = {
        type: 'LoadBalancer',
        allocateLoadBalancerNodePorts: false,
        selector: { app: name },
        ports: [{ port: 80 }],
      }
      const body = { metadata: { name, annotations }, spec: { ...usual, ...spec } }
      await transport.request({ method: 'POST', path: servicesPath, body })
    },
    async patch(name, body) {
      await transport.request({ method: 'PATCH', path: `${servicesPath}/${name}`, contentType: mergePatch, body })
    },
    async patchStatus(name, status) {
      const path = `${servicesPath}/${name}/status`
      await transport.request({ method: 'PATCH', path, contentType: mergePatch, body: { status } })
    },
    async addressesOf(name) {
      const { ingress } = await get(name)
      return ingress.map(one => (one.kind === 'address' ? formatAddress(one.address) : one.text)).join(' ')
    },
    async eventsOf(name) {
      const path = '/apis/events.k8s.io/v1/namespaces/default/events'
      const events = listOf(fieldOf(await transport.request<unknown>({ method: 'GET', path }), 'items'))
      return events
        .filter(event => fieldOf(fieldOf(event, 'regarding'), 'name') === name)
        .sort((one, other) => compare(textOf(fieldOf(one, 'eventTime')), textOf(fieldOf(other, 'eventTime'))))
        .map(event => `${textOf(fieldOf(event, 'reason'))}: ${textOf(fieldOf(event, 'note'))}`)
    },
    async clear() {
      const services = await namesAt(servicesPath, item => fieldOf(fieldOf(item, 'metadata'), 'name') !== 'kubernetes')
      await Promise.all(services.map(name => remove(`${servicesPath}/${name}`)))
      const pools = await namesAt(poolsPath, () => true)
      await Promise.all(pools.map(name => remove(`${poolsPath}/${name}`)))
    },
  }
}

function compare(one = '', other = ''): number {
  return one < other ? -1 : one > other ? 1 : 0
}

/** Resolves once `look` returns something else than undefined or throws nothing; fails with the last problem after the time. */
export async function until<T>(look: () => Promise<T | undefined>, what: string, timeoutMs = 20_000): Promise<T> {
  const giveUpAt = performance.now() + timeoutMs
  let last: unknown
  while (performance.now() < giveUpAt) {
    try {
      const found = await look()
      if (found !== undefined) return found
    } catch (error) {
      last = error
    }
    await delay(25)
  }
  throw new Error(`not within ${timeoutMs} ms: ${what}`, { cause: last })
}

/** The controller as a process, from source. */
export interface ControllerProcess {
  readonly child: ChildProcess
  /** Every line of its log so far, parsed. */
  readonly log: readonly {
    readonly msg?: string
    readonly level?: number
    readonly err?: unknown
    readonly service?: string
  }[]
  /** What is not a line of the log: a crash says why here. */
  readonly noise: readonly string[]
  /** Resolves once a line with this message has come. */
  logged(message: string, timeoutMs?: number): Promise<void>
  /** Ends it by the signal and returns its exit code, or the signal that ended it. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | string | null>
}

export function startController(kubeconfig: string, flags: readonly string[] = []): ControllerProcess {
  const main = join(import.meta.dirname, 'main.ts')
  const child = spawn(process.execPath, [main, '--kubeconfig', kubeconfig, '--port', '0', ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const log: { msg?: string; level?: number }[] = []
  const noise: string[] = []
  createInterface({ input: child.stdout }).on('line', line => {
    if (line.startsWith('{')) log.push(JSON.parse(line) as { msg?: string })
    else noise.push(line)
  })
  createInterface({ input: child.stderr }).on('line', line => noise.push(line))
  return {
    child,
    log,
    noise,
    async logged(message, timeoutMs) {
      const look = (): Promise<boolean | undefined> => {
        const isSaid = log.some(line => line.msg === message)
        return Promise.resolve(isSaid || (child.exitCode !== null ? false : undefined))
      }
      const isSaid = await until(look, `the controller logs "${message}"`, timeoutMs).catch((error: unknown) => {
        const said = log.slice(-20).map(line => JSON.stringify(line))
        throw new Error(`${String(error)}; it said last:\n${[...said, ...noise].join('\n')}`, { cause: error })
      })
      if (!isSaid) throw new Error(`the controller ended: ${noise.join('\n')}`)
    },
    async end(signal) {
      if (child.exitCode === null && child.signalCode === null) {
        const exited = once(child, 'exit')
        child.kill(signal)
        await exited
      }
      return child.exitCode ?? child.signalCode
    },
  }
}
