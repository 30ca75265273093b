import { type BenchApi, inParallel } from './api.ts'

const namespace = 'default'
const servicesPath = `/api/v1/namespaces/${namespace}/services`

interface ServiceObject {
  readonly metadata: { readonly name: string; readonly resourceVersion: string }
  readonly status?: { readonly loadBalancer?: { readonly ingress?: readonly { readonly ip?: string }[] } }
}

function serviceManifest(name: string): unknown {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, labels: { bench: 'berth' } },
    // 5,000 node ports would not fit into the default range, and nobody here uses them.
    spec: {
      type: 'LoadBalancer',
      allocateLoadBalancerNodePorts: false,
      selector: { app: name },
      ports: [{ port: 80 }],
    },
  }
}

function assignedAddress(object: unknown): string | undefined {
  return (object as ServiceObject).status?.loadBalancer?.ingress?.[0]?.ip
}

/** Names of the Services that `createPending` makes. */
export function serviceName(index: number): string {
  return `bench-${index}`
}

/** The address that `rawStatusPatchesPerSecond` gives to the Service of that number. */
export function serviceAddress(index: number): string {
  return `10.${64 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`
}

/** Creates so many LoadBalancer Services. */
export async function createPending(api: BenchApi, count: number): Promise<void> {
  await inParallel(count, 16, async index => {
    const answer = await api.call('POST', servicesPath, serviceManifest(serviceName(index)))
    if (answer.status !== 201)
      throw new Error(`a Service could not be created: ${answer.status} ${answer.text.slice(0, 200)}`)
  })
}

