import { pino } from 'pino'
import { type plurals, resourcePath } from '../crds/resources.ts'
import { isNotFound } from '../kube/api-error.ts'
import { loadCredentials } from '../kube/credentials.ts'
import { fieldOf, listOf, textOf } from '../kube/json.ts'
import type { Condition } from '../kube/service.ts'
import { type ApiRequest, createTransport, type Transport } from '../kube/transport.ts'
import { type OwnershipRecord, parseRecord } from './layer2/record.ts'
import { type Found, list } from './routing/test-recorder.ts'
import { createSpeaker, type Speaker } from './speaker.ts'
import { watchRights } from './test-rights.ts'
import { createSegment, type Segment } from './test-segment.ts'

/*
 * Speakers of several nodes in one process, on a segment in memory, against a real API server: what tests of the whole
 * speaker share. Each test has an installation of its own: a namespace, a pool, Services of its own.
 */

export const leaseDurationSeconds = 2
const renewPeriodSeconds = 0.5

/** One speaker that runs. */
export interface RunningSpeaker {
  readonly node: string
  readonly speaker: Speaker
  /** What its requests have needed so far, as `grantedRights` names it. */
  readonly usedRights: ReadonlySet<string>
  /** What it has logged of errors, a line each. */
  readonly errors: readonly string[]
  /** As SIGTERM: hands over, then ends. */
  stop(): Promise<void>
  /** As a power cut: it says nothing more to anybody. */
  kill(): void
  /** It cannot reach the API server any more, but stands on the segment as before. */
  cutFromApi(): void
  mend(): void
}

export interface TestCluster {
  readonly namespace: string
  readonly segment: Segment
  readonly api: Transport
  addNode(node: string, labels?: Readonly<Record<string, string>>, spec?: object): Promise<void>
  /** `before` is called before each of its requests. */
  start(node: string, kubeconfig?: string, before?: (request: ApiRequest) => Promise<void>): Promise<RunningSpeaker>
  advertise(spec?: object): Promise<void>
  /** An object of one of Berth's kinds; `rest` is all but its metadata. */
  configure(kind: keyof typeof plurals, name: string, rest: object): Promise<void>
  /** A Service with these addresses, or one that waits for them, and usable endpoints on these nodes. */
  addService(
    name: string,
    addresses: readonly string[],
    endpoints: readonly string[],
    spec?: object,
    annotations?: Readonly<Record<string, string>>,
  ): Promise<void>
  /** The first endpoints of a Service. */
  addEndpoints(service: string, nodes: readonly string[]): Promise<void>
  setEndpoints(service: string, nodes: readonly string[]): Promise<void>
  service(name: string): Promise<{ readonly uid: string }>
  /** Objects that speakers write for people, by name. */
  recorded(plural: string): Promise<readonly Found[]>
  records(): Promise<ReadonlyMap<string, OwnershipRecord>>
  condition(service: string): Promise<Condition | undefined>
  events(service: string): Promise<readonly { readonly reason: string; readonly note: string }[]>
  /** Ends whatever still runs. */
  end(): Promise<void>
}

let installations = 0