const slicesPath = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`
const endpoint = { addresses: ['10.244.1.10'], nodeName: 'node-1', conditions: { ready: true } }

/** Gives each Service of `createPending` a ready endpoint on node-1. */
export async function createEndpoints(api: BenchApi, count: number): Promise<void> {
  await inParallel(count, 16, async index => {
    const name = serviceName(index)
    const answer = await api.call('POST', slicesPath, {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name, labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      endpoints: [endpoint],
      ports: [{ port: 8080, protocol: 'TCP' }],
    })
    if (answer.status !== 201)
      throw new Error(`an EndpointSlice could not be created: ${answer.status} ${answer.text.slice(0, 200)}`)
  })
}

/** Takes the endpoint of the Service of that number away, or gives it back. */
export async function setEndpoint(api: BenchApi, index: number, present: boolean): Promise<void> {
  const patch = { endpoints: present ? [endpoint] : [] }
  const path = `${slicesPath}/${serviceName(index)}`
  const answer = await api.call('PATCH', path, patch, 'application/merge-patch+json')
  if (answer.status !== 200) throw new Error(`an EndpointSlice could not be changed: ${answer.status}`)
}

/** Deletes the Services that a benchmark made (those whose name starts so), and fails where one of them cannot go. */
export async function deleteServices(api: BenchApi, prefix = ''): Promise<void> {
  const found = async () =>
    (await listServices(api)).map(service => service.metadata.name).filter(name => name.startsWith(prefix))
  const names = await found()
  await inParallel(names.length, 16, async index => {
    await api.call('DELETE', `${servicesPath}/${names[index]}`)
  })
  if ((await found()).length > 0) throw new Error('Services are left that something keeps from being deleted')
}

/** Takes every assignment back, so that the next program starts from the same pending Services. */
export async function clearAssignments(api: BenchApi): Promise<void> {
  const services = await listServices(api)
  await inParallel(services.length, 16, async index => {
    const name = services[index]?.metadata.name
    const patch = { metadata: { annotations: null }, status: { loadBalancer: null, conditions: null } }
    const answer = await api.call('PATCH', `${servicesPath}/${name}/status`, patch, 'application/merge-patch+json')
    if (answer.status !== 200)
      throw new Error(`an assignment could not be cleared: ${answer.status} ${answer.text.slice(0, 200)}`)
  })
  const assigned = (await listServices(api)).filter(service => assignedAddress(service)).length
  if (assigned > 0) throw new Error(`${assigned} Services kept their address`)
}

async function listServices(api: BenchApi): Promise<readonly ServiceObject[]> {
  const answer = await api.call('GET', `${servicesPath}?labelSelector=bench%3Dberth`)
  return (JSON.parse(answer.text) as { items: readonly ServiceObject[] }).items
}

/**
 * Patches the status of so many Services as the programs must, with nothing else to do, and returns patches per second:
 * what the control plane itself can take on this machine at this hour.
 */
export async function rawStatusPatchesPerSecond(api: BenchApi, count: number, parallel: number): Promise<number> {
  const start = performance.now()
  await inParallel(count, parallel, async index => {
    const patch = {
      metadata: { annotations: { 'berth.dev/ip-allocated-from-pool': 'bench' } },
      status: { loadBalancer: { ingress: [{ ip: serviceAddress(index), ipMode: 'VIP' }] } },
    }
    const answer = await api.call(
      'PATCH',
      `${servicesPath}/${serviceName(index)}/status`,
      patch,
      'application/merge-patch+json',
    )
    if (answer.status !== 200)
      throw new Error(`the API server refused a status patch: ${answer.status} ${answer.text.slice(0, 200)}`)
  })
  return count / ((performance.now() - start) / 1000)
}

/** Watches until so many Services have an address; resolves with the moment (performance.now) at which the last one got it. */
export async function allAssigned(api: BenchApi, count: number, timeoutMs: number): Promise<number> {
  const assigned = new Set<string>()
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const watch = await api.watch(`${servicesPath}?watch=true&labelSelector=bench%3Dberth`, (_type, object) => {
    if (!assignedAddress(object)) return
    assigned.add((object as ServiceObject).metadata.name)
    if (assigned.size === count) resolve(performance.now())
  })
  const timer = setTimeout(
    () => reject(new Error(`${assigned.size} of ${count} Services had an address after ${timeoutMs} ms`)),
    timeoutMs,
  )
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    watch.close()
  }
}

/**
 * What the API server alone takes for a new Service: a bare client creates Services at a steady rate and patches an address
 * into each as soon as its creation is answered. The milliseconds of each: no controller can be faster.
 */
export async function createAndPatchMs(api: BenchApi, count: number, perSecond: number): Promise<readonly number[]> {
  const tookMs: number[] = []
  const begin = performance.now()
  const runs: Promise<void>[] = []
  for (let index = 0; index < count; index++) {
    const waitMs = begin + (index * 1000) / perSecond - performance.now()
    if (waitMs > 0) await new Promise(wake => setTimeout(wake, waitMs))
    const start = performance.now()
    const name = `${steadyPrefix}${index}`
    const ip = `10.79.${index >> 8}.${index & 255}`
    const patch = { status: { loadBalancer: { ingress: [{ ip, ipMode: 'VIP' }] } } }
    const both = async (): Promise<void> => {
      await api.call('POST', servicesPath, serviceManifest(name))
      await api.call('PATCH', `${servicesPath}/${name}/status`, patch, 'application/merge-patch+json')
      tookMs.push(performance.now() - start)
    }
    runs.push(both())
  }
  await Promise.all(runs)
  return tookMs
}

/** How the names of the Services of `createToAddressMs` start. */
export const steadyPrefix = 'steady-'

/** Creates Services at a steady rate and returns, for each, the milliseconds from the start of its creation to its address. */
export async function createToAddressMs(api: BenchApi, count: number, perSecond: number): Promise<readonly number[]> {
  const startedAt = new Map<string, number>()
  const waitedMs: number[] = []
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const done = new Set<string>()
  const watch = await api.watch(`${servicesPath}?watch=true&labelSelector=bench%3Dberth`, (_type, object) => {
    const name = (object as ServiceObject).metadata.name
    const start = startedAt.get(name)
    if (start === undefined || done.has(name) || !assignedAddress(object)) return
    done.add(name)
    waitedMs.push(performance.now() - start)
    if (done.size === count) resolve()
  })
  const timer = setTimeout(
    () => reject(new Error(`${done.size} of ${count} Services had an address in the end`)),
    (count / perSecond) * 1000 + 60_000,
  )
  try {
    const begin = performance.now()
    const creations: Promise<unknown>[] = []
    for (let index = 0; index < count; index++) {
      const name = `${steadyPrefix}${index}`
      const waitMs = begin + (index * 1000) / perSecond - performance.now()
      if (waitMs > 0) await new Promise(wake => setTimeout(wake, waitMs))
      startedAt.set(name, performance.now())
      creations.push(api.call('POST', servicesPath, serviceManifest(name)))
    }
    await Promise.all([promise, ...creations])
    return waitedMs
  } finally {
    clearTimeout(timer)
    watch.close()
  }
}