/** A new installation on an API server. `network` is a /24 without its last octet, such as `10.1.0`. */
export async function createTestCluster(kubeconfig: string, network: string): Promise<TestCluster> {
  const namespace = `berth-${process.pid}-${++installations}`
  const segment = createSegment()
  const api = createTransport(await loadCredentials(kubeconfig))
  const running = new Set<RunningSpeaker>()
  const dead: Promise<void>[] = []
  const created: string[] = []
  const services = `/api/v1/namespaces/${namespace}/services`
  const slices = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`
  const berth = `/apis/berth.dev/v1beta1/namespaces/${namespace}`
  const post = (path: string, body: object) => api.request<unknown>({ method: 'POST', path, body })

  await post('/api/v1/namespaces', { metadata: { name: namespace } })
  await post(`${berth}/ipaddresspools`, {
    apiVersion: 'berth.dev/v1beta1',
    kind: 'IPAddressPool',
    metadata: { name: 'pool' },
    spec: { addresses: [`${network}.0/24`] },
  })

  async function start(
    node: string,
    ownKubeconfig = kubeconfig,
    before?: (request: ApiRequest) => Promise<void>,
  ): Promise<RunningSpeaker> {
    const watched = watchRights(createTransport(await loadCredentials(ownKubeconfig)), before)
    const transport = severable(watched)
    const stop = new AbortController()
    const errors: string[] = []
    const log = pino({ level: process.env['BERTH_TEST_LOG'] ?? 'error', base: { node } }, logInto(errors))
    const speaker = createSpeaker({
      transport,
      startWire: segment.wireOf(node),
      node,
      namespace,
      leaseDurationSeconds,
      renewPeriodSeconds,
      handOverTimeoutSeconds: 2,
      bgpDwellSeconds: 0,
      cluster: undefined,
      drain: { cordoned: true, taints: [] },
      kubeProxyHealthz: undefined,
      log,
    })
    const ended = speaker.run(stop.signal).finally(() => transport.close())
    const one: RunningSpeaker = {
      node,
      speaker,
      errors,
      usedRights: watched.used,
      async stop() {
        stop.abort()
        await ended
        running.delete(one)
      },
      kill() {
        segment.cutPower(node)
        transport.cut()
        running.delete(one)
        // Nobody sees or hears the rest of it.
        stop.abort()
        dead.push(ended)
      },
      cutFromApi: () => transport.cut(),
      mend: () => transport.mend(),
    }
    running.add(one)
    return one
  }

  async function configure(kind: keyof typeof plurals, name: string, rest: object): Promise<void> {
    const body = { apiVersion: 'berth.dev/v1beta1', kind, metadata: { name }, ...rest }
    await post(resourcePath(kind, namespace), body)
  }

  async function addEndpoints(service: string, nodes: readonly string[]): Promise<void> {
    await post(slices, slice(service, nodes))
  }

  return {
    namespace,
    segment,
    api,
    async addNode(name, labels = {}, spec = {}) {
      created.push(name)
      await post('/api/v1/nodes', { metadata: { name, labels }, spec }).catch(async () => {
        await api.request({ method: 'PUT', path: `/api/v1/nodes/${name}`, body: { metadata: { name, labels }, spec } })
      })
    },
    start,
    advertise: async (spec = {}) => await configure('L2Advertisement', 'all', { spec }),
    configure,
    async service(name) {
      const service = await api.request({ method: 'GET', path: `${services}/${name}` })
      return { uid: textOf(fieldOf(fieldOf(service, 'metadata'), 'uid')) ?? '' }
    },
    recorded: async plural => await list(api, namespace, plural),
    addEndpoints,
    async addService(name, addresses, endpoints, spec = {}, annotations = {}) {
      await post(services, {
        metadata: { name, annotations },
        spec: {
          type: 'LoadBalancer',
          ports: [{ port: 80 }],
          selector: { app: name },
          allocateLoadBalancerNodePorts: false,
          ...spec,
        },
      })
      if (addresses.length > 0) {
        await api.request({
          method: 'PATCH',
          path: `${services}/${name}/status`,
          contentType: 'application/merge-patch+json',
          body: { status: { loadBalancer: { ingress: addresses.map(ip => ({ ip })) } } },
        })
      }
      await addEndpoints(name, endpoints)
    },
    async setEndpoints(service, nodes) {
      await api.request({ method: 'PUT', path: `${slices}/${service}-1`, body: slice(service, nodes) })
    },
    async records() {
      const list = await api.request<unknown>({ method: 'GET', path: `${berth}/servicel2statuses` })
      const records = listOf(fieldOf(list, 'items'))
        .map(parseRecord)
        .filter(record => record !== undefined)
      return new Map(records.map(record => [record.name.replace(/-[^-]*$/, ''), record]))
    },
    async condition(service) {
      const object = await api.request<unknown>({ method: 'GET', path: `${services}/${service}` })
      const conditions = listOf(fieldOf(fieldOf(object, 'status'), 'conditions')) as readonly Condition[]
      return conditions.find(condition => condition.type === 'berth.dev/Announced')
    },
    async events(service) {
      const path = `/apis/events.k8s.io/v1/namespaces/${namespace}/events`
      const list = await api.request<unknown>({ method: 'GET', path })
      return listOf(fieldOf(list, 'items'))
        .filter(event => fieldOf(fieldOf(event, 'regarding'), 'name') === service)
        .sort((one, other) =>
          (textOf(fieldOf(one, 'eventTime')) ?? '') < (textOf(fieldOf(other, 'eventTime')) ?? '') ? -1 : 1,
        )
        .map(event => ({ reason: textOf(fieldOf(event, 'reason')) ?? '', note: textOf(fieldOf(event, 'note')) ?? '' }))
    },
    async end() {
      for (const one of running) one.kill()
      await Promise.all(dead)
      for (const name of created) {
        await api.request({ method: 'DELETE', path: `/api/v1/nodes/${name}` }).catch((error: unknown) => {
          if (!isNotFound(error)) throw error
        })
      }
      api.close()
    },
  }
}

/** As pino counts. */
const errorLevel = 50

/** Where a speaker logs to: its errors are kept, and all of it is shown to whoever asked to see it. */
function logInto(errors: string[]): { write(line: string): void } {
  return {
    write(line) {
      const { level } = JSON.parse(line) as { readonly level: number }
      if (level >= errorLevel) errors.push(line)
      if ('BERTH_TEST_LOG' in process.env) process.stdout.write(line)
    },
  }
}

function slice(service: string, nodes: readonly string[]): object {
  return {
    metadata: { name: `${service}-1`, labels: { 'kubernetes.io/service-name': service } },
    addressType: 'IPv4',
    ports: [{ port: 80 }],
    endpoints: nodes.map((nodeName, index) => ({ addresses: [`10.200.0.${index + 1}`], nodeName })),
  }
}

/** A transport whose cable can be pulled: requests fail and watches end, until it is mended. */
function severable(inner: Transport): Transport & { cut(): void; mend(): void } {
  let cable = new AbortController()
  const noRoute = new Error('the cable is pulled')
  return {
    async request(request) {
      cable.signal.throwIfAborted()
      const signal = request.signal ? AbortSignal.any([request.signal, cable.signal]) : cable.signal
      return await inner.request({ ...request, signal })
    },
    async *watch(path, query, signal, onOpen) {
      cable.signal.throwIfAborted()
      yield* inner.watch(path, query, AbortSignal.any([signal, cable.signal]), onOpen)
    },
    close: () => inner.close(),
    get openSockets() {
      return inner.openSockets
    },
    cut: () => cable.abort(noRoute),
    mend: () => {
      cable = new AbortController()
    },
  }
}
